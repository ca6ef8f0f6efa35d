"""Named places where a test may kill, break or delay the program: one before and after every commit point.

``DRAGOMAN_FAILPOINT=name:nth:action`` arms one: at its nth passing (1-based, the first if not said) the action ``kill``
(SIGKILL to this process, if none is said), ``raise`` (a ``RetriableError``) or ``sleep`` (an hour, in which a test may
kill from outside) is done. ``DRAGOMAN_FAILPOINT=trace:PATH`` does nothing but note each passing: one name a line,
appended to that file, so that a dry pass tells which places lie on a run's way.
Unarmed, a failpoint costs one comparison.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import NamedTuple

from dragoman.core.errors import ConfigError, RetriableError

__all__ = ["FAILPOINTS", "Failpoint", "arm", "failpoint"]


class Failpoint(NamedTuple):
    """``where`` names the module, ``when`` the moment."""

    name: str
    where: str
    when: str


FAILPOINTS: dict[str, Failpoint] = {
    point.name: point
    for point in (
        Failpoint("run.opened", "steps/work.py", "the run is in the ledger, its copy of the integration is stored"),
        Failpoint("circuit.claimed", "steps/circuit.py", "one process alone may try a connection, and has not yet"),
        Failpoint("extract.batch.written", "stage/store.py", "a batch is written aside, not yet renamed"),
        Failpoint("extract.batch.renamed", "stage/store.py", "a batch has its name, the ledger does not know it"),
        Failpoint("extract.batch.recorded", "steps/extract.py", "a batch is in the ledger"),
        Failpoint(
            "extract.keys.written",
            "steps/deletes/vanished.py",
            "the key set is staged, the ledger does not know it",
        ),
        Failpoint("extract.sealed", "steps/extract.py", "a source is read to its end and sealed in the ledger"),
        Failpoint("translate.batch.done", "steps/deliver.py", "a batch is translated, not yet delivered"),
        Failpoint("translate.set.recorded", "steps/translate.py", "a whole-set translation is staged and recorded"),
        Failpoint("deliver.batch.sent", "steps/deliver.py", "a batch is sent, its transaction is open"),
        Failpoint("deliver.intent.recorded", "steps/items/journal.py", "a request is in the ledger, not yet sent"),
        Failpoint("deliver.request.answered", "steps/items/sending.py", "a request is answered, nothing is recorded"),
        Failpoint("deliver.outcomes.recorded", "steps/items/journal.py", "the outcomes of a request are in the ledger"),
        Failpoint("deliver.batch.settled", "steps/items/journal.py", "a batch of items is through and recorded"),
        Failpoint("receipts.written", "steps/deliver.py", "the receipts are in files that no ledger names yet"),
        Failpoint("receipts.merged", "steps/proof/merge_receipts.py", "a merged file is there, nobody names it"),
        Failpoint(
            "receipts.repointed", "steps/proof/merge_receipts.py", "the ledger names the merged file, the others lie on"
        ),
        Failpoint("deliver.prepared", "steps/deliver.py", "counts and rejects are in the ledger, nothing is committed"),
        Failpoint("deliver.committed", "steps/deliver.py", "the destination has committed, the ledger does not know"),
        Failpoint("deliver.recorded", "steps/deliver.py", "the ledger knows that the destination has committed"),
        Failpoint("files.published", "connectors/files/local_root.py", "one finished file has its final name"),
        Failpoint("replay.claimed", "steps/replays/replay.py", "a replay is open, its rejects are claimed by it"),
        Failpoint("replay.batch.recorded", "steps/replays/replay_stage.py", "a batch of originals is staged anew"),
        Failpoint("reconcile.judged", "steps/reconcile.py", "the accounting is checked, the run is still open"),
        Failpoint("reconcile.closed", "steps/reconcile.py", "verdict and cursors are committed"),
    )
}

TRACE = "trace"

_armed = ""
_passed = 0


def arm(text: str) -> None:
    """Arm ``name:nth:action`` (``name`` alone: the first passing, kill), or none for an empty text.

    The environment's is armed when the program starts.
    """
    global _armed, _passed
    _armed, _passed = text, 0


def failpoint(name: str) -> None:
    """Pass a named place; does nothing unless exactly this one is armed."""
    if not _armed:
        return
    _strike(FAILPOINTS[name].name)


def _strike(name: str) -> None:
    global _passed  # noqa: PLW0603 - as above
    wanted, _, rest = _armed.partition(":")
    if wanted == TRACE:
        with Path(rest).open("a", encoding="utf-8") as trace:
            trace.write(f"{name}\n")
        return
    nth, _, action = rest.partition(":")
    nth, action = nth or "1", action or "kill"
    if wanted not in FAILPOINTS or action not in {"kill", "raise", "sleep"} or not nth.isdigit():
        raise ConfigError(
            "failpoint.unknown",
            f"DRAGOMAN_FAILPOINT={_armed} is not name:nth:action with a known name and kill, raise or sleep, "
            "nor trace:PATH",
            next_step="dragoman failpoints",
        )
    if wanted != name:
        return
    _passed += 1
    if _passed != int(nth):
        return
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if action == "sleep":
        time.sleep(3600)
    raise RetriableError("failpoint.raised", f"failpoint {name} was told to raise")


arm(os.environ.get("DRAGOMAN_FAILPOINT", ""))
