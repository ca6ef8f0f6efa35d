"""Whether receipts are what they were: files, what they say, and the links of the chain."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import pyarrow as pa

from dragoman.core.errors import DragomanError
from dragoman.ledger.receipts import chained
from dragoman.ledger.rows import ReceiptLink
from dragoman.stage.sidecar import content_sha256, sidecar_of
from dragoman.steps.proof.receipt_writer import header_of
from dragoman.steps.workplace import Workplace

__all__ = ["CheckedReceipts", "Fault", "check_links"]

_AT_HAND = 4


@dataclass(frozen=True)
class Fault:
    """What does not agree. ``code`` is one of docs/codes.md, ``receipts.…``."""

    code: str
    what: str
    run_id: str = ""
    node: str = ""
    number: int = 0
    path: str = ""


@dataclass(frozen=True)
class _About:
    """Which link, and which file of it, a fault is about."""

    link: ReceiptLink
    path: str = ""

    def of(self, fault: Fault) -> Fault:
        """The fault with this said."""
        link = self.link
        return replace(fault, run_id=link.run_id, node=link.node, number=link.number, path=self.path)


class Before(NamedTuple):
    """The link before: its number and hash."""

    number: int
    chain: str


class CheckedReceipts:
    """Reads files of receipts, each once as long as the numbers go on in it; checks what each sidecar says."""

    def __init__(self, place: Workplace, integration: str) -> None:
        self._place = place
        self._integration = integration
        self._tables: OrderedDict[str, pa.Table | Fault] = OrderedDict()

    def faults(self, link: ReceiptLink) -> list[Fault]:
        """What is wrong with the sidecar of a link."""
        about = _About(link, link.path)
        table = self._table(link)
        if isinstance(table, Fault):
            return [about.of(table)]
        mine = sidecar_of(table, link.number)
        found = content_sha256(header_of(self._integration, link.run_id, link.node, link), mine)
        if mine.num_rows == link.rows and found == link.sha256:
            return []
        fault = Fault(
            "receipts.content_changed",
            f"link {link.number} says {link.rows} receipts with the hash {link.sha256}; "
            f"its file holds {mine.num_rows} with {found}",
        )
        return [about.of(fault)]

    def _table(self, link: ReceiptLink) -> pa.Table | Fault:
        if link.path not in self._tables:
            try:
                folder = self._place.stage.receipts(self._integration, link.node)
                self._tables[link.path] = folder.load(link.path, link.file_sha256)
            except DragomanError as error:
                gone = Fault("receipts.missing", f"the file {link.path} is gone")
                self._tables[link.path] = gone if error.code == "stage.missing" else Fault(error.code, error.message)
            while len(self._tables) > _AT_HAND:
                self._tables.popitem(last=False)
        return self._tables[link.path]


def check_links(links: Iterable[ReceiptLink], before: Before) -> Iterator[tuple[ReceiptLink, list[Fault]]]:
    """Each link with what is wrong between it and the one before; they come in their order."""
    for link in links:
        faults = []
        if link.number != before.number + 1:
            fault = Fault(
                "receipts.link_removed", f"links {before.number + 1} to {link.number - 1} were removed from the chain"
            )
            faults.append(_About(link).of(fault))
        elif chained(before.chain, link) != link.chain:
            fault = Fault(
                "receipts.link_changed",
                f"link {link.number} does not follow from link {before.number}: its row in the ledger, or the one "
                "before, was changed",
            )
            faults.append(_About(link).of(fault))
        yield link, faults
        before = Before(link.number, link.chain)
