"""Sources and deliveries: connector, connection, format and options, checked against the registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dragoman.core.flow import CursorSpec, DeletesSpec, DeliverySpec, FormatSpec, SourceSpec, StreamSpec
from dragoman.core.manifest import DestinationRole, Manifest, SourceRole
from dragoman.language.combinations import refuse_combinations
from dragoman.language.context import Context, Place
from dragoman.language.document import Cursor, Deletes, Delivery, FormatBody, Source, Stream
from dragoman.language.forbidden import LATER_FORMATS
from dragoman.language.options import Complain, check_options
from dragoman.language.upserts import check_upsert
from dragoman.language.words import BROKEN, nearest, shown

__all__ = ["delivery_spec", "source_spec"]

ELSE = "else"
_SOURCE_KEYS = tuple(Source.model_fields)
_DELIVERY_KEYS = tuple(Delivery.model_fields)
_STREAM = "{stream}"


def source_spec(context: Context, name: str, body: Source, path: Place) -> SourceSpec:
    """A source with its streams."""
    manifest = _connector(context, body.connector, path)
    role = manifest.source if manifest else None
    if manifest is not None and role is None:
        found = f"the connector {body.connector!r} in a source: it does not read"
        context.add((*path, "connector"), "connector.no_source", found, _those_that("read", context))
    _connection(context, manifest, body, path)
    named = body.streams if body.streams is not None else {"": Stream.model_validate({})}
    if not named and not context.reading.problems:
        context.add((*path, "streams"), "key.type", "streams is empty", "one at least", key=True)
    streams = tuple(_stream(context, body, named[stream], role, path, source=name, name=stream) for stream in named)
    return SourceSpec(name=name, connector=body.connector, connection=body.connection or "", streams=streams)


def _stream(
    context: Context, body: Source, stream: Stream, role: SourceRole | None, path: Place, *, source: str, name: str
) -> StreamSpec:
    here = (*path, "streams", name) if name else path
    own = stream.model_extra or {}

    def complain(place: Place, *told: str, key: bool = False) -> None:
        rest = place[len(path) :]
        context.add((*here, *rest) if not rest or rest[0] in own else place, *told, key=key)

    options: dict[str, Any] = {}
    kind = None
    cursor, at = (stream.cursor, here) if stream.cursor else (body.cursor, path)
    if role is not None:
        given = (body.model_extra or {}) | own
        what = f"the source (connector {body.connector!r})"
        options = _options(context, role, given, path, complain=complain, what=what)
        body_format, format_path = (stream.format, here) if stream.format else (body.format, path)
        kind = _format(context, body_format, format_path, options, files=role.can.files, role="read")
        refuse_combinations(role, options, path, complain)
        if cursor is not None and not role.can.cursor:
            found = f"cursor in a source of the connector {body.connector!r}, which cannot read by one"
            context.add((*at, "cursor"), "cursor.not_here", found, "a source without cursor", key=True)
    return StreamSpec(
        node=f"{source}.{name}" if name else source,
        name=name,
        options=options,
        format=kind,
        types=body.types | (stream.types or {}),
        timezone=stream.timezone or body.timezone or "",
        cursor=_cursor(cursor),
        deletes=_deletes(stream.deletes or body.deletes),
    )


def _cursor(cursor: Cursor | None) -> CursorSpec | None:
    if cursor is None:
        return None
    return CursorSpec(column=cursor.column, id=cursor.id, overlap=cursor.overlap, param=cursor.param)


def _deletes(deletes: Deletes | None) -> DeletesSpec | None:
    return None if deletes is None else DeletesSpec(column=deletes.column, most=deletes.most)


def delivery_spec(
    context: Context, body: Delivery, path: Place, *, node: str, source_node: str, stream: str
) -> DeliverySpec:
    """A delivery. ``stream`` takes the place of ``{stream}`` in its options."""
    manifest = _connector(context, body.connector, path)
    role = manifest.destination if manifest else None
    if manifest is not None and role is None:
        found = f"the connector {body.connector!r} in a delivery: it does not write"
        context.add((*path, "connector"), "connector.no_destination", found, _those_that("write", context))
    _connection(context, manifest, body, path)
    options: dict[str, Any] = {}
    kind = None
    mode = body.mode or "append"
    if role is not None:
        given = dict(body.model_extra or {})
        if stream:
            given = {key: _filled(value, stream) for key, value in given.items()}
        what = f"the delivery (connector {body.connector!r})"
        options = _options(context, role, given, path, complain=context.add, what=what)
        kind = _format(context, body.format, path, options, files=role.can.files, role="write")
        mode = _mode(context, role, body, path)
        refuse_combinations(role, options, path, context.add, mode=mode)
        check_upsert(context, role, body, mode, path)
        if body.delivery_schema:
            options["delivery_schema"] = body.delivery_schema
    return DeliverySpec(
        node=node,
        input=source_node,
        connector=body.connector,
        connection=body.connection or "",
        options=options,
        format=kind,
        mode=mode,
        key=tuple(body.key),
        create=body.create,
        version=body.version or "",
        update=None if body.update is None else tuple(body.update),
        insert_only=tuple(body.insert_only),
        when="" if body.when in {None, ELSE} else str(body.when),
        otherwise=body.when == ELSE,
    )


def _filled(value: Any, stream: str) -> Any:
    return value.replace(_STREAM, stream) if isinstance(value, str) else value


def _connector(context: Context, name: str, path: Place) -> Manifest | None:
    if name == BROKEN:
        return None
    known = context.registry.connectors
    if name not in known:
        expected = "one of " + ", ".join(known)
        found = f"unknown connector {shown(name)}"
        context.add((*path, "connector"), "connector.unknown", found, expected, nearest(name, known))
        return None
    return known[name]


def _those_that(verb: str, context: Context) -> str:
    names = [
        name
        for name, each in context.registry.connectors.items()
        if (each.source if verb == "read" else each.destination) is not None
    ]
    return "one of " + ", ".join(names)


def _connection(context: Context, manifest: Manifest | None, body: Source | Delivery, path: Place) -> None:
    if manifest is None:
        return
    connection = body.connection
    misspelt = any(nearest(key, ["connection"]) for key in body.model_extra or ())
    if manifest.connection is None and connection is not None:
        found = f"connection for the connector {manifest.connector!r}, which takes none"
        context.add((*path, "connection"), "connection.not_here", found, "no connection", key=True)
    if (
        manifest.connection is not None
        and connection is None
        and not misspelt
        and "connection" not in _told(context, path)
    ):
        expected = f"connection: an Airflow connection such as {manifest.connection.example}"
        context.add(path, "connection.missing", "connection is missing", expected, key=True)


def _told(context: Context, path: Place) -> set[str]:
    """Keys of a body that are in the file, even if they were faulty."""
    return {key for key in ("connection", "format", "mode") if context.reading.has((*path, key))}


def _options(
    context: Context,
    role: SourceRole | DestinationRole,
    given: Mapping[str, Any],
    path: Place,
    *,
    complain: Complain,
    what: str,
) -> dict[str, Any]:
    beside = _SOURCE_KEYS if isinstance(role, SourceRole) else _DELIVERY_KEYS
    options = check_options(role.options, given, path, complain, what, beside=beside)
    for group in role.one_of:
        there = [name for name in group if name in given]
        names = " or ".join(group)
        if not there and not any(nearest(key, group) for key in given if key not in role.options):
            complain(path, "option.missing", f"{names} is missing in {what}", f"one of {names}", key=True)
        for name in there[1:]:
            found = f"{name} beside {there[0]} in {what}"
            complain((*path, name), "option.one_of", found, f"just one of {names}", key=True)
    for name, option in role.options.items():
        if option.type == "expression" and isinstance(options.get(name), str):
            context.expression(options[name], (*path, name))
    return options


def _format(
    context: Context, body: FormatBody | None, path: Place, options: Mapping[str, Any], *, files: bool, role: str
) -> FormatSpec | None:
    known = context.registry.formats
    if not files:
        if body is not None:
            context.add((*path, "format"), "format.not_here", "format where no files are", "no format", key=True)
        return None
    usable = {name: each for name, each in known.items() if (each.read if role == "read" else each.write)}
    if body is None:
        return _guessed(context, path, str(options.get("path", "")), usable)
    name, place = body.type, (*path, "format", "type")
    if name in LATER_FORMATS and name not in known:
        context.add(place, "language.not_yet", f"the format {name} is not available yet", "one of " + ", ".join(usable))
        return None
    if name not in usable:
        found = f"unknown format {shown(name)}" if name not in known else f"the format {name!r}, which cannot {role}"
        if name != BROKEN:
            context.add(place, "format.unknown", found, "one of " + ", ".join(usable), nearest(name, usable))
        return None
    given = body.model_extra or {}
    checked = check_options(usable[name].options, given, (*path, "format"), context.add, f"the format {name!r}")
    return FormatSpec(type=name, options={key: checked[key] for key in given if key in checked})


def _guessed(context: Context, path: Place, file: str, usable: Mapping[str, Any]) -> FormatSpec | None:
    low = file.lower().removesuffix(".gz")
    for name, each in usable.items():
        if low.endswith(tuple(each.endings)):
            return FormatSpec(type=name)
    if file and file != BROKEN and "format" not in _told(context, path):
        found = f"no format, and {shown(file)} does not tell it by its ending"
        context.add(path, "format.missing", found, "format: one of " + ", ".join(usable), key=True)
    return None


def _mode(context: Context, role: DestinationRole, body: Delivery, path: Place) -> str:
    modes = role.can.modes
    if body.mode is None:
        return "upsert" if body.key and "upsert" in modes and "mode" not in _told(context, path) else "append"
    place = (*path, "mode")
    if body.mode not in modes:
        found = f"unknown mode {shown(body.mode)} of the connector {body.connector!r}"
        context.add(place, "mode.unknown", found, "one of " + ", ".join(modes), nearest(body.mode, modes))
    elif body.mode in {"upsert", "delete"} and not body.key and not context.reading.has((*path, "key")):
        context.add(place, "mode.no_key", f"{body.mode} without a key", "key: the columns that tell outputs apart")
    return body.mode
