"""The connectors and formats that this installation has, from the generated ``registry.json``."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import msgspec

from dragoman.core.errors import FatalError
from dragoman.core.manifest import FormatInfo, Manifest, Registry

__all__ = ["REGISTRY_FILE", "formats", "manifests", "registry", "registry_digest"]

REGISTRY_FILE = Path(__file__).parent.parent / "registry.json"


@cache
def _content() -> bytes:
    try:
        return REGISTRY_FILE.read_bytes()
    except OSError as error:
        raise FatalError(
            "registry.missing",
            f"{REGISTRY_FILE} cannot be read",
            next_step="install the package anew, or make registry",
        ) from error


@cache
def registry() -> Registry:
    """Everything; read once in a process. Raises ``FatalError`` ``registry.missing`` or ``registry.broken``."""
    try:
        return msgspec.json.decode(_content(), type=Registry)
    except msgspec.DecodeError as error:
        raise FatalError(
            "registry.broken", f"{REGISTRY_FILE} is not what this version reads ({error})", next_step="make registry"
        ) from error


def manifests() -> dict[str, Manifest]:
    """The connectors, by name."""
    return registry().connectors


def formats() -> dict[str, FormatInfo]:
    """The file formats, by name."""
    return registry().formats


@cache
def registry_digest() -> str:
    """A hash of the registry: compiled integrations are kept under it."""
    return hashlib.sha256(_content()).hexdigest()[:16]
