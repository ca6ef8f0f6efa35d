"""The document: one pydantic model of the language, from which the JSON Schema and the reference page come.

Where the language allows a short notation (``schedule: "0 6 * * *"``, ``sku: upper(sku)``), it is written out before
validation, so that one mistake is one error and never a list of all the shapes that it might have had.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, StrictBool, Tag, TypeAdapter

from dragoman.language.settings import Alert, PolicyBody, Schedule
from dragoman.language.shapes import Open, Strict, as_list, short
from dragoman.language.values import (
    ColumnName,
    ConnectionId,
    Duration,
    Expression,
    Identifier,
    IntegrationId,
    NodeName,
    Rate,
    Text,
    TimeZone,
    TypeText,
    refuse,
)
from dragoman.language.words import shown

__all__ = ["DOCUMENT", "Delivery", "FieldBody", "GraphDocument", "ShortDocument", "Source", "Stream", "Translation"]


class FormatBody(Open):
    """A file format; by default it is guessed from the file's ending."""

    type: Text = Field(description="Name of the format", examples=["csv"])


class Cursor(Strict):
    """What orders the records, so that each run reads only what is new."""

    column: Identifier = Field(description="Column that grows with each change", examples=["updated_at"])
    id: Identifier = Field("", description="Column that breaks ties", examples=["id"])
    overlap: Duration = Field(
        0.0, description="What is read again each time, for rows that come late", examples=["15m"]
    )
    param: Text = Field("", description="For APIs: the parameter that takes the position", examples=["updated_since"])


class Deletes(Strict):
    """How records that the source has no longer are told; in short ``compare``."""

    column: Identifier = Field(
        "", description="Column that is true where the record is deleted", examples=["is_deleted"]
    )
    compare: StrictBool = Field(
        False, description="Whether the keys are compared with those of the last run: what is gone is deleted"
    )
    most: Rate = Field(
        0.5,
        description="Share of the known keys that may be gone at once (ten always, all only with 100%); more is red",
        examples=["80%"],
    )


def _deletes(value: Any) -> Any:
    if isinstance(value, str):
        if value != "compare":
            refuse("deletes.shape", f"{shown(value)} in deletes", "compare, or {column: is_deleted}")
        return {"compare": True}
    if isinstance(value, dict) and bool(value.get("column")) == (value.get("compare") is True):
        ways = "column beside compare" if value.get("column") else "neither column nor compare"
        refuse("deletes.shape", f"{ways} in deletes", "compare, or {column: is_deleted}")
    return value


DeletesField = Annotated[Deletes, BeforeValidator(_deletes)]
Format = Annotated[FormatBody, short("type", str)]
Types = dict[ColumnName, TypeText]


class Stream(Open):
    """One stream: what differs from its source. It has a cursor and an accounting of its own."""

    format: Format | None = Field(None, description="As in the source")
    types: Types | None = Field(None, description="As in the source")
    timezone: TimeZone | None = Field(None, description="As in the source")
    cursor: Annotated[Cursor, short("column", str)] | None = Field(None, description="As in the source")
    deletes: DeletesField | None = Field(None, description="As in the source")


class Source(Open):
    """Where records come from."""

    connector: Text = Field(description="Name of the connector", examples=["postgres"])
    connection: ConnectionId | None = Field(None, description="Id of an Airflow connection", examples=["crm"])
    format: Format | None = Field(None, description="Format of the files")
    types: Types = Field({}, description="Exact types of text fields", examples=[{"quantity": "decimal(12,3)"}])
    timezone: TimeZone | None = Field(None, description="Zone of times that carry none", examples=["Europe/Paris"])
    streams: dict[NodeName, Stream] | None = Field(None, description="Several streams by one definition")
    cursor: Annotated[Cursor, short("column", str)] | None = Field(None, description="Read only what is new")
    deletes: DeletesField | None = Field(
        None, description="How deleted records are told: compare, or {column}", examples=["compare"]
    )


class Each(Strict):
    """One output per element of a list."""

    alias: Identifier
    expression: Expression
    atomic: StrictBool = True


def _each(value: Any) -> Any:
    if not isinstance(value, dict):
        refuse("each.shape", f"{shown(value)} in each", "{alias: list}, such as {line: lines}")
    aliases = [key for key in value if key != "atomic"]
    if len(aliases) != 1:
        refuse("each.shape", f"{len(aliases)} lists in each", "one: {alias: list}, such as {line: lines}")
    _identifier_of_each(aliases[0])
    return {"alias": aliases[0], "expression": value[aliases[0]]} | (
        {"atomic": value["atomic"]} if "atomic" in value else {}
    )


def _identifier_of_each(alias: str) -> None:
    if not alias.isidentifier() or not alias.isascii():
        refuse("name.identifier", f"the alias {shown(alias)}", "ASCII letters, digits and '_'")


class Lookup(Strict):
    """A record of another source, found by a key: ``customer.name`` in expressions."""

    from_: Text = Field(alias="from", description="Source (or one stream of it) to look up in", examples=["customers"])
    on: dict[Identifier, Expression] = Field(
        min_length=1, description="Its column: an expression over the record", examples=[{"id": "customer_id"}]
    )
    missing: Annotated[Literal["reject", "null"], BeforeValidator(lambda value: "null" if value is None else value)] = (
        Field("reject", description="What to do where nothing is found")
    )


def _scalar(value: Any) -> Any:
    if isinstance(value, list | dict):
        refuse("key.type", f"{shown(value)} as default", "a plain value")
    return value


class FieldBody(Strict):
    """One output column; a plain text is its expression."""

    from_: Expression | None = Field(
        None, alias="from", description="Expression; the field's own name if absent", examples=["upper(sku)"]
    )
    type: TypeText | None = Field(None, description="Type to cast to, exactly", examples=["decimal(12,2)"])
    required: StrictBool = Field(False, description="Whether NULL is a reject")
    default: Annotated[Any, BeforeValidator(_scalar)] = Field(None, description="Value in place of NULL")
    check: Expression | None = Field(None, description="Condition over the output", examples=["amount > 0"])
    format: Text = Field("", description="Pattern of a date or time (strptime)", examples=["%d.%m.%Y"])
    true: list[Text] = Field([], description="Words for true", examples=[["J"]])
    false: list[Text] = Field([], description="Words for false", examples=[["N"]])


class Translation(Strict):
    """What becomes of a record; without fields, sql or python all fields pass unchanged."""

    filter: Expression | None = Field(None, description="Which records count", examples=["status <> 'draft'"])
    each: Annotated[Each, BeforeValidator(_each)] | None = Field(
        None,
        description="One output per element of a list; atomic (true): one bad element rejects the record",
        examples=[{"line": "lines"}],
        json_schema_extra={"type": "object"},
    )
    lookups: dict[NodeName, Lookup] = Field({}, description="Records of other sources, by alias")
    fields: dict[ColumnName, Annotated[FieldBody, short("from", str, int, float, bool)]] | None = Field(
        None, description="Output columns, in their order", min_length=1
    )
    checks: dict[NodeName, Expression] = Field({}, description="Named conditions over the output")
    sql: Text | None = Field(None, description="File with one query; each input is a table of its name")
    whole_set: StrictBool = Field(False, description="Whether the query cannot carry _rid")
    python: Text | None = Field(None, description="File whose translate(table) takes and returns a table")


class GraphTranslation(Translation):
    """A named translation."""

    from_: Annotated[list[Text], BeforeValidator(as_list)] = Field(
        alias="from", min_length=1, description="Source, stream or translation; several with sql or python"
    )


class Delivery(Open):
    """Where outputs go."""

    connector: Text = Field(description="Name of the connector", examples=["postgres"])
    connection: ConnectionId | None = Field(None, description="Id of an Airflow connection", examples=["erp"])
    format: Format | None = Field(None, description="Format of the files")
    mode: Text | None = Field(
        None, description="append, upsert, replace or delete; upsert where there is a key, else append"
    )
    key: Annotated[list[Identifier], BeforeValidator(as_list)] = Field(
        [], description="Columns that tell outputs apart"
    )
    version: Identifier | None = Field(
        None,
        description="For upserts: an output with a smaller value than the row that is there changes nothing; it counts "
        "as delivered and as superseded. An output without a value is rejected",
        examples=["updated_at"],
    )
    update: Annotated[list[Identifier], BeforeValidator(as_list)] | None = Field(
        None, description="For upserts: the columns to overwrite in a row that is there, all if absent"
    )
    insert_only: Annotated[list[Identifier], BeforeValidator(as_list)] = Field(
        [], description="For upserts: columns that are set in new rows only", examples=[["status"]]
    )
    when: Expression | None = Field(None, description="Which outputs, or else", examples=["region = 'EU'", "else"])
    create: StrictBool = Field(True, description="Whether a missing table is made from the map")
    delivery_schema: Identifier | None = Field(None, description="Schema of the table with the proof of delivery")


class GraphDelivery(Delivery):
    """A named delivery."""

    from_: Text = Field(alias="from", description="Translation, source or stream", examples=["lines"])


class Document(Strict):
    """What both forms have."""

    dragoman: Literal[1] = Field(1, description="Version of this language")
    integration: IntegrationId = Field(description="Id of the integration and of its DAG", examples=["supplier_orders"])
    title: Text = Field("", description="One line for people")
    owner: Text = Field("", description="Team that answers for it")
    schedule: Annotated[Schedule, short("cron", str, int, float, bool)] | None = Field(
        None, description="When it runs: cron text, {cron, timezone} or {after: […]}; absent, by hand"
    )
    policy: PolicyBody | None = Field(None, description="How a run behaves")
    alerts: list[Alert] = Field([], description="Who is told of what")
    access: dict[Text, list[Literal["read", "run", "payload"]]] = Field({}, description="Rights by team")


class ShortDocument(Document):
    """One source, one translation, one delivery."""

    source: Source = Field(description="Where records come from")
    translate: Translation | None = Field(None, description="What becomes of a record")
    deliver: Delivery = Field(description="Where outputs go")


class GraphDocument(Document):
    """Named sources, translations and deliveries."""

    sources: dict[NodeName, Source] = Field(min_length=1, description="Where records come from, by name")
    translations: dict[NodeName, GraphTranslation] = Field({}, description="What becomes of records, by name")
    deliveries: dict[NodeName, GraphDelivery] = Field(min_length=1, description="Where outputs go, by name")


def form_of(value: Any) -> str:
    """Which of the two forms a document has; one plural key makes it the graph form."""
    keys = value if isinstance(value, Mapping) else {}
    return "graph" if {"sources", "translations", "deliveries"} & set(keys) else "short"


DOCUMENT: TypeAdapter[ShortDocument | GraphDocument] = TypeAdapter(
    Annotated[Annotated[ShortDocument, Tag("short")] | Annotated[GraphDocument, Tag("graph")], Discriminator(form_of)]
)
FORMS: dict[str, type[Document]] = {"short": ShortDocument, "graph": GraphDocument}
