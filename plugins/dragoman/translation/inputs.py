"""What an expression may name: columns of the record, paths into them, the element of ``each``, and lookups."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from dragoman.core.batch import HIDDEN
from dragoman.core.errors import ConfigError
from dragoman.core.fieldtype import FieldType, declared_type, parse_type, words_of

__all__ = ["ELEMENT", "RECORD", "Input", "Scope", "nearest"]

RECORD = ""
ELEMENT = "[]"


@dataclass
class Input:
    """One value that expressions use. ``origin``: the record, the element of ``each``, or a lookup's name.

    ``words``: ``text``, ``json`` or ``""`` (native). ``said``: how people wrote it. ``whole``: it is handed on as it
    is, so that a mixture of JSON values stays JSON; else an expression computes with it.
    """

    number: int
    origin: str
    column: str
    path: tuple[str, ...]
    words: str
    declared: FieldType | None
    said: str
    arrow: pa.DataType = field(default_factory=pa.string)
    whole: bool = False

    @property
    def key(self) -> str:
        """Under which its kind is kept: ``customer.address.city``, ``[].price`` for an element's member."""
        origin = self.origin if self.origin in (RECORD, ELEMENT) else f"@{self.origin}"
        return ".".join(part for part in (origin, self.column, *self.path) if part)


class Scope:
    """Resolves names to inputs, and keeps each once. ``types`` declares types by column or dotted path."""

    def __init__(
        self,
        fields: pa.Schema,
        *,
        types: Mapping[str, str] | None = None,
        alias: str = "",
        element: pa.Field | None = None,
        lookups: Mapping[str, pa.Schema] | None = None,
        source: str = "the source",
    ) -> None:
        self.fields = {one.name: one for one in fields}
        self.columns = [name for name in self.fields if name not in HIDDEN]
        """The record's columns, without hidden ones."""
        self.alias = alias
        self.source = source
        self.inputs: list[Input] = []
        self._element = element
        self._lookups = {name: {one.name: one for one in schema} for name, schema in (lookups or {}).items()}
        self._visible = set(self.columns)
        self._types = {name: _parsed(name, text) for name, text in (types or {}).items()}
        self._known: dict[tuple[str, str, tuple[str, ...], bool], Input] = {}

    def resolve(self, names: tuple[str, ...], where: str, *, lookups: bool = True, whole: bool = False) -> Input:
        """The input that dotted names mean: the element's alias goes before lookups, and these before columns.

        ``lookups=False`` is for what works before them (filter, their keys), ``whole`` for what is handed on as it
        is. ``ConfigError``
        ``translation.unknown_column`` where there is none.
        """
        head, rest = names[0], names[1:]
        if self.alias and head == self.alias and self._element is not None:
            return self._input(ELEMENT, "", rest, self._element, ".".join(names), whole=whole)
        if lookups and head in self._lookups and rest:
            members = self._lookups[head]
            name = self._match(rest[0], members, where, f"the lookup {head}", f"{head}.", empty=not members)
            one = members.get(name) or pa.field(name, pa.string())
            return self._input(head, name, rest[1:], one, ".".join(names), whole=whole)
        name = self._match(head, self._visible, where, self.source, "", empty=not self.columns)
        one = self.fields.get(name) or pa.field(name, pa.string())
        return self._input(RECORD, name, rest, one, ".".join(names), whole=whole)

    def _match(self, name: str, visible: Collection[str], where: str, source: str, prefix: str, *, empty: bool) -> str:
        if name in visible or empty:
            return name
        known = list(visible) if prefix else self.columns
        folded = [one for one in known if one.lower() == name.lower()]
        if len(folded) == 1:
            return folded[0]
        others = [*known, self.alias, *self._lookups] if not prefix else known
        near = nearest(name, others)
        raise ConfigError(
            "translation.unknown_column",
            f"{where}: {source} has no column {prefix}{name}" + (f"; did you mean {prefix}{near}?" if near else ""),
            next_step=f"its columns are {', '.join(known[:20])}" if known else "it gave no column at all",
        )

    def _input(
        self, origin: str, column: str, path: tuple[str, ...], one: pa.Field, said: str, *, whole: bool
    ) -> Input:
        words, declared, arrow = words_of(one), declared_type(one), one.type
        if declared is not None and declared.name == "json" and words == "text" and (path or one.type != pa.string()):
            words = "json"
        override = self._types.get(said) if origin != RECORD or path else self._types.get(column)
        if path:
            declared = None
            if words == "text":
                raise ConfigError(
                    "translation.unknown_column",
                    f"{said}: {column} holds text, which has no parts",
                    next_step=f"declare it: types: {{{column}: json}}",
                )
            if not words:
                arrow = _member(arrow, path, said)
        whole = whole and words == "json" and not (override or declared)
        known = self._known.get((origin, column, path, whole))
        if known is not None:
            return known
        created = Input(
            number=len(self.inputs),
            origin=origin,
            column=column,
            path=path,
            words=words,
            declared=override or declared,
            said=said,
            arrow=arrow,
            whole=whole,
        )
        self.inputs.append(created)
        self._known[origin, column, path, whole] = created
        return created


def _member(arrow: pa.DataType, path: tuple[str, ...], said: str) -> pa.DataType:
    for key in path:
        names = [arrow.field(place).name for place in range(arrow.num_fields)] if pa.types.is_struct(arrow) else []
        if key not in names:
            near = nearest(key, names)
            raise ConfigError(
                "translation.unknown_column",
                f"{said}: there is no {key}" + (f"; did you mean {near}?" if near else ""),
                next_step=f"its parts are {', '.join(names)}" if names else "it has no parts",
            )
        arrow = arrow.field(key).type
    return arrow


def _parsed(name: str, text: str) -> FieldType:
    kind = parse_type(text)
    if kind is None:
        raise ConfigError(
            "type.unknown", f"types: {name}: {text!r} is no type", next_step="text, integer, decimal(p,s), …"
        )
    return kind


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that a misspelt one most likely means, or an empty text."""
    folded = {one.lower(): one for one in known if one}
    close = difflib.get_close_matches(name.lower(), list(folded), n=1, cutoff=0.6)
    return folded[close[0]] if close else ""
