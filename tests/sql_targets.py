"""The systems that the tests of SQL destinations go through, each looked at with its own client."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from importlib import import_module

import duckdb
import psycopg
import pyarrow as pa

from dragoman.core.connection import Connection, parse_connection
from dragoman.core.fieldtype import arrow_field, parse_type
from dragoman.core.ports import DeliverRequest

SYSTEMS = ["postgres", "sqlite", "duckdb"]


@dataclass
class Target:
    """One system: how the tests look at it with its own client, never with the product's code."""

    name: str
    url: str
    where: str
    made: list = field(default_factory=list)

    @property
    def connection(self) -> Connection:
        return parse_connection("target", self.url)

    def destination(self, table="t", **options):
        module = import_module(f"dragoman.connectors.{self.name}.destination")
        return module.open_destination(self.connection, {"table": table, **options})

    def sql(self, text):
        if self.name == "sqlite":
            with sqlite3.connect(self.where) as server:
                return server.execute(text).fetchall()
        if self.name == "duckdb":
            with duckdb.connect(self.where, config=self.settings) as server:
                return server.execute(text).fetchall()
        with psycopg.connect(self.where, autocommit=True) as server:
            cursor = server.execute(text)
            return cursor.fetchall() if cursor.description else []

    settings = {"enable_external_access": "false", "python_enable_replacements": "false"}  # noqa: RUF012

    def has(self, table) -> bool:
        try:
            self.sql(f"SELECT 1 FROM {table} LIMIT 1")
        except (sqlite3.OperationalError, psycopg.errors.UndefinedTable, duckdb.CatalogException):
            return False
        return True


def outputs(types, rows):
    schema = pa.schema([arrow_field(name, parse_type(kind)) for name, kind in types.items()])
    columns = list(zip(*rows, strict=True)) if rows else [[] for _ in types]
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
    )


def request_of(table, mode="append", key=(), run_id="run1", token=1, create=True, **more):
    return DeliverRequest(
        integration="orders",
        delivery="deliver",
        run_id=run_id,
        token=token,
        schema=table.schema,
        mode=mode,
        key=tuple(key),
        create=create,
        **more,
    )


def send(target, *tables, destination=None, positions="{}", **how):
    session = (destination or target.destination()).deliver(request_of(tables[0], **how))
    run_id = how.get("run_id", "run1")
    try:
        refused = [session.write(f"{run_id}/{number}", table) for number, table in enumerate(tables)]
        session.commit(positions)
    finally:
        session.close()
    return refused


PAIR = {"id": "integer", "name": "text"}
