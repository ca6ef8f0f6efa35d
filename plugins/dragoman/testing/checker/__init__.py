"""A judge that believes nobody: were records lost, doubled, changed or left unaccounted, and does the ledger lie?

It shares no code with the rest of Dragoman, so that a fault of the program cannot hide itself: destinations are read
with their own clients, the ledger by plain SQL, the originals of rejects from the stage's Arrow files.

    expected = Expected.of([{"id": 1, "name": "a"}, {"id": 2, "name": "b"}], key=["id"])
    verdict = judge(
        expected,
        sqlite_rows("out/orders.db", "orders"),
        read_claims("home/ledger.db", "orders", stage="home/stage"),
        exit_code=0,
    )
    assert not verdict.faults, verdict
"""

from dragoman.testing.checker.claims import Claims, RejectClaim, RunClaim, read_claims
from dragoman.testing.checker.expected import Expected
from dragoman.testing.checker.places import duckdb_rows, file_rows, postgres_rows, record_rows, sqlite_rows
from dragoman.testing.checker.verdict import Fault, Verdict, judge

__all__ = [
    "Claims",
    "Expected",
    "Fault",
    "RejectClaim",
    "RunClaim",
    "Verdict",
    "duckdb_rows",
    "file_rows",
    "judge",
    "postgres_rows",
    "read_claims",
    "record_rows",
    "sqlite_rows",
]
