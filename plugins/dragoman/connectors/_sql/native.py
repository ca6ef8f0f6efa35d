"""Outputs as native Arrow columns of the language's own types."""

from __future__ import annotations

import pyarrow as pa

from dragoman.core.batch import HIDDEN
from dragoman.core.errors import FatalError
from dragoman.core.fieldtype import arrow_field, type_of

__all__ = ["native"]


def native(table: pa.Table) -> pa.Table:
    """The visible columns, each in the Arrow type that ``fieldtype`` gives it; nothing is rounded.

    Raises:
        FatalError: ``sql.output_type``: a column cannot be brought there exactly (nanoseconds, nested values).
    """
    fields, columns = [], []
    for field, column in zip(table.schema, table.columns, strict=True):
        if field.name in HIDDEN:
            continue
        wanted = arrow_field(field.name, type_of(field))
        if column.type != wanted.type:
            try:
                column = column.cast(wanted.type)  # noqa: PLW2901 - the same column in its own type
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise FatalError(
                    "sql.output_type",
                    f"output {field.name!r} of type {field.type} is not exact as {type_of(field)}: {error}",
                    next_step="give the field a type: in the translation",
                ) from error
        fields.append(wanted)
        columns.append(column)
    return pa.table(columns, schema=pa.schema(fields))
