"""The reference page of the language, ``docs/language.md``: tables from the model's own descriptions."""

from __future__ import annotations

import json
import types
import typing
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from dragoman.core.fieldtype import NAMES
from dragoman.language.document import (
    Cursor,
    Delivery,
    FieldBody,
    FormatBody,
    GraphDelivery,
    GraphDocument,
    GraphTranslation,
    Lookup,
    ShortDocument,
    Source,
    Stream,
    Translation,
)
from dragoman.language.settings import Alert, MaxRejects, PolicyBody, Retention, Schedule

__all__ = ["language_page"]

_INTRODUCTION = """\
# The language of integrations

Written by `make docs` from the model; not to be edited.

One YAML file is one integration. It is read by the rules of YAML 1.2 (`on`, `no`, dates and `12:30` are text; quote
numbers that are names). Unknown keys are errors; `dragoman check` tells every mistake of a file at once, with its
line, and `dragoman schema` prints the JSON Schema for editors. No value is a template, and no secret stands in a
file: it names Airflow connections.

```yaml
{short}```

With several sources, translations or deliveries each has a name, and `from` says what takes from what:

```yaml
{graph}```

## Values

* **Expressions** are DuckDB SQL over one record's fields, by their bare names; aliases of `each` and `lookups` stand in
  front (`line.price`, `customer.name`). Subqueries, aggregates, windows, `*` and functions that reach out of the record
  are refused.
* **Types**: {types}. Casts are exact: what would have to be rounded or guessed is a reject. Quote `"decimal(12,2)"`
  within braces, since its comma would part the map.
* **Durations** are seconds, or `30s`, `15m`, `2h`, `1d`, `1w`.
* **Identifiers** (tables, columns of keys) are ASCII letters, digits and underscores, with dots between their parts.
* **Paths** are relative to the connection's root, without `..`.
* Files named by `sql` and `python` lie in the folder `<integration>/` beside the YAML file.
"""
SHORT_EXAMPLE = """\
integration: supplier_orders
title: Supplier orders into the ERP
owner: supply-chain
schedule: {cron: "*/15 * * * *", timezone: Europe/Paris}

source: {connector: files, connection: partner_inbox, path: "orders/*.csv"}

translate:
  filter: status <> 'draft'
  fields:
    order_number: {from: number, required: true}
    line_number: {from: line, type: integer}
    sku: upper(trim(ean))
    amount: {from: "round(quantity * price, 2)", type: "decimal(18,2)", check: amount >= 0}

deliver: {connector: postgres, connection: erp, table: sales.order_lines, key: [order_number, line_number]}

policy: {max_rejects: {rate: 2%, count: 1000}, deadline: 30m}
"""
GRAPH_EXAMPLE = """\
integration: orders_by_region
sources:
  orders: {connector: postgres, connection: shop, table: public.orders, cursor: {column: updated_at, overlap: 15m}}
  customers: {connector: postgres, connection: crm, table: public.customers}
translations:
  named:
    from: orders
    lookups: {customer: {from: customers, on: {id: customer_id}}}
    fields: {id: id, name: customer.name, region: customer.region, amount: {from: amount, type: "decimal(12,2)"}}
deliveries:
  eu: {from: named, when: region = 'EU', connector: postgres, connection: dwh_eu, table: public.orders, key: [id]}
  rest: {from: named, when: else, connector: files, connection: archive, path: "orders/{run}.csv"}
"""
_SECTIONS: tuple[tuple[str, type[BaseModel], str], ...] = (
    ("The file, short form", ShortDocument, ""),
    ("The file, graph form", GraphDocument, ""),
    ("schedule", Schedule, ""),
    ("source", Source, "The connector's own options stand beside these: see [connectors](connectors/)."),
    ("streams", Stream, "The connector's own options may stand here too."),
    ("cursor", Cursor, "A text alone is the column."),
    ("format", FormatBody, "A text alone is the type. Options of each format: [formats](formats.md)."),
    ("translate", Translation, "It works in this order. `filter` and `from` see the input; `check`, `checks` and a "
     "delivery's `when` see the typed output."),
    ("translations", GraphTranslation, "As `translate`, and:"),
    ("fields", FieldBody, ""),
    ("lookups", Lookup, ""),
    ("deliver", Delivery, "The connector's own options stand beside these; `{stream}` in them is filled in."),
    ("deliveries", GraphDelivery, "As `deliver`, and:"),
    ("policy", PolicyBody, ""),
    ("max_rejects", MaxRejects, "A share alone is the rate, a number alone the count."),
    ("retention", Retention, ""),
    ("alerts", Alert, ""),
)  # fmt: skip


def language_page() -> str:
    """The page as Markdown, the same for the same model."""
    known = ", ".join(f"`{name}`" for name in NAMES).replace("`decimal`", "`decimal(p,s)`")
    introduction = (
        _INTRODUCTION.replace("{short}", SHORT_EXAMPLE).replace("{graph}", GRAPH_EXAMPLE).replace("{types}", known)
    )
    return "\n".join([introduction, *(_section(*section) for section in _SECTIONS)])


def _section(title: str, model: type[BaseModel], note: str) -> str:
    about = (model.__doc__ or "").split("\n\n", 1)[0].replace("\n", " ").replace("``", "`").strip()
    inherited = set(model.__mro__[1].model_fields) if note.endswith("and:") else set()  # type: ignore[attr-defined]
    lines = [f"## {title}\n", " ".join(part for part in (about, note) if part) + "\n"]
    lines += ["| key | value | default | meaning | example |", "|---|---|---|---|---|"]
    for name, field in model.model_fields.items():
        if name in inherited:
            continue
        example = f"`{_said(field.examples[0])}`" if field.examples else ""
        default = (
            "required" if field.is_required() else "" if field.default in (None, "") else f"`{_said(field.default)}`"
        )
        kind = "share" if name == "rate" else _kind(field.annotation)
        cells = [f"`{field.alias or name}`", kind, default, field.description or "", example]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _kind(annotation: Any) -> str:
    """What people write there, in a word or two."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is typing.Annotated:
        return _kind(args[0])
    if origin is typing.Literal:
        return ", ".join(_said(value) for value in args)
    if origin in {typing.Union, types.UnionType}:
        return " or ".join(_kind(arg) for arg in args if arg is not type(None))
    if origin is list:
        return f"list of {_kind(args[0])}"
    if origin is dict:
        return f"map to {_kind(args[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "map"
    return {str: "text", int: "number", float: "duration", bool: "true or false"}.get(annotation, "value")
