"""What a format writes it reads again, byte for byte."""

import io
import json

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import given, settings

from dragoman.core.fieldtype import words_field
from dragoman.formats import delimited, json_array, ndjson

TEXT = st.one_of(
    st.none(),
    st.text(st.characters(codec="utf-8"), max_size=12),
    st.sampled_from(["", '"', '""', ",", "\n", "\r\n", "\r", '",\n"', " ", "\\", "NULL", "'", "\ufeff", "é", "李"]),
)
COLUMNS = [f"c{number}" for number in range(12)]


def tables(width):
    names = COLUMNS[:width]
    row = st.tuples(*[TEXT] * width)
    return st.lists(row, min_size=1, max_size=12).map(
        lambda rows: pa.table({name: pa.array([row[at] for row in rows], pa.string()) for at, name in enumerate(names)})
    )


def through(module, table, options):
    stream = io.BytesIO()
    writer = module.open_writer(stream, table.schema, options, continues=False)
    assert writer.write(table) == []
    writer.finish()
    stream.seek(0)
    found = list(module.read(stream, options, origin="x", batch_rows=5))
    assert not [reject for batch in found for reject in batch.rejects]
    parts = [batch.table.select(table.column_names) for batch in found]
    return pa.concat_tables(parts).combine_chunks()


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(tables(1), tables(2), tables(12)), st.sampled_from([",", ";", "\t", "|"]), st.sampled_from(["lf", "crlf"])
)
def test_csv(table, delimiter, newline):
    assert through(delimited, table, {"delimiter": delimiter, "newline": newline}).equals(table)


@settings(max_examples=60, deadline=None)
@given(tables(3))
def test_csv_in_utf16(table):
    assert through(delimited, table, {"encoding": "utf-16"}).equals(table)


@pytest.mark.parametrize("module", [ndjson, json_array])
@settings(max_examples=80, deadline=None)
@given(table=tables(4))
def test_json(module, table):
    found = through(module, table, {})
    assert found.schema == pa.schema([words_field(name, json=True) for name in table.column_names])
    for name in table.column_names:
        values = [json.loads(token) if token is not None else None for token in found.column(name).to_pylist()]
        assert values == table.column(name).to_pylist()
