"""APIs that fail: as a destination of 500 records in batches of 50, and as a source of 550 records in pages of 100.

The API is ``dragoman.testing.fault_server``, in a process of its own; what it has applied is its own honest record. A
task that fails is run again, up to two more times, as Airflow does by default here.
"""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psycopg

from dragoman.testing.fault_server import FaultApi, fault_server
from peers.cells import Cell, Trial, reason_of
from peers.process import Ended, run
from peers.tools import Tool
from peers.world import World
from postgres_server import Server

__all__ = ["READING", "SENDING", "reading_cells", "sending_cells"]

RECORDS = 500
TRIES = 3
TIMEOUT = "3"

Rule = Mapping[str, Any]


def _every_other(fault: str) -> list[Rule]:
    """The first request of every second batch, told by the first id in it."""
    return [{"fault": fault, "values": [at], "times": 1} for at in range(50, RECORDS, 100)]


SENDING: dict[str, dict[str, tuple[list[Rule], list[int]]]] = {
    "no fault": {"no fault": ([], [])},
    "some items of a batch refused, status 207 or 200": {
        name: ([{"fault": name, "values": list(range(0, RECORDS, 10)), "times": 0}], list(range(0, RECORDS, 10)))
        for name in ("partial_207", "partial_200")
    },
    "status 200 with an error in the body": {
        "error_200": ([{"fault": "error_200", "values": list(range(250, RECORDS)), "times": 0}], list(range(250, 500)))
    },
    "one bad record refuses its batch (400)": {
        "poison_400": ([{"fault": "poison_400", "values": [123], "times": 0}], [123])
    },
    "too many requests (429), down for a moment (503)": {
        "rate_429": ([{"fault": "rate_429", "nth": 3, "times": 2, "wait": 1}], []),
        "before_503": ([{"fault": "before_503", "nth": 3, "times": 2}], []),
    },
    "outcome unknown: applied, then 500, silence or a reset": {
        name: (_every_other(name), []) for name in ("applied_500", "applied_timeout", "applied_reset")
    },
}
"""Class of faults → fault → its rules, and the ids that the API never takes."""

KILLS = {f"killed at {number} applied": number for number in (50, 250, 450)}
SENDING["SIGKILL between the API's work and its answer"] = {
    fault: ([{"fault": "slow", "times": 0, "wait": 0.4}], []) for fault in KILLS
}

READING: dict[str, tuple[str, ...]] = {
    "no fault": ("no fault",),
    "a page fails once: 429, 500, silence, reset, cut off, broken": (
        "s_429",
        "s_500",
        "s_hang",
        "s_reset",
        "s_trunc",
        "s_trunc_gz",
        "s_badjson",
    ),
    "a page is an error or a web page with status 200": ("s_err200", "s_html200"),
    "a page is empty, null or no list, though there is more": ("s_empty_mid", "s_null_mid", "s_object_mid"),
    "pages are shorter than asked for": ("s_cap", "s_short_mid"),
    "the list changes while its pages are read": ("s_drift_del", "s_drift_ins"),
}

_SEND = """integration: orders
source: {{connector: postgres, connection: src, table: public.orders, cursor: {{column: updated_at, id: id}}}}
translate: {{fields: {{id: id, amount: amount}}}}
deliver: {{connector: http, connection: api, path: /orders, batch: {{size: 50}}, timeout: {timeout}s{back}}}
policy: {{max_rejects: {{count: 300}}}}
"""
_BACK = ", read_back: {path: /orders, key: {column: id}, records: data}"
_READ = """integration: orders
source: {{connector: http, connection: api, path: /lists/orders/offset, records: data, total: meta.total,
  timeout: {timeout}s, types: {{id: text, amount: integer}}, paging: {{type: offset, size: 100}}}}
deliver: {{connector: postgres, connection: dst, table: landed.items, mode: upsert, key: [id]}}
"""


def sending_cells(tool: Tool, server: Server, folder: Path, *, search: bool) -> dict[str, Cell]:
    """One cell per class; ``search``: whether the API can be asked for a record by its id."""
    wanted = SENDING if search else {name: faults for name, faults in SENDING.items() if name.startswith("outcome")}
    cells: dict[str, Cell] = {}
    for name, faults in wanted.items():
        cell = cells[name] = Cell()
        for fault, (rules, bad) in faults.items():
            world = World(server, folder / fault)
            try:
                world.add_rows(RECORDS)
                with fault_server(search="id" if search else "") as api:
                    api.rules(*rules)
                    text = _SEND.format(timeout=TIMEOUT, back=_BACK if search else "")
                    struck = _applied(api, KILLS[fault]) if fault in KILLS else None
                    last, env = _tried(tool, world, api, "send", text, struck)
                    cell.trials.append(_sent(tool, world, fault, last, env, api, bad))
            finally:
                world.close()
    return cells


def reading_cells(tool: Tool, server: Server, folder: Path) -> dict[str, Cell]:
    """One cell per class."""
    cells: dict[str, Cell] = {}
    for name, faults in READING.items():
        cell = cells[name] = Cell()
        for fault in faults:
            world = World(server, folder / fault)
            try:
                world.prepare(tool.makes, keyed=True)
                with fault_server() as api:
                    api.list("orders", [{"id": f"o-{at:04}", "amount": at} for at in range(550)])
                    if fault != "no fault":
                        size = 50 if fault in {"s_cap", "s_short_mid"} else 5
                        api.rules({"fault": fault, "nth": 3, "wait": 1, "size": size})
                    last, _env = _tried(tool, world, api, "read", _READ.format(timeout=TIMEOUT))
                alive = range(5 if fault == "s_drift_del" else 0, 550)
                cell.trials.append(_read(world, fault, last, [f"o-{at:04}" for at in alive]))
            finally:
                world.close()
    return cells


def _tried(
    tool: Tool, world: World, api: FaultApi, what: str, text: str, kill_when: Callable[[], bool] | None = None
) -> tuple[Ended, dict[str, str]]:
    """The task, and up to two retries; ``kill_when``: the first try is killed then."""
    folder = world.folder / "integrations"
    folder.mkdir(exist_ok=True)
    (folder / "orders.yaml").write_text(text)
    more = {
        "PEER_API": api.url,
        "PEER_TIMEOUT": TIMEOUT,
        "RUNTIME__REQUEST_TIMEOUT": TIMEOUT,
        "AIRFLOW_CONN_PEER_API": api.url,
        "AIRFLOW_CONN_API": f"{api.url}?allow_private=true",
    }
    env = tool.env(world, "append", **more)
    if kill_when is not None:
        run(tool.command(what), env, world.work, kill_when=kill_when)
    for _ in range(TRIES):
        ended = run(tool.command(what), env, world.work)
        if ended.green or '"in_doubt"' in ended.said.partition('"state"')[2][:20]:
            break  # a run in doubt is closed and red: Airflow does not try it again
    return ended, env


def _applied(api: FaultApi, number: int) -> Callable[[], bool]:
    """Whether the API has applied so many; it answers a while after that."""
    return lambda: len(api.applied()) >= number


def _sent(
    tool: Tool, world: World, fault: str, last: Ended, env: Mapping[str, str], api: FaultApi, bad: list[int]
) -> Trial:
    """The API's own record against what was to be sent. A record that the API refuses has to be named."""
    copies = Counter(int(row["id"]) for row in api.rows("orders"))
    named = _named(tool, world, env)
    missing = [at for at in range(RECORDS) if at not in copies and at not in named]
    good = [at for at in missing if at not in bad]
    lost = missing if last.green else good
    doubled = sum(number - 1 for number in copies.values())
    note = "" if last.green else reason_of(last)
    return Trial(fault, len(lost), doubled, stuck=not last.green, green=last.green, note=note, named=len(named))


def _named(tool: Tool, world: World, env: Mapping[str, str]) -> set[int]:
    """The records that the tool itself lists as rejected or in doubt."""
    if tool.name != "Dragoman":
        return set()
    command = [tool.command("send")[0], "rejects", "orders", "--json", "--all", "--limit", "100000"]
    done = subprocess.run(command, env=dict(env), cwd=world.work, capture_output=True, text=True, check=True)
    originals = [each["original"] for each in json.loads(done.stdout)]
    return {int((json.loads(one) if isinstance(one, str) else one)["id"]) for one in originals}


def _read(world: World, fault: str, last: Ended, wanted: list[str]) -> Trial:
    with psycopg.connect(world.destination) as db:
        there = db.execute("SELECT to_regclass('landed.items')").fetchone() != (None,)
        found = Counter(row[0] for row in db.execute("SELECT id FROM landed.items")) if there else Counter()
    lost = sum(1 for key in wanted if key not in found)
    doubled = sum(number - 1 for number in found.values())
    return Trial(
        fault, lost, doubled, stuck=not last.green, green=last.green, note="" if last.green else reason_of(last)
    )
