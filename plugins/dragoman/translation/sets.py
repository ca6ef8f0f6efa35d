"""Whole-set translations: ``sql:`` and ``python:`` see all records of all their inputs at once.

Their outputs carry ``_rid`` or a list of them, so that each record is accounted for: a record that no output names is
filtered, reason ``not_selected``. With ``whole_set: true`` all records count as passed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from dragoman.core.batch import RID
from dragoman.core.errors import ConfigError, FatalError
from dragoman.core.fieldtype import arrow_field, type_of
from dragoman.core.flow import TranslationSpec
from dragoman.translation.casts import Words
from dragoman.translation.python_function import call_python
from dragoman.translation.sandbox import Sandbox, plain
from dragoman.translation.set_inputs import SetInput, TypedInput, select_list, typed_input
from dragoman.translation.single_select import check_select
from dragoman.translation.translated import Translated
from dragoman.translation.translator import Translator
from dragoman.translation.typed import Unfit, cast_typed, natural

__all__ = ["SetInput", "SetTranslator"]


class SetTranslator:
    """One ``sql:`` or ``python:`` translation. Raises ``ConfigError`` where the query is no single SELECT."""

    def __init__(self, spec: TranslationSpec, *, memory: str = "384MB", timeout: float = 300.0) -> None:
        self._spec, self._memory, self._timeout = spec, memory, timeout
        self._named = ""
        if spec.sql and not check_select(spec.sql_text, spec.sql):
            self._named = spec.sql_text

    def apply(self, inputs: Mapping[str, SetInput]) -> Translated:
        """Translate all of it. ``inputs`` by node, in the order of ``spec.inputs``."""
        typed = [
            typed_input(inputs[node], text=self._named, memory=self._memory, timeout=self._timeout)
            for node in self._spec.inputs
        ]
        result = Translated(records_in=sum(one.records for one in typed))
        for one in typed:
            result.rejects += one.rejects
        made = self._by_sql(typed) if self._spec.sql else self._by_python(typed)
        good = result.records_in - len(result.rejects)
        if self._spec.whole_set:
            result.passed = good
            rids = pa.array(range(made.num_rows), pa.int64())
        else:
            rids = self._account(made, typed, good, result)
        made = made.drop_columns([RID]) if RID in made.column_names else made
        result.outputs = made.append_column(pa.field(RID, pa.int64()), rids)
        if self._spec.checks:
            self._check(result)
        return result

    def _account(self, made: pa.Table, typed: list[TypedInput], good: int, result: Translated) -> pa.Array:
        """Which records the outputs name; gives each output's first record."""
        where = self._spec.sql or self._spec.python
        if RID not in made.column_names:
            raise ConfigError(
                "translation.no_rid",
                f"{where} gives no _rid, so nothing tells which records its outputs come from",
                next_step="select _rid (or list(_rid) AS _rid in a GROUP BY), or declare whole_set: true",
            )
        column = made.column(RID)
        lists = pa.types.is_list(column.type) or pa.types.is_large_list(column.type)
        try:
            flat = pc.drop_null(pc.list_flatten(column) if lists else column).cast(pa.int64())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise ConfigError(
                "translation.no_rid", f"{where} gives a _rid of type {column.type}", next_step="select _rid unchanged"
            ) from error
        named = pc.unique(flat)
        known = pa.chunked_array([chunk for one in typed for chunk in one.table.column(RID).chunks], pa.int64())
        if not pc.all(pc.is_in(named, known), min_count=0).as_py():
            raise FatalError(
                "translation.unknown_rid",
                f"{where} gives a _rid that no record has",
                next_step="carry _rid unchanged from the input",
            )
        result.passed = len(named)
        if good > len(named):
            result.filtered["not_selected"] = good - len(named)
        if lists:
            return pa.array([min(own) if own else -1 for own in column.to_pylist()], pa.int64())
        return pc.fill_null(column.cast(pa.int64()), -1)

    def _by_sql(self, typed: list[TypedInput]) -> pa.Table:
        with tempfile.TemporaryDirectory(prefix="dragoman-spill-") as folder:
            sandbox = Sandbox(self._memory, self._timeout, threads=2, spill=folder)
            try:
                for place, one in enumerate(typed):
                    sandbox.register(f"_input_{place}", one.table)
                    schema, _, _name = one.name.rpartition(".")
                    if schema:
                        sandbox.execute(f"CREATE SCHEMA IF NOT EXISTS {_dotted(schema)}")
                    sandbox.execute(
                        f"CREATE VIEW {_dotted(one.name)} AS SELECT {select_list(one.table.schema)} FROM _input_{place}"
                    )
                return self._query(sandbox)
            finally:
                sandbox.close()

    def _query(self, sandbox: Sandbox) -> pa.Table:
        query = self._spec.sql_text.strip().rstrip(";")
        try:
            ducks = sandbox.types(f"{query}\n")
        except duckdb.Error as error:
            raise ConfigError(
                "translation.sql",
                f"{self._spec.sql}: {plain(error)}",
                next_step=f"its tables are {', '.join(self._spec.inputs)}; each has _rid beside its columns",
            ) from error
        wanted, columns = [], []
        for name, duck in ducks.items():
            quoted = '"' + name.replace('"', '""') + '"'
            if name == RID:
                columns.append(quoted)
                continue
            kind = natural(duck)
            try:
                cast = cast_typed(quoted, duck, kind, Words())
            except Unfit as unfit:
                raise ConfigError(
                    unfit.code, f"{self._spec.sql}: {name} {unfit.reason}", next_step=unfit.advice
                ) from unfit
            wanted.append(arrow_field(name, kind))
            columns.append(
                f"CASE WHEN {quoted} IS NOT NULL AND ({cast}) IS NULL "
                f"THEN error({_lost(name, kind)}) ELSE {cast} END AS {quoted}"
            )
        try:
            found = sandbox.table(f"SELECT {', '.join(columns)} FROM ({query}\n)")
        except duckdb.Error as error:
            raise FatalError(
                "translation.sql",
                f"{self._spec.sql}: {plain(error)}",
                next_step="guard the expression with TRY(…) or a CASE, then resume the run",
            ) from error
        arrays = [found.column(one.name).cast(one.type) for one in wanted]
        made = pa.Table.from_arrays(arrays, schema=pa.schema(wanted))
        return made.append_column(RID, found.column(RID)) if RID in found.column_names else made

    def _by_python(self, typed: list[TypedInput]) -> pa.Table:
        made = call_python(self._spec, {one.name: one.table for one in typed})
        columns = [name for name in made.column_names if name != RID]
        fields = [arrow_field(name, type_of(made.schema.field(name))) for name in columns]
        odd = [
            one.name
            for one, name in zip(fields, columns, strict=True)
            if pa.types.is_nested(made.schema.field(name).type)
        ]
        if odd:
            raise FatalError(
                "translation.python",
                f"{self._spec.python} gives nested values in {', '.join(odd)}",
                next_step="turn them into JSON text (json.dumps) first",
            )
        try:
            arrays = [made.column(one.name).cast(one.type) for one in fields]
        except pa.ArrowInvalid as error:
            raise FatalError(
                "translation.python",
                f"{self._spec.python} gives a value that does not fit: {error}",
                next_step="see its code",
            ) from error
        table = pa.Table.from_arrays(arrays, schema=pa.schema(fields))
        return table.append_column(RID, made.column(RID)) if RID in made.column_names else table

    def _check(self, result: Translated) -> None:
        """``checks:`` over the outputs. A record all of whose outputs fail is rejected, no longer passed."""
        outputs = result.outputs
        schema = pa.schema([one for one in outputs.schema if one.name != RID])
        spec = TranslationSpec(node=self._spec.node, inputs=(self._spec.node,), checks=self._spec.checks)
        translator = Translator(spec, schema, memory=self._memory, timeout=self._timeout)
        try:
            made = translator.apply(outputs)
        finally:
            translator.close()
        rids = outputs.column(RID).combine_chunks()
        result.outputs = made.outputs.set_column(made.outputs.num_columns - 1, RID, rids.take(made.outputs.column(RID)))
        for reject in made.rejects:
            reject.rid, reject.original = rids[reject.rid].as_py(), reject.mapped
        result.rejects += made.rejects
        if not self._spec.whole_set:
            left = pc.unique(result.outputs.column(RID))
            lost = {reject.rid for reject in made.rejects} - set(left.to_pylist())
            result.passed -= len(lost)


def _lost(name: str, kind: object) -> str:
    return "'" + f"{name} does not fit {kind}".replace("'", "''") + "'"


def _dotted(name: str) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))
