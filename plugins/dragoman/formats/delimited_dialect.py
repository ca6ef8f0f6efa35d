"""How one delimited file is written: the options of the format, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from dragoman.core.errors import ConfigError

__all__ = ["Dialect", "dialect_of"]


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """The options of ``formats.yaml``; sizes are in bytes. An empty quote or escape is none."""

    delimiter: str = ""
    quote: str = '"'
    escape: str = ""
    header: bool = True
    columns: list[str] = []
    encoding: str = "utf-8"
    skip_rows: int = 0
    nulls: list[str] = []
    max_field: int = 16_777_216
    compression: str = "auto"
    newline: str = "lf"
    formula_guard: bool = False
    binary: str = "hex"


def dialect_of(options: Mapping[str, Any], name: str) -> Dialect:
    """The dialect for a file of that name (``.tsv`` means tabs unless a delimiter is written).

    Raises:
        ConfigError: ``csv.option`` where options are no single characters, or contradict each other.
    """
    given = {key: value for key, value in options.items() if value is not None}
    try:
        dialect = msgspec.convert(given, Dialect)
    except msgspec.ValidationError as error:
        raise ConfigError("csv.option", f"an option of the format is wrong: {error}") from error
    if not dialect.delimiter:
        tabs = name.lower().removesuffix(".gz").endswith(".tsv")
        dialect = msgspec.structs.replace(dialect, delimiter="\t" if tabs else ",")
    wrong = _wrong(dialect)
    if wrong:
        raise ConfigError("csv.option", f"the options of the format csv cannot be used: {wrong}")
    return dialect


def _wrong(dialect: Dialect) -> str:
    marks = {"delimiter": dialect.delimiter, "quote": dialect.quote, "escape": dialect.escape}
    for name, mark in marks.items():
        if len(mark) > 1 or not mark.isascii() or mark in {"\r", "\n", "\0"}:
            return f"{name} must be one ASCII character, not {mark!r}"
    written = [mark for mark in marks.values() if mark]
    if len(set(written)) < len(written) and dialect.escape != dialect.quote:
        return "delimiter, quote and escape must differ"
    if dialect.escape and dialect.escape == dialect.quote:
        return "a doubled quote needs no escape: leave it out"
    if dialect.header and dialect.columns:
        return "columns names the columns of a file without a header line: write header: false with it"
    if not dialect.header and not dialect.columns:
        return "header: false needs columns: [...], the names in the file's order"
    if len({name.lower() for name in dialect.columns}) < len(dialect.columns):
        return "a name stands twice in columns"
    if dialect.skip_rows < 0 or dialect.max_field < 1:
        return "skip_rows and max_field must not be negative"
    return ""
