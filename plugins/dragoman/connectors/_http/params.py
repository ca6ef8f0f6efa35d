"""Query parameters as a YAML file has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dragoman.core.errors import ConfigError

__all__ = ["plain_params"]


def plain_params(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """The parameters, each a plain value or a list of them. Raises ``ConfigError`` ``http.params``."""
    for name, value in params.items():
        values = value if isinstance(value, list) else [value]
        if any(isinstance(each, dict | list) for each in values):
            raise ConfigError(
                "http.params",
                f"the parameter {name} is {str(value)[:60]!r}, not a plain value or a list of them",
                next_step="write it as the text that the API expects",
            )
    return params
