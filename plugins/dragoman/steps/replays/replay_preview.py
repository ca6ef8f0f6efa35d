"""What a replay would send: the same steps in a workplace of their own that is thrown away."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from dragoman.core.flow import Flow
from dragoman.ledger.ledger import open_ledger
from dragoman.ledger.reject_index import Wanted
from dragoman.stage.store import Stage
from dragoman.steps.chain import Chain, root_of
from dragoman.steps.inputs import seal_inputs
from dragoman.steps.kinds import observed
from dragoman.steps.pinned import pinned_files
from dragoman.steps.rejects import original_of
from dragoman.steps.replays.ordering_guard import OrderingGuard, without
from dragoman.steps.replays.replay import choose
from dragoman.steps.replays.replay_input import ReplayInput
from dragoman.steps.staged import staged_batches
from dragoman.steps.work import Work, at_work
from dragoman.steps.workplace import Workplace

__all__ = ["preview_replay"]

_SHOWN = 1_000
"""So many outputs of a delivery are shown."""


def preview_replay(flow: Flow, place: Workplace, wanted: Wanted, *, force: bool = False) -> dict[str, Any]:
    """``{deliveries: {node: [output]}, rejects: [{…}], refused: […]}``; nothing is claimed or sent.

    ``force``: as in ``replay``.
    """
    chosen = choose(flow, place, wanted)
    shown: dict[str, Any] = {"deliveries": {}, "rejects": [], **chosen.facts()}
    if not chosen.claims:
        return shown
    with tempfile.TemporaryDirectory(prefix="dragoman-replay-") as folder:
        aside = replace(
            place,
            home=Path(folder),
            ledger=open_ledger(f"sqlite:///{Path(folder) / 'ledger.db'}"),
            stage=Stage(str(Path(folder) / "stage")),
        )
        try:
            with aside.ledger.take_lease(flow.integration) as lease:
                aside.stage.run(flow.integration, "preview").pin(pinned_files(flow))
                aside.ledger.open_replay(
                    flow.integration,
                    lease.token,
                    flow.digest,
                    run_id="preview",
                    claims=(),
                    asked={"force": force},
                    who=place.actor,
                )
            with at_work(flow, aside, run_id="preview") as work:
                work.replay_input = ReplayInput(place, flow, chosen.claims)
                _look(work, place, shown)
        finally:
            aside.ledger.close()
    return shown


def _look(work: Work, place: Workplace, shown: dict[str, Any]) -> None:
    seal_inputs(work)
    seen: set[tuple[str, str]] = set()
    for delivery in work.flow.deliveries:
        root = root_of(work, delivery.input)
        outputs = shown["deliveries"].setdefault(delivery.node, [])
        guard = OrderingGuard(place, work.run, work.flow.integration, delivery)
        chain: Chain | None = None
        for batch in staged_batches(work, root):
            chain = chain or Chain(work, delivery.input, observed(work, root))
            made = chain.apply(batch)
            barred = guard.barred(made, made.shares[delivery.node])
            shown["rejects"] += [
                {"code": one.code, "field": one.field, "message": one.message, "position": ""} for one in barred
            ]
            share = without(made.shares[delivery.node], barred)
            outputs += [
                json.loads(original_of(share, row)) for row in range(min(share.num_rows, _SHOWN - len(outputs)))
            ]
            for node, rejects in made.rejects.items():
                if (node, batch.batch_id) not in seen:
                    seen.add((node, batch.batch_id))
                    shown["rejects"] += [
                        {"code": one.code, "field": one.field, "message": one.message, "position": one.position}
                        for one in rejects
                    ]
