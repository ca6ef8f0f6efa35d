"""``docs/faults.md`` names every fault of the catalogue, and only tests that exist."""

import re
from pathlib import Path

import pytest

TOP = Path(__file__).parents[3]
PAGE = (TOP / "docs" / "faults.md").read_text()
ROWS = {found[1]: found[0] for found in re.finditer(r"^\| (F\d\d) \|.*$", PAGE, flags=re.MULTILINE)}
WORDS = {"`matrix`", "`peers`", "`random`"}


def test_every_fault_of_the_catalogue_has_its_line():
    assert list(ROWS) == [f"F{number:02}" for number in range(1, 46)]


@pytest.mark.parametrize("number", ROWS)
def test_each_line_names_tests_or_the_reason_why_it_needs_none(number):
    cells = [cell.strip() for cell in ROWS[number].strip("| ").split("|")]
    named = re.findall(r"`[^`]*`", cells[-1])
    if len(cells) == 3:
        assert cells[2].startswith("Does not concern")
        return
    assert len(cells) == 4, cells
    assert named, "no test is named"
    assert all(one in WORDS or re.fullmatch(r"`tests/[\w/]+\.py::test_\w+`", one) for one in named), named


def test_each_test_that_is_named_exists():
    for file, function in re.findall(r"(tests/[\w/]+\.py)::(test_\w+)", PAGE):
        assert re.search(rf"^ *def {function}\(", (TOP / file).read_text(), flags=re.MULTILINE), f"{file}::{function}"
