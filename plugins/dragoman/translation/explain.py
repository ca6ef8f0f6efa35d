"""The SELECT of a translation as people read it: their own names, without the machinery of exact casts."""

from __future__ import annotations

from dragoman.core.flow import FieldSpec, TranslationSpec
from dragoman.translation.casts import quote

__all__ = ["explain_sql"]


def explain_sql(spec: TranslationSpec) -> str:
    """SQL text. ``exact(x AS type)`` stands for the casts of ``casts.py``, which reject instead of rounding."""
    if spec.sql:
        return spec.sql_text.strip()
    if spec.python:
        return f"-- python: {spec.python}\n{spec.python_text.strip()}"
    columns = ["*"] if spec.fields is None else [_column(one) for one in spec.fields]
    lines = ["SELECT", ",\n".join(f"  {column}" for column in columns), f"FROM {_name(spec.inputs[0])}"]
    if spec.each_alias:
        lines.append(f"CROSS JOIN unnest({spec.each_expression}) AS {_name(spec.each_alias)}")
    for lookup in spec.lookups:
        on = " AND ".join(f"{_name(lookup.name)}.{_name(column)} = {text}" for column, text in lookup.on.items())
        lines.append(f"LEFT JOIN {_name(lookup.source)} AS {_name(lookup.name)} ON {on}  -- missing: {lookup.missing}")
    if spec.filter:
        lines.append(f"WHERE {spec.filter}")
    rules = [f"required: {one.name}" for one in spec.fields or () if one.required]
    rules += [f"check of {one.name}: {one.check}" for one in spec.fields or () if one.check]
    rules += [f"check {name}: {text}" for name, text in spec.checks.items()]
    if spec.each_alias:
        rules.append("one bad line rejects its record" if spec.atomic else "each bad line is rejected alone")
    return "\n".join(lines + [f"-- {rule}" for rule in rules])


def _column(one: FieldSpec) -> str:
    said = one.expression
    if one.type:
        extra = f" FORMAT {quote(one.format)}" if one.format else ""
        said = f"exact({said} AS {one.type}{extra})"
    if one.has_default:
        value = quote(one.default) if isinstance(one.default, str) else str(one.default)
        said = f"coalesce({said}, {value})"
    return said if said == one.name else f"{said} AS {_name(one.name)}"


def _name(name: str) -> str:
    return name if name.replace(".", "_").isidentifier() else '"' + name.replace('"', '""') + '"'
