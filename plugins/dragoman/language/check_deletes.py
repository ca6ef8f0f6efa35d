"""Checks ``deletes:`` against all that lies behind its source: a deletion needs a key, and a place that can erase."""

from __future__ import annotations

import msgspec

from dragoman.core.flow import DeliverySpec, FieldSpec, SourceSpec, StreamSpec, TranslationSpec
from dragoman.core.removal import key_fields, names_of, needed_names, plain_name
from dragoman.language.context import Context, Place
from dragoman.language.graph import Graph

__all__ = ["check_deletes"]

_MODES = ("append", "upsert")


def check_deletes(context: Context, graph: Graph) -> None:
    """Tell what is wrong with each ``deletes:``, and note of which columns of its source the keys are made."""
    if context.reading.problems:
        return
    for at, source in enumerate(graph.sources):
        streams = tuple(_stream(context, graph, source, stream) for stream in source.streams)
        graph.sources[at] = msgspec.structs.replace(source, streams=streams)


def _stream(context: Context, graph: Graph, source: SourceSpec, stream: StreamSpec) -> StreamSpec:
    if stream.deletes is None:
        return stream
    check = _Check(context, graph, source, stream)
    keys = check.keys()
    return msgspec.structs.replace(stream, deletes=msgspec.structs.replace(stream.deletes, keys=keys))


class _Check:
    """One stream's ``deletes:``."""

    def __init__(self, context: Context, graph: Graph, source: SourceSpec, stream: StreamSpec) -> None:
        self.context = context
        self.stream = stream
        self.compare = stream.deletes is not None and not stream.deletes.column
        self.translations, self.deliveries = tuple(graph.translations), tuple(graph.deliveries)
        path: Place = ("sources", source.name) if context.reading.has(("sources",)) else ("source",)
        own = (*path, "streams", stream.name)
        path = own if stream.name and context.reading.has((*own, "deletes")) else path
        self.place: Place = (*path, "deletes")
        role = context.registry.connectors[source.connector].source
        self._source(source, role.can.deletes if role else "")

    def _tell(self, code: str, found: str, expected: str) -> None:
        self.context.add(self.place, f"deletes.{code}", found, expected, key=True)

    def _source(self, source: SourceSpec, can: str) -> None:
        stream = self.stream
        if stream.lookup_only:
            self._tell("lookup", f"deletes in {stream.node!r}, which only serves lookups", "it left out: all is read")
        elif self.compare and not can:
            found = f"deletes: compare in a source of the connector {source.connector!r}, which cannot give all keys"
            self._tell("not_here", found, "deletes: {column: …}, or it left out")
        elif self.compare and can == "whole" and stream.cursor is not None:
            found = f"deletes: compare beside a cursor, and the connector {source.connector!r} reads by it what is new"
            self._tell("cursor", found, "the cursor left out, so that all is read, or deletes: {column: …}")

    def keys(self) -> tuple[str, ...]:
        """The source's columns of which all keys are made, where each is a plain column."""
        deliveries = self._behind(self.stream.node, ())
        for delivery in deliveries:
            self._delivery(delivery)
        node = self.stream.node
        plain = all(spec.fields is None or self._plain(spec) for spec in self._all(node))
        return tuple(needed_names(node, self.translations, self.deliveries)) if plain else ()

    def _all(self, node: str) -> list[TranslationSpec]:
        """The translations behind a node, near ones first."""
        found = [spec for spec in self.translations if node in spec.inputs]
        return found + [further for spec in found for further in self._all(spec.node)]

    def _behind(self, node: str, way: tuple[TranslationSpec, ...]) -> list[DeliverySpec]:
        found = [delivery for delivery in self.deliveries if delivery.input == node]
        for spec in self.translations:
            if node not in spec.inputs:
                continue
            if spec.is_set:
                said = f"deletes before {spec.node!r}, a translation of the whole set"
                self._tell("whole_set", said, "a whole set read without a cursor and delivered by mode: replace")
            elif spec.each_alias:
                said = f"deletes before {spec.node!r}, which makes several outputs of a record"
                self._tell("each", said, "a translation without each: a deleted record no longer says what it had")
            else:
                found += self._behind(spec.node, (*way, spec))
        return found

    def _delivery(self, delivery: DeliverySpec) -> None:
        role = self.context.registry.connectors[delivery.connector].destination
        if role is None or not role.can.erase:
            found = f"deletes, and the connector {delivery.connector!r} of {delivery.node!r} cannot erase"
            self._tell("cannot_erase", found, "deliveries to connectors that erase, or deletes left out")
        elif not delivery.key:
            found = f"deletes, and the delivery {delivery.node!r} has no key"
            self._tell("no_key", found, "key: the columns that tell its outputs apart")
        elif delivery.mode not in _MODES:
            found = f"deletes, and the delivery {delivery.node!r} has mode {delivery.mode}"
            self._tell("mode", found, "mode upsert or append (replace leaves out by itself what is gone)")

    def _plain(self, spec: TranslationSpec) -> bool:
        """Whether the fields that its keys need are plain columns; what cannot be computed at all is told."""
        fields = key_fields(spec, self.translations, self.deliveries)
        aliases = {lookup.name for lookup in spec.lookups}
        for field in fields:
            if looked_up := aliases & set(names_of(field.expression)):
                said = f"deletes, and the key {field.name!r} of {spec.node!r} is looked up in {', '.join(looked_up)}"
                self._tell("lookup_key", said, "a key made of the record itself")
        rest = [field for field in fields if not self._column(field)]
        if rest and self.compare:
            said = f"deletes: compare, and the key {rest[0].name!r} of {spec.node!r} is {rest[0].expression!r}"
            self._tell("key_expression", said, "a plain column of the source (compute it there, by query:)")
        return not rest

    @staticmethod
    def _column(field: FieldSpec) -> bool:
        return bool(plain_name(field.expression)) and not field.has_default
