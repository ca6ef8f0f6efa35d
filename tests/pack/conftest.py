"""The wheel, and a plain Airflow with it, made once for the suite."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from pack.environment import DAY, FRONT_DOOR, LOCK, Site, add_orders, make_site
from scripts.dist import pack, snapshot


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return snapshot(tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="session")
def archive_and_wheel(tmp_path_factory: pytest.TempPathFactory, tree: Path) -> tuple[Path, Path]:
    return pack(tree, tmp_path_factory.mktemp("dist"), DAY)


@pytest.fixture(scope="session")
def wheel(archive_and_wheel: tuple[Path, Path]) -> Path:
    return archive_and_wheel[1]


@pytest.fixture(scope="session")
def pins_before() -> dict[str, str]:
    """Filled by ``site`` before it installs the wheel."""
    return {}


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, wheel: Path, pins_before: dict[str, str]) -> Site:
    """A plain Airflow into which the wheel was installed as a newcomer does it, with one integration."""
    made = make_site(tmp_path_factory.mktemp("site"))
    pins_before.update(made.pins())
    made.install(wheel)
    (made.home / "dags" / "integrations.py").write_text(FRONT_DOOR)
    add_orders(made)
    return made


@pytest.fixture(scope="session")
def bare_site(tmp_path_factory: pytest.TempPathFactory, tree: Path) -> Site:
    """A plain Airflow with what the package needs, without the package: for folders that are mounted as they stand."""
    made = make_site(tmp_path_factory.mktemp("bare"))
    made.install("--constraint", LOCK, *tomllib.loads((tree / "pyproject.toml").read_text())["project"]["dependencies"])
    return made


@pytest.fixture(scope="session")
def database(site: Site) -> Site:
    """Airflow's database and three connections in it, by Airflow's own commands."""
    site.run("airflow", "db", "migrate")
    (site.root / "outbox").mkdir()
    connections = {
        "inbox": f"file://{site.root / 'inbox'}",
        "outbox": {"conn_type": "file", "extra": json.dumps({"path": str(site.root / "outbox")})},
        "erp": f"sqlite:///{site.root / 'erp.db'}",
    }
    (site.root / "connections.json").write_text(json.dumps(connections))
    site.run("airflow", "connections", "import", site.root / "connections.json")
    return site
