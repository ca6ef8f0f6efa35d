"""One piece of outputs by COPY: binary where every column's type has a binary form here, CSV otherwise."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

import pgpq
import psycopg
import pyarrow as pa
from pgpq.encoders import StringEncoderBuilder
from pgpq.schema import Jsonb

from dragoman.connectors._sql.identifiers import quote_all
from dragoman.connectors.postgres.fitting import Fit

__all__ = ["copy_in", "line_of"]

_CHUNK_ROWS = 8192
_LINE = re.compile(r"COPY .*?, line (\d+)")


def copy_in(server: psycopg.Connection[Any], target: str, fits: Sequence[Fit], piece: pa.Table) -> int:
    """COPY ``piece`` (fitted columns) into ``target`` (a quoted name); returns how many rows the server stored.

    Raises:
        psycopg.Error: as the server answered.
    """
    names = quote_all(fit.name for fit in fits)
    if any(fit.as_text for fit in fits):
        command = f"COPY {target} ({names}) FROM STDIN WITH (FORMAT csv, ENCODING 'UTF8')"
        cursor = server.cursor()
        with cursor.copy(command) as copy:
            for batch in piece.to_batches(max_chunksize=_CHUNK_ROWS):
                copy.write(_csv(batch))
        return cursor.rowcount
    encoders = {
        field.name: StringEncoderBuilder.new_with_output(field, Jsonb())
        if fit.jsonb
        else pgpq.ArrowToPostgresBinaryEncoder.infer_encoder(field)
        for fit, field in zip(fits, piece.schema, strict=True)
    }
    encoder = pgpq.ArrowToPostgresBinaryEncoder.new_with_encoders(piece.schema, encoders)
    cursor = server.cursor()
    with cursor.copy(f"COPY {target} ({names}) FROM STDIN WITH (FORMAT binary)") as copy:
        copy.write(encoder.write_header())
        for batch in piece.to_batches(max_chunksize=_CHUNK_ROWS):
            copy.write(encoder.write_batch(batch))
        copy.write(encoder.finish())
    return cursor.rowcount


def line_of(error: psycopg.Error) -> int:
    """The 0-based row that the server names in ``COPY t, line 7, column c``; -1 where it names none."""
    found = _LINE.search(error.diag.context or "")
    return int(found[1]) - 1 if found else -1


def _csv(batch: pa.RecordBatch) -> bytes:
    """COPY's CSV: NULL is an unquoted empty field, every value is quoted."""
    import pyarrow.csv  # loaded by this rare path only

    columns = []
    for column in batch.columns:
        if pa.types.is_binary(column.type):
            hexed = [None if value is None else "\\x" + value.hex() for value in column.to_pylist()]
            columns.append(pa.array(hexed, pa.string()))
        else:
            columns.append(column)
    buffer = io.BytesIO()
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="all_valid")
    pyarrow.csv.write_csv(pa.table(columns, names=batch.schema.names), buffer, options)
    return buffer.getvalue()
