"""Compiled integrations, kept by content: loading one again needs neither YAML, pydantic nor DuckDB.

An entry's name is a hash over the file's bytes and name, the compiler's own code and the registry. It holds the
hashes of the SQL and Python files that the integration names; where one differs the entry is passed over. An entry
that cannot be read is compiled anew.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

import msgspec

from dragoman.core import expressions, flow
from dragoman.core.flow import Flow
from dragoman.core.home import dragoman_home
from dragoman.core.registry import registry_digest

__all__ = ["entry_of", "keep", "kept"]

_CODE = (Path(__file__).parent, Path(flow.__file__), Path(expressions.__file__))


class _Entry(msgspec.Struct, frozen=True):
    named: dict[str, str]
    flow: Flow


_decoder = msgspec.json.Decoder(_Entry)


def entry_of(content: bytes, file: str, folder: Path) -> Path:
    """Where the compiled form of these bytes is kept."""
    parts = (_version(), registry_digest(), file, str(folder))
    key = hashlib.sha256("\0".join(parts).encode() + b"\0" + content).hexdigest()
    return dragoman_home() / "cache" / "flows" / key[:2] / f"{key}.json"


def kept(entry: Path, folder: Path) -> Flow | None:
    """The kept flow, if it is there, whole, and the files that it names are as they were."""
    try:
        found = _decoder.decode(entry.read_bytes())
        for name, digest in found.named.items():
            if _hash((folder / found.flow.integration / name).read_text(encoding="utf-8-sig")) != digest:
                return None
    except (OSError, ValueError):
        return None
    return found.flow


@cache
def _version() -> str:
    """A stamp of the code that compiles: where it has changed, nothing that is kept counts any more."""
    files = [file for place in _CODE for file in (sorted(place.glob("*.py")) if place.is_dir() else [place])]
    stamps = [(file.name, stat.st_size, stat.st_mtime_ns) for file in files for stat in [file.stat()]]
    return hashlib.sha256(repr(stamps).encode()).hexdigest()


def keep(entry: Path, compiled: Flow, named: Mapping[str, str]) -> None:
    """Keep a flow. Where the folder cannot be written nothing is kept."""
    content = msgspec.json.encode(_Entry({name: _hash(text) for name, text in named.items()}, compiled))
    aside = entry.with_name(f"{entry.stem}.{os.getpid()}.new")
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(content)
        aside.replace(entry)
    except OSError:
        with suppress(OSError):
            aside.unlink()


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
