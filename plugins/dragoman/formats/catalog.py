"""Which formats there are, and which one a file has.

``formats.yaml`` declares them (its copy in the registry serves the check); here each gets the module with its verbs:
``read(stream, options, origin=, batch_rows=)``, ``open_writer(stream, schema, options, continues=)`` and
``carry_over(old, stream, schema, options, origin=)``.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol, cast

import pyarrow as pa

from dragoman.core.batch import ReadBatch, Refused
from dragoman.core.errors import ConfigError

__all__ = ["FORMATS", "FormatInfo", "FormatModule", "Writer", "format_of"]


class Writer(Protocol):
    """Writes records of one schema to one file."""

    def write(self, table: pa.Table) -> list[Refused]:
        """Write the rows that the format can hold; the others come back."""
        ...

    def finish(self) -> None:
        """Write the file's end; the stream stays open."""
        ...


class FormatModule(Protocol):
    """The verbs of a format's module."""

    def read(
        self, stream: BinaryIO, options: Mapping[str, Any], *, origin: str, batch_rows: int
    ) -> Iterator[ReadBatch]:
        """The file's records."""
        ...

    def open_writer(
        self, stream: BinaryIO, schema: pa.Schema, options: Mapping[str, Any], *, continues: bool
    ) -> Writer:
        """A writer; ``continues``: records stand in the file already (``carry_over``)."""
        ...

    def carry_over(
        self, old: BinaryIO, stream: BinaryIO, schema: pa.Schema, options: Mapping[str, Any], *, origin: str
    ) -> bool:
        """Copy a file's records to the beginning of its successor; whether there were any."""
        ...


@dataclass(frozen=True)
class FormatInfo:
    """One format: the word of the YAML, the module's name, and the endings by which it is guessed."""

    type: str
    module: str
    endings: tuple[str, ...]

    def load(self) -> FormatModule:
        """The module; loaded when it is used."""
        return cast("FormatModule", importlib.import_module(f"dragoman.formats.{self.module}"))


FORMATS: dict[str, FormatInfo] = {
    info.type: info
    for info in (
        FormatInfo("csv", "delimited", (".csv", ".tsv")),
        FormatInfo("ndjson", "ndjson", (".ndjson", ".jsonl")),
        FormatInfo("json", "json_array", (".json",)),
    )
}


def format_of(path: str, type_: str = "") -> FormatInfo:
    """The format of that type, or the one that the path's ending tells (``.gz`` behind it aside).

    Raises:
        ConfigError: ``format.unknown``.
    """
    if type_:
        if type_ in FORMATS:
            return FORMATS[type_]
        raise ConfigError("format.unknown", f"{type_!r} is no format; there are {', '.join(FORMATS)}")
    name = path.lower().removesuffix(".gz")
    for info in FORMATS.values():
        if name.endswith(info.endings):
            return info
    known = ", ".join(ending for info in FORMATS.values() for ending in info.endings)
    raise ConfigError(
        "format.unknown",
        f"the ending of {path} tells no format (known are {known})",
        next_step="write the format, such as format: {type: csv}",
    )
