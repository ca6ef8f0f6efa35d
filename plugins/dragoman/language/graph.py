"""The graph: which node takes what from which, streams expanded; cycles, loose ends and doubled names are refused."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from dragoman.core.flow import DeliverySpec, SourceSpec, TranslationSpec
from dragoman.language.column_options import check_column_options
from dragoman.language.context import Context, Place
from dragoman.language.document import Delivery, GraphDocument, ShortDocument, Source, Translation
from dragoman.language.ends import delivery_spec, source_spec
from dragoman.language.translations import Known, outputs_of, translation_spec
from dragoman.language.upserts import check_upsert_columns
from dragoman.language.words import BROKEN, nearest, shown

__all__ = ["Graph", "build_graph"]


@dataclass(frozen=True)
class _Output:
    """What a name gives: one node per stream. ``suffix`` is the stream's where the taker is expanded by it."""

    node: str
    suffix: str = ""
    stream: str = ""
    known: Known = None
    is_source: bool = False


class Graph:
    """The compiled nodes, and while they are built what each name gives.

    ``names``: the translations of the document; one that is asked for too early stands in a circle, told elsewhere.
    """

    def __init__(self, context: Context, names: frozenset[str]) -> None:
        self.context = context
        self.names = names
        self.sources: list[SourceSpec] = []
        self.translations: list[TranslationSpec] = []
        self.deliveries: list[DeliverySpec] = []
        self._outputs: dict[str, list[_Output]] = {}
        self._read: set[str] = set()
        self._looked_up: set[str] = set()

    def add_source(self, name: str, body: Source, path: Place) -> None:
        """A source; its name gives all its streams, ``name.stream`` gives one."""
        spec = source_spec(self.context, name, body, path)
        self.sources.append(spec)
        outputs = []
        for stream in spec.streams:
            columns = stream.options.get("columns")
            known = frozenset(columns) if isinstance(columns, list) and not stream.format else None
            outputs.append(_Output(stream.node, stream.name, stream.name, known, is_source=True))
            if stream.name:
                self._outputs[stream.node] = [_Output(stream.node, "", stream.name, known, is_source=True)]
        self._outputs[name] = outputs

    def add_translation(self, name: str, body: Translation, path: Place, inputs: list[str]) -> None:
        """A translation, once per stream of its one input, or once for all its inputs."""
        found = [self._taken(source, path, at if len(inputs) > 1 else None) for at, source in enumerate(inputs)]
        lookups = {
            alias: self._lookup(each.from_, (*path, "lookups", alias, "from")) for alias, each in body.lookups.items()
        }
        lookup_nodes = {alias: node for alias, node in lookups.items() if node}
        one = found[0] if len(found) == 1 else None
        if one is None:
            nodes = tuple(output.node for outputs in found for output in outputs)
            spec = self._translation(name, body, path, inputs=nodes, lookups=lookup_nodes, known=None)
            self._outputs[name] = [_Output(spec.node, known=outputs_of(body, None))]
            return
        self._outputs[name] = []
        for output in one or [_Output(BROKEN)]:
            node = f"{name}.{output.suffix}" if output.suffix else name
            self._translation(node, body, path, inputs=(output.node,), lookups=lookup_nodes, known=output.known)
            known = outputs_of(body, output.known)
            self._outputs[name].append(_Output(node, output.suffix, output.stream, known))
            if output.suffix:
                self._outputs[node] = [_Output(node, "", output.stream, known)]

    def _translation(
        self,
        node: str,
        body: Translation,
        path: Place,
        *,
        inputs: tuple[str, ...],
        lookups: dict[str, str],
        known: Known,
    ) -> TranslationSpec:
        spec = translation_spec(self.context, body, path, node=node, inputs=inputs, lookup_nodes=lookups, known=known)
        self.translations.append(spec)
        return spec

    def add_delivery(self, name: str, body: Delivery, path: Place, source: str) -> None:
        """A delivery, once per stream of what it takes from."""
        outputs = self._taken(source, path, None)
        specs = []
        for output in outputs or [_Output(BROKEN)]:
            node = f"{name}.{output.suffix}" if output.suffix else name
            taken = self._identity(output) if output.is_source else output.node
            spec = delivery_spec(self.context, body, path, node=node, source_node=taken, stream=output.stream)
            specs.append(spec)
            self._check_columns(spec, path, output.known)
        self.deliveries.extend(specs)
        if len(specs) > 1 and specs[0].mode == "replace" and specs[0].options == specs[1].options:
            found = "streams that replace each other at one target"
            self.context.add(path, "delivery.one_target", found, "{stream} in the table or path", key=True)

    def _identity(self, output: _Output) -> str:
        node = f">{output.node}"
        if not any(each.node == node for each in self.translations):
            self.translations.append(TranslationSpec(node=node, inputs=(output.node,)))
        return node

    def _check_columns(self, spec: DeliverySpec, path: Place, known: Known) -> None:
        what = "fields that the translation makes"
        self.context.expression(spec.when, (*path, "when"), known, what)
        check_upsert_columns(self.context, spec, path, known)
        check_column_options(self.context, spec, path, known)
        if known is None:
            return
        for at, column in enumerate(spec.key):
            if column not in known:
                expected = f"one of {', '.join(sorted(known))}"
                found = f"the key {column!r}, which the translation does not make"
                self.context.add((*path, "key", at), "key.no_field", found, expected, nearest(column, known))

    def _taken(self, name: str, path: Place, at: int | None) -> list[_Output]:
        if name in self._outputs:
            self._read.add(name)
            return self._outputs[name]
        if name != BROKEN and name.partition(".")[0] not in self.names:
            place = (*path, "from") if at is None else (*path, "from", at)
            self._unknown(name, place, list(self._outputs))
        return []

    def _unknown(self, name: str, place: Place, known: list[str]) -> None:
        expected = "one of " + ", ".join(known)
        self.context.add(place, "from.unknown", f"unknown name {shown(name)} in from", expected, nearest(name, known))

    def _lookup(self, name: str, place: Place) -> str:
        sources = {each: outputs for each, outputs in self._outputs.items() if all(one.is_source for one in outputs)}
        if name not in sources:
            if name != BROKEN:
                self._unknown(name, place, list(sources))
            return ""
        if len(sources[name]) > 1:
            streams = ", ".join(one.node for one in sources[name])
            self.context.add(place, "lookup.streams", f"the source {name!r} of several streams", f"one of {streams}")
            return ""
        self._looked_up.add(sources[name][0].node)
        return sources[name][0].node

    def finish(self) -> None:
        """Mark the sources that only serve lookups, and tell those that serve nothing."""
        fed = {node for each in self.translations for node in each.inputs}
        for at, source in enumerate(self.sources):
            streams = tuple(
                msgspec.structs.replace(stream, lookup_only=True)
                if stream.node in self._looked_up and stream.node not in fed
                else stream
                for stream in source.streams
            )
            self.sources[at] = msgspec.structs.replace(source, streams=streams)
            for stream in streams:
                if stream.node not in fed and stream.node not in self._looked_up:
                    place: Place = ("sources", source.name)
                    place = (*place, "streams", stream.name) if stream.name else place
                    found = f"the source {stream.node!r}, from which nothing takes"
                    self.context.add(
                        place, "source.unused", found, "a translation or delivery with it in from", key=True
                    )
        taken = fed | {each.input for each in self.deliveries}
        for translation in self.translations:
            if translation.node not in taken:
                name = translation.node.partition(".")[0]
                found = f"the translation {translation.node!r}, from which nothing takes"
                expected = "a delivery with it in from"
                self.context.add(("translations", name), "translation.unused", found, expected, key=True)


def build_graph(context: Context, document: ShortDocument | GraphDocument) -> Graph:
    """Compile the nodes; what is wrong is told to the context."""
    translations = document.translations if isinstance(document, GraphDocument) else {}
    graph = Graph(context, frozenset(translations))
    if isinstance(document, ShortDocument):
        graph.add_source("source", document.source, ("source",))
        graph.add_translation(
            "translate", document.translate or Translation.model_validate({}), ("translate",), ["source"]
        )
        graph.add_delivery("deliver", document.deliver, ("deliver",), "translate")
        if document.deliver.when == "else":
            context.add(("deliver", "when"), "when.else_alone", "else without a sibling", "a condition, or no when")
    else:
        _check_names(context, document)
        for name, source in document.sources.items():
            graph.add_source(name, source, ("sources", name))
        for name in _in_order(context, document):
            translation = document.translations[name]
            graph.add_translation(name, translation, ("translations", name), translation.from_)
        for name, delivery in document.deliveries.items():
            graph.add_delivery(name, delivery, ("deliveries", name), delivery.from_)
        _check_else(context, document)
    if not context.reading.problems:
        graph.finish()
    return graph


def _check_names(context: Context, document: GraphDocument) -> None:
    seen: dict[str, str] = {}
    for kind in ("sources", "translations", "deliveries"):
        for name in getattr(document, kind):
            if name in seen:
                found = f"the name {name!r} in {kind} and in {seen[name]}"
                context.add((kind, name), "name.twice", found, "a name of its own for each node", key=True)
            seen.setdefault(name, kind)


def _in_order(context: Context, document: GraphDocument) -> list[str]:
    """The translations, each after those from which it takes; cycles are told and cut."""
    order: list[str] = []
    state: dict[str, int] = {}

    def visit(name: str, way: tuple[str, ...]) -> None:
        if state.get(name) == 2 or name not in document.translations:
            return
        if state.get(name) == 1:
            circle = " > ".join((*way[way.index(name) :], name))
            place = ("translations", way[-1], "from")
            context.add(place, "from.cycle", f"translations in a circle: {circle}", "a way that begins at a source")
            return
        state[name] = 1
        for source in document.translations[name].from_:
            visit(source.partition(".")[0], (*way, name))
        state[name] = 2
        order.append(name)

    for name in document.translations:
        visit(name, ())
    return order


def _check_else(context: Context, document: GraphDocument) -> None:
    by_from: dict[str, list[tuple[str, str]]] = {}
    for name, delivery in document.deliveries.items():
        if delivery.when is not None:
            by_from.setdefault(delivery.from_, []).append((name, delivery.when))
    for source, siblings in by_from.items():
        others = [name for name, when in siblings if when == "else"]
        for name in others[1:]:
            found = f"a second else from {source!r} (the first is {others[0]!r})"
            context.add(("deliveries", name, "when"), "when.two_else", found, "one else per from")
        if others and len(others) == len(siblings):
            found = f"else without a sibling that has a condition, from {source!r}"
            context.add(("deliveries", others[0], "when"), "when.else_alone", found, "a sibling with when:, or no when")
