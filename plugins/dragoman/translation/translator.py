"""The translator: what a field map makes of a sealed batch.

``Translator`` is a pure function of (batch, map): each batch alone, in any order and as often as wanted. It is used
from one thread at a time; while DuckDB works, other threads go on.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping
from datetime import datetime

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from dragoman.core.batch import HIDDEN, LINE, RID
from dragoman.core.errors import ConfigError, FatalError
from dragoman.core.fieldtype import words_field, words_of
from dragoman.core.flow import FieldSpec, TranslationSpec
from dragoman.translation.diagnose import rejects_of
from dragoman.translation.expression import resolve
from dragoman.translation.inputs import Input, Scope
from dragoman.translation.judge import FILTERED
from dragoman.translation.kinds import kind_of
from dragoman.translation.lookups import lookups_of
from dragoman.translation.plan import Plan
from dragoman.translation.prepare import inexact, prepare, values_of
from dragoman.translation.projection import Exploded, explode
from dragoman.translation.sandbox import Sandbox
from dragoman.translation.translated import Translated
from dragoman.translation.underway import Underway

__all__ = ["Translator"]


class Translator:
    """A field map (or the identity) over the staged columns ``fields``.

    ``kinds``: the observed kind of undeclared JSON columns and paths (``kinds.observe``); what is missing there is
    taken from ``sample``, else from the first batch, and then frozen. ``lookups``: each lookup's records by its name.
    ``types`` declares types by column or dotted path, ``timezone`` is that of moments without an offset, ``moment`` is
    what ``now()`` gives.
    Raises ``ConfigError`` for what is wrong with the map, all that DuckDB can tell without data.
    """

    def __init__(
        self,
        spec: TranslationSpec,
        fields: pa.Schema,
        *,
        types: Mapping[str, str] | None = None,
        timezone: str = "",
        lookups: Mapping[str, pa.Table] | None = None,
        memory: str = "384MB",
        timeout: float = 300.0,
        kinds: Mapping[str, str] | None = None,
        sample: pa.Table | None = None,
        moment: datetime | None = None,
    ) -> None:
        _check_timezone(timezone)
        self._spec = spec
        self._fields = fields
        self._kinds = dict(kinds or {})
        self._sandbox = Sandbox(memory, timeout, moment=moment)
        known = lookups_of(spec.lookups, lookups or {}, timezone)
        source = spec.inputs[0] if spec.inputs else "the source"
        record = Scope(fields, types=types, source=source)
        self._list: Input | None = None
        self._gate: Plan | None = None
        if spec.each_alias:
            self._list = self._each_list(record)
            if spec.filter:
                gate = Scope(fields, types=types, source=source)
                self._gate = Plan(self._sandbox, gate, filter_text=spec.filter, timezone=timezone)
        scope = Scope(
            fields,
            types=types,
            alias=spec.each_alias,
            element=_element(self._list) if self._list else None,
            lookups={lookup.name: lookup.records.schema for lookup in known},
            source=source,
        )
        self._plan = Plan(
            self._sandbox,
            scope,
            filter_text="" if self._list else spec.filter,
            lookups=known,
            fields=self._output_specs(scope),
            checks=spec.checks,
            timezone=timezone,
        )
        self._frozen = False
        if sample is not None or all(one.key in self._kinds for one in self._undeclared):
            self._freeze(sample if sample is not None else fields.empty_table())

    @property
    def schema(self) -> pa.Schema:
        """The output columns. What no batch has shown yet is ``json`` if JSON gives no type."""
        if not self._frozen:
            self._kinds = {one.key: "json" for one in self._undeclared} | self._kinds
            self._freeze(self._fields.empty_table())
        return self._plan.schema

    @property
    def _undeclared(self) -> list[Input]:
        return [*self._plan.undeclared, *(self._gate.undeclared if self._gate else [])]

    def close(self) -> None:
        """Give DuckDB's memory back."""
        self._sandbox.close()

    def apply(self, table: pa.Table, rid_base: int = 0) -> Translated:
        """Translate one batch; ``_rid`` of an output is ``rid_base`` plus its record's row."""
        if not self._frozen:
            self._freeze(table)
        work = Underway(table, rid_base)
        if self._spec.fields is None:
            self._refuse_unknown(table, work)
        if self._gate is not None:
            self._through_gate(self._gate, work)
        exploded = self._explode(self._list, work) if self._list is not None else None
        self._translate(self._prepared(self._plan, work.table, exploded), work)
        work.result.rejects.sort(key=lambda reject: reject.rid)
        return work.result

    # compiling

    def _each_list(self, record: Scope) -> Input:
        found = resolve(self._spec.each_expression, "each", record)
        if found.direct is None:
            raise ConfigError(
                "each.path",
                f"each: {self._spec.each_expression!r} is no name of a list",
                next_step="name the list by its path, such as order.lines",
            )
        if self._spec.fields is None:
            raise ConfigError(
                "each.fields", "each: without fields: there is nothing to make of the lines", next_step="write fields:"
            )
        return found.direct

    def _output_specs(self, scope: Scope) -> tuple[FieldSpec, ...]:
        if self._spec.fields is not None:
            return self._spec.fields
        return tuple(FieldSpec(name=name, expression='"' + name.replace('"', '""') + '"') for name in scope.columns)

    def _freeze(self, table: pa.Table) -> None:
        """Observe what is not known yet in these records, and compile."""
        exploded = explode(values_of(table, [self._list])[self._list.number]) if self._list else None
        for plan in (self._gate, self._plan):
            if plan is None:
                continue
            prepared = prepare(table, plan.shape.scope.inputs, exploded if plan is self._plan else None)
            for one in plan.undeclared:
                if not self._kinds.get(one.key):
                    self._kinds[one.key] = kind_of(prepared.column(f"w_{one.number}"))
            plan.freeze(self._kinds, prepared.schema)
        self._frozen = True

    # running

    @staticmethod
    def _prepared(plan: Plan, table: pa.Table, exploded: Exploded | None = None) -> pa.Table:
        prepared = prepare(table, plan.shape.scope.inputs, exploded)
        for one in plan.shape.doubles:
            if f"w_{one.number}" in prepared.column_names:
                prepared = prepared.append_column(f"q_{one.number}", inexact(prepared.column(f"w_{one.number}")))
        return prepared

    def _run(self, plan: Plan, prepared: pa.Table) -> pa.Table:
        self._sandbox.register("src", prepared)
        try:
            found = self._sandbox.table(plan.select(careful=False))
        except duckdb.Error:
            found = self._sandbox.table(plan.select(careful=True))
        if found.num_rows != prepared.num_rows:
            raise FatalError(
                "translation.rows",
                f"{self._spec.node} made {found.num_rows} rows of {prepared.num_rows}: an expression makes rows",
                next_step="use each: for lists and sql: for groups",
            )
        return found.sort_by("_n") if plan.shape.lookups else found

    def _refuse_unknown(self, table: pa.Table, work: Underway) -> None:
        """Records that hold a value in a column which the frozen schema does not have."""
        known = set(self._fields.names)
        refused: dict[int, str] = {}
        for name in table.column_names:
            if name in known or name in HIDDEN:
                continue
            for row in pc.indices_nonzero(pc.is_valid(table.column(name))).to_pylist():
                refused.setdefault(row, name)
        if not refused:
            return
        for row, name in refused.items():
            value = table.column(name)[row].as_py()
            message = f"{name} is {str(value)[:200]!r}, and this run's records have no field of that name"
            work.reject("schema.unknown_field", message, name, row)
        work.keep(pa.array([row for row in range(table.num_rows) if row not in refused], pa.int64()))

    def _through_gate(self, gate: Plan, work: Underway) -> None:
        """The filter of records whose lists are to be exploded: it judges whole records."""
        prepared = self._prepared(gate, work.table)
        codes = self._run(gate, prepared).column("_code")
        work.count_filtered(codes)
        self._reject(gate, prepared, codes, work)
        work.keep(pc.indices_nonzero(pc.is_null(codes)).cast(pa.int64()))

    @staticmethod
    def _explode(one: Input, work: Underway) -> Exploded:
        column = values_of(work.table, [one])[one.number]
        exploded = explode(column)
        if exploded.empty:
            work.result.filtered["empty"] = len(exploded.empty)
        for row in exploded.broken:
            message = f"{one.said} is {str(column[row].as_py())[:200]}, which is no list"
            work.reject("each.not_a_list", message, one.said, row)
        return exploded

    def _translate(self, prepared: pa.Table, work: Underway) -> None:
        plan, result = self._plan, work.result
        found = self._run(plan, prepared)
        codes = found.column("_code")
        records = prepared.column("_row")
        good = None
        if codes.null_count != len(codes):
            work.count_filtered(codes)
            self._reject(plan, prepared, codes, work, first_only=self._spec.atomic)
            keep = pc.is_null(codes)
            if self._list and self._spec.atomic:
                fallen = pc.unique(records.filter(pc.greater(pc.fill_null(codes, FILTERED), 0)))
                keep = pc.and_(keep, pc.invert(pc.is_in(records, fallen)))
            good = pc.indices_nonzero(keep)
            records = records.take(good)
        result.passed = pc.count_distinct(records).as_py() if self._list else len(records)
        lines = prepared.column("_line") if self._list else None
        result.outputs = self._outputs(found, good, work.rids(records), lines)

    def _outputs(
        self, found: pa.Table, good: pa.Array | None, rids: pa.ChunkedArray, lines: pa.ChunkedArray | None
    ) -> pa.Table:
        columns: list[pa.ChunkedArray] = []
        for number, one in enumerate(self._plan.schema):
            column = found.column(f"o_{number}")
            column = column if good is None else column.take(good)
            columns.append(column if column.type == one.type else column.cast(one.type))
        schema = self._plan.schema
        if lines is not None:
            columns.append(lines if good is None else lines.take(good))
            schema = schema.append(pa.field(LINE, pa.int64()))
        return pa.Table.from_arrays([*columns, rids], schema=schema.append(pa.field(RID, pa.int64())))

    def _reject(
        self, plan: Plan, prepared: pa.Table, codes: pa.ChunkedArray, work: Underway, *, first_only: bool = True
    ) -> None:
        """Rejects for the coded rows; of a record with several bad lines only the first, where it is atomic."""
        places = pc.indices_nonzero(pc.greater(pc.fill_null(codes, FILTERED), 0)).to_pylist()
        rows = prepared.column("_row").take(pa.array(places, pa.int64())).to_pylist()
        if first_only:
            firsts: dict[int, int] = {}
            for place, row in zip(places, rows, strict=True):
                firsts.setdefault(row, place)
            rows, places = list(firsts), list(firsts.values())
        if not places:
            return
        failing = prepared.take(pa.array(places, pa.int64()))
        rids = work.rids(pa.array(rows, pa.int64())).to_pylist()
        lines = failing.column("_line").to_pylist()
        said = self._list.said if self._list else ""
        rejects = rejects_of(plan, self._sandbox, failing, rids, lines, list_name=said)
        if not first_only:
            for reject, line in zip(rejects, lines, strict=True):
                reject.line = line
        work.result.rejects.extend(rejects)


def _element(one: Input) -> pa.Field:
    """The field of one element of the list."""
    if one.words == "json":
        return words_field("", json=True)
    if pa.types.is_list(one.arrow) or pa.types.is_large_list(one.arrow):
        return pa.field("", one.arrow.value_type)
    raise ConfigError(
        "each.not_a_list",
        f"each: {one.said} is {one.arrow}, which is no list",
        next_step="name a list"
        + (f", or declare types: {{{one.said}: json}}" if words_of(pa.field("", one.arrow)) else ""),
    )


def _check_timezone(timezone: str) -> None:
    if not timezone:
        return
    try:
        zoneinfo.ZoneInfo(timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigError(
            "timezone.unknown", f"timezone: {timezone!r} is unknown", next_step="write a name such as Europe/Paris"
        ) from error
