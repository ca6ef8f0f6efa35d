"""What hooks need to use a connector without an integration: its options checked and filled in, one table written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

import pyarrow as pa

from dragoman.core import clock
from dragoman.core.errors import ConfigError, FatalError
from dragoman.core.flow import DeliverySpec, FormatSpec, SourceSpec, StreamSpec
from dragoman.core.ports import DeliverRequest, DeliverySession, FileDestination, RecordDestination
from dragoman.core.registry import formats, manifests
from dragoman.language.options import check_options
from dragoman.orchestration.connections import AirflowConnections
from dragoman.steps.components import destination_can, opened_destination
from dragoman.steps.files.encode import encode

__all__ = ["source_of", "write_table"]


def source_of(connector: str, conn_id: str, options: Mapping[str, Any], form: Mapping[str, Any] | None) -> SourceSpec:
    """A source of one stream; ``ConfigError`` ``hook.options`` names what is wrong with the options."""
    role = manifests()[connector].source
    if role is None:
        raise ConfigError("connector.no_source", f"the connector {connector!r} does not read")
    checked = _checked(role.options, options, f"read() of {connector}")
    stream = StreamSpec(node="source", options=checked, format=_format(form))
    return SourceSpec(name="source", connector=connector, connection=conn_id, streams=(stream,))


def write_table(
    connector: str,
    conn_id: str,
    table: pa.Table,
    *,
    mode: str,
    key: tuple[str, ...],
    form: Mapping[str, Any] | None,
    options: Mapping[str, Any],
) -> int:
    """Write a table as one delivery with its proof; returns the rows. Nothing is written if one row is refused."""
    role = manifests()[connector].destination
    if role is None:
        raise ConfigError("connector.no_destination", f"the connector {connector!r} does not write")
    if role.can.items:
        raise ConfigError(
            "hook.items",
            f"a table cannot be written to {connector!r} by hand: what became of each request must be kept in a ledger",
            next_step="write an integration, or use DeliverOperator(definition={...})",
        )
    checked = _checked(role.options, options, f"write() of {connector}")
    spec = DeliverySpec(
        node=f"hook.{conn_id}",
        input="",
        connector=connector,
        connection=conn_id,
        options=checked,
        format=_format(form),
        mode=mode,
        key=key,
    )
    run_id = clock.new_run_id()
    with opened_destination(spec, AirflowConnections()) as opened:
        session = _session(cast("RecordDestination | FileDestination", opened), spec, run_id, table.schema)
        try:
            refused = session.write(f"{run_id}/hook/00000", table)
            if refused:
                bad = refused[0]
                raise FatalError(bad.code, f"row {bad.row}: {bad.message}; nothing was written")
            session.commit()
        finally:
            session.close()
    return int(table.num_rows)


def _session(
    opened: RecordDestination | FileDestination, spec: DeliverySpec, run_id: str, schema: pa.Schema
) -> DeliverySession:
    request = DeliverRequest(
        integration="hook",
        delivery=spec.node,
        run_id=run_id,
        token=opened.last_token("hook", spec.node) + 1 if hasattr(opened, "last_token") else 1,
        schema=schema,
        mode=spec.mode,
        key=spec.key,
    )
    if destination_can(spec).files:
        return encode(cast("FileDestination", opened), request, spec.options, spec.format)
    return cast("RecordDestination", opened).deliver(request)


def _checked(declared: Any, given: Mapping[str, Any], what: str) -> dict[str, Any]:
    wrong: list[str] = []

    def complain(path: Any, code: str, found: str, expected: str = "", *_more: Any, **_keys: Any) -> None:  # noqa: ARG001
        wrong.append(found + (f" (expected {expected})" if expected else ""))

    plain = json.loads(json.dumps(dict(given)))
    checked = check_options(declared, plain, (), complain, what)
    if wrong:
        raise ConfigError("hook.options", "; ".join(wrong), next_step="dragoman connectors show lists the options")
    return checked


def _format(form: Mapping[str, Any] | None) -> FormatSpec | None:
    """None goes by the file's ending."""
    if form is None:
        return None
    given = dict(form)
    kind = str(given.pop("type", ""))
    if kind not in formats():
        raise ConfigError(
            "hook.format",
            f"unknown format {kind!r}; known are {', '.join(sorted(formats()))}",
            next_step='write format={"type": "csv"}',
        )
    return FormatSpec(type=kind, options=_checked(formats()[kind].options, given, f"format {kind}"))
