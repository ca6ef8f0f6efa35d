"""What is known of a record that has no receipt: rejected, in doubt, filtered, on its way, or never seen."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dragoman.core.batch import RECORD, Reject
from dragoman.core.errors import FatalError
from dragoman.core.fieldtype import words_of
from dragoman.core.flow import DeliverySpec, Flow
from dragoman.ledger.rows import BatchRow, RejectRow, Run
from dragoman.steps.proof.look_back import LookBack
from dragoman.steps.staged import where_is
from dragoman.steps.workplace import Workplace

__all__ = ["Pairs", "rejected_as", "staged_as"]

Pairs = dict[str, str | None]
NEWEST_REJECTS = 20_000
NEWEST_RUNS = 50
NEWEST_BATCHES = 400


def rejected_as(place: Workplace, integration: str, node: str, pairs: Pairs) -> dict[str, Any] | None:
    """The newest reject of the record, among the newest 20,000: by its mapped form, else by its original."""
    files: dict[str, list[Reject]] = {}
    for number, row in _newest_rejects(place, integration):
        if node and row.stage == "deliver" and row.node != node:
            continue
        if row.path not in files:
            files[row.path] = _payloads(place, row)
        payload = files[row.path][row.row] if row.row < len(files[row.path]) else None
        if _is_the_one(row, payload, pairs):
            return {
                "outcome": "in_doubt" if row.state == "in_doubt" else "rejected",
                "reject": number,
                "state": row.state,
                "run_id": row.run_id,
                "node": row.node,
                "stage": row.stage,
                "code": row.code,
                "field": row.field,
                "message": row.message,
                "position": row.position,
                "replay_run": row.replay_run,
            }
    return None


def _newest_rejects(place: Workplace, integration: str) -> Iterator[tuple[int, RejectRow]]:
    after, seen = 0, 0
    while seen < NEWEST_REJECTS:
        page = place.ledger.rejects_page(integration, after=after, limit=500)
        yield from page
        if len(page) < 500:
            return
        after, seen = page[-1][0], seen + len(page)


def _payloads(place: Workplace, row: RejectRow) -> list[Reject]:
    try:
        return place.stage.load_rejects(row.path, row.sha256)
    except FatalError:
        return []


def _is_the_one(row: RejectRow, payload: Reject | None, pairs: Pairs) -> bool:
    if "_rid" in pairs:
        return f"{row.run_id}:{row.rid}" == pairs["_rid"]
    texts = [payload.mapped, payload.original] if payload else []
    return any(_holds(text, pairs) for text in texts if text)


def _holds(text: str, pairs: Pairs) -> bool:
    try:
        found = json.loads(text, parse_float=Decimal, parse_int=str)
    except json.JSONDecodeError:
        return False
    return isinstance(found, dict) and all(name in found and _same(found[name], value) for name, value in pairs.items())


def _same(found: Any, wanted: str | None) -> bool:
    if found is None or wanted is None:
        return found is None and not wanted
    text = str(found).strip() if not isinstance(found, bool) else str(found).lower()
    return text == wanted.strip() or _number(text) == _number(wanted) is not None


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text.strip())
    except ArithmeticError:
        return None
    return number if number.is_finite() else None


def staged_as(place: Workplace, integration: str, node: str, pairs: Pairs) -> dict[str, Any] | None:
    """What the newest staged record of that key became, among the newest runs whose stage is kept."""
    runs: Sequence[Run] = place.ledger.runs(integration, limit=NEWEST_RUNS)
    if "_rid" in pairs:
        run_id = (pairs["_rid"] or "").partition(":")[0]
        runs = [run for run in place.ledger.runs_named([run_id]).values() if run.integration == integration]
    looked = 0
    for run in runs:
        back = LookBack(place, run)
        if back.flow is None:
            continue
        nodes = [node] if node else [one.node for one in back.flow.deliveries]
        for name in nodes:
            spec = back.delivery(name)
            if spec is None:
                continue
            for batch in reversed(back.batches(name)):
                looked += 1
                if looked > NEWEST_BATCHES:
                    return None
                row = _row_of(place, back.flow, spec, batch, pairs)
                if row is not None:
                    return _told(back, run, name, batch, row)
    return None


def _row_of(place: Workplace, flow: Flow, spec: DeliverySpec, batch: BatchRow, pairs: Pairs) -> int | None:
    if "_rid" in pairs:
        _run, _, text = (pairs["_rid"] or "").partition(":")
        if not text.isdigit():
            return None
        index, seq, row = where_is(int(text))
        names = [stream.node for stream in flow.streams] + [one.node for one in flow.translations]
        mine = index < len(names) and names[index] == batch.node and seq == batch.seq and row < batch.rows
        return row if mine else None
    try:
        table = place.stage.load(batch.path, batch.sha256)
    except FatalError:
        return None
    mask: Any = None
    for name, value in pairs.items():
        column = _source_column(flow, spec, name)
        if column not in table.column_names or column == RECORD:
            return None
        same = _equal(table, column, value)
        mask = same if mask is None else pc.and_(mask, same)
    rows = pc.indices_nonzero(pc.fill_null(mask, fill_value=False))
    return int(rows[len(rows) - 1].as_py()) if len(rows) else None


def _source_column(flow: Flow, spec: DeliverySpec, name: str) -> str:
    """The column of the stage that an output's column is taken from, as far as that can be read off the mapping."""
    for translation in reversed(flow.chain_to(spec.input)[1]):
        found = next((one for one in translation.fields or () if one.name == name), None)
        if found is not None:
            name = found.expression.strip().strip('"')
    return name


def _equal(table: pa.Table, column: str, value: str | None) -> Any:
    texts = pc.cast(table.column(column), pa.string())
    if value is None:
        return pc.is_null(texts)
    if words_of(table.schema.field(column)) == "json":
        return pc.is_in(texts, value_set=pa.array([value, json.dumps(value, ensure_ascii=False), json.dumps(value)]))
    return pc.equal(pc.utf8_trim_whitespace(texts), value)


def _told(back: LookBack, run: Run, node: str, batch: BatchRow, row: int) -> dict[str, Any]:
    became = back.became(node, batch, row)
    facts: dict[str, Any] = {"run_id": run.run_id, "run_state": run.state, "node": node, "batch": batch.seq}
    if became is None:
        return facts | {"outcome": "unknown"}
    facts |= {"position": became.position, "original": became.original}
    if became.rejects:
        code, message = became.rejects[0]
        return facts | {"outcome": "rejected", "code": code, "message": message, "stage": "translate"}
    if became.filtered or not became.outputs:
        return facts | {"outcome": "filtered", "reasons": became.filtered}
    return facts | {"outcome": "not_delivered", "outputs": became.outputs}
