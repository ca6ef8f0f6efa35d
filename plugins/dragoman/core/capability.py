"""What a connector can do, as data: the steps, the check and the pages branch on this, never on a name."""

from __future__ import annotations

import msgspec

__all__ = ["DestinationCan", "SourceCan"]


class SourceCan(msgspec.Struct, frozen=True, kw_only=True):
    """What a source can do.

    ``files``: it gives files, whose records a format reads. ``cursor``: incremental reads by a column.
    ``freeze``: a frozen upper bound. ``interval``: reads one interval of the cursor, for a backfill. ``streams``:
    several streams by one definition. ``deletes``: how deleted records are found by comparing keys: ``whole``, where
    each reading brings all records; ``keys``, where it gives all keys beside an incremental reading too; empty: not.
    """

    files: bool = False
    cursor: bool = False
    freeze: bool = False
    interval: bool = False
    streams: bool = True
    deletes: str = ""


class DestinationCan(msgspec.Struct, frozen=True, kw_only=True):
    """What a destination can do.

    ``files``: it takes files, whose bytes a format writes. ``modes``: of append, upsert, replace, delete.
    ``visible``: whether a run is visible whole (``run``) or batch by batch (``batch``).
    ``create``: it makes a missing table. ``single_writer``: two runs at once cannot write. ``items``: it takes items by
    requests and says of each what became of it (``core/items.py``). ``erase``: it removes outputs by their key.
    ``version``: an upsert can go by the outputs' versions. ``columns``: it can overwrite some columns only.
    """

    files: bool = False
    modes: tuple[str, ...] = ("append",)
    visible: str = "run"
    create: bool = True
    single_writer: bool = False
    items: bool = False
    erase: bool = False
    version: bool = False
    columns: bool = False
