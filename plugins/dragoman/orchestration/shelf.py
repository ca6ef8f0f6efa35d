"""The integrations of a folder as the factory sees them: compiled, or the last good copy, or absent.

Reading the folder compiles every file (the language keeps compiled ones by content hash). A task that starts asks for
one integration by its name, and only that file is compiled: the file that is named like it, else the one that the good
copies know.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from dragoman.core.errors import ConfigError, Problem
from dragoman.core.flow import Flow
from dragoman.core.home import dragoman_home
from dragoman.language import all_flows, load_flow
from dragoman.language.load import files_of
from dragoman.orchestration.good_copies import GoodCopies

__all__ = ["Shelved", "broken", "one", "shelf"]


@dataclass(frozen=True)
class Shelved:
    """A compiled integration; ``stale`` where its file is broken now and this is the last good copy."""

    flow: Flow
    stale: bool = False


def shelf(folder: Path, shard: int | None = None, of: int | None = None) -> list[Shelved]:
    """All integrations that can run, in the order of their names, or one shard of them.

    A file's shard depends on its name alone, so adding a file moves no other one. A shard compiles its own files only.
    """
    mine = _shard(shard, of)
    flows, problems = all_flows(folder, mine)
    if mine is not None and problems:
        flows, problems = all_flows(folder)  # a last good copy must not double what another shard has
    copies = GoodCopies(dragoman_home())
    good = {flow.file for flow in flows}
    for flow in flows:
        copies.keep(flow)
    found = {flow.integration: Shelved(flow) for flow in flows}
    for path in files_of(folder) if problems and folder.is_dir() else ():
        copy = copies.of_file(str(path)) if str(path) not in good else None
        if copy is not None:
            found.setdefault(copy.integration, Shelved(copy, stale=True))
    ordered = [found[name] for name in sorted(found)]
    return ordered if mine is None else [one for one in ordered if mine(Path(one.flow.file))]


def _shard(shard: int | None, of: int | None) -> Callable[[Path], bool] | None:
    if shard is None or of is None:
        return None
    return lambda path: crc32(path.name.encode()) % of == shard


def one(folder: Path, integration: str) -> Shelved | None:
    """One integration by its name, without compiling the others; None where there is none."""
    copies = GoodCopies(dragoman_home())
    copy = copies.of_name(integration)
    file = Path(copy.file) if copy is not None else folder / f"{integration}.yaml"
    if file.parent == folder and file.is_file():
        try:
            flow = load_flow(file)
        except ConfigError:
            return None if copy is None else Shelved(copy, stale=True)
        if flow.integration == integration:
            return Shelved(flow)
    return next((found for found in shelf(folder) if found.flow.integration == integration), None)


def broken(folder: Path) -> list[Problem]:
    """What is wrong in the folder's files, all of it."""
    return all_flows(folder)[1]
