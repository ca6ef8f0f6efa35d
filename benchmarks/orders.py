"""The data of the benchmarks: `orders`, 12 columns, deterministic, about 150 bytes a row as CSV.

python benchmarks/orders.py 1000000 orders.csv
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

CHUNK = 100_000
TYPES = {
    "id": "bigint",
    "reference": "text",
    "ordered_at": "timestamptz",
    "amount": "numeric(12,2)",
    "due": "date",
    "customer": "varchar(60)",
    "city": "varchar(40)",
    "quantity": "integer",
    "paid": "boolean",
    "note": "text",
    "remark": "text",
    "extra": "text",
}
DDL = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
LANGUAGE = {
    "bigint": "integer",
    "integer": "integer",
    "numeric(12,2)": "decimal(12,2)",
    "timestamptz": "timestamptz",
    "date": "date",
    "boolean": "boolean",
}
NAMES = [
    "Müller & Söhne",
    "Åse Ødegård",
    "José Núñez",
    "株式会社山田",
    'O\'Neill "Bros"',
    "Łukasz Żak",
    "Иван Петров",
    "Smith, Jones",
]
CITIES = ["Zürich", "Malmö", "São Paulo", "東京", "Kraków", "Lyon", "Αθήνα", "Bath"]
NOTES = [
    'said "no", twice',
    "line one\nline two",
    "semi;colon, comma",
    "tab\there",
    "plain",
    "\\N is no null",
    "back\\slash",
    "",
]


def batches(rows: int) -> Iterator[pa.Table]:
    """The rows in chunks of typed Arrow columns."""
    for start in range(0, rows, CHUNK):
        yield chunk(start, min(rows, start + CHUNK))


def chunk(start: int, stop: int) -> pa.Table:
    ids = np.arange(start, stop, dtype=np.int64)
    mix = ids * np.int64(2654435761) % np.int64(2**31)
    text = pc.cast(pa.array(ids), pa.string())
    cents = mix % 100_000_000 - 1_000_000
    words = np.column_stack([cents, np.where(cents < 0, -1, 0)]).astype(
        "<i8"
    )  # decimal128 is a 128-bit integer of cents
    amount = pa.Array.from_buffers(pa.decimal128(12, 2), len(cents), [None, pa.py_buffer(words.tobytes())])
    moment = pa.array(1_600_000_000_000_000 + ids * 1_000_003 + mix % 1000, pa.timestamp("us", tz="UTC"))
    due = pa.array((18_000 + mix % 4000).astype(np.int32)).cast(pa.date32())

    def pick(words: list[str | None], step: int) -> pa.Array:
        return pa.array(words, pa.string()).take(pa.array((mix // step) % len(words)))

    customer = pc.binary_join_element_wise(pick(NAMES, 3), pc.cast(pa.array(mix % 9973), pa.string()), " ")
    extra = pc.binary_join_element_wise('{"source": "web", "rank": ', pc.cast(pa.array(mix % 97), pa.string()), "}", "")
    paid = pa.array(mix % 3 == 0, mask=mix % 11 == 0)
    quantity = pa.array((mix % 500).astype(np.int32), mask=mix % 13 == 0)
    return pa.table(
        {
            "id": ids,
            "reference": pc.binary_join_element_wise("ORD-", pc.utf8_lpad(text, 10, "0"), ""),
            "ordered_at": moment,
            "amount": amount,
            "due": due,
            "customer": customer,
            "city": pick([*CITIES, None], 7),
            "quantity": quantity,
            "paid": paid,
            "note": pick(NOTES, 11),
            "remark": pick(["", None, "urgent", "x"], 5),
            "extra": extra,
        }
    )


def write_csv(rows: int, path: Path) -> None:
    """As ``\\copy … with csv header`` reads it: NULL is empty, the empty text is quoted."""
    with path.open("wb") as out:
        for number, table in enumerate(batches(rows)):
            pacsv.write_csv(table, out, pacsv.WriteOptions(include_header=number == 0))


if __name__ == "__main__":
    write_csv(int(sys.argv[1]), Path(sys.argv[2]))
