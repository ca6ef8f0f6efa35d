"""The JSON document of an answer, read strictly: what two programs could read in two ways is not read at all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

__all__ = ["MISSING", "UnreadableError", "at_path", "read_json"]

MISSING: Any = object()
"""What ``at_path`` gives where nothing stands; JSON null is None."""


class UnreadableError(ValueError):
    """Why a body is no JSON document that can be relied on."""


def read_json(body: bytes) -> Any:
    """The document; numbers with a fraction are ``Decimal``.

    Raises ``UnreadableError`` for broken or nested JSON, NaN, numbers beyond reason and keys that stand twice.
    """
    try:
        return json.loads(
            body.decode("utf-8-sig"), object_pairs_hook=_once, parse_float=Decimal, parse_constant=_no_number
        )
    except RecursionError as error:
        raise UnreadableError("it is nested too deeply") from error
    except (ValueError, ArithmeticError) as error:
        raise UnreadableError(str(error)) from error


def at_path(document: Any, path: str) -> Any:
    """What stands at keys parted by dots, the longest key first (keys may hold dots), or ``MISSING``."""
    here, parts = document, path.split(".") if path else []
    while parts:
        if not isinstance(here, Mapping):
            return MISSING
        names = [".".join(parts[:upto]) for upto in range(len(parts), 0, -1)]
        name = next((each for each in names if each in here), None)
        if name is None:
            return MISSING
        here, parts = here[name], parts[name.count(".") + 1 :]
    return here


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    done: dict[str, Any] = {}
    for name, value in pairs:
        if name in done:
            raise UnreadableError(f"the key {name[:40]!r} stands twice in one object")
        done[name] = value
    return done


def _no_number(word: str) -> Any:
    raise UnreadableError(f"{word} is no JSON number")
