"""A delivery that kills its own process (SIGKILL) right before or right after its commit."""

from __future__ import annotations

import os
import signal
from importlib import import_module

import pyarrow as pa

from dragoman.core.connection import parse_connection
from dragoman.core.ports import DeliverRequest

TABLE = pa.table({"id": pa.array([5], pa.int64()), "name": pa.array(["killed"], pa.string())})


def deliver_and_die(system: str, url: str, mode: str, when: str) -> None:
    module = import_module(f"dragoman.connectors.{system}.destination")
    destination = module.open_destination(parse_connection("target", url), {"table": "t"})
    session = destination.deliver(
        DeliverRequest(
            integration="orders",
            delivery="deliver",
            run_id="killed",
            token=9,
            schema=TABLE.schema,
            mode=mode,
            key=("id",),
        )
    )
    session.write("killed/0", TABLE)
    if when == "after":
        session.commit()
    os.kill(os.getpid(), signal.SIGKILL)
