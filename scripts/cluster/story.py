"""What the cluster carries: CSV files appended, without a key, to a table of PostgreSQL per integration.

An append without a key is the delivery that any doubled or lost batch shows in.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from scripts.cluster.site import Site

YAML = """\
integration: {name}
source: {{connector: files, connection: inbox, path: "{name}-*.csv"}}
translate:
  fields:
    id: {{from: id, type: integer, required: true}}
    amount: {{from: amount, type: "decimal(12,2)"}}
deliver: {{connector: postgres, connection: erp, table: public.{name}, mode: append}}
"""
WAITING = """
select count(*) from pg_locks l join pg_class c on c.oid = l.relation join pg_database d on d.oid = l.database
where not l.granted and d.datname = 'erp' and c.relname = %s
"""


@dataclass
class Story:
    """The integrations of one cluster, and how many records each must have delivered by now."""

    folder: Path
    names: Sequence[str]
    expected: dict[str, int] = field(default_factory=dict)
    files: int = 0

    @property
    def integrations(self) -> Path:
        """The folder of YAML files."""
        return self.folder / "integrations"

    @property
    def connections(self) -> Mapping[str, str]:
        """Those of the environment; ``erp`` is in Airflow's own store, so that tasks have to ask for it."""
        return {"inbox": (self.folder / "inbox").as_uri()}

    def lay_out(self) -> None:
        """Write the integrations and an empty inbox."""
        (self.folder / "inbox").mkdir(parents=True)
        self.integrations.mkdir()
        for name in self.names:
            (self.integrations / f"{name}.yaml").write_text(YAML.format(name=name))
            self.expected[name] = 0

    def connect(self, site: Site) -> None:
        """Make the tables, tell Airflow of the connection ``erp``, and wait until it knows the integrations."""
        with psycopg.connect(site.database("erp"), autocommit=True) as connection:
            for name in self.names:
                connection.execute(f"create table public.{name} (id bigint, amount numeric(12,2))")
        extra = {"connection_id": "erp", "conn_type": "postgres"}
        url = site.database("erp").removeprefix("postgresql://")
        login, _, rest = url.partition(":")
        password, _, rest = rest.partition("@")
        host, _, rest = rest.partition(":")
        port, _, database = rest.partition("/")
        body = {"login": login, "password": password, "host": host, "port": int(port), "schema": database}
        site.api.call("POST", "/api/v2/connections", extra | body).raise_for_status()
        site.until(
            lambda: all(site.api.knows(name) for name in self.names), 120, f"{', '.join(self.names)} known to Airflow"
        )

    def new_files(self, names: Iterable[str], rows: int) -> None:
        """Put another file with other ids into the inbox of each."""
        self.files += 1
        for name in names:
            first = self.expected[name]
            lines = "".join(f"{number},{number % 97}.25\n" for number in range(first, first + rows))
            aside = self.folder / f"{name}.new"
            aside.write_text(f"id,amount\n{lines}")
            aside.replace(self.folder / "inbox" / f"{name}-{self.files:03}.csv")
            self.expected[name] += rows

    @contextmanager
    def locked(self, site: Site, names: Iterable[str]) -> Iterator[psycopg.Connection]:
        """Lock the tables, so that deliveries to them stop in their middle until the connection closes."""
        with psycopg.connect(site.database("erp")) as connection:
            for name in names:
                connection.execute(f"lock table public.{name} in access exclusive mode")
            try:
                yield connection
            finally:
                connection.close()

    def waits(self, site: Site, name: str) -> bool:
        """Whether a delivery waits for the locked table: its transaction is open, its rows are on the way."""
        with psycopg.connect(site.database("erp"), connect_timeout=5) as connection:
            row = connection.execute(WAITING, [name]).fetchone()
        return bool(row and row[0])

    def lost_and_doubled(self, site: Site, names: Iterable[str]) -> tuple[int, int]:
        """Records that should be in the tables and are not, and rows beyond one for each record."""
        lost = doubled = 0
        with psycopg.connect(site.database("erp")) as connection:
            for name in names:
                row = connection.execute(f"select count(*), count(distinct id) from public.{name}").fetchone()
                rows, ids = row or (0, 0)
                lost += self.expected[name] - ids
                doubled += rows - ids
        return lost, doubled


def newest_run(site: Site, name: str) -> dict[str, Any]:
    """The newest run of an integration, as ``dragoman runs --json`` tells it on any machine of the site."""
    done = subprocess.run(
        [sys.executable, "-m", "dragoman.cli", "runs", name, "--limit", "1", "--json"],
        env=dict(site.environment),
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found[0]
