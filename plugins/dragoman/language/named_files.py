"""The SQL and Python files that an integration names; they lie in its own folder."""

from __future__ import annotations

import ast
import re

from dragoman.core.errors import Problem
from dragoman.language.context import Context, Place
from dragoman.language.words import bad_path, nearest, shown

__all__ = ["read_named"]

_MAX_BYTES = 1_000_000


def read_named(context: Context, name: str, path: Place) -> str:
    """The content of a named file, or empty where it is refused: outside the folder, missing, or broken."""
    kind = str(path[-1])
    expected = f"a file in the folder {context.folder.name}/"
    reason = bad_path(name)
    if reason:
        context.add(path, "file.outside", reason, expected)
        return ""
    file = context.folder / name
    if not file.is_file():
        beside = [found.name for found in context.folder.glob(f"*{file.suffix}")] if context.folder.is_dir() else []
        context.add(path, "file.missing", f"no file {context.folder.name}/{name}", expected, nearest(name, beside))
        return ""
    if not file.resolve().is_relative_to(context.folder.resolve()):
        context.add(path, "file.outside", f"{shown(name)}, which leads out of its folder by a link", expected)
        return ""
    content = file.read_bytes()
    if len(content) > _MAX_BYTES:
        context.add(path, "file.too_large", f"{name} of {len(content):,} bytes", f"at most {_MAX_BYTES:,} bytes")
        return ""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        context.add(path, "file.encoding", f"{name} is not UTF-8", "a file saved as UTF-8")
        return ""
    context.named[name] = text
    (_check_sql if kind == "sql" else _check_python)(context, f"{context.folder.name}/{name}", text)
    return text


def _check_sql(context: Context, shown_name: str, text: str) -> None:
    from dragoman.core.expressions import query_fault

    fault = query_fault(text)
    if fault is not None:
        before = text[: fault.offset]
        line, column = before.count("\n") + 1, fault.offset - before.rfind("\n")
        problem = Problem(shown_name, line, column, "sql.syntax", fault.message, "one SELECT")
        context.elsewhere(problem)


def _check_python(context: Context, shown_name: str, text: str) -> None:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        column = getattr(error, "offset", None) or 1
        message = re.sub(r"\s*\(.*line \d+\)$", "", str(error))
        context.elsewhere(Problem(shown_name, line, column, "python.syntax", message, "Python 3"))
        return
    if not any(isinstance(node, ast.FunctionDef) and node.name == "translate" for node in tree.body):
        context.elsewhere(
            Problem(shown_name, 1, 1, "python.no_function", "no function translate", "def translate(table):")
        )
