"""Pages become batches: records are gathered across pages, judged by the cursor, and told where they stood."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec
import pyarrow as pa

from dragoman.connectors._http.document import Page
from dragoman.connectors.http.position import Position
from dragoman.core.batch import POSITION, ReadBatch, Reject
from dragoman.core.documents import read_objects, table_of
from dragoman.core.errors import FatalError, RecordError

__all__ = ["Gathering"]

BATCH_BYTES = 16 << 20


class Gathering:
    """Records on their way into batches of at most ``batch_rows`` rows or about 16 MB."""

    def __init__(self, origin: str, batch_rows: int, position: Position | None) -> None:
        self._origin = origin
        self._batch_rows = batch_rows
        self._position = position
        self._records: list[dict[str, msgspec.Raw]] = []
        self._places: list[str] = []
        self._rejects: list[Reject] = []
        self._filtered: Counter[str] = Counter()
        self._bytes = 0

    def add(self, page: Page) -> Iterator[ReadBatch]:
        """Take a page in; gives the batches that are full.

        Raises ``FatalError`` ``http.broken_json`` where an object of the page has a key twice.
        """
        for item, place, record in _objects(page):
            if isinstance(record, str):
                self._reject("http.not_an_object", f"the element is no usable object: {record}", place, item)
            elif self._wanted(record, place, item):
                self._records.append(record)
                self._places.append(place)
                self._bytes += len(memoryview(item))
                if len(self._records) >= self._batch_rows or self._bytes >= BATCH_BYTES:
                    yield self._batch()

    def rest(self) -> Iterator[ReadBatch]:
        """What is left at the end, if anything."""
        if self._records or self._rejects or self._filtered:
            yield self._batch()

    def _wanted(self, record: dict[str, msgspec.Raw], place: str, item: msgspec.Raw) -> bool:
        if self._position is None:
            return True
        try:
            reason = self._position.judge(record)
        except RecordError as error:
            self._reject(error.code, error.message, place, item, error.field)
            return False
        if reason:
            self._filtered[reason] += 1
        return not reason

    def _reject(self, code: str, message: str, place: str, item: msgspec.Raw, field: str = "") -> None:
        original = bytes(item).decode("utf-8")
        self._rejects.append(Reject(code, message, "read", field=field, position=place, original=original))

    def _batch(self) -> ReadBatch:
        table = table_of(self._records)
        table = table.append_column(POSITION, pa.array(self._places, pa.string()))
        batch = ReadBatch(table, self._origin, rejects=self._rejects, filtered=dict(self._filtered))
        self._records, self._places, self._rejects = [], [], []
        self._filtered.clear()
        self._bytes = 0
        return batch


def _objects(page: Page) -> Iterator[tuple[msgspec.Raw, str, dict[str, msgspec.Raw] | str]]:
    """Each element of a page with its place: as an object, or as the reason why it is none."""
    records, broken = read_objects(page.items)
    sound = iter(records)
    for at, item in enumerate(page.items):
        number = page.skipped + at + 1
        place = f"page {page.number} item {number}"
        why = broken.get(at)
        if why is not None and "twice" in why:
            raise FatalError(
                "http.broken_json",
                f"the JSON of page {page.number} ({page.answer.location.shown}) is broken: item {number}: {why}",
                next_step="have it corrected at the API; nothing of this page was taken over",
            )
        yield item, place, next(sound) if why is None else why
