"""The document: one pydantic model of the language, from which the JSON Schema and the reference page come.

Where the language allows a short notation (``schedule: "0 6 * * *"``, ``sku: upper(sku)``), it is written out before
validation, so that one mistake is one error and never a list of all the shapes that it might have had.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, StrictBool, Tag, TypeAdapter

from dragoman.language.values import (
    ColumnName,
    ConnectionId,
    Cron,
    Duration,
    Expression,
    Identifier,
    IntegrationId,
    Memory,
    NodeName,
    Rate,
    Text,
    TimeZone,
    TypeText,
    refuse,
)
from dragoman.language.words import shown

__all__ = ["DOCUMENT", "Delivery", "FieldBody", "GraphDocument", "ShortDocument", "Source", "Stream", "Translation"]


class Strict(BaseModel):
    """Unknown keys are errors, and nothing is turned into another type in silence."""

    model_config = ConfigDict(
        extra="forbid", strict=True, defer_build=True, populate_by_name=False, protected_namespaces=()
    )


class Open(BaseModel):
    """The other keys are options of a connector or a format, checked against its manifest."""

    model_config = ConfigDict(
        extra="allow", strict=True, defer_build=True, populate_by_name=False, protected_namespaces=()
    )


def _short(key: str, *kinds: type) -> BeforeValidator:
    """A plain value in place of the map stands for its one key."""
    return BeforeValidator(lambda value: {key: value} if isinstance(value, kinds) else value)


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class Schedule(Strict):
    """When it runs: a cron text alone, ``{cron, timezone}``, or ``{after: […]}``; absent, by hand."""

    cron: Cron | None = Field(
        None, description="Five cron fields, or a preset such as @daily", examples=["*/15 * * * *"]
    )
    timezone: TimeZone | None = Field(None, description="IANA name; UTC if absent", examples=["Europe/Paris"])
    after: Annotated[list[IntegrationId], BeforeValidator(_as_list)] | None = Field(
        None, description="Integrations whose end starts this one", examples=[["customers"]]
    )


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


Format = Annotated[FormatBody, _short("type", str)]
Types = dict[ColumnName, TypeText]


class Stream(Open):
    """One stream: what differs from its source. It has a cursor and an accounting of its own."""

    format: Format | None = Field(None, description="As in the source")
    types: Types | None = Field(None, description="As in the source")
    timezone: TimeZone | None = Field(None, description="As in the source")
    cursor: Annotated[Cursor, _short("column", str)] | None = Field(None, description="As in the source")


class Source(Open):
    """Where records come from."""

    connector: Text = Field(description="Name of the connector", examples=["postgres"])
    connection: ConnectionId | None = Field(None, description="Id of an Airflow connection", examples=["crm"])
    format: Format | None = Field(None, description="Format of the files")
    types: Types = Field({}, description="Exact types of text fields", examples=[{"quantity": "decimal(12,3)"}])
    timezone: TimeZone | None = Field(None, description="Zone of times that carry none", examples=["Europe/Paris"])
    streams: dict[NodeName, Stream] | None = Field(None, description="Several streams by one definition")
    cursor: Annotated[Cursor, _short("column", str)] | None = Field(None, description="Read only what is new")


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

    from_: Text = Field(alias="from", description="Source (or translation) to look up in", examples=["customers"])
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
    fields: dict[ColumnName, Annotated[FieldBody, _short("from", str, int, float, bool)]] | None = Field(
        None, description="Output columns, in their order", min_length=1
    )
    checks: dict[NodeName, Expression] = Field({}, description="Named conditions over the output")
    sql: Text | None = Field(None, description="File with one query; each input is a table of its name")
    whole_set: StrictBool = Field(False, description="Whether the query cannot carry _rid")
    python: Text | None = Field(None, description="File whose translate(table) takes and returns a table")


class GraphTranslation(Translation):
    """A named translation."""

    from_: Annotated[list[Text], BeforeValidator(_as_list)] = Field(
        alias="from", min_length=1, description="Source, stream or translation; several with sql or python"
    )


class Delivery(Open):
    """Where outputs go."""

    connector: Text = Field(description="Name of the connector", examples=["postgres"])
    connection: ConnectionId | None = Field(None, description="Id of an Airflow connection", examples=["erp"])
    format: Format | None = Field(None, description="Format of the files")
    mode: Text | None = Field(None, description="append, upsert or replace; upsert where there is a key, else append")
    key: Annotated[list[Identifier], BeforeValidator(_as_list)] = Field(
        [], description="Columns that tell outputs apart"
    )
    when: Expression | None = Field(None, description="Which outputs, or else", examples=["region = 'EU'", "else"])
    create: StrictBool = Field(True, description="Whether a missing table is made from the map")
    delivery_schema: Identifier | None = Field(None, description="Schema of the table with the proof of delivery")


class GraphDelivery(Delivery):
    """A named delivery."""

    from_: Text = Field(alias="from", description="Translation, source or stream", examples=["lines"])


class MaxRejects(Strict):
    """How many rejects are too many: whichever is reached first."""

    rate: Rate | None = Field(None, description="Share of the records read", examples=["2%"])
    count: int | None = Field(None, ge=0, description="Number of records", examples=[1000])


class Retention(Strict):
    """How long things are kept."""

    stage: Duration | None = Field(None, description="Sealed batches", examples=["30d"])
    rejects: Duration | None = Field(None, description="Rejected records", examples=["90d"])
    history: Duration | None = Field(None, description="Runs and their figures", examples=["400d"])


def _max_rejects(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    return {"count": value} if isinstance(value, int) else {"rate": value} if isinstance(value, str) else value


class PolicyBody(Strict):
    """How a run behaves."""

    on_reject: Literal["quarantine", "fail"] = Field("quarantine", description="Whether the first reject is decisive")
    max_rejects: Annotated[MaxRejects, BeforeValidator(_max_rejects)] | None = Field(
        None, description="Over it the run is held; by default the greater of 2 % and 10", examples=[{"rate": "2%"}]
    )
    allow_empty: StrictBool = Field(False, description="Whether a read without records is green")
    retries: int = Field(3, ge=0, le=100, description="How often a task is tried again (two at least)")
    deadline: Duration | None = Field(None, description="How long a run may take", examples=["30m"])
    tasks: Literal["steps", "single"] = Field("steps", description="A task per step, or one for all")
    max_parallel: int | None = Field(None, ge=1, description="Runs at once on one connection")
    memory: Memory = Field("384MB", description="Memory of the translation")
    timeout: Duration = Field(300.0, description="Time that one statement of a translation may take")
    retention: Retention | None = Field(None, description="How long things are kept")


Event = Literal["failed", "late", "held", "rejects", "in_doubt", "overdue", "recovered"]


class Alert(Strict):
    """Who is told, of what, and how."""

    on: list[Event] = Field(min_length=1, description="Events")
    notifier: NodeName = Field(description="Kind of message", examples=["email"])
    connection: ConnectionId | None = Field(None, description="Id of an Airflow connection")
    to: Annotated[list[Text], BeforeValidator(_as_list)] = Field([], description="Receivers")


class Document(Strict):
    """What both forms have."""

    dragoman: Literal[1] = Field(1, description="Version of this language")
    integration: IntegrationId = Field(description="Id of the integration and of its DAG", examples=["supplier_orders"])
    title: Text = Field("", description="One line for people")
    owner: Text = Field("", description="Team that answers for it")
    schedule: Annotated[Schedule, _short("cron", str, int, float, bool)] | None = Field(
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
