"""An integration, compiled: the small graph that the steps run.

``language/`` makes it from the YAML (short or graph form, streams expanded); it is plain data that goes to JSON and
back (``msgspec``), so that a compiled integration can be kept by its content hash and pinned with a run.

Names of nodes: with one source, one translation and one delivery they are ``source``, ``translate`` and ``deliver``;
otherwise the names of the YAML. A stream's node is ``<source>.<stream>``; what a stream makes of a translation and of
a delivery gets the stream's name too (``translate.accounts``, ``deliver.accounts``). A delivery that names a source
as its ``from`` gets an identity translation of the source's name with ``>`` in front.
"""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = [
    "CursorSpec",
    "DeletesSpec",
    "DeliverySpec",
    "FieldSpec",
    "Flow",
    "FormatSpec",
    "LookupSpec",
    "Policy",
    "SourceSpec",
    "StreamSpec",
    "TranslationSpec",
]


class FormatSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A file format and its options as written, defaults filled in by the format."""

    type: str
    options: dict[str, Any] = {}


class CursorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """``column`` orders the records, ``id`` breaks ties, ``overlap`` (seconds) is read again each time."""

    column: str
    id: str = ""
    overlap: float = 0.0
    param: str = ""


class DeletesSpec(msgspec.Struct, frozen=True, kw_only=True):
    """How deleted records are told: by a ``column`` that is true, else by comparing keys with those of the last run.

    ``most``: the share of the known keys that may be gone at once. ``keys``: the source's columns of which the keys of
    all deliveries are made; empty where they are more than plain columns.
    """

    column: str = ""
    most: float = 0.5
    keys: tuple[str, ...] = ()


class StreamSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One stream of a source: a cursor and an accounting of its own. ``options`` are the connector's, checked."""

    node: str
    name: str = ""
    options: dict[str, Any] = {}
    format: FormatSpec | None = None
    types: dict[str, str] = {}
    timezone: str = ""
    cursor: CursorSpec | None = None
    deletes: DeletesSpec | None = None
    lookup_only: bool = False
    """Whether it only serves lookups: then it counts in ``nodes``, not in the five figures."""


class SourceSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A source: one task, whatever its streams."""

    name: str
    connector: str
    connection: str = ""
    streams: tuple[StreamSpec, ...] = ()


class FieldSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One output column. ``expression`` is DuckDB SQL; ``type`` empty means: as the expression gives it."""

    name: str
    expression: str
    type: str = ""
    required: bool = False
    default: Any = None
    has_default: bool = False
    check: str = ""
    format: str = ""
    """A pattern for dates and times (strptime), where the text is not ISO."""
    true: tuple[str, ...] = ()
    false: tuple[str, ...] = ()
    """The words for true and false, where they are not true/false/1/0."""
    line: int = 0
    """Where it stands in the YAML, for messages."""


class LookupSpec(msgspec.Struct, frozen=True, kw_only=True):
    """``name.column`` in expressions; ``on`` maps the looked-up stream's column to an expression of the record."""

    name: str
    source: str
    on: dict[str, str]
    missing: str = "reject"


class TranslationSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One translation. Without ``fields``, ``sql`` and ``python`` every field passes unchanged.

    ``inputs`` are nodes: streams of sources, or other translations. ``sql_text`` and ``python_text`` hold the
    content of the named files, so that the pinned copy is whole.
    """

    node: str
    inputs: tuple[str, ...]
    filter: str = ""
    each_alias: str = ""
    each_expression: str = ""
    atomic: bool = True
    lookups: tuple[LookupSpec, ...] = ()
    fields: tuple[FieldSpec, ...] | None = None
    checks: dict[str, str] = {}
    sql: str = ""
    sql_text: str = ""
    whole_set: bool = False
    python: str = ""
    python_text: str = ""

    @property
    def is_set(self) -> bool:
        """Whether it needs all its input at once (``sql:``, ``python:``): then it is a task and a stage of its own."""
        return bool(self.sql or self.python)


class DeliverySpec(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery. ``input`` is a translation's node. ``otherwise``: it takes what no sibling's ``when`` takes.

    ``version``, ``update`` and ``insert_only`` are of ``ports.DeliverRequest``.
    """

    node: str
    input: str
    connector: str
    connection: str = ""
    options: dict[str, Any] = {}
    format: FormatSpec | None = None
    mode: str = "append"
    key: tuple[str, ...] = ()
    create: bool = True
    version: str = ""
    update: tuple[str, ...] | None = None
    insert_only: tuple[str, ...] = ()
    when: str = ""
    otherwise: bool = False


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """How a run behaves. ``max_rate`` is a fraction; without it and ``max_count`` the greater of 2 % and 10 holds."""

    on_reject: str = "quarantine"
    max_rate: float | None = None
    max_count: int | None = None
    allow_empty: bool = False
    retries: int = 3
    deadline: float | None = None
    """Seconds, or None."""
    tasks: str = "steps"
    max_parallel: int | None = None
    memory: str = "384MB"
    timeout: float = 300.0
    """Seconds that one statement of a translation may take."""
    retention: dict[str, float] = {}
    """Seconds, by ``stage``, ``rejects``, ``history``."""


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """One integration. ``text`` is the YAML as read; ``digest`` the SHA-256 over it and all that it names."""

    integration: str
    title: str = ""
    owner: str = ""
    file: str = ""
    text: str = ""
    digest: str = ""
    cron: str = ""
    timezone: str = "UTC"
    after: tuple[str, ...] = ()
    sources: tuple[SourceSpec, ...]
    translations: tuple[TranslationSpec, ...]
    deliveries: tuple[DeliverySpec, ...]
    policy: Policy = Policy()
    alerts: tuple[dict[str, Any], ...] = ()
    access: dict[str, list[str]] = {}

    @property
    def streams(self) -> tuple[StreamSpec, ...]:
        """Every stream of every source."""
        return tuple(stream for source in self.sources for stream in source.streams)

    def chain_to(self, node: str) -> tuple[str, tuple[TranslationSpec, ...]]:
        """The stage that a node's records come from, and the translations from there to the node, in order.

        The stage is the node itself, if it is a stream or a whole-set translation.
        """
        translations = {one.node: one for one in self.translations}
        links: list[TranslationSpec] = []
        while (spec := translations.get(node)) is not None and not spec.is_set:
            links.insert(0, spec)
            node = spec.inputs[0]
        return node, tuple(links)
