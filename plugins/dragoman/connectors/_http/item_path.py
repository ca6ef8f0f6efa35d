"""A path with the item's own values in it: ``/orders/{number}``, percent-encoded and kept below the base URL."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from dragoman.connectors._http.endpoint import Endpoint
from dragoman.connectors._http.location import BadUrlError, Location
from dragoman.core.errors import ConfigError

__all__ = ["ItemPath", "UnfitError", "text_of"]

_PLACE = re.compile(r"\{([^{}/]+)\}")
_LONGEST = 1000


class UnfitError(ValueError):
    """Why an item's own value cannot stand in a path or a header. ``column`` holds it."""

    def __init__(self, column: str, why: str) -> None:
        super().__init__(why)
        self.column = column


class ItemPath:
    """A path option, checked when it is opened and filled in for each item."""

    def __init__(self, endpoint: Endpoint, path: str, params: Mapping[str, Any], option: str = "path") -> None:
        self._endpoint = endpoint
        self._path = path
        self._params = params
        self.columns = tuple(dict.fromkeys(_PLACE.findall(path)))
        plain = _PLACE.sub("x", path)
        try:
            self._fixed = _whole(endpoint, plain).with_params(params)
        except BadUrlError as error:
            raise ConfigError(
                "http.path", f"{option} {path!r} cannot be used: {error}", next_step="write it as /orders/{number}"
            ) from error

    @property
    def own(self) -> bool:
        """Whether each item has a path of its own."""
        return bool(self.columns)

    def at(self, values: Mapping[str, Any]) -> Location:
        """The place for these values.

        Raises:
            UnfitError: a value is missing, empty, or would lead elsewhere.
        """
        if not self.columns:
            return self._fixed
        filled = _PLACE.sub(lambda match: quote(_checked(match[1], values.get(match[1])), safe=""), self._path)
        try:
            return self._endpoint.at(filled).with_params(self._params)
        except BadUrlError as error:
            raise UnfitError(self.columns[0], f"the path with its values in it cannot be used: {error}") from error


def _whole(endpoint: Endpoint, path: str) -> Location:
    if "{" in path or "}" in path:
        raise BadUrlError("it has a brace that belongs to no {column}")
    return endpoint.at(path)


def text_of(value: Any) -> str:
    """A value as a path or a query has it: true and false, ISO dates, numbers without an exponent."""
    if isinstance(value, bool):
        return str(value).lower()
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    return format(value, "f") if hasattr(value, "as_tuple") else str(value)


def _checked(column: str, value: Any) -> str:
    if value is None or isinstance(value, bytes | list | dict):
        raise UnfitError(column, f"{column} has no value that can stand in the path")
    text = text_of(value)
    if not text.strip() or text in {".", ".."}:
        raise UnfitError(column, f"{column} is {text!r}, which cannot stand in the path")
    if len(text) > _LONGEST:
        raise UnfitError(column, f"{column} has {len(text)} characters, which is too long for a path")
    return text
