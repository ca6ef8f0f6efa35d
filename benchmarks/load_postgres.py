"""CSV into PostgreSQL: `dragoman run` beside `psql \\copy` of the same file, in turn, whole processes.

    python benchmarks/load_postgres.py --rows 1000000 --rounds 3

The server is an embedded PostgreSQL with its default settings. Wall, CPU and peak memory are the client's own;
the server's CPU is that of its finished backends. Each result is checked against the data as it was made:
the count, and per column a checksum over the server's text of every value; a wrong result is printed as WRONG.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

import orders  # noqa: E402

from postgres_server import Server, start_postgres, stop_postgres  # noqa: E402

YAML = """integration: load_orders
source:
  connector: files
  connection: bench_files
  path: orders.csv
  reread: always
  types: {types}
deliver: {{connector: postgres, connection: bench_db, table: public.orders}}
"""


@dataclass
class Run:
    wall: float
    cpu: float
    server: float
    peak: float
    wrong: str


def measured(words: list[str], server: Server, environment: dict[str, str]) -> tuple[float, float, float, float]:
    """Wall, CPU, the server's CPU (seconds) and peak memory (MB) of one whole process."""
    before, start = server_cpu(server), time.perf_counter()
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    process = os.posix_spawnp(words[0], words, environment, file_actions=quiet)
    peak, done = 0.0, 0
    while not done:
        peak = max(peak, high_water(process))
        time.sleep(0.01)
        done, status, usage = os.wait4(process, os.WNOHANG)
    wall = time.perf_counter() - start
    if status:
        raise SystemExit(f"{' '.join(words)} ended with {os.waitstatus_to_exitcode(status)}")
    settle(server)
    return wall, usage.ru_utime + usage.ru_stime, server_cpu(server) - before, peak


def high_water(process: int) -> float:
    """MB; the kernel's own mark, which starts anew with the program (``ru_maxrss`` would count this one's memory)."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def server_cpu(server: Server) -> float:
    """CPU seconds of the postmaster and its finished children."""
    fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def settle(server: Server) -> None:
    """Wait until no other backend is left, so that its CPU is counted."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    with psycopg.connect(server.url, autocommit=True) as connection:
        while connection.execute(query).fetchone() != (0,):
            time.sleep(0.01)


def prepare(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS public.orders")
        connection.execute("DROP TABLE IF EXISTS public._dragoman_delivery")
        connection.execute(f"CREATE TABLE public.orders ({orders.DDL})")
        connection.execute("CHECKPOINT")


def fingerprint(url: str, table: str) -> dict[str, object]:
    """Per column a sum over hashes of its values, with NULL apart from the empty text, and the count."""
    sums = ", ".join(
        f"sum(hashtextextended(coalesce('=' || {name}::text, 'NULL'), 0)::numeric)::text" for name in orders.TYPES
    )
    with psycopg.connect(url) as connection:
        connection.execute("SET timezone = 'UTC'")
        row = connection.execute(f"SELECT count(*)::text, {sums} FROM {table}").fetchone()
    assert row is not None
    return dict(zip(["count", *orders.TYPES], row, strict=True))


def make_truth(url: str, rows: int) -> dict[str, object]:
    """The same data by INSERT from typed values, not from the CSV."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE truth ({orders.DDL})")
        names = ", ".join(orders.TYPES)
        with connection.cursor().copy(f"COPY truth ({names}) FROM STDIN") as copy:
            for table in orders.batches(rows):
                for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
                    copy.write_row(row)
    found = fingerprint(url, "truth")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE truth")
    return found


def compare(found: dict[str, object], truth: dict[str, object]) -> str:
    return ", ".join(name for name, value in truth.items() if found[name] != value)


def environment_for(folder: Path, url: str) -> dict[str, str]:
    integrations = folder / "integrations"
    integrations.mkdir()
    types = {name: orders.LANGUAGE[kind] for name, kind in orders.TYPES.items() if kind in orders.LANGUAGE}
    inline = "{" + ", ".join(f'{name}: "{kind}"' for name, kind in types.items()) + "}"
    (integrations / "load_orders.yaml").write_text(YAML.format(types=inline))
    return os.environ | {
        "DRAGOMAN_INTEGRATIONS": str(integrations),
        "AIRFLOW_CONN_BENCH_FILES": f"file://{folder}",
        "AIRFLOW_CONN_BENCH_DB": url,
    }


def one_round(server: Server, folder: Path, environment: dict[str, str], truth: dict[str, object]) -> dict[str, Run]:
    runs = {}
    program = Path(sys.executable).with_name("dragoman")
    home = folder / "home"
    for name, words in {
        "psql \\copy": ["psql", server.url, "-q", "-c", f"\\copy orders from '{folder}/orders.csv' csv header"],
        "dragoman run": [str(program), "run", "load_orders", "--json"],
    }.items():
        prepare(server.url)
        shutil.rmtree(home, ignore_errors=True)
        figures = measured(words, server, environment | {"DRAGOMAN_HOME": str(home)})
        runs[name] = Run(*figures, compare(fingerprint(server.url, "public.orders"), truth))
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    wanted = parser.parse_args()
    server = start_postgres(settings={})
    folder = Path(tempfile.mkdtemp(prefix="dragoman-bench-"))
    try:
        orders.write_csv(wanted.rows, folder / "orders.csv")
        size = (folder / "orders.csv").stat().st_size
        truth = make_truth(server.url, wanted.rows)
        environment = environment_for(folder, server.url)
        one_round(server, folder, environment, truth)
        rounds = [one_round(server, folder, environment, truth) for _ in range(wanted.rounds)]
    finally:
        stop_postgres(server)
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{wanted.rows:,} rows, {size / 1e6:.0f} MB, median of {wanted.rounds} rounds after a warm-up")
    print(f"{'':14} {'wall s':>8} {'ratio':>6} {'spread':>13} {'CPU s':>7} {'server s':>9} {'peak MB':>8}  result")
    for name in rounds[0]:
        runs = [one[name] for one in rounds]
        ratios = [one[name].wall / one["psql \\copy"].wall for one in rounds]
        wrong = ", ".join(sorted({run.wrong for run in runs if run.wrong}))
        print(
            f"{name:14} {statistics.median(run.wall for run in runs):8.2f} {statistics.median(ratios):6.2f} "
            f"{min(ratios):6.2f}-{max(ratios):<6.2f} {statistics.median(run.cpu for run in runs):7.2f} "
            f"{statistics.median(run.server for run in runs):9.2f} {max(run.peak for run in runs):8.0f}  "
            f"{'WRONG: ' + wrong if wrong else 'exact'}"
        )


if __name__ == "__main__":
    main()
