"""One hook class for each connection type, made from the connectors' manifests (``FileHook``, ``PostgresHook``).

A hook serves tasks written by hand: it reads a system into Arrow tables, writes one to it, and tests the connection.
It is given the connector's own options, which are checked and filled in as in an integration. For what a provider of
Airflow has a hook already (PostgreSQL, HTTP), ``get_conn`` gives what that hook gives.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, cast

from airflow.sdk import BaseHook

from dragoman.core.errors import ConfigError, DragomanError, FatalError
from dragoman.core.registry import manifests
from dragoman.orchestration.connections import AirflowConnections
from dragoman.orchestration.provider import hook_class_name

if TYPE_CHECKING:
    import pyarrow as pa

    from dragoman.core.connection import Connection
    from dragoman.core.ports import FileSource, RecordSource

__all__ = ["DragomanHook", "hook_class"]

PROVIDER_HOOKS = {
    "postgres": ("airflow.providers.postgres.hooks.postgres", "PostgresHook", "postgres_conn_id"),
    "http": ("airflow.providers.http.hooks.http", "HttpHook", "http_conn_id"),
}


class DragomanHook(BaseHook):
    """What all of them share; ``connector`` and ``conn_type`` come from the manifest."""

    connector: ClassVar[str] = ""
    conn_type: ClassVar[str] = ""
    hook_name: ClassVar[str] = ""
    conn_name_attr: ClassVar[str] = "conn_id"

    def __init__(self, conn_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.conn_id = conn_id

    def resolved(self) -> Connection:
        """The connection as connectors take it."""
        return AirflowConnections().get(self.conn_id)

    def get_conn(self) -> Any:
        """The provider's own client where there is one (psycopg, requests), else ``resolved()``."""
        found = PROVIDER_HOOKS.get(self.conn_type)
        if found is None:
            return self.resolved()
        module, name, argument = found
        try:
            provider = importlib.import_module(module)
        except ModuleNotFoundError as error:
            raise ConfigError(
                "hook.no_provider",
                f"get_conn() of a {self.conn_type} connection is Airflow's own {name}, whose provider is not installed",
                next_step=f"pip install apache-airflow-providers-{self.conn_type}, or use read() and write()",
            ) from error
        return getattr(provider, name)(**{argument: self.conn_id}).get_conn()

    def read(self, *, format: Mapping[str, Any] | None = None, **options: Any) -> Iterator[pa.Table]:  # noqa: A002
        """Read to the end, table by table, in the source's own words; unreadable records raise ``FatalError``."""
        from dragoman.core.batch import ReadBatch, ReadEnd, ReadKeys
        from dragoman.core.ports import ReadRequest
        from dragoman.orchestration.by_hand import source_of
        from dragoman.steps.components import opened_source, source_can
        from dragoman.steps.files.decode import decode

        source = source_of(self.connector, self.conn_id, options, format)
        stream = source.streams[0]
        with opened_source(source, stream, AirflowConnections()) as opened:
            request = ReadRequest()
            items: Iterator[ReadBatch | ReadKeys | ReadEnd]
            if source_can(source).files:
                items = decode(cast("FileSource", opened), request, stream.format)
            else:
                items = cast("RecordSource", opened).read(request)
            for item in items:
                if isinstance(item, ReadEnd):
                    return
                if isinstance(item, ReadKeys):
                    continue
                if item.rejects:
                    bad = item.rejects[0]
                    raise FatalError(bad.code, f"{bad.position}: {bad.message}")
                yield item.table
        raise FatalError("read.no_end", f"{self.conn_id} stopped without saying that this was all")

    def write(
        self,
        records: pa.Table,
        /,
        *,
        mode: str = "append",
        key: tuple[str, ...] = (),
        format: Mapping[str, Any] | None = None,  # noqa: A002
        **options: Any,
    ) -> int:
        """Write one table whole or not at all; returns its rows. A refused row raises ``FatalError``."""
        from dragoman.orchestration.by_hand import write_table

        return write_table(self.connector, self.conn_id, records, mode=mode, key=key, form=format, options=options)

    def test_connection(self) -> tuple[bool, str]:
        """Whether the system answers, and what it said: for the button in Airflow's form."""
        try:
            check = importlib.import_module(f"dragoman.connectors.{self.connector}.check")
        except ModuleNotFoundError:
            return False, f"the connector {self.connector} has no test of its connection"
        try:
            return True, str(check.check_connection(self.resolved()))
        except DragomanError as error:
            return False, str(error)


def hook_class(conn_type: str) -> type[DragomanHook]:
    """The hook class of a connection type; ``ConfigError`` ``hook.unknown_type`` where no connector takes it."""
    for name, manifest in manifests().items():
        if manifest.connection is not None and conn_type in manifest.connection.types:
            known = {"connector": name, "conn_type": conn_type, "hook_name": manifest.title, "__module__": __name__}
            return type(hook_class_name(conn_type), (DragomanHook,), known)
    known_types = sorted({kind for one in manifests().values() if one.connection for kind in one.connection.types})
    raise ConfigError(
        "hook.unknown_type",
        f"no connector takes connections of type {conn_type!r}; known are {', '.join(known_types)}",
    )


def __getattr__(name: str) -> type[DragomanHook]:
    """``from dragoman.orchestration.hooks import DuckdbHook``: made when it is first asked for, then kept."""
    types = {kind for one in manifests().values() if one.connection for kind in one.connection.types}
    found = next((kind for kind in types if hook_class_name(kind) == name), None)
    if found is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    made = globals()[name] = hook_class(found)
    return made
