"""One hook for each connection type; Airflow finds them and their forms by the provider."""

import decimal

import pyarrow as pa
import pytest

from dragoman.core.errors import ConfigError, FatalError
from dragoman.core.registry import manifests

TABLE = pa.table(
    {
        "id": pa.array([1, 2], pa.int64()),
        "name": ["Ærø", None],
        "amount": pa.array([decimal.Decimal("1.50"), None], pa.decimal128(12, 2)),
    }
)


def hook(conn_type, conn_id):
    from dragoman.orchestration.hooks import hook_class

    return hook_class(conn_type)(conn_id)


def names(tables):
    return [row["name"] for table in tables for row in table.to_pylist()]


@pytest.mark.parametrize("conn_type", ["sqlite", "duckdb"])
def test_a_database_file_is_written_and_read(tmp_path, connect, conn_type):
    connect("erp", f"{conn_type}:///{tmp_path / 'erp.db'}")
    erp = hook(conn_type, "erp")
    assert erp.write(TABLE, table="orders", mode="upsert", key=("id",)) == 2
    assert erp.write(TABLE.slice(0, 1), table="orders", mode="upsert", key=("id",)) == 1
    assert sorted(names(erp.read(table="orders")), key=str) == [None, "Ærø"]


def test_postgres_builds_on_the_providers_hook(connect, postgres):
    connect("erp", postgres)
    erp = hook("postgres", "erp")
    assert erp.write(TABLE, table="public.orders") == 2
    assert names(erp.read(query="select * from public.orders order by id")) == ["Ærø", None]
    with erp.get_conn() as connection, connection.cursor() as cursor:
        cursor.execute("select sum(amount) from public.orders")
        assert cursor.fetchone() == (decimal.Decimal("1.50"),)


def test_files_go_by_their_ending(tmp_path, connect):
    connect("inbox", f"file://{tmp_path}")
    inbox = hook("file", "inbox")
    assert inbox.write(TABLE, path="out/orders.csv", mode="replace") == 2
    assert (tmp_path / "out" / "orders.csv").read_text() == "id,name,amount\n1,Ærø,1.50\n2,,\n"
    assert names(inbox.read(path="out/*.csv")) == ["Ærø", None]


def test_wrong_options_are_named(tmp_path, connect):
    connect("erp", f"sqlite:///{tmp_path / 'erp.db'}")
    with pytest.raises(ConfigError, match="'tabel'"):
        list(hook("sqlite", "erp").read(tabel="orders"))


def test_an_unreadable_record_is_an_error(tmp_path, connect):
    connect("inbox", f"file://{tmp_path}")
    (tmp_path / "a.csv").write_text("id,name\n1,a\n2,b,c\n")
    with pytest.raises(FatalError, match=r"a\.csv:3"):
        list(hook("file", "inbox").read(path="a.csv"))


def test_connections_are_tested(tmp_path, connect, postgres):
    connect("inbox", f"file://{tmp_path}")
    connect("gone", f"file://{tmp_path / 'gone'}")
    connect("erp", postgres)
    assert hook("file", "inbox").test_connection()[0]
    assert hook("postgres", "erp").test_connection()[0]
    works, why = hook("file", "gone").test_connection()
    assert not works
    assert "gone" in why


def test_airflow_finds_every_type_and_its_form(airflow_db):
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()
    hooks = dict(manager.hooks)
    types = {kind for one in manifests().values() if one.connection for kind in one.connection.types}
    assert {"file", "sqlite", "duckdb", "postgres", "http", "s3"} <= types
    for kind in ("file", "sqlite", "duckdb", "s3"):
        assert hooks[kind].hook_class_name.startswith("dragoman.orchestration.hooks.")
        assert hooks[kind].connection_id_attribute_name == "conn_id"
    for kind in ("postgres", "http"):
        assert hooks[kind].hook_class_name.startswith("airflow.providers.")
    assert "extra__sqlite__path" in manager.connection_form_widgets
    assert "login" in manager.field_behaviours["duckdb"]["hidden_fields"]


def test_an_unknown_type_lists_the_known_ones():
    from dragoman.orchestration import hooks

    with pytest.raises(ConfigError, match="duckdb"):
        hooks.hook_class("carrier_pigeon")
    with pytest.raises(AttributeError):
        _ = hooks.CarrierPigeonHook
    assert hooks.DuckdbHook is hooks.DuckdbHook
