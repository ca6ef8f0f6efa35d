"""Writes records as JSON objects, exactly: decimals and integers as the number they are, JSON as it is.

Objects are joined by Arrow, column by column; the bytes of the joined array are the bytes of the file.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from dragoman.core.batch import Refused
from dragoman.formats.bytestream import Encoded
from dragoman.formats.json_objects import json_objects, unfit_rows
from dragoman.formats.words import portions, values_of

__all__ = ["Frame", "JsonWriter"]


@dataclass(frozen=True)
class Frame:
    """What stands around the objects: ``lead`` before the first, ``between`` before others, ``tail`` behind each."""

    begin: str = ""
    lead: str = ""
    between: str = ""
    tail: str = ""
    end: str = ""


class JsonWriter:
    """``write`` tables, then ``finish``. With ``continues`` objects stand in the file already, without its end."""

    def __init__(self, stream: Encoded, schema: pa.Schema, frame: Frame, *, binary: str, continues: bool) -> None:
        self._stream = stream
        self._schema = schema
        self._frame = frame
        self._binary = binary
        self._lead = frame.between if continues else frame.lead
        if not continues:
            stream.write(frame.begin.encode())

    def write(self, table: pa.Table) -> list[Refused]:
        """Write the rows that JSON can hold; NaN, Infinity and broken JSON come back."""
        refused: list[Refused] = []
        for at, part in portions(table):
            wrong = unfit_rows(part, self._schema)
            refused += [Refused(at + one.row, one.code, one.message, one.field) for one in wrong.values()]
            sound = [row for row in range(part.num_rows) if row not in wrong] if wrong else []
            self._objects(part.take(pa.array(sound, pa.int64())) if wrong else part)
        return refused

    def finish(self) -> None:
        """Write the end."""
        self._stream.write(self._frame.end.encode())
        self._stream.flush()

    def _objects(self, part: pa.Table) -> None:
        if not part.num_rows:
            return
        joined = json_objects(part, self._schema, self._binary, self._frame.tail)
        before = pa.array([self._lead] + [self._frame.between] * (part.num_rows - 1), pa.string())
        self._stream.write(values_of(pc.binary_join_element_wise(before, joined, "")))
        self._lead = self._frame.between
