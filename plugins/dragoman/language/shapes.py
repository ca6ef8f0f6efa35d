"""The two kinds of model that documents are made of, and how short notations are written out."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

__all__ = ["Open", "Strict", "as_list", "short"]


class Strict(BaseModel):
    """Unknown keys are errors, and nothing is turned into another type in silence."""

    model_config = ConfigDict(
        extra="forbid", strict=True, defer_build=True, populate_by_name=False, protected_namespaces=()
    )


class Open(BaseModel):
    """The other keys are options of a connector or a format, checked against its manifest."""

    model_config = ConfigDict(
        extra="allow", strict=True, defer_build=True, populate_by_name=False, protected_namespaces=()
    )


def short(key: str, *kinds: type) -> BeforeValidator:
    """A plain value in place of the map stands for its one key."""
    return BeforeValidator(lambda value: {key: value} if isinstance(value, kinds) else value)


def as_list(value: Any) -> Any:
    """One text in place of a list stands for a list of one."""
    return [value] if isinstance(value, str) else value
