"""DuckDB, locked: it computes over the Arrow tables it is given, and reaches nothing else.

Files, the network, extensions, settings and the environment are refused by the engine itself
(``enable_external_access=false``, ``lock_configuration=true``). A statement has a memory limit and a time limit.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa

from dragoman.core.errors import ConfigError, FatalError

__all__ = ["Sandbox", "plain"]

_SETTINGS = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "preserve_insertion_order": "true",
    "TimeZone": "'UTC'",
    "enable_external_access": "false",
    "lock_configuration": "true",
}

_CLOCK = {
    "now()": "TIMESTAMPTZ '{moment}+00'",
    "get_current_timestamp()": "TIMESTAMPTZ '{moment}+00'",
    "transaction_timestamp()": "TIMESTAMPTZ '{moment}+00'",
    "current_localtimestamp()": "TIMESTAMP '{moment}'",
    "current_localtime()": "CAST(TIMESTAMP '{moment}' AS TIME)",
    "get_current_time()": "CAST(TIMESTAMPTZ '{moment}+00' AS TIMETZ)",
    "current_date()": "CAST(TIMESTAMP '{moment}' AS DATE)",
    "today()": "CAST(TIMESTAMP '{moment}' AS DATE)",
    "age(a)": "system.main.age(CAST(CAST(TIMESTAMP '{moment}' AS DATE) AS TIMESTAMP), a), "
    "(a, b) AS system.main.age(a, b)",
}
"""Every function that asks what time it is, and what it gives where the clock stands still."""


class Sandbox:
    """One locked in-memory DuckDB. ``memory`` as in the YAML (``384MB``), ``timeout`` in seconds a statement.

    ``spill``: a private folder to which a whole-set query may spill; empty means memory only.
    ``moment``: see ``stop_clock``.
    """

    def __init__(
        self,
        memory: str = "384MB",
        timeout: float = 300.0,
        *,
        threads: int = 1,
        spill: str = "",
        moment: datetime | None = None,
    ) -> None:
        self._memory, self._timeout = memory, timeout
        try:
            self.connection = duckdb.connect(
                ":memory:", config={"memory_limit": memory, "threads": threads, "temp_directory": spill}
            )
        except duckdb.Error as error:
            raise ConfigError(
                "translation.memory",
                f"the memory limit {memory!r} cannot be set: {plain(error)}",
                next_step="write policy: {memory: 384MB}",
            ) from error
        for name, value in _SETTINGS.items():
            self.connection.execute(f"SET {name} = {value}")
        if moment is not None:
            self.stop_clock(moment)

    def stop_clock(self, moment: datetime) -> None:
        """From now on ``now()`` and its like give this moment, so that every try of a run computes the same."""
        text = f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"
        for signature, value in _CLOCK.items():
            name, _, rest = signature.partition("(")
            self.connection.execute(f"CREATE OR REPLACE MACRO {name}({rest} AS {value.format(moment=text)}")

    def register(self, name: str, table: pa.Table) -> None:
        """Make an Arrow table readable under a name."""
        self.connection.register(name, table)

    def types(self, query: str) -> dict[str, str]:
        """The columns that a query would give, with DuckDB's type names; the query is bound, not run."""
        relation = self.connection.sql(query)
        return dict(zip(relation.columns, (str(kind) for kind in relation.types), strict=True))

    def table(self, query: str) -> pa.Table:
        """Run a query. ``duckdb.Error`` for what the query does wrong; limits raise ``FatalError`` by name."""
        with self._limited():
            return self.connection.sql(query).to_arrow_table()

    def execute(self, statement: str) -> None:
        """Run a statement of our own that gives no rows, within the same limits."""
        with self._limited():
            self.connection.execute(statement)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Run a query and fetch its rows."""
        with self._limited():
            return list(self.connection.sql(query).fetchall())

    def close(self) -> None:
        """Give the memory back."""
        self.connection.close()

    @contextmanager
    def _limited(self) -> Iterator[None]:
        timer = threading.Timer(self._timeout, self.connection.interrupt)
        timer.daemon = True
        timer.start()
        try:
            yield
        except duckdb.InterruptException as error:
            raise FatalError(
                "translation.timeout",
                f"a translation ran longer than {self._timeout:g} s and was stopped",
                next_step="make the query cheaper, or raise policy: {timeout: …}",
            ) from error
        except duckdb.OutOfMemoryException as error:
            raise FatalError(
                "translation.memory",
                f"a translation needs more than the {self._memory} that policy.memory allows",
                next_step="raise policy: {memory: …}, or make the query keep fewer rows at once",
            ) from error
        finally:
            timer.cancel()


def plain(error: BaseException) -> str:
    """DuckDB's message in one line, without its prefix, its pointer into the SQL and its advice on settings."""
    text = str(error).split("\n\nLINE", 1)[0].split("\nLINE", 1)[0]
    text = " ".join(text.split())
    head, found, tail = text.partition(" Error: ")
    if found and len(head) < 30:
        text = tail
    for advice in (" Use TRY(", " You might need to add explicit type casts.", " Candidate functions"):
        text = text.split(advice, 1)[0]
    return text
