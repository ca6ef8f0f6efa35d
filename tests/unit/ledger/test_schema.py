"""How a ledger is made, checked and migrated."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from dragoman.core.errors import ConfigError, DragomanError, FatalError, RetriableError
from dragoman.ledger import tables
from dragoman.ledger.database import Database
from dragoman.ledger.ledger import open_ledger
from dragoman.ledger.schema import prepare_schema


def shape(database: Database) -> dict[str, Any]:
    """Every column, key and index that the database has."""
    with database.read() as connection:
        inspector = sa.inspect(connection)
        return {
            name: (
                [(column["name"], str(column["type"]), column["nullable"]) for column in inspector.get_columns(name)],
                inspector.get_pk_constraint(name)["constrained_columns"],
                sorted((index["name"], tuple(index["column_names"])) for index in inspector.get_indexes(name)),
            )
            for name in sorted(inspector.get_table_names())
        }


def test_migrations_and_metadata_agree(ledger_url: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    from dragoman.ledger.migrate import alembic_config, upgrade

    database = Database(ledger_url)
    with database.write() as connection:
        upgrade(connection)
        script = ScriptDirectory.from_config(alembic_config(connection))
        assert tuple(reversed([found.revision for found in script.walk_revisions()])) == tables.REVISIONS
        context = MigrationContext.configure(
            connection, opts={"version_table": tables.version.name, "compare_type": True}
        )
        assert compare_metadata(context, tables.metadata) == []
    migrated = shape(database)
    with database.write() as connection:
        tables.metadata.drop_all(connection)
    prepare_schema(database)
    created = shape(database)
    database.close()
    assert created == migrated


def test_an_older_ledger_is_migrated(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from dragoman.ledger import migrate

    open_ledger(ledger_url).close()
    monkeypatch.setattr(tables, "REVISIONS", (*tables.REVISIONS, "0002"))
    asked = []
    monkeypatch.setattr(migrate, "upgrade", lambda connection: asked.append(connection.dialect.name))
    open_ledger(ledger_url).close()
    assert asked == [ledger_url.partition(":")[0]]


def test_a_newer_ledger_is_refused(ledger_url: str) -> None:
    open_ledger(ledger_url).close()
    database = Database(ledger_url)
    with database.write() as connection:
        connection.execute(tables.version.update().values(version_num="9999"))
    database.close()
    with pytest.raises(FatalError) as caught:
        open_ledger(ledger_url)
    assert caught.value.code == "ledger.newer"
    assert "9999" in caught.value.message


def test_opening_loads_no_alembic_and_sqlite_no_psycopg(tmp_path: Path) -> None:
    code = (
        "import sys; from dragoman.ledger.ledger import open_ledger; open_ledger(sys.argv[1]).take_lease('a').release();"
        "print([name for name in ('alembic', 'psycopg', 'pandas', 'fsspec') if name in sys.modules])"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, f"sqlite:///{tmp_path}/l.db"], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "[]"


def test_sqlite_is_durable_and_private(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path}/l.db")
    with ledger._db.read() as connection:
        said = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "busy_timeout")
        ]
    ledger.close()
    assert said == ["wal", 2, 30_000]
    assert (tmp_path / "l.db").stat().st_mode & 0o777 == 0o600


def test_a_ledger_beside_other_tables(ledger_url: str) -> None:
    database = Database(ledger_url)
    with database.write() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num text)")
        connection.exec_driver_sql("CREATE TABLE run (x int)")
    database.close()
    ledger = open_ledger(ledger_url)
    assert ledger.runs() == []
    ledger.close()


@pytest.mark.parametrize(
    ("url", "kind", "code"),
    [
        ("mysql://a@b/c", ConfigError, "ledger.unusable"),
        ("nonsense", ConfigError, "ledger.unusable"),
        ("sqlite://", ConfigError, "ledger.unusable"),
        ("sqlite:////nowhere/at/all/l.db", ConfigError, "ledger.unusable"),
        ("postgresql://u:secret@127.0.0.1:1/db", RetriableError, "ledger.unreachable"),
    ],
)
def test_what_cannot_be_opened(url: str, kind: type[DragomanError], code: str) -> None:
    with pytest.raises(kind) as caught:
        open_ledger(url)
    assert caught.value.code == code
    assert caught.value.next_step
    assert "secret" not in str(caught.value)


def test_a_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "l.db").write_bytes(b"this is no database " * 100)
    with pytest.raises(FatalError) as caught:
        open_ledger(f"sqlite:///{tmp_path}/l.db")
    assert caught.value.code == "ledger.damaged"
