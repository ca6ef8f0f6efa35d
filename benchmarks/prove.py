"""How long `dragoman prove` takes, process start included, over receipts that the product's own writer made.

    python benchmarks/prove.py --receipts 10000000            # one run of ten million records
    python benchmarks/prove.py --runs 20000 --home /dev/shm   # many runs of three records each

The receipts are written, recorded and merged as a run does it; only reading the source and sending are left out. Each
look-up is a whole process: of delivered records, and of one that was never seen. The limit is 1.5 seconds.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from dragoman.core.batch import RID, ReadBatch, with_origin
from dragoman.language import find_flow
from dragoman.steps.proof.keep_receipts import keep_receipts
from dragoman.steps.proof.merge_receipts import merge_when_due
from dragoman.steps.proof.receipt_writer import ReceiptWriter
from dragoman.steps.staged import StagedBatch, rid_base
from dragoman.steps.work import Work, at_work
from dragoman.steps.workplace import open_workplace

YAML = """integration: orders
source: {connector: files, connection: inbox, path: orders.csv, reread: always, types: {id: integer}}
translate: {fields: {id: {from: id, type: integer}}}
deliver: {connector: sqlite, connection: lite, table: orders, mode: upsert, key: [id]}
"""
AT_ONCE = 65_536


def batches(work: Work, first: int, count: int) -> Iterator[tuple[StagedBatch, pa.Table]]:
    """Sealed batches of records with the ids from ``first`` on, and what the translation makes of them."""
    node = work.flow.streams[0].node
    for seq, start in enumerate(range(first, first + count, AT_ONCE)):
        ids = pa.array(range(start, min(start + AT_ONCE, first + count)), pa.int64())
        table = with_origin(ReadBatch(pa.table({"id": ids.cast(pa.string())}), "orders.csv", start + 2))
        sealed = work.stage.seal(node, seq, table)
        work.place.ledger.record_batch(work.run_id, work.token, node, seq, sealed=sealed)
        base = rid_base(work.node_index(node), seq)
        rids = pa.array(range(base, base + len(ids)), pa.int64())
        yield StagedBatch(f"{work.run_id}/{node}/{seq:05d}", seq, base, table), pa.table({"id": ids, RID: rids})


def one_run(work: Work, first: int, count: int) -> None:
    """What a run does about receipts, from its first batch to its close."""
    spec, ledger = work.flow.deliveries[0], work.place.ledger
    writer = ReceiptWriter(work, spec)
    for batch, outputs in batches(work, first, count):
        writer.add(batch, outputs)
    receipts = writer.finish()
    counts = {"in": count, "delivered": count}
    ledger.prepare_node(work.run_id, work.token, spec.node, "delivery", counts)
    ledger.finish_node(work.run_id, work.token, spec.node, receipts=receipts)
    figures = {"read": count, "delivered": count, "receipts": ledger.receipts_of_run(work.run_id)}
    work.run = ledger.close_run(work.run_id, work.token, "done", figures, move_cursors=False)
    merge_when_due(work)


def timed(key: str, expect: int) -> list[float]:
    """Seconds of five whole processes after a warm-up."""
    program = str(Path(sys.executable).with_name("dragoman"))
    taken = []
    for _ in range(6):
        start = time.perf_counter()
        done = subprocess.run([program, "prove", "orders", key, "--json"], capture_output=True, text=True, check=False)
        taken.append(time.perf_counter() - start)
        if done.returncode != expect:
            raise SystemExit(f"prove {key} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return taken[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--receipts", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=0, help="so many runs of three records each instead")
    parser.add_argument("--home", default=tempfile.gettempdir())
    wanted = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="dragoman-prove-", dir=wanted.home))
    (folder / "integrations").mkdir()
    (folder / "integrations" / "orders.yaml").write_text(YAML)
    os.environ |= {"DRAGOMAN_HOME": str(folder / "home"), "DRAGOMAN_INTEGRATIONS": str(folder / "integrations")}
    os.environ |= {"AIRFLOW_CONN_INBOX": f"file://{folder}", "AIRFLOW_CONN_LITE": f"sqlite:///{folder}/lite.db"}
    try:
        flow = find_flow("orders", folder / "integrations")
        place = open_workplace()
        total = 3 * wanted.runs or wanted.receipts
        each = 3 if wanted.runs else wanted.receipts
        start, cpu = time.perf_counter(), time.process_time()
        for first in range(0, total, each):
            with at_work(flow, place) as work:
                one_run(work, first, each)
        files = place.ledger.receipt_files("orders")
        size = sum((folder / "home" / "stage" / file.path).stat().st_size for file in files)
        print(
            f"{total:,} receipts of {total // each:,} run(s): {len(files)} files, {size / 1e6:.0f} MB, "
            f"made in {time.perf_counter() - start:.0f} s ({time.process_time() - cpu:.0f} s CPU)"
        )
        tell(total)
        start = time.perf_counter()
        kept = keep_receipts(place, "orders")
        taken = time.perf_counter() - start
        files = place.ledger.receipt_files("orders")
        print(f"after housekeeping ({kept.merged} files merged in {taken:.1f} s): {len(files)} files")
        tell(total)
        place.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def tell(total: int) -> None:
    for name, key, expect in (
        ("delivered", f"id={total // 3}", 0),
        ("delivered last", f"id={total - 1}", 0),
        ("never seen", f"id={total + 1}", 1),
    ):
        taken = timed(key, expect)
        print(f"  {name:15} median {statistics.median(taken):.2f} s, worst {max(taken):.2f} s")


if __name__ == "__main__":
    main()
