"""A value that its column would change in silence is refused with its reason, and the rest of its batch is in."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest

from sql_targets import outputs, send

CASES = {
    # the column's type, the output's type, values that fit, values that would change, and where there is such a thing
    "an integer over 2^53 in a double": (
        "double precision",
        "integer",
        [2**53, -(2**53)],
        [2**53 + 1, -(2**53) - 1],
        "all",
    ),
    "an integer beyond a small column": ("smallint", "integer", [32_767, -32_768], [32_768, 2**40], "postgres duckdb"),
    "a decimal with digits for an integer column": (
        "bigint",
        "decimal(38,2)",
        [Decimal("12.00"), Decimal("-7.00")],
        [Decimal("12.50"), Decimal("0.01"), Decimal("999999999999999999.00") * 10],
        "postgres duckdb",
    ),
    "a decimal finer than its column": (
        "numeric(9,2)",
        "decimal(12,4)",
        [Decimal("1.2500"), Decimal("0.0000")],
        [Decimal("1.2345"), Decimal("0.0001")],
        "postgres duckdb",
    ),
    "a decimal wider than its column": (
        "numeric(5,2)",
        "decimal(12,2)",
        [Decimal("999.99")],
        [Decimal("1000.00"), Decimal("-1000.00")],
        "postgres duckdb",
    ),
    "a decimal that is no double": (
        "numeric",
        "decimal(38,2)",
        [Decimal("12.50")],
        [Decimal("12345678901234567.89"), Decimal("9007199254740993.01")],
        "sqlite",
    ),
    "a double beyond a single": ("real", "double", [0.5, -2.0], [0.1, 1e300], "postgres duckdb"),
    "text over its column's width": ("varchar(3)", "text", ["abc", "äöü", ""], ["abcd", "abc "], "postgres"),
    "text over a character column": ("char(3)", "text", ["abc"], ["abcd", "abc  "], "postgres"),
    "microseconds in a column of seconds": (
        "timestamp(0)",
        "timestamp",
        [datetime(2026, 1, 2, 3, 4, 5)],
        [datetime(2026, 1, 2, 3, 4, 5, 600_000)],
        "postgres",
    ),
    "microseconds in a column of milliseconds": (
        "TIMESTAMP_MS",
        "timestamp",
        [datetime(2026, 1, 2, 3, 4, 5, 600_000)],
        [datetime(2026, 1, 2, 3, 4, 5, 600_001)],
        "duckdb",
    ),
    "text that is no member of an enumeration": ("mood", "text", ["glad"], ["sad", "Glad", ""], "postgres duckdb"),
}


@pytest.mark.parametrize("mode", ["append", "upsert", "replace"])
@pytest.mark.parametrize("case", CASES)
def test_what_would_change_is_refused(target, case, mode):
    column, kind, good, bad, where = CASES[case]
    if where != "all" and target.name not in where:
        pytest.skip(f"{target.name} has no such column, or keeps such a value as it is")
    if column == "mood":
        target.sql("CREATE TYPE mood AS ENUM ('glad', 'so-so')")
    target.sql(f"CREATE TABLE t (id bigint PRIMARY KEY, v {column})")
    values = [*good, *bad, None, *good]
    table = outputs({"id": "integer", "v": kind}, list(enumerate(values)))
    refused = send(target, table, mode=mode, key=("id",) if mode == "upsert" else ())[0]
    assert [one.row for one in refused] == list(range(len(good), len(good) + len(bad)))
    assert all(one.code.startswith(f"{target.name}.") and one.message for one in refused)
    found = target.sql("SELECT id, v FROM t ORDER BY id")
    assert [row[0] for row in found] == [
        row for row in range(len(values)) if not len(good) <= row < len(good) + len(bad)
    ]
    kept = [*good, None, *good]
    if isinstance(good[0], str):
        assert [None if row[1] is None else row[1].rstrip() for row in found] == kept
    elif not isinstance(good[0], datetime):
        assert [None if row[1] is None else Decimal(str(row[1])) for row in found] == [
            None if value is None else Decimal(str(value)) for value in kept
        ]
    assert target.sql("SELECT \"rows\" FROM _dragoman_delivery WHERE batch_id <> ''") == [(len(kept),)]
