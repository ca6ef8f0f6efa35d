"""An API that lists badly: a run is green with all of it or red with none of it, and the next one ends it.

Each fault of the fault server once in the middle; in each way of paging in the whole matrix, in one of them in CI. The API gives a total, as most do.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from dragoman.testing.checker import Expected, judge, sqlite_rows
from dragoman.testing.fault_list import PAGINGS
from dragoman.testing.fault_server import FaultApi, fault_server
from dragoman.testing.faults import LIST_FAULTS
from fault_cells import claims_of
from workshop import Workshop

ROWS = [{"id": at, "name": f"n{at}"} for at in range(55)]
SIZE = 10
PAGING = {
    "offset": "{type: offset, param: offset, size: 10, stop: total}",
    "page": "{type: page, param: page, size: 10, stop: total}",
    "cursor": "{type: cursor, next: meta.next, param: after, size: 10}",
    "next_link": "{type: next_link, next: meta.next, size: 10}",
}
RETRIED = frozenset({"s_429", "s_500", "s_503", "s_hang", "s_reset", "s_trunc", "s_trunc_gz", "s_slow"})
"""Faults that pass: the page is asked for again within the run."""
CHANGED = frozenset({"s_drift_del", "s_drift_ins"})
"""Faults after which the list itself is another one."""
FULL = os.environ.get("DRAGOMAN_MATRIX") == "full"
CASES = list(product(LIST_FAULTS, PAGINGS))
if not FULL:
    CASES = [(fault, PAGINGS[at % len(PAGINGS)]) for at, fault in enumerate(LIST_FAULTS)]


@pytest.fixture(scope="module")
def api() -> Iterator[FaultApi]:
    with fault_server() as running:
        yield running


@pytest.mark.parametrize(("fault", "paging"), CASES)
def test_a_list_that_lies_is_never_green_and_short(fault: str, paging: str, api: FaultApi, tmp_path: Path) -> None:
    api.reset()
    api.list("orders", ROWS)
    api.rules({"fault": fault, "nth": 3, "size": 4, "wait": 0.2})
    shop = Workshop(tmp_path)
    shop.connections["shop"] = f"{api.url}?allow_private=true"
    shop.integration(
        "orders",
        f"""
integration: orders
source: {{connector: http, connection: shop, path: /lists/orders/{paging}, records: data, total: meta.total, timeout: 1s,
         paging: {PAGING[paging]}}}
deliver: {{connector: sqlite, connection: lite, table: orders, mode: replace}}
""",
    )
    done = shop.run("run", "orders", "--json")
    assert done.returncode in {0, 1}, done.stderr
    if fault in RETRIED:
        assert done.returncode == 0, done.stderr
    found = sqlite_rows(tmp_path / "out" / "lite.db", "orders")
    whole = sorted(int(row["id"]) for row in found if str(row["id"]).isdigit()) == [row["id"] for row in ROWS]
    if fault not in CHANGED:
        assert whole if done.returncode == 0 else not found, (done.returncode, len(found), done.stderr)
    elif done.returncode == 0:
        now = rows_now(api)
        assert {str(row["id"]) for row in found} >= now, "a record that was there all the time is missing"
    api.reset()
    api.list("orders", ROWS)
    for _try in range(2):
        done = shop.run("run", "orders", "--json")
    verdict = judge(
        Expected.of(ROWS, ["id"]),
        sqlite_rows(tmp_path / "out" / "lite.db", "orders"),
        claims_of(shop),
        exit_code=done.returncode,
        counted=False,
    )
    assert not verdict.faults, str(verdict)


def rows_now(api: FaultApi) -> set[str]:
    import httpx

    page = httpx.get(f"{api.url}/lists/orders/offset?limit=1000", trust_env=False).json()
    return {str(record["id"]) for record in page["data"]}
