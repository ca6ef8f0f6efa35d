"""Writes records as JSON objects, exactly: decimals and integers as the number they are, JSON as it is.

Objects are joined by Arrow, column by column; the bytes of the joined array are the bytes of the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from dragoman.core.batch import Refused
from dragoman.core.fieldtype import type_of
from dragoman.formats.bytestream import Encoded
from dragoman.formats.words import portions, values_of, words

__all__ = ["Frame", "JsonWriter"]

_BARE = {"integer", "decimal", "double", "boolean", "json"}


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
            wrong = self._wrong(part)
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
        pieces: list[Any] = []
        for at, field in enumerate(self._schema):
            pieces.append(pa.scalar(("," if at else "{") + _quoted(field.name) + ":"))
            pieces.append(_tokens(part.column(field.name), type_of(field).name, self._binary))
        joined = pc.binary_join_element_wise(
            *pieces, "}" + self._frame.tail, "", null_handling="replace", null_replacement="null"
        )
        before = pa.array([self._lead] + [self._frame.between] * (part.num_rows - 1), pa.string())
        self._stream.write(values_of(pc.binary_join_element_wise(before, joined, "")))
        self._lead = self._frame.between

    def _wrong(self, part: pa.Table) -> dict[int, Refused]:
        wrong: dict[int, Refused] = {}
        for field in self._schema:
            column = part.column(field.name)
            if pa.types.is_floating(field.type):
                finite = pc.fill_null(pc.is_finite(column), fill_value=True)
                if not pc.all(finite).as_py():
                    for row in pc.indices_nonzero(pc.invert(finite)).to_pylist():
                        message = f"JSON has no number for {column[row].as_py()}"
                        wrong.setdefault(row, Refused(row, "json.not_finite", message, field.name))
            elif type_of(field).name == "json" and pa.types.is_string(field.type):
                for row, value in enumerate(column.to_pylist()):
                    if value is not None and not _is_json(value):
                        wrong.setdefault(row, Refused(row, "json.value", "the value is not sound JSON", field.name))
        return wrong


def _tokens(column: pa.ChunkedArray, kind: str, binary: str) -> pa.Array:
    """A JSON token for each value; NULL stays NULL."""
    text = words(column, binary).combine_chunks()
    if kind == "json":  # line ends between tokens would end the record; those within texts are escaped
        return pc.replace_substring_regex(text, r"[\r\n]", " ")
    if kind in _BARE:
        return text
    if kind == "binary":
        text = pc.replace_substring(text, "\\", "\\\\")
    if kind == "text":
        special = pc.match_substring_regex(text, r'["\\\x00-\x1f]')
        special = pc.fill_null(special, fill_value=False)
        if pc.any(special).as_py():
            inner = [_quoted(value)[1:-1] for value in pc.filter(text, special).to_pylist()]
            text = pc.replace_with_mask(text, special, pa.array(inner, pa.string()))
    return pc.binary_join_element_wise('"', text, '"', "")


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
