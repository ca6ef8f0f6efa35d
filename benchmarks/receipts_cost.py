"""What receipts cost a load of CSV into PostgreSQL: `dragoman run` with and without them, in turn, whole processes.

    python benchmarks/receipts_cost.py --rows 5000000 --rounds 3

Append (records told apart by their ids) and a keyed upsert into an empty table. Without receipts means that the writer
of receipts is told nothing, all else is the same program. Wall, CPU and peak memory are the client's own.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import psycopg

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

import load_postgres as load  # noqa: E402
import orders  # noqa: E402

from postgres_server import start_postgres, stop_postgres  # noqa: E402

WITHOUT = """
from dragoman.cli.main import main
from dragoman.steps import deliver
class Nothing:
    def __init__(self, work, spec): pass
    def add(self, *words, **more): pass
    def finish(self): return []
    def close(self): pass
deliver.ReceiptWriter = Nothing
raise SystemExit(main(["run", "{name}", "--json"]))
"""
MODES = {"append": "", "upsert": ", mode: upsert, key: [id]"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--modes", nargs="*", default=list(MODES))
    wanted = parser.parse_args()
    server = start_postgres(settings={})
    folder = Path(tempfile.mkdtemp(prefix="dragoman-bench-"))
    try:
        orders.write_csv(wanted.rows, folder / "orders.csv")
        environment = load.environment_for(folder, server.url)
        text = (folder / "integrations" / "load_orders.yaml").read_text()
        runs: dict[tuple[str, str], list[tuple[float, float, float, float]]] = {}
        for mode in wanted.modes:
            named = text.replace("integration: load_orders", f"integration: load_{mode}")
            named = named.replace("table: public.orders", f"table: public.orders{MODES[mode]}")
            (folder / "integrations" / f"load_{mode}.yaml").write_text(named)
        (folder / "integrations" / "load_orders.yaml").unlink()
        for number in range(wanted.rounds + 1):
            for mode in wanted.modes:
                name = f"load_{mode}"
                for kind, words in {
                    "without": [sys.executable, "-c", WITHOUT.format(name=name)],
                    "with": [sys.executable, "-m", "dragoman.cli", "run", name, "--json"],
                }.items():
                    load.prepare(server.url)
                    if mode == "upsert":
                        with psycopg.connect(server.url, autocommit=True) as connection:
                            connection.execute("CREATE UNIQUE INDEX ON public.orders (id)")
                    home = folder / "home"
                    shutil.rmtree(home, ignore_errors=True)
                    figures = load.measured(words, server, environment | {"DRAGOMAN_HOME": str(home)})
                    if number:
                        runs.setdefault((mode, kind), []).append(figures)
    finally:
        stop_postgres(server)
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{wanted.rows:,} rows, median of {wanted.rounds} rounds after a warm-up")
    print(f"{'':8} {'receipts':9} {'wall s':>7} {'CPU s':>7} {'server s':>9} {'peak MB':>8}   costs: wall, CPU")
    for mode in wanted.modes:
        base = runs[mode, "without"]
        for kind in ("without", "with"):
            mine = runs[mode, kind]
            wall, cpu, served, _ = (statistics.median(one[at] for one in mine) for at in range(4))
            more = [statistics.median(a[at] / b[at] - 1 for a, b in zip(mine, base, strict=True)) for at in (0, 1)]
            print(
                f"{mode:8} {kind:9} {wall:7.2f} {cpu:7.2f} {served:9.2f} {max(one[3] for one in mine):8.0f}"
                f"   {more[0]:+.1%}, {more[1]:+.1%}"
            )


if __name__ == "__main__":
    main()
