"""The translation of a million rows of six typed columns, beside the bare (lenient) casts of DuckDB.

``python benchmarks/translation.py [ROWS]`` prints CPU seconds; both run in the same process, on one thread.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable

import pyarrow as pa

from dragoman.core.fieldtype import parse_type, words_field
from dragoman.core.flow import FieldSpec, TranslationSpec
from dragoman.translation.casts import duck_type
from dragoman.translation.engine import Translator
from dragoman.translation.sandbox import Sandbox

BATCH = 65_536
TYPES = {
    "id": "integer",
    "amount": "decimal(12,2)",
    "rate": "double",
    "day": "date",
    "stamp": "timestamp",
    "seen": "timestamptz",
}


def rows(number: int) -> pa.Table:
    """Text as a CSV file has it."""
    draw = random.Random(7)
    days = [f"20{y}-{m:02d}-{d:02d}" for y in range(10, 30) for m in range(1, 13) for d in range(1, 29)]
    return pa.table(
        {
            "id": [str(row) for row in range(number)],
            "amount": [f"{draw.randrange(10**7) / 100:.2f}" for _ in range(number)],
            "rate": [repr(round(draw.random() * 1000, 6)) for _ in range(number)],
            "day": [draw.choice(days) for _ in range(number)],
            "stamp": [
                f"{draw.choice(days)} {draw.randrange(24):02d}:{draw.randrange(60):02d}:07" for _ in range(number)
            ],
            "seen": [
                f"{draw.choice(days)}T{draw.randrange(24):02d}:00:{draw.randrange(60):02d}Z" for _ in range(number)
            ],
        }
    )


def best(work: Callable[[], object], rounds: int = 3) -> float:
    """The quickest of some rounds, in seconds."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def translate(translator: Translator, table: pa.Table) -> int:
    """Apply it batch by batch, as a delivery does."""
    return sum(
        translator.apply(table.slice(start, BATCH), start).outputs.num_rows for start in range(0, table.num_rows, BATCH)
    )


def main() -> None:
    """Measure and print."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    table = rows(number)
    sandbox = Sandbox("1GB")
    sandbox.register("src", table)
    kinds = {name: parse_type(text) for name, text in TYPES.items()}
    bare = ", ".join(f"TRY_CAST({name} AS {duck_type(kind)}) AS {name}" for name, kind in kinds.items() if kind)
    lenient = best(lambda: sandbox.table(f"SELECT {bare} FROM src"))
    fields = tuple(FieldSpec(name=name, expression=name, type=text) for name, text in TYPES.items())
    spec = TranslationSpec(node="translate", inputs=("source",), fields=fields)
    translator = Translator(spec, table.schema)
    assert translate(translator, table) == number
    exact = best(lambda: translate(translator, table))
    print(f"{'bare TRY_CAST':34}{lenient:8.3f} s")
    print(f"{'exact, with rids and rejects':34}{exact:8.3f} s  {exact / lenient:.2f} x")
    for name, text in TYPES.items():
        one = spec.__class__(
            node="translate", inputs=("source",), fields=(FieldSpec(name=name, expression=name, type=text),)
        )
        single = Translator(one, table.schema)
        own = best(lambda single=single: translate(single, table))
        plain = best(
            lambda name=name, text=text: sandbox.table(
                f"SELECT TRY_CAST({name} AS {duck_type(parse_type(text))}) FROM src"
            )
        )
        print(f"  {text:32}{own:8.3f} s  {own / plain:.2f} x")
    spoilt = table.set_column(1, "amount", pa.array(["x" if row % 100 == 0 else "1.50" for row in range(number)]))
    print(f"{'exact, 1 % rejects':34}{best(lambda: translate(translator, spoilt), 1):8.3f} s")
    tokens = pa.table(
        [
            table.column("id"),
            pa.array([f'{{"amount": {word}, "day": "2024-01-31"}}' for word in table.column("amount").to_pylist()]),
        ],
        schema=pa.schema([words_field("id", json=True), words_field("doc", json=True)]),
    )
    paths = (
        FieldSpec(name="id", expression="id"),
        FieldSpec(name="amount", expression="doc.amount", type="decimal(12,2)"),
        FieldSpec(name="day", expression="doc.day", type="date"),
    )
    documents = Translator(TranslationSpec(node="translate", inputs=("source",), fields=paths), tokens.schema)
    print(f"{'documents, two nested paths':34}{best(lambda: translate(documents, tokens), 1):8.3f} s")


if __name__ == "__main__":
    main()
