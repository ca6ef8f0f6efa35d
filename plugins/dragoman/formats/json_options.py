"""The options of the two JSON formats, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from dragoman.core.errors import ConfigError

__all__ = ["JsonOptions", "json_options"]


class JsonOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of ``formats.yaml`` for ``ndjson`` and ``json``; sizes are in bytes."""

    records: str = ""
    encoding: str = "utf-8"
    max_record: int = 16_777_216
    max_bytes: int = 268_435_456
    compression: str = "auto"
    binary: str = "hex"


def json_options(options: Mapping[str, Any]) -> JsonOptions:
    """The options with their defaults.

    Raises:
        ConfigError: ``json.option``.
    """
    try:
        return msgspec.convert({key: value for key, value in options.items() if value is not None}, JsonOptions)
    except msgspec.ValidationError as error:
        raise ConfigError("json.option", f"an option of the format is wrong: {error}") from error
