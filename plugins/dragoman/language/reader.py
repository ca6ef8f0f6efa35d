"""Reads YAML by the rules of YAML 1.2, and keeps where each thing stood.

PyYAML's own loaders follow YAML 1.1 (the key ``on`` is True, ``12:30`` a number); here the implicit types are
bool (true, false), null, int, float and merge of the 1.2 core schema, everything else is text. Tags, duplicate keys,
keys that are no text, aliases that explode, and files that are too large are refused.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import yaml

from dragoman.core.errors import Problem

__all__ = ["MAX_BYTES", "Reading", "read_yaml"]

MAX_BYTES = 1_000_000
MAX_DEPTH = 40
MAX_NODES = 200_000

Path = tuple[str | int, ...]

_MERGE = "tag:yaml.org,2002:merge"
_STR = "tag:yaml.org,2002:str"
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")


@dataclass
class Reading:
    """A file as read: its value, its text, the tree of nodes with their marks, and what was wrong."""

    file: str
    text: str = ""
    value: Any = None
    node: yaml.Node | None = None
    problems: list[Problem] = field(default_factory=list)

    def add(
        self, path: Path, code: str, found: str, expected: str = "", nearest: str = "", *, key: bool = False
    ) -> None:
        """Note a problem at ``path``: at the value's place, or at its key's."""
        line, column = self.place(path, key=key)
        problem = Problem(self.file, line, column, code, found, expected, nearest)
        if problem not in self.problems:
            self.problems.append(problem)

    def has(self, path: Path) -> bool:
        """Whether the file has something at ``path``, right or wrong."""
        node = self.node
        for part in path:
            found = _child(node, part) if node is not None else None
            if found is None:
                return False
            node = found[1]
        return True

    def place(self, path: Path, *, key: bool = False) -> tuple[int, int]:
        """Line and column (1-based) of the value at ``path``, or of its key; of the nearest part that is there."""
        node = self.node
        if node is None:
            return 1, 1
        mark = node.start_mark
        for part in path:
            found = _child(node, part)
            if found is None:
                mark = node.start_mark if isinstance(node, yaml.ScalarNode) else mark
                break
            label, node = found
            mark = label.start_mark
        else:
            if not key and path:
                mark = node.start_mark
        return mark.line + 1, mark.column + 1


def _child(node: yaml.Node, part: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """The key's node and the value's node of one step down."""
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    if isinstance(node, yaml.MappingNode):
        for label, value in node.value:
            if label.value == part:
                return label, value
    return None


class _Loader(yaml.CSafeLoader):
    """The C parser, with the implicit types of YAML 1.2."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.found: list[tuple[yaml.Mark, str, str, str]] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Notes keys that are doubled or no text, and goes on without them."""
        seen: set[str] = set()
        for key, _ in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            if isinstance(key, yaml.MappingNode) and key.flow_style:
                self.found.append((key.start_mark, "yaml.template", "a template {{ … }}", "a plain value"))
            elif not isinstance(key, yaml.ScalarNode):
                self.found.append((key.start_mark, "yaml.key", "a key that is a list or a map", "a key that is text"))
            elif name in seen:
                self.found.append((key.start_mark, "yaml.duplicate_key", f"the key {name!r} again", "each key once"))
            elif key.tag != _MERGE:
                key.tag = _STR  # keys are text, whatever they look like
            seen.add(name)
        node.value = [pair for pair in node.value if isinstance(pair[0], yaml.ScalarNode)]
        return super().construct_mapping(node, deep=deep)


def _integer(_loader: _Loader, node: yaml.ScalarNode) -> int | str:
    return int(node.value) if len(node.value) <= 400 else str(node.value)


def _float(_loader: _Loader, node: yaml.ScalarNode) -> float:
    return float(node.value)


_Loader.yaml_implicit_resolvers = {}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$"),
    list("-+.0123456789"),
)
_Loader.add_implicit_resolver(_MERGE, re.compile(r"^<<$"), ["<"])
_Loader.add_constructor("tag:yaml.org,2002:int", _integer)
_Loader.add_constructor("tag:yaml.org,2002:float", _float)


def read_yaml(content: bytes, file: str) -> Reading:
    """Read one document. What cannot be read at all has ``node`` None and says why in ``problems``."""
    reading = Reading(file)
    if len(content) > MAX_BYTES:
        reading.add((), "yaml.too_large", f"a file of {len(content):,} bytes", f"at most {MAX_BYTES:,} bytes")
        return reading
    text = _decode(content, reading)
    if text is None:
        return reading
    reading.text = text
    loader: _Loader | None = None
    try:
        if "!" in text and _tags(text, reading):
            return reading
        loader = _Loader(text)
        reading.node = loader.get_single_node()
        if reading.node is None:
            reading.add((), "yaml.empty", "an empty file", "an integration (integration, source, deliver)")
        elif _within_bounds(reading, reading.node):
            reading.value = loader.construct_document(reading.node)
            _note(loader, reading)
    except yaml.MarkedYAMLError as error:
        reading.node = None
        _syntax(error, reading)
    finally:
        if loader is not None:
            loader.dispose()
    return reading


def _decode(content: bytes, reading: Reading) -> str | None:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line = before.count(b"\n") + 1
        column = error.start - before.rfind(b"\n")
        found = f"the byte 0x{content[error.start]:02x} is not UTF-8"
        reading.problems.append(Problem(reading.file, line, column, "yaml.encoding", found, "a file saved as UTF-8"))
        return None
    match = _CONTROL.search(text)
    if match is None:
        return text
    line = text.count("\n", 0, match.start()) + 1
    column = match.start() - text.rfind("\n", 0, match.start())
    name = "NUL" if match[0] == "\x00" else f"U+{ord(match[0]):04X}"
    found = f"the control character {name}"
    reading.problems.append(Problem(reading.file, line, column, "yaml.control_character", found, "plain text"))
    return None


def _tags(text: str, reading: Reading) -> bool:
    """Whether there are tags; each is a problem. Only asked where the text holds a ``!``."""
    loader = yaml.CSafeLoader(text)
    try:
        while loader.check_event():
            event: Any = loader.get_event()
            tag = getattr(event, "tag", None)
            if tag is not None:
                where = (event.start_mark.line + 1, event.start_mark.column + 1)
                shown = tag.replace("tag:yaml.org,2002:", "!!")
                problem = Problem(reading.file, *where, "yaml.tag", f"the tag {shown}", "a value without a tag")
                reading.problems.append(problem)
    finally:
        loader.dispose()
    return bool(reading.problems)


def _within_bounds(reading: Reading, root: yaml.Node) -> bool:
    """Refuse what is too deep, refers to itself, or grows past bounds when its aliases are written out."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: yaml.Node, depth: int) -> int:
        if isinstance(node, yaml.ScalarNode):
            return 1
        known = sizes.get(id(node))
        if known is not None:
            return known
        if depth > MAX_DEPTH or id(node) in open_nodes:
            raise yaml.MarkedYAMLError(problem="deep", problem_mark=node.start_mark)
        open_nodes.add(id(node))
        total = 1
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                total += size(key, depth + 1) + size(value, depth + 1)
        else:
            for value in node.value:
                total += size(value, depth + 1)
        open_nodes.discard(id(node))
        if total > MAX_NODES:
            raise yaml.MarkedYAMLError(problem="large", problem_mark=node.start_mark)
        sizes[id(node)] = total
        return total

    try:
        size(root, 0)
    except yaml.MarkedYAMLError as error:
        mark: Any = error.problem_mark
        bomb = error.problem == "large"
        found = "aliases that grow without measure" if bomb else "nesting without measure"
        expected = f"at most {MAX_NODES:,} values" if bomb else f"at most {MAX_DEPTH} levels and no alias to itself"
        code = "yaml.alias_bomb" if bomb else "yaml.too_deep"
        reading.problems.append(Problem(reading.file, mark.line + 1, mark.column + 1, code, found, expected))
        return False
    return True


def _note(loader: _Loader, reading: Reading) -> None:
    for mark, code, found, expected in loader.found:
        reading.problems.append(Problem(reading.file, mark.line + 1, mark.column + 1, code, found, expected))


def _syntax(error: yaml.MarkedYAMLError, reading: Reading) -> None:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    what = str(error.problem or error.context or "unreadable")
    lines = reading.text.splitlines()
    written = lines[line - 1] if line <= len(lines) else ""
    if "nesting depth" in what or "nesting depth" in str(error.context):
        code, found, expected = "yaml.too_deep", "nesting without measure", f"at most {MAX_DEPTH} levels"
    elif "\t" in written[: len(written) - len(written.lstrip())] or "'\\t'" in what or "tab" in what:
        code, found, expected = "yaml.tab", "a tab in the indentation", "spaces"
    elif "single document" in str(error.context) or "single document" in what:
        code, found, expected = "yaml.documents", "a second document", "one document a file"
    elif "alias" in what:
        code, found, expected = "yaml.alias", what, "an alias to an anchor above"
    else:
        told = f"{error.context}, {what}" if error.context else what
        code, found, expected = "yaml.syntax", f"broken YAML: {told}", _advice(written, what)
    reading.problems.append(Problem(reading.file, line, column, code, found, expected))


def _advice(written: str, what: str) -> str:
    if "mapping values are not allowed" in what:
        return "text that holds ': ' in quotes"
    if "cannot start any token" in what or "%" in written or "{{" in written:
        return "text that begins with a sign such as @, %, ` or { in quotes"
    return "YAML 1.2"
