"""Expressions: parsed by DuckDB's own parser, never evaluated here.

One expression is one DuckDB SQL expression over the record's fields. What would be more than that (a subquery, a
window, ``*``, a parameter, a second expression or statement) is refused by its shape. Which functions an expression
may call is judged in ``language/``.

DuckDB is loaded at the first text that needs it: names such as ``customer.name`` are understood without.
Offsets are characters of the expression's own text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock
from typing import Any

import msgspec

__all__ = [
    "ColumnRef",
    "ExpressionError",
    "FunctionCall",
    "Parsed",
    "name_expression",
    "parse",
    "parse_many",
    "query_fault",
]

_BEFORE = "SELECT ("
_AFTER = "\n)"
_NOWHERE = 2**63
_PLAIN = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)\s*")
_WORDS = """
    all analyse analyze and any array as asc asof asymmetric at authorization between binary both by case cast check
    collate collation column columns concurrently constraint create cross current_catalog current_date current_role
    current_schema current_time current_timestamp current_user default deferrable desc describe distinct do else end
    except exists extract false fetch for foreign freeze from full generated glob grant group grouping having ilike in
    initially inner intersect interval into is isnull join lambda lateral leading left like limit localtime
    localtimestamp map natural not notnull null nullif offset on only or order outer overlaps pivot pivot_longer
    pivot_wider placing positional primary qualify references returning right row rowid select semi anti session_user
    show similar some struct summarize symmetric table tablesample then to trailing trim true try try_cast union unique
    unpivot unpack user using values variadic verbose when where window with
"""
_RESERVED = frozenset(_WORDS.split())
_REFUSED = {
    "SUBQUERY": "a subquery",
    "WINDOW": "a window function",
    "STAR": "* or COLUMNS()",
    "PARAMETER": "a parameter",
    "POSITIONAL_REFERENCE": "a column by its number",
    "DEFAULT": "DEFAULT",
}
_EMPTY_PARTS = ("where_clause", "group_expressions", "group_sets", "having", "sample", "qualify", "modifiers")
_LAMBDA_TAKERS = re.compile(r"(list|array)_|apply$|filter$|reduce$|transform$")


class ExpressionError(ValueError):
    """A text that is no expression. ``offset``: the character where it goes wrong."""

    def __init__(self, message: str, offset: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


@dataclass(frozen=True)
class ColumnRef:
    """One reference to a field: ``line.ean`` has the names ``("line", "ean")``."""

    names: tuple[str, ...]
    offset: int
    length: int


@dataclass(frozen=True)
class FunctionCall:
    """One call of a function (operators are not among them). ``schema`` is empty as people write it."""

    name: str
    offset: int
    schema: str = ""


@dataclass(frozen=True)
class Parsed:
    """An expression. ``ast`` is DuckDB's tree (locations are bytes, after ``SELECT (``), None for a plain name.

    ``column_refs`` stand in the order of the text, without the parameters of lambdas.
    """

    text: str
    ast: dict[str, Any] | None
    column_refs: tuple[ColumnRef, ...]
    functions: tuple[FunctionCall, ...]


_MAX_KEPT = 8192
_kept: dict[str, Parsed | ExpressionError] = {}


def parse(text: str) -> Parsed:
    """Parse one expression; raises ``ExpressionError``. Kept, so that a second look costs nothing."""
    found = parse_many([text])[text]
    if isinstance(found, ExpressionError):
        raise ExpressionError(found.message, found.offset)
    return found


def parse_many(texts: Iterable[str]) -> dict[str, Parsed | ExpressionError]:
    """Parse several in one call of DuckDB, which is quicker than one by one; mistakes come back as values."""
    done: dict[str, Parsed | ExpressionError] = {}
    hard = []
    for text in dict.fromkeys(texts):
        known = _kept.get(text) or _plain(text)
        if known is None:
            hard.append(text)
        else:
            done[text] = known
    if hard:
        fresh = {
            text: _named(text, _understand(text, tree))
            for text, tree in zip(hard, _trees([_BEFORE + text + _AFTER for text in hard]), strict=True)
        }
        if len(_kept) + len(fresh) > _MAX_KEPT:
            _kept.clear()
        _kept.update(fresh)
        done |= fresh
    return done


def name_expression(name: str) -> str:
    """The expression that is one field: its bare name, in double quotes where SQL needs them."""
    return name if isinstance(_plain(name), Parsed) and "." not in name else '"' + name.replace('"', '""') + '"'


def _plain(text: str) -> Parsed | ExpressionError | None:
    """A bare name, an empty text, or None where DuckDB has to look."""
    if not text.strip():
        return ExpressionError("an empty expression")
    match = _PLAIN.fullmatch(text)
    if match is None:
        return None
    names = tuple(match[1].split("."))
    if any(name.lower() in _RESERVED for name in names):
        return None
    return Parsed(text, None, (ColumnRef(names, match.start(1), len(match[1])),), ())


def _named(text: str, found: Parsed | ExpressionError) -> Parsed | ExpressionError:
    """A word of SQL that stands alone and is no value names a field: ``order``, ``at``, ``desc``."""
    match = _PLAIN.fullmatch(text)
    if match is None or isinstance(found, Parsed):
        return found
    return Parsed(text, None, (ColumnRef(tuple(match[1].split(".")), match.start(1), len(match[1])),), ())


_lock = Lock()
_connections: list[Any] = []


def _trees(texts: list[str]) -> list[Any]:
    """DuckDB's answer for each text."""
    import duckdb

    with _lock:
        if not _connections:
            connection = duckdb.connect(":memory:", config={"threads": 1, "memory_limit": "64MB"})
            connection.execute("PRAGMA disable_optimizer")
            connection.execute("PREPARE trees AS SELECT json_serialize_sql(unnest($1::VARCHAR[]))")
            _connections.append(connection)
        quoted = ", ".join("'" + text.replace("\x00", " ").replace("'", "''") + "'" for text in texts)
        rows = _connections[0].execute(f"EXECUTE trees([{quoted}])").fetchall()
    return [msgspec.json.decode(row[0]) for row in rows]


def query_fault(text: str) -> ExpressionError | None:
    """What is wrong with a query (``sql:``), by its syntax: it must be one SELECT. None where nothing is."""
    tree = _trees([text])[0]
    if not tree["error"]:
        return None if len(tree["statements"]) == 1 else ExpressionError(f"{len(tree['statements'])} statements")
    message = str(tree.get("error_message", "not understood")).split("\n", 1)[0]
    if "Only SELECT" in message:
        message = "a statement that is no SELECT"
    at = len(text.encode()[: int(tree.get("position") or 0)].decode(errors="ignore"))
    return ExpressionError(message, min(at, len(text)))


def _understand(text: str, tree: dict[str, Any]) -> Parsed | ExpressionError:
    if tree["error"]:
        message = str(tree.get("error_message", "not understood")).split("\n", 1)[0]
        position = int(tree.get("position") or len(_BEFORE))
        offset = _characters(text, position)
        if offset >= len(text):
            message = "it ends too early" if text.count("(") >= text.count(")") else "a bracket too many"
        elif "Only SELECT" in message:
            message = "more than an expression"
        return ExpressionError(message, min(offset, len(text)))
    statements = tree["statements"]
    node = statements[0]["node"] if len(statements) == 1 else {}
    plain_select = (
        node.get("type") == "SELECT_NODE"
        and len(node["select_list"]) == 1
        and node["from_table"]["type"] == "EMPTY"
        and not node["cte_map"]["map"]
        and not any(node.get(part) for part in _EMPTY_PARTS)
        and not node["select_list"][0]["alias"]
    )
    if not plain_select:
        return ExpressionError("more than one expression")
    ast: dict[str, Any] = node["select_list"][0]
    if ast.get("function_name") == "row" and ast["query_location"] < len(_BEFORE):
        return ExpressionError("more than one expression")
    walk = _Walk(text)
    try:
        walk.visit(ast, frozenset(), "")
    except ExpressionError as error:
        return error
    refs = sorted(walk.refs, key=lambda ref: ref.offset)
    return Parsed(text, ast, tuple(refs), tuple(walk.functions))


def _characters(text: str, position: int) -> int:
    """The character of the text at a byte of the whole statement."""
    at = position - len(_BEFORE)
    if text.isascii():
        return max(at, 0)
    return len(text.encode()[: max(at, 0)].decode(errors="ignore"))


class _Walk:
    """Collects references and calls, and refuses what is no expression over one record."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.refs: list[ColumnRef] = []
        self.functions: list[FunctionCall] = []

    def visit(self, node: Any, bound: frozenset[str], caller: str) -> None:
        if isinstance(node, list):
            for item in node:
                self.visit(item, bound, caller)
        elif isinstance(node, dict):
            kind = node.get("class")
            if kind in _REFUSED:
                raise ExpressionError(f"{_REFUSED[kind]} is no expression over one record", self._offset(node))
            if kind == "COLUMN_REF":
                self._column(node, bound)
            elif kind == "LAMBDA" and self._is_lambda(node, caller):
                names = frozenset(_names(node["lhs"]))
                self.visit(node["expr"], bound | names, "")
            else:
                name = self._call(node) if kind == "FUNCTION" else caller
                for part in node.values():
                    if isinstance(part, dict | list):
                        self.visit(part, bound, name)

    def _column(self, node: dict[str, Any], bound: frozenset[str]) -> None:
        names = tuple(node["column_names"])
        if names[0].lower() in bound:
            return
        start = node["query_location"]
        if start >= _NOWHERE:
            raise ExpressionError(f"{'.'.join(names)} stands where a field cannot stand")
        offset = self._offset(node)
        end = _characters(self.text, start + node["query_location_length"])
        self.refs.append(ColumnRef(names, offset, end - offset))

    def _call(self, node: dict[str, Any]) -> str:
        name = str(node["function_name"]).lower()
        if node["query_location"] < _NOWHERE and not node["is_operator"]:
            schema = str(node.get("schema") or node.get("catalog") or "")
            self.functions.append(FunctionCall(name, self._offset(node), schema))
        return name

    def _is_lambda(self, node: dict[str, Any], caller: str) -> bool:
        """``x -> x + 1`` is a lambda among a list function's arguments, and JSON's arrow anywhere else."""
        return node.get("syntax_type") != "SINGLE_ARROW" or bool(_LAMBDA_TAKERS.search(caller))

    def _offset(self, node: dict[str, Any]) -> int:
        location = int(node.get("query_location") or 0)
        return 0 if location >= _NOWHERE else _characters(self.text, location)


def _names(lhs: Any) -> set[str]:
    """The parameters of a lambda, in lower case."""
    if isinstance(lhs, list):
        return {name for item in lhs for name in _names(item)}
    if isinstance(lhs, dict):
        if lhs.get("class") == "COLUMN_REF":
            return {str(lhs["column_names"][0]).lower()}
        return {name for part in lhs.values() if isinstance(part, dict | list) for name in _names(part)}
    return set()
