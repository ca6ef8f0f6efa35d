"""A map compiled to one SELECT: filter, lookups, fields with their exact casts, checks, and a code per record.

The SELECT is built in layers, each of which adds columns to the one below: typed inputs, joined lookups, raw
expressions (``x_N``), exact casts (``c_N``), outputs with their defaults (``o_N``), checks (``k_N``), and ``_code``:
NULL for a good record, -1 for a filtered one, else the number of the first failure (from 1).

It exists in two forms. The fast one runs first and stops at the first record whose expression cannot be evaluated;
then the careful one, in which ``TRY`` holds each such record apart, does the batch again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from dragoman.core.errors import ConfigError
from dragoman.core.fieldtype import FieldType, arrow_field, parse_type
from dragoman.core.flow import FieldSpec
from dragoman.translation.casts import Words, cast_words
from dragoman.translation.defaults import default_sql
from dragoman.translation.expression import Expression, over_outputs, resolve
from dragoman.translation.input_sql import can_fail, failed, input_type, reject_code, scalar_words, typed
from dragoman.translation.inputs import Input, Scope
from dragoman.translation.lookups import Lookup
from dragoman.translation.sandbox import Sandbox, plain
from dragoman.translation.typed import Unfit, cast_typed, natural

__all__ = ["Failure", "Plan"]

FILTERED = -1


@dataclass(frozen=True)
class Failure:
    """One way in which a record can fail. ``kind`` chooses the sentence; ``column`` holds the value to name."""

    kind: str
    code: str
    field: str
    column: str = ""
    expression: Expression | None = None
    one: Input | None = None
    detail: str = ""


@dataclass
class _Output:
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
        self.scope = scope
        self.failures: list[Failure] = []
        self.kinds: dict[str, str] = {}
        self._sandbox = sandbox
        self._timezone = timezone
        self.lookups = tuple(lookups)
        self._filter = resolve(filter_text, "filter", scope) if filter_text else None
        self._keys = [
            [resolve(text, f"lookup {lookup.name}", scope) for text in lookup.on.values()] for lookup in lookups
        ]
        self._outputs = [
            _Output(spec, resolve(spec.expression, f"field {spec.name}", scope), _type_of(spec)) for spec in fields
        ]
        names = {spec.name: f"o_{number}" for number, spec in enumerate(fields)}
        self._checks: list[tuple[str, str, Expression]] = [
            ("field.check", spec.name, over_outputs(spec.check, f"check of {spec.name}", names))
            for spec in fields
            if spec.check
        ]
        self._checks += [
            (f"check.{name}", "", over_outputs(text, f"check {name}", names)) for name, text in (checks or {}).items()
        ]
        self._key_types: list[list[str]] = []
        self.schema = pa.schema([])
        self.exact_inputs = [
            output.expression.direct
            for output in self._outputs
            if output.expression.direct is not None
            and output.kind is None
            and output.expression.direct.words == "json"
            and output.expression.direct.declared is None
        ]

    @property
    def undeclared(self) -> list[Input]:
        """The JSON inputs whose kind must be observed."""
        return [
            one
            for one in self.scope.inputs
            if one.words == "json" and one.declared is None and one.origin not in self._lookup_names
        ]

    def freeze(self, kinds: Mapping[str, str], prepared: pa.Schema) -> None:
        """Fix the kinds and compile. ``prepared``: the columns ``w_N`` of record and element. ``ConfigError``."""
        self.kinds = dict(kinds)
        for lookup in self.lookups:
            lookup.need(self.scope.inputs, self.kinds)
            lookup.register(self._sandbox, self.doubles)
        own = [one for one in self.doubles if one.origin not in self._lookup_names]
        flags = [pa.field(f"q_{one.number}", pa.bool_()) for one in own]
        self._sandbox.register("src", pa.schema([*prepared, *flags]).empty_table())
        self._compile_keys()
        ducks = self._bind(self._inputs_sql(careful=False), [output.expression for output in self._outputs])
        columns: list[pa.Field] = []
        for number, (output, duck) in enumerate(zip(self._outputs, ducks, strict=True)):
            output.kind = output.kind or self._natural(output, duck)
            self._compile_output(number, output, duck)
            columns.append(arrow_field(output.spec.name, output.kind))
        self.schema = pa.schema(columns)
        if self._filter is not None:
            self._bind(self._inputs_sql(careful=False), [self._filter], boolean=True)
        if self._checks:
            self._bind(
                self._layers(careful=False, below_checks=True),
                [one for _code, _name, one in self._checks],
                boolean=True,
            )
        self._code = {careful: self._code_sql(careful=careful) for careful in (False, True)}
        self._refuse_volatile([output.expression for output in self._outputs if _risky(output)])
        try:
            self._sandbox.types(self.select(careful=True))
        except duckdb.Error as error:
            raise _refused("the translation", error, self.scope.inputs) from error

    def select(self, *, careful: bool) -> str:
        """The SELECT over ``src``: ``_n``, the outputs ``o_N``, ``_code``."""
        outputs = "".join(f", o_{number}" for number in range(len(self._outputs)))
        return f"SELECT _n{outputs}, {self._code[careful]} AS _code FROM ({self._layers(careful=careful)})"

    def diagnosis(self) -> str:
        """The same in its careful form, with every value as text beside it: ``v_w_N`` and ``v_x_N``."""
        shown = [f"w_{one.number}" for one in self.scope.inputs]
        shown += [f"x_{number}" for number in range(len(self._outputs))]
        shown += [f"y_{place}_{number}" for place, keys in enumerate(self._keys) for number in range(len(keys))]
        values = "".join(f", TRY(CAST({name} AS VARCHAR)) AS v_{name}" for name in shown)
        outputs = "".join(f", o_{number}" for number in range(len(self._outputs)))
        return (
            f"SELECT _n{outputs}{values}, {self._code[True]} AS _code FROM ({self._layers(careful=True)}) ORDER BY _n"
        )

    def evaluate(self, failure: Failure) -> str:
        """A SELECT that raises what this failure's expression raises; over a ``src`` of one row."""
        if failure.expression is None:
            return ""
        below = (
            self._layers(careful=True, below_checks=True)
            if failure.kind == "check_error"
            else self._inputs_sql(careful=True)
        )
        return f"SELECT {failure.expression.sql} FROM ({below})"

    def _refuse_volatile(self, expressions: list[Expression]) -> None:
        """TRY takes no function that gives another value each time, and so names the expression that has one."""
        below = self._inputs_sql(careful=False)
        for one in expressions:
            try:
                self._sandbox.types(f"SELECT TRY({one.sql}) FROM ({below})")
            except duckdb.Error as error:
                raise _refused(f"{one.where}: {one.text!r}", error, self.scope.inputs) from error

    # the layers, from the bottom

    def _inputs_sql(self, *, careful: bool) -> str:
        own = [one for one in self.scope.inputs if one.origin not in self._lookup_names]
        below = self._typed_layer("src", own, careful=careful)
        if not self.lookups:
            return below
        keys = [
            f"{_guarded(self._key_sql(place, number), careful=careful)} AS y_{place}_{number}"
            + (f", {_error(expression.sql)} AS ye_{place}_{number}" if careful else "")
            for place, expressions in enumerate(self._keys)
            for number, expression in enumerate(expressions)
        ]
        joined = f"SELECT *, {', '.join(keys)} FROM ({below})"
        for place, lookup in enumerate(self.lookups):
            on = " AND ".join(f"a.y_{place}_{number} = b.key_{number}" for number in range(len(self._keys[place])))
            found = [one for one in self.scope.inputs if one.origin == lookup.name]
            taken = "".join(f", b.w_{one.number}" for one in found)
            taken += "".join(f", b.q_{one.number}" for one in self.doubles if one.origin == lookup.name)
            joined = (
                f"SELECT a.*{taken}, b.key_0 IS NOT NULL AS found_{place} FROM ({joined}) a "
                f"LEFT JOIN {lookup.table} b ON {on}"
            )
        looked_up = [one for one in self.scope.inputs if one.origin in self._lookup_names]
        return self._typed_layer(f"({joined})", looked_up, careful=careful)

    @property
    def _lookup_names(self) -> set[str]:
        return {lookup.name for lookup in self.lookups}

    def _typed_layer(self, below: str, inputs: list[Input], *, careful: bool) -> str:
        scalars = "".join(
            f", {_guarded(scalar_words(f'w_{one.number}'), careful=careful)} AS s_{one.number}"
            for one in inputs
            if one.words == "json"
        )
        values = "".join(
            f", {_guarded(sql, careful=careful and bool(one.words))} AS t_{one.number}"
            for one in inputs
            for sql in [typed(one, self.kinds.get(one.key, ""), self._timezone)]
        )
        source = f"(SELECT *{scalars} FROM {below})" if scalars else below
        return f"SELECT *{values} FROM {source}"

    def _layers(self, *, careful: bool, below_checks: bool = False) -> str:
        raw = [
            f"{_guarded(output.raw, careful=careful and _risky(output))} AS x_{n}"
            for n, output in enumerate(self._outputs)
        ]
        if careful:
            raw += [f"{_error(output.raw)} AS e_{n}" for n, output in enumerate(self._outputs) if _risky(output)]
        if self._filter is not None:
            raw.append(f"{_guarded(self._filter.sql, careful=careful)} AS f_0")
            if careful:
                raw.append(f"{_error(self._filter.sql)} AS fe_0")
        sql = f"SELECT *{_listed(raw)} FROM ({self._inputs_sql(careful=careful)})"
        casts = [f"{_guarded(output.cast, careful=careful)} AS c_{n}" for n, output in enumerate(self._outputs)]
        sql = f"SELECT *{_listed(casts)} FROM ({sql})"
        whole = [
            (f"coalesce(c_{n}, {output.default})" if output.default else f"c_{n}") + f" AS o_{n}"
            for n, output in enumerate(self._outputs)
        ]
        sql = f"SELECT *{_listed(whole)} FROM ({sql})"
        if below_checks or not self._checks:
            return sql
        checks = [f"{_guarded(one.sql, careful=careful)} AS k_{n}" for n, (_c, _f, one) in enumerate(self._checks)]
        if careful:
            checks += [f"{_error(one.sql)} AS ke_{n}" for n, (_c, _f, one) in enumerate(self._checks)]
        return f"SELECT *{_listed(checks)} FROM ({sql})"

    # what can fail, in the order in which a record is judged

    def _code_sql(self, *, careful: bool) -> str:
        self.failures, cases = [], []

        def case(condition: str, failure: Failure, *, only_careful: bool = False) -> None:
            self.failures.append(failure)
            if careful or not only_careful:
                cases.append(f"WHEN {condition} THEN {len(self.failures)}")

        def inputs(expression: Expression, field: str) -> None:
            for one in expression.inputs:
                if can_fail(one):
                    case(failed(one), Failure("input", reject_code(one), field or one.said, f"w_{one.number}", one=one))

        if self._filter is not None:
            inputs(self._filter, "filter")
            broken = Failure("error", "expression.failed", "filter", expression=self._filter)
            case("fe_0", broken, only_careful=True)
            cases.append(f"WHEN f_0 IS NOT TRUE THEN {FILTERED}")
        for place, (lookup, keys) in enumerate(zip(self.lookups, self._keys, strict=True)):
            for number, key in enumerate(keys):
                inputs(key, lookup.name)
                broken = Failure("error", "expression.failed", lookup.name, expression=key)
                case(f"ye_{place}_{number}", broken, only_careful=True)
            if lookup.missing != "null":
                case(f"NOT found_{place}", Failure("lookup", "lookup.missing", lookup.name, detail=str(place)))
        for n, output in enumerate(self._outputs):
            self._output_cases(n, output, case, inputs)
        for n, (code, field, one) in enumerate(self._checks):
            case(
                f"ke_{n}",
                Failure("check_error", "expression.failed", field or code[6:], expression=one),
                only_careful=True,
            )
            case(f"k_{n} IS FALSE", Failure("check", code, field, expression=one))
        return f"CAST(CASE {' '.join(cases)} END AS INTEGER)" if cases else "CAST(NULL AS INTEGER)"

    def _output_cases(self, n: int, output: _Output, case, inputs) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        name = output.spec.name
        if not output.from_words:
            inputs(output.expression, name)
        direct = output.expression.direct
        if direct in self.exact_inputs and self._is_double(direct):
            case(f"q_{direct.number}", Failure("inexact", "number.inexact", name, f"w_{direct.number}"))
        if _risky(output):
            broken = Failure("error", "expression.failed", name, expression=output.expression)
            case(f"e_{n}", broken, only_careful=True)
        kind = output.kind
        assert kind is not None  # noqa: S101 - freeze has set it
        case(
            f"(x_{n} IS NOT NULL AND c_{n} IS NULL)",
            Failure("cast", f"type.{kind.name}", name, f"x_{n}", output.expression, detail=str(kind)),
        )
        if output.spec.required:
            case(f"o_{n} IS NULL", Failure("required", "field.required", name, expression=output.expression))

    def _is_double(self, one: Input | None) -> bool:
        return one is not None and self.kinds.get(one.key) == "double"

    @property
    def doubles(self) -> list[Input]:
        """The JSON inputs that go out as doubles, for which ``q_N`` must say whether the double is exact."""
        return list({one.number: one for one in self.exact_inputs if self._is_double(one)}.values())

    # compiling one piece

    def _compile_output(self, number: int, output: _Output, duck: str) -> None:
        spec, kind, direct = output.spec, output.kind, output.expression.direct
        assert kind is not None  # noqa: S101 - set by the caller
        how = Words(format=spec.format, true=spec.true, false=spec.false, timezone=self._timezone)
        declared = parse_type(spec.type) if spec.type else None
        if declared is not None and direct is not None and direct.words:
            output.raw = f"w_{direct.number}"
            output.cast = _words_cast(direct, declared, how)
        else:
            output.raw = output.expression.sql
            try:
                output.cast = cast_typed(f"x_{number}", duck, kind, how, rounded=output.expression.rounded)
            except Unfit as unfit:
                raise ConfigError(
                    unfit.code, f"field {spec.name}: {spec.expression!r} {unfit.reason}", next_step=unfit.advice
                ) from unfit
        if spec.has_default and spec.default is not None:
            output.default = default_sql(self._sandbox, spec, kind, how)

    def _natural(self, output: _Output, duck: str) -> FieldType:
        direct = output.expression.direct
        known = input_type(direct, self.kinds.get(direct.key, "")) if direct is not None else None
        return known or natural(duck)

    def _key_sql(self, place: int, number: int) -> str:
        return Lookup.canonical(self._keys[place][number].sql, self._key_types[place][number])

    def _compile_keys(self) -> None:
        own = [one for one in self.scope.inputs if one.origin not in self._lookup_names]
        below = self._typed_layer("src", own, careful=False)
        self._key_types = [self._bind(below, keys) for keys in self._keys]

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
                    raise _refused(f"{one.where}: {one.text!r}", own, self.scope.inputs) from own
            raise _refused("the translation", error, self.scope.inputs) from error
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


def _words_cast(one: Input, kind: FieldType, how: Words) -> str:
    """The exact cast of an input's own words, whatever an expression would see of it."""
    if one.words == "text":
        return cast_words(f"w_{one.number}", kind, how)
    if kind.name == "json":
        return f"CASE WHEN NOT starts_with(w_{one.number}, '!') THEN w_{one.number} END"
    return cast_words(f"s_{one.number}", kind, how)


def _risky(output: _Output) -> bool:
    """Whether evaluating it can raise: a bare name cannot."""
    return output.expression.direct is None


def _guarded(sql: str, *, careful: bool) -> str:
    return f"TRY({sql})" if careful else sql


def _error(sql: str) -> str:
    """TRUE where evaluating raises: TRY gives NULL for that, and ``IS NULL`` never does."""
    return f"(TRY(({sql}) IS NULL) IS NULL)"


def _listed(columns: list[str]) -> str:
    return "".join(f", {column}" for column in columns)


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
    return ConfigError("translation.expression", f"{what}: {said}", next_step="dragoman explain shows the compiled SQL")
