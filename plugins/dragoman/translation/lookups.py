"""Lookups: another stream's records, joined by the equality of exact values.

Keys are compared as text, in one canonical form per value: 1, 1.00 and "1" are the same key, "01" is another.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pyarrow as pa

from dragoman.core.errors import ConfigError, FatalError
from dragoman.core.flow import LookupSpec
from dragoman.translation.input_sql import scalar_words, typed
from dragoman.translation.inputs import Input, Scope
from dragoman.translation.kinds import kind_of
from dragoman.translation.prepare import inexact, values_of
from dragoman.translation.sandbox import Sandbox

__all__ = ["Lookup", "lookups_of"]

_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")


class Lookup:
    """One lookup of a translation. ``records``: all of the looked-up stream, staged as it was read."""

    def __init__(self, spec: LookupSpec, place: int, records: pa.Table, timezone: str = "") -> None:
        self.name, self.on, self.missing, self.source = spec.name, spec.on, spec.missing, spec.source
        self.table = f"lookup_{place}"
        self.records = records
        self._timezone = timezone
        self._inputs: list[Input] = []

    def need(self, inputs: Sequence[Input], kinds: dict[str, str]) -> None:
        """Tell it which of its values the map uses; puts their kinds into ``kinds``."""
        self._inputs = [one for one in inputs if one.origin == self.name]
        columns = values_of(self.records, self._inputs)
        for one in self._inputs:
            if one.words == "json" and one.declared is None:
                kinds[one.key] = kind_of(columns[one.number])

    def register(self, sandbox: Sandbox, doubles: Sequence[Input] = ()) -> None:
        """Make ``key_N`` and the needed ``w_N`` readable; ``FatalError`` ``lookup.ambiguous`` for a key found twice."""
        scope = Scope(self.records.schema, source=self.source)
        keys = [scope.resolve((column,), f"lookup {self.name}", whole=True) for column in self.on]
        own = values_of(self.records, keys)
        arrays = {f"w_{number}": values for number, values in own.items()}
        sandbox.register(f"{self.table}_raw", pa.table(arrays))
        kinds = {one.number: kind_of(own[one.number]) for one in keys if one.words == "json" and one.declared is None}
        scalars = ", ".join(
            ["*", *(f"{scalar_words(f'w_{one.number}')} AS s_{one.number}" for one in keys if one.words == "json")]
        )
        values = ", ".join(f"{typed(one, kinds.get(one.number, ''), self._timezone)} AS t_{one.number}" for one in keys)
        below = f"SELECT {values} FROM (SELECT {scalars} FROM {self.table}_raw)"
        ducks = sandbox.types(below)
        canonical = ", ".join(
            f"{self.canonical(f't_{one.number}', ducks[f't_{one.number}'])} AS key_{place}"
            for place, one in enumerate(keys)
        )
        found = sandbox.table(f"SELECT {canonical} FROM ({below})")
        sandbox.connection.unregister(f"{self.table}_raw")
        needed = values_of(self.records, self._inputs)
        flags = {one.number: inexact(needed[one.number]) for one in doubles if one.origin == self.name}
        columns = [*found.columns, *needed.values(), *flags.values()]
        names = [*found.column_names, *(f"w_{number}" for number in needed), *(f"q_{number}" for number in flags)]
        sandbox.register(f"{self.table}_all", pa.table(columns, names=names))
        self._refuse_twins(sandbox, found.column_names)
        empty = " AND ".join(f"{name} IS NOT NULL" for name in found.column_names)
        sandbox.execute(f"CREATE OR REPLACE TEMP TABLE {self.table} AS SELECT * FROM {self.table}_all WHERE {empty}")
        sandbox.connection.unregister(f"{self.table}_all")

    def _refuse_twins(self, sandbox: Sandbox, names: list[str]) -> None:
        keys = ", ".join(names)
        whole = " AND ".join(f"{name} IS NOT NULL" for name in names)
        twins = sandbox.rows(
            f"SELECT {keys}, count(*) FROM {self.table}_all WHERE {whole} "
            f"GROUP BY {keys} HAVING count(*) > 1 ORDER BY ALL LIMIT 1"
        )
        if twins:
            said = ", ".join(f"{column} = {value!r}" for column, value in zip(self.on, twins[0], strict=False))
            raise FatalError(
                "lookup.ambiguous",
                f"lookup {self.name}: {self.source} has {twins[0][-1]} records with {said}",
                next_step="look up by a key that is unique, or make it unique with a sql: translation",
            )

    @staticmethod
    def canonical(sql: str, duck: str) -> str:
        """SQL for a key's canonical text."""
        match = _DECIMAL.fullmatch(duck)
        if duck == "VARCHAR":
            return sql
        if match and int(match[2]):
            return f"rtrim(rtrim(CAST({sql} AS VARCHAR), '0'), '.')"
        if duck in {"FLOAT", "DOUBLE"}:
            return (
                f"CASE WHEN trunc({sql}) = {sql} AND abs({sql}) < 1e15 "
                f"THEN CAST(CAST({sql} AS BIGINT) AS VARCHAR) ELSE CAST({sql} AS VARCHAR) END"
            )
        if duck == "JSON":
            return f"json_extract_string({sql}, '$')"
        return f"CAST({sql} AS VARCHAR)"


def lookups_of(specs: tuple[LookupSpec, ...], tables: Mapping[str, pa.Table], timezone: str = "") -> tuple[Lookup, ...]:
    """The lookups of a translation; ``ConfigError`` where one's records were not given."""
    for spec in specs:
        if spec.name not in tables:
            raise ConfigError(
                "lookup.unknown",
                f"lookup {spec.name}: no records of {spec.source} were given",
                next_step="name a source",
            )
    return tuple(Lookup(spec, place, tables[spec.name], timezone) for place, spec in enumerate(specs))
