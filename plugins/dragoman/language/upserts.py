"""What a delivery says about rows that are there: ``version``, ``update`` and ``insert_only``."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from dragoman.core.flow import DeliverySpec
from dragoman.core.manifest import DestinationRole
from dragoman.language.context import Context, Place
from dragoman.language.document import Delivery
from dragoman.language.words import nearest

__all__ = ["check_upsert", "check_upsert_columns"]


def check_upsert(context: Context, role: DestinationRole, body: Delivery, mode: str, path: Place) -> None:
    """Tell what is written for another mode than upsert, or for a connector that cannot do it."""
    able = {"version": role.can.version, "update": role.can.columns, "insert_only": role.can.columns}
    written = [name for name in able if context.reading.has((*path, name))]
    for name in written:
        place = (*path, name)
        if not able[name]:
            found = f"{name} in a delivery of the connector {body.connector!r}, which cannot do it"
            context.add(place, "upsert.not_here", found, f"a delivery without {name}", key=True)
        elif mode != "upsert":
            context.add(place, "upsert.mode", f"{name} with mode {mode}", "mode: upsert, with a key", key=True)
    if {"update", "insert_only"} <= set(written):
        found = "insert_only beside update, which already lists all that is overwritten"
        context.add((*path, "insert_only"), "upsert.two_lists", found, "one of update, insert_only", key=True)


def check_upsert_columns(context: Context, spec: DeliverySpec, path: Place, known: Collection[str] | None) -> None:
    """Tell columns that stand in the key, or that the translation does not make (``known``: None, not known)."""
    for place, column in _columns(spec):
        name = place[0]
        if column in spec.key:
            found = f"{column!r} in {name}, which is part of the key"
            context.add((*path, *place), "upsert.in_key", found, "a column beside the key")
        elif known is not None and column not in known:
            found = f"{column!r} in {name}, which the translation does not make"
            expected = "one of " + ", ".join(sorted(set(known) - set(spec.key)))
            context.add((*path, *place), "upsert.no_field", found, expected, nearest(column, known))


def _columns(spec: DeliverySpec) -> Iterator[tuple[Place, str]]:
    if spec.version:
        yield ("version",), spec.version
    for name, columns in (("update", spec.update or ()), ("insert_only", spec.insert_only)):
        for at, column in enumerate(columns):
            yield (name, at), column
