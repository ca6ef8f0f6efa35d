"""Checks a document's expressions: syntax by DuckDB's parser, functions by our list, fields where they are known."""

from __future__ import annotations

from dragoman.core.expressions import ExpressionError, Parsed, parse_many
from dragoman.language.context import Context, WrittenExpression
from dragoman.language.functions import refusal
from dragoman.language.words import nearest, shown

__all__ = ["check_expressions"]


def check_expressions(context: Context) -> None:
    """Tell what is wrong with the expressions that were remembered."""
    parsed = parse_many(written.text for written in context.expressions)
    for written in context.expressions:
        found = parsed[written.text]
        if isinstance(found, ExpressionError):
            part = written.text[found.offset : found.offset + 20]
            where = f" at {part!r}" if found.offset and part.strip() else ""
            message = f"{found.message}{where} in {shown(written.text)}"
            context.add(written.path, "expression.syntax", message, "one SQL expression over the record's fields")
        else:
            _check_calls(context, written, found)
            _check_fields(context, written, found)


def _check_calls(context: Context, written: WrittenExpression, parsed: Parsed) -> None:
    for call in parsed.functions:
        fault = refusal(call)
        if fault is not None:
            found, expected, near = fault
            context.add(written.path, "expression.function", f"{found} in {shown(written.text)}", expected, near)


def _check_fields(context: Context, written: WrittenExpression, parsed: Parsed) -> None:
    if written.fields is None:
        return
    for name in dict.fromkeys(ref.names[0] for ref in parsed.column_refs):
        if name.lower() not in written.fields:
            expected = f"{written.what}: " + ", ".join(sorted(written.fields))
            found = f"unknown field {name!r} in {shown(written.text)}"
            context.add(written.path, "expression.field", found, expected, nearest(name, written.fields))
