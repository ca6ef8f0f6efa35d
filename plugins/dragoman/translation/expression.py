"""One expression of the YAML, resolved: its text with each reference replaced by the column that stands for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from dragoman.core.errors import ConfigError
from dragoman.core.expressions import ExpressionError, Parsed, parse
from dragoman.translation.inputs import Input, Scope, nearest

__all__ = ["Expression", "over_outputs", "resolve"]

_ROUNDING = {"round", "round_even", "roundbankers", "floor", "ceil", "ceiling", "trunc"}
_OF_JSON = re.compile(r"->|\bjson", re.IGNORECASE)
"""An expression that takes JSON apart itself wants it as it is, mixtures too."""


@dataclass(frozen=True)
class Expression:
    """``sql`` works over ``t_N``; ``direct`` is the input where the whole expression is one name or path.

    ``rounded``: its outermost function rounds. ``where`` names it in messages; ``text`` is as written.
    """

    text: str
    where: str
    sql: str
    inputs: tuple[Input, ...]
    direct: Input | None = None
    rounded: bool = False


def resolve(text: str, where: str, scope: Scope, *, lookups: bool = True, condition: bool = False) -> Expression:
    """An expression over the record; ``condition``: one that must be true or false.

    ``ConfigError`` where it cannot be parsed or names what is not there.
    """
    parsed = _parsed(text, where)
    refs = parsed.column_refs
    whole = len(refs) == 1 and text.strip() == text[refs[0].offset : refs[0].offset + refs[0].length]
    handed_on = (whole and not condition) or bool(_OF_JSON.search(text))
    used: list[Input] = []

    def column(names: tuple[str, ...]) -> str:
        found = scope.resolve(names, where, lookups=lookups, whole=handed_on)
        used.append(found)
        return f"t_{found.number}"

    sql = _replaced(parsed, column)
    ast = parsed.ast or {}
    rounded = ast.get("class") == "FUNCTION" and ast.get("function_name") in _ROUNDING
    return Expression(text, where, sql, _once(used), used[0] if whole else None, rounded)


def _once(inputs: list[Input]) -> tuple[Input, ...]:
    return tuple({one.number: one for one in inputs}.values())


def over_outputs(text: str, where: str, outputs: dict[str, str]) -> Expression:
    """An expression over typed outputs: ``check``, ``checks``, ``when``. ``outputs`` maps names to columns."""
    parsed = _parsed(text, where)

    def column(names: tuple[str, ...]) -> str:
        name = names[0]
        folded = [one for one in outputs if one.lower() == name.lower()]
        if name not in outputs and len(folded) == 1:
            name = folded[0]
        if name not in outputs:
            near = nearest(name, outputs)
            raise ConfigError(
                "translation.unknown_column",
                f"{where}: there is no output {name}" + (f"; did you mean {near}?" if near else ""),
                next_step=f"the outputs are {', '.join(outputs)}",
            )
        return ".".join([outputs[name], *(_quoted(part) for part in names[1:])])

    return Expression(text, where, _replaced(parsed, column), ())


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _parsed(text: str, where: str) -> Parsed:
    try:
        return parse(text)
    except ExpressionError as error:
        raise ConfigError(
            "expression.invalid",
            f"{where}: {text!r} is no expression: {error.message}",
            next_step="write a DuckDB SQL expression",
        ) from error


def _replaced(parsed: Parsed, column: Callable[[tuple[str, ...]], str]) -> str:
    pieces: list[str] = []
    at = 0
    for ref in parsed.column_refs:
        pieces += [parsed.text[at : ref.offset], column(ref.names)]
        at = ref.offset + ref.length
    # A comment at the end of what a person wrote must not swallow what follows it.
    return "(" + "".join(pieces) + parsed.text[at:] + "\n)"
