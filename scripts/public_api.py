"""``docs/public_api.txt``: every public name and its signature, one a line: ``python -m scripts.public_api [--check]``.

Public is what stands in ``__all__`` of the modules below; of a class its constructor, its methods, its fields. All is
read from the source, so that the list is the same under every Python and needs no Airflow.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from dragoman.core.registry import manifests
from dragoman.orchestration.provider import hook_class_name

TOP = Path(__file__).resolve().parent.parent
LIST = TOP / "docs" / "public_api.txt"
PLUGINS = TOP / "plugins"
MODULES = (
    "dragoman",
    "dragoman.orchestration",
    "dragoman.orchestration.operators",
    "dragoman.orchestration.hooks",
    "dragoman.orchestration.notifiers",
    "dragoman.core.batch",
    "dragoman.core.capability",
    "dragoman.core.connection",
    "dragoman.core.errors",
    "dragoman.core.fieldtype",
    "dragoman.core.ports",
    "dragoman.testing.checker",
    "dragoman.testing.fault_server",
    "dragoman.testing.faults",
    "dragoman.testing.tcp_proxy",
    "dragoman.testing.http_server",
)
"""For DAG files and tasks, then for those who write a connector, then for those who test."""
HEAD = """\
# The public API: module, name, signature. Written by `make api`; a change of it needs a line in CHANGELOG.md.
"""
Definition = ast.FunctionDef | ast.AsyncFunctionDef


def public_api() -> list[str]:
    """The lines of the list, in the order of the modules and of each ``__all__``."""
    lines = []
    for module in MODULES:
        for name in _exported(_tree(module)):
            lines += [f"{module} {line}" for line in _described(module, name)]
    types = sorted({kind for one in manifests().values() if one.connection for kind in one.connection.types})
    lines += [f"dragoman.orchestration.hooks class {hook_class_name(kind)}(DragomanHook)" for kind in types]
    return lines


def _tree(module: str) -> ast.Module:
    path = PLUGINS.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8"))


def _exported(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return []


def _described(module: str, name: str) -> Iterator[str]:
    """The lines of one name, followed to the module that defines it."""
    for node in _tree(module).body:
        if isinstance(node, Definition) and node.name == name:
            yield _signature(node)
        elif isinstance(node, ast.ClassDef) and node.name == name:
            yield from _class(node)
        elif isinstance(node, ast.ImportFrom) and any((one.asname or one.name) == name for one in node.names):
            yield from _described(str(node.module), name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if ast.unparse(target) == name:
                yield name if name == "__version__" else f"{name} = {ast.unparse(node.value)}" if node.value else name


def _class(node: ast.ClassDef) -> Iterator[str]:
    bases = ", ".join(ast.unparse(base) for base in node.bases)
    yield f"class {node.name}({bases})" if bases else f"class {node.name}"
    for inner in node.body:
        if isinstance(inner, Definition) and (inner.name == "__init__" or not inner.name.startswith("_")):
            marks = "".join(f"@{ast.unparse(mark)} " for mark in inner.decorator_list)
            yield f"{marks}{_signature(inner, f'{node.name}.')}"
        elif isinstance(inner, ast.AnnAssign) and not ast.unparse(inner.target).startswith("_"):
            value = f" = {ast.unparse(inner.value)}" if inner.value else ""
            yield f"{node.name}.{ast.unparse(inner.target)}: {ast.unparse(inner.annotation)}{value}"


def _signature(node: Definition, owner: str = "") -> str:
    lead = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
    answer = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{lead}{owner}{node.name}({ast.unparse(node.args)}){answer}"


def api_page() -> str:
    """The file as it has to be."""
    return HEAD + "\n".join(public_api()) + "\n"


def main(words: list[str]) -> int:
    """Write the list, or say what differs from it."""
    if words != ["--check"]:
        LIST.write_text(api_page(), encoding="utf-8")
        return 0
    kept, now = set(LIST.read_text(encoding="utf-8").splitlines()), set(api_page().splitlines())
    changes = [f"- {line}" for line in sorted(kept - now)] + [f"+ {line}" for line in sorted(now - kept)]
    if changes:
        sys.stderr.write("\n".join(changes) + "\nthe public API has changed: make api, and a line in CHANGELOG.md\n")
    return 1 if changes else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
