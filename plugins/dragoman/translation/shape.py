"""The parts of a map, resolved: what the SQL is built from."""

from __future__ import annotations

from dataclasses import dataclass, field

from dragoman.core.fieldtype import FieldType
from dragoman.core.flow import FieldSpec
from dragoman.translation.expression import Expression
from dragoman.translation.inputs import Input, Scope
from dragoman.translation.lookups import Lookup

__all__ = ["Check", "Output", "Shape"]


@dataclass
class Output:
    """One output. ``raw`` gives ``x_N``, ``cast`` over ``x_N`` gives ``c_N``, ``default`` is a literal or empty."""

    spec: FieldSpec
    expression: Expression
    kind: FieldType | None
    raw: str = ""
    cast: str = ""
    default: str = ""

    @property
    def from_words(self) -> bool:
        """Whether the source's own words are cast, whatever type an expression would see."""
        direct = self.expression.direct
        return direct is not None and bool(direct.words) and bool(self.spec.type)

    @property
    def risky(self) -> bool:
        """Whether evaluating it can raise: a bare name cannot."""
        return self.expression.direct is None


@dataclass(frozen=True)
class Check:
    """A condition over typed outputs: of one field, or of the whole with ``field`` empty."""

    code: str
    field: str
    expression: Expression


@dataclass
class Shape:
    """A map. ``keys`` are each lookup's key expressions, ``key_types`` their DuckDB types, ``kinds`` by input key."""

    scope: Scope
    filter: Expression | None
    lookups: tuple[Lookup, ...]
    keys: list[list[Expression]]
    outputs: list[Output]
    checks: list[Check]
    timezone: str = ""
    kinds: dict[str, str] = field(default_factory=dict)
    key_types: list[list[str]] = field(default_factory=list)

    @property
    def own(self) -> list[Input]:
        """The inputs of record and element."""
        names = {lookup.name for lookup in self.lookups}
        return [one for one in self.scope.inputs if one.origin not in names]

    @property
    def looked_up(self) -> list[Input]:
        """The inputs of lookups."""
        names = {lookup.name for lookup in self.lookups}
        return [one for one in self.scope.inputs if one.origin in names]

    @property
    def doubles(self) -> list[Input]:
        """The JSON inputs that go out as doubles, for which ``q_N`` must say whether the double loses digits."""
        found = {}
        for output in self.outputs:
            one = output.expression.direct
            if one is not None and not output.spec.type and self.is_double(one):
                found[one.number] = one
        return list(found.values())

    def is_double(self, one: Input) -> bool:
        """Whether its values are JSON numbers that were observed as doubles."""
        return one.words == "json" and one.declared is None and self.kinds.get(one.key) == "double"
