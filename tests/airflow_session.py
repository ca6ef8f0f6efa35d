"""One Airflow for the whole session: a home and a database of its own, the real ``dags`` and ``plugins`` folders.

The environment must be set before Airflow is imported for the first time, hence not in a fixture.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

TOP = Path(__file__).parents[1]
SCRATCH = Path(tempfile.mkdtemp(prefix="dragoman-airflow-"))
atexit.register(shutil.rmtree, SCRATCH, ignore_errors=True)

os.environ |= {
    "AIRFLOW_HOME": str(SCRATCH / "airflow"),
    "AIRFLOW__CORE__DAGS_FOLDER": str(TOP / "dags"),
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(TOP / "plugins"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
    "DRAGOMAN_HOME": str(SCRATCH / "dragoman"),
    "DRAGOMAN_INTEGRATIONS": str(SCRATCH / "integrations"),
}
for name in [name for name in os.environ if name.startswith("AIRFLOW_CONN_") or name == "DRAGOMAN_STAGE"]:
    del os.environ[name]

FRONT = TOP / "dags" / "integrations.py"


def parse(file: Path = FRONT) -> Any:
    """The DAG bag of one DAG file, as Airflow's DAG processor reads it."""
    from airflow.dag_processing.dagbag import BundleDagBag

    return BundleDagBag(dag_folder=str(file), bundle_path=str(TOP / "dags"), bundle_name="dags-folder")


def run_dag(dag_id: str, file: Path = FRONT) -> Any:
    """Run one DAG to its end in this process, with Airflow's own retries and states; returns the DAG run."""
    bag = parse(file)
    assert not bag.import_errors, bag.import_errors
    return bag.dags[dag_id].test()
