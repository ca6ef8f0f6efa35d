"""The layers of the SELECT, each of which adds columns to the one below.

``t_N`` typed inputs, ``y_L_N`` lookup keys and ``found_L``, ``x_N`` raw expressions and ``f_0`` the filter, ``c_N``
exact casts, ``o_N`` outputs with their defaults, ``k_N`` checks. The careful form holds every value in ``TRY`` and
has beside it whether evaluating raised: ``ye_L_N``, ``e_N``, ``fe_0``, ``ke_N``.
"""

from __future__ import annotations

from collections.abc import Sequence

from dragoman.translation.input_sql import scalar_words, typed
from dragoman.translation.inputs import Input
from dragoman.translation.lookups import Lookup
from dragoman.translation.shape import Shape

__all__ = ["inputs_sql", "layers_sql", "own_inputs_sql"]


def own_inputs_sql(shape: Shape, *, careful: bool) -> str:
    """The typed inputs of record and element over ``src``."""
    return _typed_layer(shape, "src", shape.own, careful=careful)


def inputs_sql(shape: Shape, *, careful: bool) -> str:
    """All typed inputs, lookups joined."""
    below = own_inputs_sql(shape, careful=careful)
    if not shape.lookups:
        return below
    keys = []
    for place, expressions in enumerate(shape.keys):
        for number, expression in enumerate(expressions):
            sql = Lookup.canonical(expression.sql, shape.key_types[place][number])
            keys.append(f"{_guarded(sql, careful=careful)} AS y_{place}_{number}")
            if careful:
                keys.append(f"{_raises(expression.sql)} AS ye_{place}_{number}")
    joined = f"SELECT *{_listed(keys)} FROM ({below})"
    for place, lookup in enumerate(shape.lookups):
        on = " AND ".join(f"a.y_{place}_{number} = b.key_{number}" for number in range(len(shape.keys[place])))
        taken = [f"b.w_{one.number}" for one in shape.looked_up if one.origin == lookup.name]
        taken += [f"b.q_{one.number}" for one in shape.doubles if one.origin == lookup.name]
        joined = (
            f"SELECT a.*{_listed(taken)}, b.key_0 IS NOT NULL AS found_{place} FROM ({joined}) a "
            f"LEFT JOIN {lookup.table} b ON {on}"
        )
    return _typed_layer(shape, f"({joined})", shape.looked_up, careful=careful)


def _typed_layer(shape: Shape, below: str, inputs: Sequence[Input], *, careful: bool) -> str:
    scalars = [
        f"{_guarded(scalar_words(f'w_{one.number}'), careful=careful)} AS s_{one.number}"
        for one in inputs
        if one.words == "json"
    ]
    values = []
    for one in inputs:
        sql = typed(one, shape.kinds.get(one.key, ""), shape.timezone)
        values.append(f"{_guarded(sql, careful=careful and bool(one.words))} AS t_{one.number}")
    source = f"(SELECT *{_listed(scalars)} FROM {below})" if scalars else below
    return f"SELECT *{_listed(values)} FROM {source}"


def layers_sql(shape: Shape, *, careful: bool, checks: bool = True) -> str:
    """Everything below the code of a record; ``checks=False`` leaves the last layer out."""
    outputs = list(enumerate(shape.outputs))
    raw = [f"{_guarded(one.raw, careful=careful and one.risky)} AS x_{n}" for n, one in outputs]
    if careful:
        raw += [f"{_raises(one.raw)} AS e_{n}" for n, one in outputs if one.risky]
    if shape.filter is not None:
        raw.append(f"{_guarded(shape.filter.sql, careful=careful)} AS f_0")
        if careful:
            raw.append(f"{_raises(shape.filter.sql)} AS fe_0")
    sql = f"SELECT *{_listed(raw)} FROM ({inputs_sql(shape, careful=careful)})"
    casts = [f"{_guarded(one.cast, careful=careful)} AS c_{n}" for n, one in outputs]
    sql = f"SELECT *{_listed(casts)} FROM ({sql})"
    whole = [(f"coalesce(c_{n}, {one.default})" if one.default else f"c_{n}") + f" AS o_{n}" for n, one in outputs]
    sql = f"SELECT *{_listed(whole)} FROM ({sql})"
    if not checks or not shape.checks:
        return sql
    last = [f"{_guarded(one.expression.sql, careful=careful)} AS k_{n}" for n, one in enumerate(shape.checks)]
    if careful:
        last += [f"{_raises(one.expression.sql)} AS ke_{n}" for n, one in enumerate(shape.checks)]
    return f"SELECT *{_listed(last)} FROM ({sql})"


def _guarded(sql: str, *, careful: bool) -> str:
    return f"TRY({sql})" if careful else sql


def _raises(sql: str) -> str:
    """TRUE where evaluating raises: TRY gives NULL for that, and ``IS NULL`` never does."""
    return f"(TRY(({sql}) IS NULL) IS NULL)"


def _listed(columns: Sequence[str]) -> str:
    return "".join(f", {column}" for column in columns)
