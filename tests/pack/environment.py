"""Fresh virtual environments with a plain Airflow in them, made by uv from its cache in seconds."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TOP = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
LOCK = TOP / "requirements.txt"
AIRFLOW = re.search(r"^apache-airflow==(\S+)", LOCK.read_text(), re.M)[1]
DAY = 1_767_225_600
LOOK = Path(__file__).with_name("look_inside.py")

ORDERS = """\
integration: orders
source: {connector: files, connection: inbox, path: "*.csv"}
translate:
  fields:
    id: {from: id, type: integer, required: true}
    amount: {from: amount, type: "decimal(10,2)"}
deliver: {connector: sqlite, connection: erp, table: orders, mode: upsert, key: [id]}
policy: {max_rejects: {count: 5}, max_parallel: 2}
"""
FRONT_DOOR = """\
# Makes an Airflow DAG of each YAML file in the folder integrations.
from dragoman.orchestration import build

globals().update(build())
"""


def index_settings() -> dict[str, str]:
    """What pip would use here, in uv's words (``scripts/setup`` does the same)."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    found = dict(re.findall(r"^[^=]*\.([a-z-]+)='(.*)'$", listed, re.M))
    wanted = {
        "UV_DEFAULT_INDEX": found.get("index-url", ""),
        "UV_FIND_LINKS": os.environ.get("PIP_FIND_LINKS", ""),
        "UV_INDEX": os.environ.get("PIP_EXTRA_INDEX_URL", ""),
        "SSL_CERT_FILE": found.get("cert", ""),
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }
    return {name: os.environ.get(name) or value for name, value in wanted.items() if os.environ.get(name) or value}


def bare_environ() -> dict[str, str]:
    """This process's variables without any that would lead Airflow, Dragoman or Python elsewhere."""
    ours = ("AIRFLOW", "DRAGOMAN", "PYTHON", "VIRTUAL_ENV", "_AIRFLOW")
    return {key: value for key, value in os.environ.items() if not key.startswith(ours)}


def uv(*words: str | Path) -> str:
    """Run uv; returns what it wrote."""
    environ = bare_environ() | index_settings()
    done = subprocess.run([UV, *map(str, words)], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@dataclass
class Site:
    """A virtual environment and an ``AIRFLOW_HOME`` beside it, with a folder of DAGs and one of plugins."""

    root: Path
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def python(self) -> Path:
        return self.root / "venv" / "bin" / "python"

    @property
    def home(self) -> Path:
        return self.root / "airflow"

    def pins(self) -> dict[str, str]:
        """Every installed package and its version."""
        listed = json.loads(uv("pip", "list", "--format", "json", "--python", self.python))
        return {one["name"]: one["version"] for one in listed}

    def install(self, *words: str | Path) -> None:
        uv("pip", "install", "--quiet", "--python", self.python, *words)

    def run(self, *words: str | Path, **more: str) -> str:
        """A program of the environment, in its Airflow; returns what it wrote."""
        environ = bare_environ() | {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "PATH": f"{self.python.parent}:{os.environ.get('PATH', '')}",
        }
        program = self.python.parent / words[0]
        done = subprocess.run(
            [program, *map(str, words[1:])],
            cwd=self.root,
            env=environ | self.environ | more,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(map(str, words))}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def look(self, *words: str | Path, **more: str) -> Any:
        """What ``look_inside.py`` sees there."""
        return json.loads(self.run("python", LOOK, *words, **more).splitlines()[-1])


def make_site(root: Path, python: str | Path = sys.executable) -> Site:
    """A plain Airflow of the lock's version, with the lock's versions of what it needs, and nothing else."""
    site = Site(root)
    uv("venv", "--quiet", "--python", python, root / "venv")
    site.install("--constraint", LOCK, f"apache-airflow=={AIRFLOW}")
    for folder in ("dags/integrations", "plugins"):
        (site.home / folder).mkdir(parents=True)
    return site


def add_orders(site: Site) -> None:
    """An integration, its inbox with three records of which one is bad."""
    (site.home / "dags" / "integrations" / "orders.yaml").write_text(ORDERS)
    (site.root / "inbox").mkdir()
    (site.root / "inbox" / "a.csv").write_text("id,amount\n1,12.50\n2,7\nthree,1\n")
