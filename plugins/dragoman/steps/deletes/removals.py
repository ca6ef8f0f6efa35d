"""Deleted records on their way: of each the keys of the deliveries are computed, and nothing else.

Filters, required fields, checks and lookups ask what a record says, and a deleted one says nothing any more: they are
left out. No ``when:`` can be judged either, so a deletion goes to every delivery: where the key is not there, nothing
is to be done.
"""

from __future__ import annotations

from collections import Counter

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from dragoman.core.batch import HIDDEN, RID, Refused, Reject, visible
from dragoman.core.errors import FatalError
from dragoman.core.flow import DeliverySpec, Flow, TranslationSpec
from dragoman.core.ports import DeliverySession, Erases
from dragoman.core.removal import key_fields
from dragoman.translation.engine import Translator

__all__ = ["Removals", "erase", "key_spec"]

ERASE = "erase"


def key_spec(spec: TranslationSpec, flow: Flow) -> TranslationSpec:
    """The translation, cut down to what it computes of a deleted record."""
    fields = key_fields(spec, flow.translations, flow.deliveries)
    return msgspec.structs.replace(spec, filter="", lookups=(), checks={}, fields=fields)


class Removals:
    """One translation, for deleted records. ``translator`` is that of its ``key_spec``."""

    def __init__(self, flow: Flow, spec: TranslationSpec, translator: Translator, schema: pa.Schema) -> None:
        self.node = spec.node
        self._translator = translator
        self._schema = pa.schema([column for column in schema if column.name != RID])
        self._takers = [delivery.node for delivery in flow.deliveries if delivery.input == spec.node]
        keys = {key.lower() for delivery in flow.deliveries if delivery.input == spec.node for key in delivery.key}
        self._keys = [name for name in self._schema.names if name.lower() in keys]

    def apply(self, table: pa.Table, rids: pa.ChunkedArray) -> tuple[pa.Table, Counter[str], list[Reject]]:
        """Outputs with the keys and ``_rid``, all else NULL; the account, and the records that have no key."""
        result = self._translator.apply(table, 0)
        outputs, rejects = result.outputs, result.rejects
        missing = _without(outputs, self._keys)
        for name, rows in missing.items():
            where = outputs.column(RID).take(pa.array(rows, pa.int64())).to_pylist()
            said = f"the record was deleted, and its key {name} comes out as NULL: nobody can tell what to erase"
            rejects += [Reject("deletes.no_key_value", said, ERASE, field=name, rid=rid) for rid in where]
        if missing:
            fallen = pa.array(sorted({row for rows in missing.values() for row in rows}), pa.int64())
            rows = pa.array(range(outputs.num_rows), pa.int64())
            outputs = outputs.filter(pc.invert(pc.is_in(rows, fallen)))
        for reject in rejects:
            reject.rid, reject.stage = rids[reject.rid].as_py(), ERASE
        counts: Counter[str] = Counter(
            {
                "in": result.records_in,
                "passed": outputs.num_rows,
                "rejected": result.records_in - outputs.num_rows,
                "filtered": 0,
                "outputs": outputs.num_rows,
            }
        )
        counts.update({f"routed.{name}": outputs.num_rows for name in self._takers})
        return self._whole(outputs, rids), counts, rejects

    def shares(self, outputs: pa.Table) -> dict[str, pa.Table]:
        """What each delivery of this translation is to erase."""
        return dict.fromkeys(self._takers, outputs)

    def _whole(self, outputs: pa.Table, rids: pa.ChunkedArray) -> pa.Table:
        """All columns of the translation, those that were not computed NULL."""
        made = {name.lower(): outputs.column(name) for name in visible(outputs).column_names}
        columns = []
        for column in self._schema:
            found = made.get(column.name.lower())
            columns.append(pa.nulls(outputs.num_rows, column.type) if found is None else found.cast(column.type))
        own = rids.take(outputs.column(RID))
        return pa.Table.from_arrays([*columns, own], schema=self._schema.append(pa.field(RID, pa.int64())))


def erase(
    session: DeliverySession, spec: DeliverySpec, batch_id: str, outputs: pa.Table, *, hidden: bool
) -> list[Refused]:
    """Have a delivery's session remove the keys of these outputs; ``hidden``: it takes the hidden columns too."""
    if not isinstance(session, Erases):
        raise FatalError(
            "deletes.cannot_erase",
            f"the destination of {spec.node!r} cannot erase what the source has deleted",
            next_step="leave deletes: out, or deliver to a connector whose page says that it erases",
        )
    beside = [name for name in HIDDEN if hidden and name in outputs.column_names]
    return session.erase(batch_id, outputs.select([*spec.key, *beside]))


def _without(outputs: pa.Table, keys: list[str]) -> dict[str, list[int]]:
    """The rows whose key is not whole, each under the first column that is NULL."""
    found: dict[str, list[int]] = {}
    seen: set[int] = set()
    for name in keys:
        rows = [row for row in pc.indices_nonzero(pc.is_null(outputs.column(name))).to_pylist() if row not in seen]
        seen.update(rows)
        if rows:
            found[name] = rows
    return found
