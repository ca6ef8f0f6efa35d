"""Rejects in words: which field, which value, why, and the output as far as it got."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from dragoman.core.batch import Reject
from dragoman.core.fieldtype import type_of
from dragoman.translation.input_sql import seen_as
from dragoman.translation.judge import Failure
from dragoman.translation.plan import Plan
from dragoman.translation.projection import MARK
from dragoman.translation.sandbox import Sandbox, plain

__all__ = ["rejects_of"]

_LONGEST = 200
_EVALUATED = 50
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def rejects_of(
    plan: Plan, sandbox: Sandbox, rows: pa.Table, rids: Sequence[int], lines: Sequence[int], *, list_name: str = ""
) -> list[Reject]:
    """A reject for each row of ``rows``, which are those of the prepared table that failed, in their order.

    ``rids`` and ``lines`` are each row's record id and its place in the list ``list_name`` (0 without a list).
    """
    sandbox.register("src", rows)
    found = sandbox.table(plan.diagnosis()).to_pylist()
    broken = _Broken(plan, sandbox, rows)
    rejects = []
    for place, (row, rid, line) in enumerate(zip(found, rids, lines, strict=True)):
        failure = plan.failures[row["_code"] - 1]
        message = _sentence(plan, failure, row, broken, place)
        if line:
            message = f"line {line} of {list_name}: {message}"
        rejects.append(
            Reject(
                code="type.changed" if _is_marked(failure, row) else failure.code,
                message=message,
                stage="translate",
                field=failure.field,
                mapped=_mapped(plan.schema, row),
                rid=rid,
            )
        )
    return rejects


class _Broken:
    """Asks DuckDB row by row why an expression cannot be evaluated: the first ones of a batch, the rest in general."""

    def __init__(self, plan: Plan, sandbox: Sandbox, rows: pa.Table) -> None:
        self._plan, self._sandbox, self._rows = plan, sandbox, rows
        self._asked = 0

    def reason(self, failure: Failure, place: int) -> str:
        self._asked += 1
        if self._asked > _EVALUATED:
            return "it cannot be evaluated for these values"
        self._sandbox.register("src", self._rows.slice(place, 1))
        try:
            self._sandbox.rows(self._plan.evaluate(failure))
        except duckdb.Error as error:
            said = plain(error)
            for one in sorted(self._plan.shape.scope.inputs, key=lambda one: -one.number):
                said = said.replace(f"t_{one.number}", one.said)
            return said
        return "it cannot be evaluated for these values"


def _sentence(plan: Plan, failure: Failure, row: dict[str, Any], broken: _Broken, place: int) -> str:
    name, text = failure.field, failure.expression.text if failure.expression else ""
    match failure.kind:
        case "input":
            return _input_sentence(plan, failure, row)
        case "inexact":
            value = row[f"v_{failure.column}"]
            return f"{name} is {value}, which a double cannot hold exactly; declare it a decimal (type: decimal(p,s))"
        case "cast":
            return _cast_sentence(failure, row)
        case "required":
            return f"{name} is required, and {_short(text)} is NULL"
        case "lookup":
            return _lookup_sentence(plan, failure, row)
        case "check":
            outputs = dict(zip(plan.schema.names, _values(plan.schema, row), strict=True))
            if name:
                return f"{name} is {_said(outputs[name])}, which fails its check {_short(text)}"
            return f"the check {failure.code[6:]} fails: {_short(text)}{_named(outputs, text)}"
        case _:
            used = failure.expression.inputs if failure.expression else ()
            values = {one.said: row.get(f"v_w_{one.number}") for one in used}
            reason = broken.reason(failure, place)
            return f"{name}: {_short(text)} failed: {reason}{_named(values, text)}"


def _input_sentence(plan: Plan, failure: Failure, row: dict[str, Any]) -> str:
    one = failure.one
    if one is None:
        return ""
    value = row[f"v_{failure.column}"]
    if _marked(value):
        holder = ".".join([one.said.rpartition(".")[0] or one.said])
        return f"{holder} is {_short(value.lstrip(MARK))}, which is no object with parts"
    if one.declared is not None:
        return f"{one.said} is {_said(value)}, which is no {one.declared}{_hint(value)}"
    kind = seen_as(one, plan.shape.kinds.get(one.key, "")) or "text"
    return f"{one.said} is {_short(value)}, and this run's {one.said} is {kind}; declare its type, or json, in types:"


def _cast_sentence(failure: Failure, row: dict[str, Any]) -> str:
    value = row[f"v_{failure.column}"]
    if _marked(value):
        return f"{failure.field} stands in {_short(value.lstrip(MARK))}, which is no object with parts"
    text = failure.expression.text if failure.expression else ""
    source = "" if text.strip() == failure.field else f" (from {_short(text)})"
    return f"{failure.field} is {_said(value)}{source}, which is no {failure.detail}{_hint(value)}"


def _lookup_sentence(plan: Plan, failure: Failure, row: dict[str, Any]) -> str:
    place = int(failure.detail)
    lookup = plan.shape.lookups[place]
    values = [row[f"v_y_{place}_{number}"] for number in range(len(lookup.on))]
    key = ", ".join(f"{column} = {_said(value)}" for column, value in zip(lookup.on, values, strict=True))
    return f"{lookup.source} has no record with {key} (lookup {lookup.name})"


def _marked(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(MARK)


def _is_marked(failure: Failure, row: dict[str, Any]) -> bool:
    if failure.kind == "input" and failure.one is not None and failure.one.words == "json":
        return _marked(row[f"v_{failure.column}"])
    direct = failure.expression.direct if failure.expression else None
    return (
        failure.kind == "cast" and direct is not None and direct.words == "json" and _marked(row[f"v_{failure.column}"])
    )


def _hint(value: Any) -> str:
    return " (an absent value is NULL, not empty text)" if value in {"", '""'} else ""


def _short(text: str) -> str:
    text = " ".join(str(text).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text)} characters)"


def _said(value: Any) -> str:
    if value is None:
        return "NULL"
    return f"'{_short(value)}'" if isinstance(value, str) else _short(str(value))


def _named(values: dict[str, Any], text: str) -> str:
    """The values that an expression names, in brackets."""
    named = [f"{name} = {_said(value)}" for name, value in values.items() if name.lower() in text.lower()]
    return f" ({', '.join(named)})" if named else ""


def _values(schema: pa.Schema, row: dict[str, Any]) -> list[Any]:
    return [row[f"o_{number}"] for number in range(len(schema))]


def _mapped(schema: pa.Schema, row: dict[str, Any]) -> str | None:
    if not len(schema):
        return None
    values = zip(schema, _values(schema, row), strict=True)
    return _ENCODER.encode({field.name: _plain_value(field, value) for field, value in values}).decode()


def _plain_value(field: pa.Field, value: Any) -> Any:
    if isinstance(value, str) and type_of(field).name == "json":
        return msgspec.Raw(value.encode())
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return value
    return value
