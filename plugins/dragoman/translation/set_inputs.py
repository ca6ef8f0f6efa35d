"""The inputs of a whole-set translation: typed columns plus ``_rid``, one table per input."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from dragoman.core.batch import HIDDEN, RID, Reject
from dragoman.core.fieldtype import type_of
from dragoman.core.flow import TranslationSpec
from dragoman.translation.translator import Translator

__all__ = ["SetInput", "TypedInput", "typed_input"]


@dataclass(frozen=True)
class SetInput:
    """One input as it is staged: ``name`` is its table's, ``batches`` give (id of the first record, records).

    A batch that carries ``_rid`` itself (the outputs of another translation) keeps it.
    """

    name: str
    schema: pa.Schema
    batches: Iterable[tuple[int, pa.Table]]
    kinds: Mapping[str, str] = field(default_factory=dict)
    timezone: str = ""
    types: Mapping[str, str] = field(default_factory=dict)


@dataclass
class TypedInput:
    """``table``: typed columns and ``_rid``; ``rejects``: records of which a value is not of its type."""

    name: str
    table: pa.Table
    records: int
    rejects: list[Reject]


def typed_input(one: SetInput, *, text: str, memory: str, timeout: float) -> TypedInput:
    """Cast an input exactly. Where ``text`` (the query) is not empty, columns that it does not name are left out."""
    names = [name for name in one.schema.names if name not in HIDDEN]
    if text:
        lowered = text.lower()
        names = [name for name in names if name.lower() in lowered] or names
    schema = pa.schema([one.schema.field(name) for name in names])
    spec = TranslationSpec(node=one.name, inputs=(one.name,))
    translator = Translator(
        spec, schema, kinds=one.kinds, timezone=one.timezone, types=one.types, memory=memory, timeout=timeout
    )
    tables: list[pa.Table] = []
    rejects: list[Reject] = []
    records = 0
    try:
        for base, batch in one.batches:
            records += batch.num_rows
            known = [name for name in batch.column_names if name in names or name not in one.schema.names]
            made = translator.apply(batch.select(known), 0)
            own = batch.column(RID).combine_chunks() if RID in batch.column_names else None
            outputs = made.outputs
            rids = outputs.column(RID)
            rids = own.take(rids) if own is not None else pc.add(rids, base)
            tables.append(outputs.set_column(outputs.num_columns - 1, RID, rids))
            for reject in made.rejects:
                reject.rid = own[reject.rid].as_py() if own is not None else base + reject.rid
            rejects += made.rejects
        whole = translator.schema.append(pa.field(RID, pa.int64()))
    finally:
        translator.close()
    table = pa.concat_tables(tables) if tables else whole.empty_table()
    return TypedInput(one.name, table, records, rejects)


def select_list(schema: pa.Schema) -> str:
    """The columns of a typed input as DuckDB shall see them: ``json`` as JSON."""
    columns = []
    for one in schema:
        name = '"' + one.name.replace('"', '""') + '"'
        columns.append(f"CAST({name} AS JSON) AS {name}" if type_of(one).name == "json" else name)
    return ", ".join(columns)
