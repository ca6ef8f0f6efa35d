"""What 1,000 integrations cost Airflow's DAG processor and the start of a task, in CPU milliseconds.

Each figure is taken in a fresh process after Airflow has been imported (every DAG processor has it), median of three:

* cold: nothing is compiled yet; warm: the compiled integrations are in the cache
* serialise: Airflow's own part after it
* task start: the same file, asked for one DAG, as a worker does it

    .venv/bin/python benchmarks/parse.py [--number 1000]
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
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
LIMIT = 3.5
TASK_START_LIMIT = 50.0

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
import json, sys, time
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.serialization.serialized_objects import DagSerialization
front, measure = sys.argv[1], sys.argv[2]
began = time.process_time()
bag = BundleDagBag(dag_folder=front, bundle_path=front.rpartition("/")[0], bundle_name="bench", load_op_links=False)
parsed = time.process_time() - began
assert not bag.import_errors, bag.import_errors
began = time.process_time()
if measure == "all":
    for dag in bag.dags.values():
        DagSerialization.to_dict(dag)
print(json.dumps({"dags": len(bag.dags), "parse": parsed, "serialise": time.process_time() - began}))
"""


def write_integrations(folder: Path, number: int) -> None:
    """That many valid integrations, all different."""
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(number):
        (folder / f"flow_{n:04d}.yaml").write_text(INTEGRATION.format(n=n, minute=n % 60))


def measured(scratch: Path, front: Path, dag_id: str = "") -> dict[str, float]:
    """One fresh process; seconds of CPU."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "DRAGOMAN"))}
    environment |= {
        "AIRFLOW_HOME": str(scratch / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(front.parent),
        "DRAGOMAN_HOME": str(scratch / "home"),
        "DRAGOMAN_INTEGRATIONS": str(scratch / "integrations"),
    }
    if dag_id:
        environment["_AIRFLOW_PARSING_CONTEXT_DAG_ID"] = dag_id
    command = [sys.executable, "-c", ONE_PROCESS, str(front), "one" if dag_id else "all"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return json.loads(done.stdout.splitlines()[-1])


def table(number: int, rounds: int) -> dict[str, float]:
    """The figures in milliseconds: per integration, and per task start."""
    with tempfile.TemporaryDirectory(prefix="dragoman-parse-") as name:
        scratch = Path(name)
        write_integrations(scratch / "integrations", number)
        front = scratch / "dags" / "integrations.py"
        front.parent.mkdir()
        shutil.copy(TOP / "dags" / "integrations.py", front)
        cold, warm, start = [], [], []
        for _ in range(rounds):
            shutil.rmtree(scratch / "home", ignore_errors=True)
            cold.append(measured(scratch, front))
            warm.append(measured(scratch, front))
            start.append(measured(scratch, front, f"flow_{number // 2:04d}"))
    if {result["dags"] for result in cold + warm} != {number} or {result["dags"] for result in start} != {1}:
        raise SystemExit("wrong: not every integration became a DAG")
    each = 1000 / number

    def median(results: list[dict[str, float]], key: str) -> float:
        return statistics.median(result[key] for result in results)

    return {
        "parse, cold cache": median(cold, "parse") * each,
        "parse, warm cache": median(warm, "parse") * each,
        "serialise (Airflow's own)": median(warm, "serialise") * each,
        "task start, all of it": median(start, "parse") * 1000,
    }


def main() -> int:
    """Print the table; exit code 1 where a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--number", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    figures = table(args.number, args.rounds)
    limits = {"parse, cold cache": LIMIT, "parse, warm cache": LIMIT, "task start, all of it": TASK_START_LIMIT}
    print(f"{args.number} integrations, CPU ms, median of {args.rounds}")
    for name, value in figures.items():
        unit = "ms" if name.startswith("task") else "ms each"
        limit = limits.get(name)
        print(f"  {name:<28}{value:8.2f} {unit:<8}" + (f" limit {limit:g}" if limit else ""))
    return int(any(figures[name] > limit for name, limit in limits.items()))


if __name__ == "__main__":
    sys.exit(main())
