"""Reading CSV: the format's reader beside Arrow's own (typed and untyped) and `wc -l`, on the same file.

python benchmarks/read_csv.py [ROWS]

Each is run three times in turn; the medians of MB per CPU second and of MB per second are printed. The reader's
figures hold what it does beyond Arrow's: exact line numbers, unclosed quotes, rejects, batches of 65,536 records.
"""

from __future__ import annotations

import io
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
from orders import write_csv

from dragoman.formats import delimited

ROUNDS = 3


def ours(file: Path) -> int:
    with file.open("rb", buffering=0) as stream:
        return sum(batch.read for batch in delimited.read(stream, {}, origin=file.name, batch_rows=65_536))


def arrow(file: Path) -> int:
    names = file.open(encoding="utf-8").readline().strip().split(",")
    reader = pacsv.open_csv(
        file,
        read_options=pacsv.ReadOptions(use_threads=False, block_size=8 << 20),
        parse_options=pacsv.ParseOptions(newlines_in_values=True),
        convert_options=pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
    )
    return sum(batch.num_rows for batch in reader)


def arrow_typed(file: Path) -> int:
    reader = pacsv.open_csv(
        file,
        read_options=pacsv.ReadOptions(use_threads=False, block_size=8 << 20),
        parse_options=pacsv.ParseOptions(newlines_in_values=True),
    )
    return sum(batch.num_rows for batch in reader)


def lines(file: Path) -> int:
    return int(subprocess.run(["wc", "-l", str(file)], check=True, capture_output=True).stdout.split()[0])


def rewrite(file: Path) -> int:
    with file.open("rb", buffering=0) as stream:
        batches = list(delimited.read(stream, {}, origin=file.name, batch_rows=65_536))
    table = pa.concat_tables([batch.table.select(batches[0].table.column_names[:12]) for batch in batches])
    start = time.process_time()
    out = io.BytesIO()
    writer = delimited.open_writer(out, table.schema, {}, continues=False)
    writer.write(table)
    writer.finish()
    print(f"{'dragoman, writing':24}{len(out.getvalue()) / (time.process_time() - start) / 1e6:14.0f}")
    return table.num_rows


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "orders.csv"
        write_csv(rows, file)
        size = file.stat().st_size / 1e6
        kinds: dict[str, Callable[[Path], int]] = {
            "dragoman": ours,
            "pyarrow, all text": arrow,
            "pyarrow, typed": arrow_typed,
            "wc -l": lines,
        }
        figures: dict[str, list[tuple[float, float]]] = {name: [] for name in kinds}
        for _ in range(ROUNDS):
            for name, work in kinds.items():
                wall, cpu = time.perf_counter(), time.process_time()
                found = work(file)
                cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
                if name != "wc -l" and found != rows:
                    print(f"WRONG: {name} read {found} records of {rows}")
                figures[name].append((size / cpu, size / wall))
        print(f"{size:.0f} MB, {rows} records\n{'':24}{'MB per CPU-s':>14}{'MB per s':>10}")
        for name, found in figures.items():
            cpu, wall = (statistics.median(column) for column in zip(*found, strict=True))
            print(f"{name:24}{'' if name == 'wc -l' else f'{cpu:.0f}':>14}{wall:10.0f}")
        rewrite(file)


if __name__ == "__main__":
    main()
