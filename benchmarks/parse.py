"""What integrations cost Airflow's DAG processor and the start of a task: one front door, and shards side by side.

Each figure is of a fresh process after Airflow has been imported (every DAG processor has it), a median of rounds:

* cold: nothing is compiled yet; warm: the compiled integrations are in the cache
* serialise: Airflow's own part after it; a file's time for both is limited by ``dag_file_processor_timeout``
* task start: the same file, asked for one DAG, as a worker does it
* shards: as many DAG files with ``build(shard=…, of=…)``, two at a time, as Airflow's two parsing processes do it

    .venv/bin/python benchmarks/parse.py [--number 10000] [--shards 8] [--database]

``--database`` also writes the DAGs into a fresh SQLite database of Airflow, as its DAG processor does after each parse.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
LIMIT = 3.5
TASK_START_LIMIT = 50.0
IMPORT_TIMEOUT = 30.0
"""Seconds of wall time: Airflow's default of ``[core] dagbag_import_timeout``."""
PROCESSOR_TIMEOUT = 50.0
"""The same for a whole file, serialising included: ``[dag_processor] dag_file_processor_timeout``."""
PARSERS = 2
"""Airflow's default of ``[dag_processor] parsing_processes``."""

INTEGRATION = """\
integration: flow_{n:04d}
title: Orders of shop {n}
owner: supply-chain
schedule: "{minute} * * * *"

source:
  {{connector: files, connection: inbox_{n}, path: "*.csv", types: {{quantity: integer, price: "decimal(12,2)"}}}}

translate:
  filter: "status <> 'draft'"
  fields:
    order_number: {{from: number, required: true}}
    line_number: {{from: line, type: integer}}
    sku: upper(trim(ean))
    region: {{from: region, default: EU}}
    ordered_at: {{from: ordered_at, type: timestamptz}}
    amount: {{from: "round(quantity * price, 2)", type: "decimal(18,2)", check: "amount >= 0"}}

deliver:
  {{connector: postgres, connection: erp, table: sales.order_lines, mode: upsert, key: [order_number, line_number]}}
policy: {{max_rejects: {{rate: 2%, count: 1000}}, deadline: 30m}}
alerts:
  - {{on: [failed, late, held, rejects, in_doubt, recovered], notifier: email, to: [ops@example.com]}}
  - {{on: [failed, held, recovered], notifier: webhook, connection: ops_hook}}
"""

ONE_PROCESS = """
import json, resource, sys, time
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.serialization.serialized_objects import DagSerialization
front, measure = sys.argv[1], sys.argv[2]
def megabytes(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
seen = {"before": megabytes()}
began, wall = time.process_time(), time.perf_counter()
bag = BundleDagBag(dag_folder=front, bundle_path=front.rpartition("/")[0], bundle_name="bench", load_op_links=False)
seen["parse"], seen["parse wall"] = time.process_time() - began, time.perf_counter() - wall
assert not bag.import_errors, bag.import_errors
began, wall, size = time.process_time(), time.perf_counter(), 0
if measure == "all":
    made = [DagSerialization.to_dict(dag) for dag in bag.dags.values()]
seen["serialise"], seen["serialise wall"] = time.process_time() - began, time.perf_counter() - wall
seen["memory"] = megabytes()
if measure == "all":
    size = sum(len(json.dumps(one)) for one in made) / 1e6
print(json.dumps(seen | {"dags": len(bag.dags), "size": size}))
"""

DATABASE = """
import json, os, sys, time
from pathlib import Path
from airflow.utils.db import initdb
from airflow.utils.session import create_session
from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db
from airflow.dag_processing.bundles.manager import DagBundlesManager
front = sys.argv[1]
initdb()
DagBundlesManager().sync_bundles_to_db()
file = Path(os.environ["AIRFLOW_HOME"]) / "airflow.db"
def size():
    return sum(path.stat().st_size for path in file.parent.glob("airflow.db*")) / 1e6
seen = {"empty": size()}
folder = front.rpartition("/")[0]
bag = BundleDagBag(dag_folder=front, bundle_path=folder, bundle_name="dags-folder", load_op_links=False)
for name in ("first", "unchanged"):
    began, wall = time.process_time(), time.perf_counter()
    with create_session() as session:
        sync_bag_to_db(bag, "dags-folder", None, session=session)
    seen[name], seen[f"{name} wall"] = time.process_time() - began, time.perf_counter() - wall
print(json.dumps(seen | {"full": size(), "dags": len(bag.dags)}))
"""


@dataclass
class Place:
    """Where a round works: the integrations, the DAG files, Airflow's and Dragoman's homes."""

    scratch: Path

    def front(self, shard: int | None = None, of: int | None = None) -> Path:
        """The DAG file of everything, or of one shard."""
        file = self.scratch / "dags" / ("integrations.py" if shard is None else f"shard_{shard}.py")
        call = "build()" if shard is None else f"build(shard={shard}, of={of})"
        text = (TOP / "dags" / "integrations.py").read_text()
        file.parent.mkdir(exist_ok=True)
        file.write_text(text.replace("build()", call))
        return file

    def forget(self) -> None:
        """The next process compiles everything anew."""
        shutil.rmtree(self.scratch / "home", ignore_errors=True)


def write_integrations(folder: Path, number: int) -> None:
    """That many valid integrations, all different."""
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(number):
        (folder / f"flow_{n:04d}.yaml").write_text(INTEGRATION.format(n=n, minute=n % 60))


def measured(place: Place, front: Path, dag_id: str = "", program: str = ONE_PROCESS) -> dict[str, float]:
    """What one fresh process says of itself: seconds of CPU, seconds (wall), megabytes."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "DRAGOMAN"))}
    environment |= {
        "AIRFLOW_HOME": str(place.scratch / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(front.parent),
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "600",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "DRAGOMAN_HOME": str(place.scratch / "home"),
        "DRAGOMAN_INTEGRATIONS": str(place.scratch / "integrations"),
    }
    if dag_id:
        environment["_AIRFLOW_PARSING_CONTEXT_DAG_ID"] = dag_id
    command = [sys.executable, "-c", program, str(front), "one" if dag_id else "all"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return json.loads(done.stdout.splitlines()[-1])


def side_by_side(place: Place, shards: int) -> dict[str, float]:
    """All shards, two at a time: the slowest one, the sum of their CPU, and the time for all of them."""
    fronts = [place.front(shard, shards) for shard in range(shards)]
    began = time.perf_counter()
    with ThreadPoolExecutor(PARSERS) as pool:
        results = list(pool.map(lambda front: measured(place, front), fronts))
    return {
        "dags": sum(result["dags"] for result in results),
        "parse": sum(result["parse"] for result in results),
        "parse wall": max(result["parse wall"] for result in results),
        "file wall": max(result["parse wall"] + result["serialise wall"] for result in results),
        "all wall": time.perf_counter() - began,
        "memory": max(result["memory"] for result in results),
    }


def report(number: int, rounds: int, shards: int, *, database: bool) -> int:
    """Measure and print; 1 where a limit is passed."""
    with tempfile.TemporaryDirectory(prefix="dragoman-parse-") as name:
        place = Place(Path(name))
        write_integrations(place.scratch / "integrations", number)
        cold, warm, start, cold_shards, warm_shards = [], [], [], [], []
        for _ in range(rounds):
            place.forget()
            cold.append(measured(place, place.front()))
            warm.append(measured(place, place.front()))
            start.append(measured(place, place.front(), f"flow_{number // 2:04d}"))
            if shards:
                place.forget()
                cold_shards.append(side_by_side(place, shards))
                warm_shards.append(side_by_side(place, shards))
        synced = measured(place, place.front(), program=DATABASE) if database else {}
    everything = cold + warm + cold_shards + warm_shards
    if {result["dags"] for result in everything} != {number} or {result["dags"] for result in start} != {1}:
        raise SystemExit("wrong: not every integration became a DAG")

    def median(results: list[dict[str, float]], *keys: str) -> float:
        return statistics.median(sum(result[key] for key in keys) for result in results)

    each = 1000 / number
    rows = [
        ("parse, cold cache", median(cold, "parse") * each, "CPU ms each", LIMIT),
        ("parse, warm cache", median(warm, "parse") * each, "CPU ms each", LIMIT),
        ("serialise (Airflow's own)", median(warm, "serialise") * each, "CPU ms each", None),
        ("task start, all of it", median(start, "parse") * 1000, "CPU ms", TASK_START_LIMIT),
        ("one file: import, cold", median(cold, "parse wall"), "s", IMPORT_TIMEOUT),
        ("one file: import, warm", median(warm, "parse wall"), "s", IMPORT_TIMEOUT),
        ("one file: with serialising, cold", median(cold, "parse wall", "serialise wall"), "s", PROCESSOR_TIMEOUT),
        ("one file: with serialising, warm", median(warm, "parse wall", "serialise wall"), "s", PROCESSOR_TIMEOUT),
        ("one file: peak memory", median(warm, "memory"), "MB", None),
        ("one file: memory before it", median(warm, "before"), "MB", None),
        ("serialised, as JSON", median(warm, "size"), "MB", None),
    ]
    for word, results in (("cold", cold_shards), ("warm", warm_shards)) if shards else ():
        rows += [
            (f"{shards} shards: slowest import, {word}", median(results, "parse wall"), "s", IMPORT_TIMEOUT),
            (f"{shards} shards: with serialising, {word}", median(results, "file wall"), "s", PROCESSOR_TIMEOUT),
            (f"{shards} shards: parse, {word}", median(results, "parse") * each, "CPU ms each", None),
            (f"{shards} shards: all of them, {word}", median(results, "all wall"), "s", None),
        ]
    if shards:
        rows.append((f"{shards} shards: peak memory of one", median(warm_shards, "memory"), "MB", None))
    if database:
        rows += [
            ("into the database, all new", synced["first wall"], "s", None),
            ("into the database, nothing new", synced["unchanged wall"], "s", None),
            ("database (SQLite)", synced["full"] - synced["empty"], "MB", None),
        ]
    print(f"{number} integrations, median of {rounds}")
    for what, value, unit, limit in rows:
        print(f"  {what:<36}{value:9.2f} {unit:<12}" + (f"limit {limit:g}" if limit else ""))
    return int(any(limit is not None and value > limit for _, value, _, limit in rows))


def main() -> int:
    """Print the table; exit code 1 where a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--number", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shards", type=int, default=0)
    parser.add_argument("--database", action="store_true")
    args = parser.parse_args()
    return report(args.number, args.rounds, args.shards, database=args.database)


if __name__ == "__main__":
    sys.exit(main())
