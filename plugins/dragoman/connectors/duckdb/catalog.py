"""What DuckDB's catalogue says of a table: its columns and the constraints that its rows must hold."""

from __future__ import annotations

from dataclasses import dataclass, field

import duckdb

from dragoman.connectors._sql.identifiers import quote_table, split_table
from dragoman.connectors.duckdb.session import run

__all__ = ["Reference", "Table", "read_table"]


@dataclass(frozen=True)
class Reference:
    """A foreign key: these columns must stand in those of another table.

    Of ``referenced_by`` the other way round: ``columns`` of ``table`` must stand in ``referenced`` of this one.
    """

    columns: tuple[str, ...]
    table: str
    referenced: tuple[str, ...]


@dataclass
class Table:
    """A table that exists. ``columns`` maps names to types as DuckDB writes them; ``checks`` are SQL conditions."""

    name: str
    quoted: str
    columns: dict[str, str]
    required: list[str] = field(default_factory=list)
    checks: list[str] = field(default_factory=list)
    unique: list[tuple[str, ...]] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)
    referenced_by: list[Reference] = field(default_factory=list)
    defaulted: frozenset[str] = frozenset()

    @property
    def needed(self) -> list[str]:
        """The columns without which no row goes in."""
        return [name for name in self.required if name not in self.defaulted]


def read_table(server: duckdb.DuckDBPyConnection, name: str) -> Table | None:
    """The table of that name in its schema (``main`` where none is written), None where there is none."""
    schema, short = split_table(name)
    schema = schema or "main"
    here = (schema, short)
    columns = run(
        server,
        "SELECT column_name, data_type, column_default FROM duckdb_columns() WHERE database_name = current_database() "
        "AND schema_name = ? AND table_name = ? ORDER BY column_index",
        here,
    )
    if not columns:
        return None
    table = Table(
        name,
        quote_table(schema, short),
        {column: kind for column, kind, _default in columns},
        defaulted=frozenset(column for column, _kind, default in columns if default is not None),
    )
    for kind, names, expression, other, referenced in run(
        server,
        "SELECT constraint_type, constraint_column_names, expression, referenced_table, referenced_column_names "
        "FROM duckdb_constraints() WHERE database_name = current_database() AND schema_name = ? AND table_name = ? "
        "ORDER BY constraint_index",
        here,
    ):
        if kind in {"PRIMARY KEY", "UNIQUE"}:
            table.unique.append(tuple(names))
        elif kind == "CHECK":
            table.checks.append(expression)
        elif kind == "FOREIGN KEY":
            table.references.append(Reference(tuple(names), quote_table(schema, other), tuple(referenced)))
        elif kind == "NOT NULL" and names[0] not in table.required:
            table.required.append(names[0])
    for place, other, names, referenced in run(
        server,
        "SELECT schema_name, table_name, constraint_column_names, referenced_column_names FROM duckdb_constraints() "
        "WHERE database_name = current_database() AND schema_name = ? AND referenced_table = ? "
        "AND constraint_type = 'FOREIGN KEY' ORDER BY table_name, constraint_index",
        here,
    ):
        table.referenced_by.append(Reference(tuple(names), quote_table(place, other), tuple(referenced)))
    for (expressions,) in run(
        server,
        "SELECT expressions FROM duckdb_indexes() WHERE database_name = current_database() AND schema_name = ? "
        "AND table_name = ? AND is_unique",
        here,
    ):
        names = tuple(part.strip().strip('"') for part in str(expressions).strip("[]").split(","))
        if all(part in table.columns for part in names) and names not in table.unique:
            table.unique.append(names)
    return table
