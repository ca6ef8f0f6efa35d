"""A map compiled to one SELECT: filter, lookups, fields with their exact casts, checks, and a code per record.

The SELECT exists in two forms. The fast one runs first and stops at the first record whose expression cannot be
evaluated; then the careful one, in which ``TRY`` holds each such record apart, does the batch again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb
import pyarrow as pa

from dragoman.core.errors import ConfigError
from dragoman.core.fieldtype import FieldType, arrow_field, parse_type
from dragoman.core.flow import FieldSpec
from dragoman.translation.casts import Words, cast_words
from dragoman.translation.defaults import default_sql
from dragoman.translation.expression import Expression, over_outputs, resolve
from dragoman.translation.input_sql import input_type
from dragoman.translation.inputs import Input, Scope
from dragoman.translation.judge import Failure, judge
from dragoman.translation.layers import inputs_sql, layers_sql, own_inputs_sql
from dragoman.translation.lookups import Lookup
from dragoman.translation.sandbox import Sandbox, plain
from dragoman.translation.shape import Check, Output, Shape
from dragoman.translation.typed import Unfit, cast_typed, natural

__all__ = ["Plan"]


class Plan:
    """``freeze`` must be called, with the kinds of the undeclared JSON inputs, before the SQL can be had."""

    def __init__(
        self,
        sandbox: Sandbox,
        scope: Scope,
        *,
        filter_text: str = "",
        lookups: Sequence[Lookup] = (),
        fields: Sequence[FieldSpec] = (),
        checks: Mapping[str, str] | None = None,
        timezone: str = "",
    ) -> None:
        keys = [
            [resolve(text, f"lookup {one.name}", scope, lookups=False) for text in one.on.values()] for one in lookups
        ]
        names = {spec.name: f"o_{number}" for number, spec in enumerate(fields)}
        self.shape = Shape(
            scope=scope,
            filter=resolve(filter_text, "filter", scope, lookups=False, condition=True) if filter_text else None,
            lookups=tuple(lookups),
            keys=keys,
            outputs=[Output(one, resolve(one.expression, f"field {one.name}", scope), _type_of(one)) for one in fields],
            checks=_checks(fields, checks or {}, names),
            timezone=timezone,
        )
        self.failures: list[Failure] = []
        self.schema = pa.schema([])
        self._sandbox = sandbox
        self._code: dict[bool, str] = {}

    @property
    def undeclared(self) -> list[Input]:
        """The JSON inputs of record and element whose kind must be observed."""
        return [one for one in self.shape.own if one.words == "json" and one.declared is None]

    def freeze(self, kinds: Mapping[str, str], prepared: pa.Schema) -> None:
        """Fix the kinds and compile. ``prepared``: the columns ``w_N`` of record and element. ``ConfigError``."""
        shape, sandbox = self.shape, self._sandbox
        shape.kinds = dict(kinds)
        for lookup in shape.lookups:
            lookup.need(shape.scope.inputs, shape.kinds)
            lookup.register(sandbox, shape.doubles)
        flags = [pa.field(f"q_{one.number}", pa.bool_()) for one in shape.doubles if one in shape.own]
        sandbox.register("src", pa.schema([*prepared, *flags]).empty_table())
        below = own_inputs_sql(shape, careful=False)
        shape.key_types = [self._bind(below, keys) for keys in shape.keys]
        if shape.filter is not None:
            self._bind(below, [shape.filter], boolean=True)
        below = inputs_sql(shape, careful=False)
        ducks = self._bind(below, [one.expression for one in shape.outputs])
        columns: list[pa.Field] = []
        for number, (output, duck) in enumerate(zip(shape.outputs, ducks, strict=True)):
            kind = _type_of(output.spec) or self._natural(output, duck)
            self._compile(number, output, kind, duck)
            columns.append(arrow_field(output.spec.name, kind))
        self.schema = pa.schema(columns)
        checks = [one.expression for one in shape.checks]
        self._bind(layers_sql(shape, careful=False, checks=False), checks, boolean=True)
        for careful in (False, True):
            self._code[careful], self.failures = judge(shape, careful=careful)
        self._refuse_volatile(below, [one.expression for one in shape.outputs if one.risky])
        try:
            sandbox.types(self.select(careful=True))
        except duckdb.Error as error:
            raise _refused("the translation", error, shape.scope.inputs) from error

    def select(self, *, careful: bool) -> str:
        """The SELECT over ``src``: ``_n``, the outputs ``o_N``, ``_code``."""
        outputs = "".join(f", o_{number}" for number in range(len(self.shape.outputs)))
        return f"SELECT _n{outputs}, {self._code[careful]} AS _code FROM ({layers_sql(self.shape, careful=careful)})"

    def diagnosis(self) -> str:
        """The same in its careful form, with every value as text beside it: ``v_w_N``, ``v_x_N`` and ``v_y_L_N``."""
        shape = self.shape
        shown = [f"w_{one.number}" for one in shape.scope.inputs]
        shown += [f"x_{number}" for number in range(len(shape.outputs))]
        shown += [f"y_{place}_{number}" for place, keys in enumerate(shape.keys) for number in range(len(keys))]
        values = "".join(f", TRY(CAST({name} AS VARCHAR)) AS v_{name}" for name in shown)
        outputs = "".join(f", o_{number}" for number in range(len(shape.outputs)))
        below = layers_sql(shape, careful=True)
        return f"SELECT _n{outputs}{values}, {self._code[True]} AS _code FROM ({below}) ORDER BY _n"

    def evaluate(self, failure: Failure) -> str:
        """A SELECT that raises what this failure's expression raises; over a ``src`` of one row."""
        if failure.expression is None:
            return ""
        if failure.kind == "check_error":
            below = layers_sql(self.shape, careful=True, checks=False)
        else:
            below = inputs_sql(self.shape, careful=True)
        return f"SELECT {failure.expression.sql} FROM ({below})"

    # compiling one piece

    def _compile(self, number: int, output: Output, kind: FieldType, duck: str) -> None:
        spec, direct = output.spec, output.expression.direct
        how = Words(format=spec.format, true=spec.true, false=spec.false, timezone=self.shape.timezone)
        output.kind = kind
        if output.from_words and direct is not None:
            output.raw = f"w_{direct.number}"
            output.cast = _words_cast(direct, kind, how)
        else:
            output.raw = output.expression.sql
            try:
                output.cast = cast_typed(f"x_{number}", duck, kind, how, rounded=output.expression.rounded)
            except Unfit as unfit:
                message = f"field {spec.name}: {spec.expression!r} {unfit.reason}"
                raise ConfigError(unfit.code, message, next_step=unfit.advice) from unfit
        if spec.has_default and spec.default is not None:
            output.default = default_sql(self._sandbox, spec, kind, how)

    def _natural(self, output: Output, duck: str) -> FieldType:
        direct = output.expression.direct
        known = input_type(direct, self.shape.kinds.get(direct.key, "")) if direct is not None else None
        return known or natural(duck)

    def _refuse_volatile(self, below: str, expressions: list[Expression]) -> None:
        """TRY takes no function that gives another value each time, and so names the expression that has one."""
        if not expressions:
            return
        try:
            listed = ", ".join(f"TRY({one.sql})" for one in expressions)
            self._sandbox.types(f"SELECT {listed} FROM ({below})")
        except duckdb.Error:
            for one in expressions:
                try:
                    self._sandbox.types(f"SELECT TRY({one.sql}) FROM ({below})")
                except duckdb.Error as error:
                    raise _refused(f"{one.where}: {one.text!r}", error, self.shape.scope.inputs) from error

    def _bind(self, below: str, expressions: list[Expression], *, boolean: bool = False) -> list[str]:
        """The DuckDB type of each expression; ``ConfigError`` that names the first that DuckDB refuses."""
        if not expressions:
            return []
        listed = ", ".join(f"{one.sql} AS b_{number}" for number, one in enumerate(expressions))
        try:
            ducks = list(self._sandbox.types(f"SELECT {listed} FROM ({below})").values())
        except duckdb.Error as error:
            for one in expressions:
                try:
                    self._sandbox.types(f"SELECT {one.sql} FROM ({below})")
                except duckdb.Error as own:
                    raise _refused(f"{one.where}: {one.text!r}", own, self.shape.scope.inputs) from own
            raise _refused("the translation", error, self.shape.scope.inputs) from error
        for one, duck in zip(expressions, ducks, strict=True):
            if boolean and duck not in {"BOOLEAN", '"NULL"'}:
                raise ConfigError(
                    "translation.not_boolean",
                    f"{one.where}: {one.text!r} gives {natural(duck)}, and a condition is expected",
                    next_step="write a comparison, such as amount > 0",
                )
        return ducks


def _type_of(spec: FieldSpec) -> FieldType | None:
    if not spec.type:
        return None
    kind = parse_type(spec.type)
    if kind is None:
        raise ConfigError("type.unknown", f"field {spec.name}: {spec.type!r} is no type", next_step="text, integer, …")
    return kind


def _checks(fields: Sequence[FieldSpec], checks: Mapping[str, str], names: dict[str, str]) -> list[Check]:
    of_fields = [
        Check("field.check", one.name, over_outputs(one.check, f"check of {one.name}", names))
        for one in fields
        if one.check
    ]
    return of_fields + [
        Check(f"check.{name}", "", over_outputs(text, f"check {name}", names)) for name, text in checks.items()
    ]


def _words_cast(one: Input, kind: FieldType, how: Words) -> str:
    """The exact cast of an input's own words, whatever an expression would see of it."""
    if one.words == "text":
        return cast_words(f"w_{one.number}", kind, how)
    if kind.name == "json":
        return f"CASE WHEN NOT starts_with(w_{one.number}, '!') THEN w_{one.number} END"
    return cast_words(f"s_{one.number}", kind, how)


def _refused(what: str, error: duckdb.Error, inputs: Sequence[Input] = ()) -> ConfigError:
    said = plain(error)
    for one in sorted(inputs, key=lambda one: -one.number):
        said = said.replace(f"t_{one.number}", one.said)
    if "volatile" in said:
        return ConfigError(
            "translation.volatile",
            f"{what} uses a function that gives another value each time it is called",
            next_step="a translation gives the same outputs for the same records: leave random() and uuid() out",
        )
    step = "dragoman explain shows the compiled SQL"
    if "No function matches" in said:
        step = "text does not compute: declare the source's types (types:), or write CAST(… AS DECIMAL(12,2))"
    return ConfigError("translation.expression", f"{what}: {said}", next_step=step)
