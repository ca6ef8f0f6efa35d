"""Every example of ``docs/library.md`` runs as it stands, from the wheel."""

import json
import re
import sqlite3

import pytest

from pack.environment import TOP

PAGE = (TOP / "docs" / "library.md").read_text()
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)


@pytest.fixture(scope="module")
def folder(database):
    """The DAGs folder of the site, with a file for each example."""
    site = database
    here = site.home / "dags"
    (site.root / "integrations").mkdir()
    (site.root / "integrations" / "orders.yaml").write_text((here / "integrations" / "orders.yaml").read_text())
    files = [here / f"library_{number}.py" for number in range(len(EXAMPLES))]
    for file, example in zip(files, EXAMPLES, strict=True):
        file.write_text(example.replace("/data/", f"{site.root}/"))
    (site.root / "inbox" / "a.csv").write_text("id,amount\n1,12.50\n2,7\nthree,1\n")
    front = here / "integrations.py"
    kept = front.read_text()
    front.unlink()
    yield here
    front.write_text(kept)
    for file in files:
        file.unlink()


def test_the_examples_do_what_the_page_says(database, folder):
    site = database
    ids = re.findall(r'^with DAG\("(\w+)"', PAGE, re.M)
    assert len(ids) == len(EXAMPLES) >= 5
    seen = site.look(f"dags,{folder}", ",".join(["results", str(folder), *ids]))
    assert seen["dags"]["errors"] == {}
    assert set(seen["dags"]["dags"]) == {*ids, "orders"}
    results = seen["results"]
    assert {state for tasks in results.values() for state, _ in tasks.values()} == {"success"}
    run = results["library_run"]["run"][1]
    assert (run["read"], run["delivered"], run["rejected"]) == (3, 2, 1)
    assert results["library_steps"]["tell"][1].startswith("3 of 3 delivered in run ")
    assert results["library_hooks"]["copy"][1] == 3
    outbox = site.root / "outbox"
    lines = [json.loads(line) for line in (outbox / "prices.ndjson").read_text().splitlines()]
    assert lines[0] == {"id": "1", "price": "12.50 EUR"}
    assert len((outbox / "today.ndjson").read_text().splitlines()) == 3
    assert [row["id"] for row in json.loads((outbox / "orders.json").read_text())] == ["1", "2", "three"]
    with sqlite3.connect(site.root / "erp.db") as erp:
        assert erp.execute("select id, amount from raw_orders order by id").fetchall()[0] == ("1", "12.50")
