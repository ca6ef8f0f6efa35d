"""The housekeeping of receipts: old links go with the history, files are merged, what nobody names is removed."""

from __future__ import annotations

from dataclasses import dataclass

from dragoman.core.errors import RetriableError
from dragoman.ledger.rows import ReceiptFile
from dragoman.steps.proof.merge_receipts import ReceiptMerger
from dragoman.steps.workplace import Workplace

__all__ = ["KeptReceipts", "keep_receipts"]


@dataclass
class KeptReceipts:
    """``links`` were removed with their runs, ``merged`` files went into larger ones, ``strays`` were nobody's."""

    links: int = 0
    merged: int = 0
    strays: int = 0


def keep_receipts(place: Workplace, integration: str, *, really: bool = True) -> KeptReceipts:
    """One round for one integration; nothing is done while somebody works on it.

    A link goes when the ledger has forgotten its run and all links before it: then the chain begins after it, and the
    ledger notes where.
    """
    done = KeptReceipts(links=place.ledger.forgotten_receipts(integration))
    nodes = place.stage.nodes_with_receipts(integration)
    if not really or not (done.links or any(_due(place, integration, node) for node in nodes)):
        return done
    try:
        lease = place.ledger.take_lease(integration)
    except RetriableError as error:
        if error.code == "lease.held":
            return KeptReceipts()
        raise
    with lease:
        done.links = place.ledger.cut_receipts(integration, lease.token, place.actor)
        for node in nodes:
            merger = ReceiptMerger(place, integration, node, lease.token)
            start = place.ledger.receipt_start(integration)[0]
            for file in _straddling(place, integration, node):
                merger.merge([file], place.stage.receipts(integration, node).level_of(file.path), above=start)
            done.merged += merger.run()
            strays = _strays(place, integration, node)
            place.stage.receipts(integration, node).remove(strays)
            done.strays += len(strays)
    return done


def _due(place: Workplace, integration: str, node: str) -> bool:
    merger = ReceiptMerger(place, integration, node, 0)
    return merger.due() or bool(_strays(place, integration, node)) or bool(_straddling(place, integration, node))


def _strays(place: Workplace, integration: str, node: str) -> list[str]:
    """Files that no link names: of tries that came to no end, of merges that did not, and of links that were cut."""
    named = {file.path for file in place.ledger.receipt_files(integration, node)}
    return [path for path in place.stage.receipts(integration, node).names() if path not in named]


def _straddling(place: Workplace, integration: str, node: str) -> list[ReceiptFile]:
    """Merged files that still hold receipts of links that were cut."""
    start = place.ledger.receipt_start(integration)[0]
    folder = place.stage.receipts(integration, node)
    return [
        file
        for file in place.ledger.receipt_files(integration, node)
        if folder.level_of(file.path) and folder.first_of(file.path) <= start
    ]
