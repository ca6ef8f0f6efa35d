"""What a connector and a format say about themselves: ``connector.yaml`` and ``formats.yaml``, as checked data.

Nothing is checked here: ``language/build_registry.py`` does that once and writes ``registry.json``, which
``registry.py`` loads.
"""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman.core.capability import DestinationCan, SourceCan

__all__ = [
    "OPTION_TYPES",
    "SUPPORT_LEVELS",
    "Case",
    "ConnectionInfo",
    "DestinationRole",
    "Example",
    "FormatInfo",
    "Manifest",
    "Option",
    "Registry",
    "SourceRole",
]

OPTION_TYPES = (
    "text",
    "integer",
    "number",
    "boolean",
    "duration",
    "identifier",
    "path",
    "enum",
    "list",
    "map",
    "expression",
    "object",
)
SUPPORT_LEVELS = ("tested", "simulated", "unproven")


class Option(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One option of a connector or a format.

    ``of`` is the type of a list's items or a map's values (absent in a map: any value); ``values`` are an enum's;
    ``fields`` are an object's. ``short``: where an object may be written as a plain value, the field that it fills.
    ``names``: ``column`` where a text is a column of what is delivered, ``placeholders`` where those in it are.
    """

    type: str
    help: str = ""
    required: bool = False
    default: Any = None
    example: Any = None
    values: tuple[str, ...] = ()
    of: str = ""
    fields: dict[str, Option] = {}
    short: str = ""
    names: str = ""
    minimum: float | None = None
    maximum: float | None = None


class ConnectionField(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One field of the connection form. Names beyond Airflow's own live in the connection's extra."""

    help: str = ""
    label: str = ""
    required: bool = False
    type: str = ""
    default: Any = None
    example: Any = None
    values: tuple[str, ...] = ()
    secret: bool = False
    extra: bool = False


class ConnectionInfo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which Airflow connections a connector takes. ``example`` is one as a URI, without a real secret."""

    types: tuple[str, ...]
    example: str
    fields: dict[str, ConnectionField] = {}


class Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What holds where options are written in some way. ``given``: terms (``option_terms.py``) that all are true.

    In ``guarantees``: ``says`` takes the place of the role's guarantee. In ``wrong``: ``says`` is what is found, and
    ``expected`` what to write instead; the place of the first term is told.
    """

    given: tuple[str, ...]
    says: str
    expected: str = ""


class Example(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is written for one purpose, which ``title`` names: options, and keys of the language such as ``mode``."""

    title: str
    write: dict[str, Any]


class SourceRole(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The reading side: what it can do, what it promises, its options; of each group in ``one_of`` just one is set."""

    guarantee: str
    guarantees: tuple[Case, ...] = ()
    can: SourceCan = SourceCan()
    options: dict[str, Option] = {}
    one_of: tuple[tuple[str, ...], ...] = ()
    wrong: tuple[Case, ...] = ()
    examples: tuple[Example, ...] = ()


class DestinationRole(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The writing side: what it can do, what it promises, its options; of each group in ``one_of`` just one is set."""

    guarantee: str
    guarantees: tuple[Case, ...] = ()
    can: DestinationCan = DestinationCan()
    options: dict[str, Option] = {}
    one_of: tuple[tuple[str, ...], ...] = ()
    wrong: tuple[Case, ...] = ()
    examples: tuple[Example, ...] = ()


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One connector."""

    connector: str
    title: str
    support: str
    summary: str
    connection: ConnectionInfo | None = None
    source: SourceRole | None = None
    destination: DestinationRole | None = None


class FormatInfo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One file format. ``endings`` are those by which it is guessed, with their dot."""

    title: str
    summary: str
    read: bool = False
    write: bool = False
    endings: tuple[str, ...] = ()
    options: dict[str, Option] = {}


class Registry(msgspec.Struct, frozen=True, kw_only=True):
    """All connectors and formats, by name."""

    connectors: dict[str, Manifest]
    formats: dict[str, FormatInfo]
