"""One translation of the document, as the engine takes it."""

from __future__ import annotations

from dragoman.core.expressions import name_expression
from dragoman.core.fieldtype import parse_type
from dragoman.core.flow import FieldSpec, LookupSpec, TranslationSpec
from dragoman.language.context import Context, Place
from dragoman.language.document import FieldBody, Translation
from dragoman.language.named_files import read_named

__all__ = ["outputs_of", "translation_spec"]

Known = frozenset[str] | None
_TIMES = frozenset({"date", "time", "timestamp", "timestamptz"})


def outputs_of(body: Translation, known: Known) -> Known:
    """The names of its output columns, or None where only running it tells."""
    if body.fields is not None:
        return frozenset(body.fields)
    return known if body.sql is None and body.python is None and body.each is None else None


def translation_spec(
    context: Context,
    body: Translation,
    path: Place,
    *,
    node: str,
    inputs: tuple[str, ...],
    lookup_nodes: dict[str, str],
    known: Known,
) -> TranslationSpec:
    """``lookup_nodes``: the stream of each lookup. ``known``: the input's fields, or None."""
    one_way = _check_ways(context, body, path, len(inputs))
    each = body.each
    with_each = None if known is None else known | ({each.alias} if each else set())
    with_all = None if with_each is None else with_each | set(body.lookups)
    if each and each.alias in body.lookups:
        context.add(
            (*path, "lookups", each.alias), "name.twice", f"the alias {each.alias!r} again", "two names", key=True
        )
    outputs = outputs_of(body, None)
    output_known = None if body.fields is None else outputs
    what = "the translation's own fields"
    if each:
        context.expression(each.expression, (*path, "each", each.alias), known)
    lookups = []
    for alias, lookup in body.lookups.items():
        for column, text in lookup.on.items():
            context.expression(text, (*path, "lookups", alias, "on", column), with_each)
        source = lookup_nodes.get(alias, lookup.from_)
        lookups.append(LookupSpec(name=alias, source=source, on=dict(lookup.on), missing=lookup.missing))
    fields = None
    if body.fields is not None:
        fields = tuple(
            _field(context, name, field, (*path, "fields", name), known=with_all, outputs=output_known)
            for name, field in body.fields.items()
        )
    return TranslationSpec(
        node=node,
        inputs=inputs,
        filter=context.expression(body.filter, (*path, "filter"), known),
        each_alias=each.alias if each else "",
        each_expression=each.expression if each else "",
        atomic=each.atomic if each else True,
        lookups=tuple(lookups),
        fields=fields,
        checks={
            name: context.expression(text, (*path, "checks", name), output_known, what)
            for name, text in body.checks.items()
        },
        sql=body.sql or "",
        sql_text=read_named(context, body.sql, (*path, "sql")) if body.sql and one_way else "",
        whole_set=body.whole_set,
        python=body.python or "",
        python_text=read_named(context, body.python, (*path, "python")) if body.python and one_way else "",
    )


def _field(context: Context, name: str, body: FieldBody, path: Place, *, known: Known, outputs: Known) -> FieldSpec:
    kind = parse_type(body.type) if body.type else None
    expression = body.from_ if body.from_ is not None else name_expression(name)
    context.expression(expression, (*path, "from"), known)
    context.expression(body.check, (*path, "check"), outputs, "the translation's own fields")
    if body.format and (kind is None or kind.name not in _TIMES):
        found = f"format for a field of type {kind or 'unknown'}"
        context.add((*path, "format"), "field.format", found, "type: date, time, timestamp or timestamptz", key=True)
    for key in ("true", "false"):
        if getattr(body, key) and (kind is None or kind.name != "boolean"):
            found = f"words for {key} in a field of type {kind or 'unknown'}"
            context.add((*path, key), "field.words", found, "type: boolean", key=True)
    return FieldSpec(
        name=name,
        expression=expression,
        type=str(kind) if kind else "",
        required=body.required,
        default=body.default,
        has_default=body.default is not None,
        check=body.check or "",
        format=body.format,
        true=tuple(body.true),
        false=tuple(body.false),
        line=context.reading.place(path, key=True)[0],
    )


def _check_ways(context: Context, body: Translation, path: Place, inputs: int) -> bool:
    """Whether at most one way is given: fields, a query or a function."""
    ways = [name for name, value in (("fields", body.fields), ("sql", body.sql), ("python", body.python)) if value]
    for way in ways[1:]:
        found = f"{way} beside {ways[0]}"
        context.add((*path, way), "translation.two_ways", found, "one of fields, sql, python", key=True)
    if inputs > 1 and body.sql is None and body.python is None:
        found = f"{inputs} inputs without a query"
        context.add((*path, "from"), "translation.inputs", found, "sql: or python: to join them, or one input")
    if body.whole_set and body.sql is None and body.python is None:
        context.add(
            (*path, "whole_set"), "translation.whole_set", "whole_set without a query", "sql: or python:", key=True
        )
    return len(ways) <= 1
