"""Loads integrations: one file, one by its id, or a whole folder."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from dragoman.core.errors import ConfigError, Problem
from dragoman.core.flow import Flow
from dragoman.core.home import integrations_folder
from dragoman.language.cache import entry_of, keep, kept
from dragoman.language.words import nearest

__all__ = ["all_flows", "check_files", "compile_definition", "files_of", "find_flow", "load_flow"]

ENDINGS = (".yaml", ".yml")
_ID = re.compile(rb"^(?:\xef\xbb\xbf)?integration:[ \t]*[\"']?([A-Za-z0-9_.-]+)[\"']?[ \t]*(?:#.*)?\r?$", re.MULTILINE)


def load_flow(path: Path) -> Flow:
    """Compile one file. Raises ``ConfigError`` whose ``problems`` hold every mistake."""
    flow, problems = _load(path)
    if flow is None:
        raise ConfigError.of(problems)
    return flow


def check_files(paths: Iterable[Path]) -> list[Problem]:
    """Every mistake in these files (folders are walked), an id that two of them have included."""
    problems: list[Problem] = []
    flows: list[Flow] = []
    for path in paths:
        if path.is_dir():
            found, told = all_flows(path)
            flows += found
            problems += told
        else:
            flow, told = _load(path)
            flows += [flow] if flow else []
            problems += told
    twice = _twice(flows)
    return problems + [problem for problem in twice if problem not in problems]


def all_flows(folder: Path, mine: Callable[[Path], bool] | None = None) -> tuple[list[Flow], list[Problem]]:
    """The good integrations of a folder, by their files' names, and the mistakes of the others.

    With ``mine`` only those files are compiled; of the others no more is read than an id that one of them has too.
    """
    flows: list[Flow] = []
    problems: list[Problem] = []
    others: dict[str, list[Path]] = defaultdict(list)
    if not folder.is_dir():
        return [], [Problem(str(folder), 1, 1, "file.missing", "no such folder", "a folder of YAML files")]
    for path in files_of(folder):
        if mine is not None and not mine(path):
            others[_claimed(path)].append(path)
            continue
        flow, told = _load(path)
        flows += [flow] if flow else []
        problems += told
    same = [path for name in {flow.integration for flow in flows} & set(others) for path in others[name]]
    rivals = [flow for path in (*same, *others.get("", ())) if (flow := _load(path)[0])]
    twice = _twice(flows + rivals)
    doubled = {problem.file for problem in twice}
    theirs = {flow.file for flow in rivals}
    told_here = [problem for problem in twice if problem.file not in theirs]
    return [flow for flow in flows if flow.file not in doubled], problems + told_here


def files_of(folder: Path) -> list[Path]:
    """The integrations' files of a folder; the folders beside them hold what they name, not integrations."""
    return sorted(path for path in folder.iterdir() if path.suffix in ENDINGS and path.is_file())


def find_flow(name: str, folder: Path) -> Flow:
    """One integration by its id, or by the path of its file, without compiling the others."""
    if name.endswith(ENDINGS):
        return load_flow(Path(name))
    paths = files_of(folder) if folder.is_dir() else []
    named = [path for path in paths if _says(path, name)]
    if len(named) > 1:
        raise ConfigError.of([_doubled(str(path), name, named) for path in named])
    if named:
        return load_flow(named[0])
    flows, problems = all_flows(folder)
    found = [flow for flow in flows if flow.integration == name]
    if found:
        return found[0]
    known = [flow.integration for flow in flows]
    near = nearest(name, known)
    hint = f"did you mean {near!r}?" if near else "dragoman check lists what is there"
    broken = f"; {len({problem.file for problem in problems})} files are broken" if problems else ""
    raise ConfigError("integration.unknown", f"no integration {name!r} in {folder}{broken}", next_step=hint)


def compile_definition(definition: Mapping[str, Any], *, origin: str) -> Flow:
    """Compile an integration that stands in Python as a mapping; ``origin`` names it in messages."""
    import yaml

    from dragoman.language.compile import compile_content

    text = yaml.safe_dump(dict(definition), sort_keys=False, allow_unicode=True)
    compiled = compile_content(text.encode(), origin, integrations_folder())
    if compiled.flow is None:
        raise ConfigError.of(compiled.problems)
    return compiled.flow


def _load(path: Path) -> tuple[Flow | None, list[Problem]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else str(error.strerror or error)
        return None, [Problem(str(path), 1, 1, "file.missing", reason, "the YAML file of an integration")]
    entry = entry_of(content, str(path), path.parent)
    flow = kept(entry, path.parent)
    if flow is not None:
        return flow, []
    from dragoman.language.compile import compile_content

    compiled = compile_content(content, str(path), path.parent)
    if compiled.flow is not None:
        keep(entry, compiled.flow, compiled.named)
    return compiled.flow, compiled.problems


def _says(path: Path, name: str) -> bool:
    """Whether a file's text gives this id at its top."""
    named = re.escape(name.encode())
    pattern = rb"^(?:\xef\xbb\xbf)?integration:[ \t]*[\"']?" + named + rb"[\"']?[ \t]*(?:#.*)?\r?$"
    try:
        return re.search(pattern, path.read_bytes(), re.MULTILINE) is not None
    except OSError:
        return False


def _claimed(path: Path) -> str:
    """The id that stands at the top of a file's text; empty where it is written in a way that only compiling reads."""
    try:
        found = _ID.search(path.read_bytes())
    except OSError:
        return ""
    return found[1].decode() if found else ""


def _twice(flows: list[Flow]) -> list[Problem]:
    """Two files with one id are a mistake in both."""
    by_id: dict[str, dict[str, Flow]] = defaultdict(dict)
    for flow in flows:
        by_id[flow.integration][str(Path(flow.file).resolve())] = flow
    return [
        _doubled(flow.file, name, [Path(each.file) for each in same.values()])
        for name, same in by_id.items()
        if len(same) > 1
        for flow in same.values()
    ]


def _doubled(file: str, name: str, files: list[Path]) -> Problem:
    text = Path(file).read_text(encoding="utf-8-sig")
    lines = text.splitlines()
    line = next((at for at, each in enumerate(lines, 1) if each.startswith("integration:")), 1)
    others = ", ".join(path.name for path in files if str(path) != file)
    return Problem(file, line, 1, "integration.twice", f"the id {name!r}, which {others} has too", "an id of its own")
