"""``when:`` and ``when: else``."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from dragoman.core.errors import ConfigError, FatalError
from dragoman.translation.route import route

OUTPUTS = pa.table({"region": ["EU", "US", None, "EU"], "n": [1, 2, 3, 0], "_rid": [10, 11, 12, 13]})


def shares(whens):
    found, homeless = route(OUTPUTS, whens)
    assert all(table.column_names == OUTPUTS.column_names for table in found.values())
    return {name: table.column("_rid").to_pylist() for name, table in found.items()}, homeless


def test_conditions_and_the_rest():
    assert shares({"eu": ("region = 'EU'", False), "rest": ("", True)}) == ({"eu": [10, 13], "rest": [11, 12]}, 0)


def test_null_is_not_true_and_nobody_wants_it():
    assert shares({"eu": ("region = 'EU'", False), "other": ("region <> 'EU'", False)}) == (
        {"eu": [10, 13], "other": [11]},
        1,
    )


def test_conditions_may_overlap():
    assert shares({"eu": ("region = 'EU'", False), "few": ("n < 2", False)})[0] == {"eu": [10, 13], "few": [10, 13]}


def test_a_delivery_without_when_takes_all_and_does_not_count_for_else():
    found, homeless = shares({"all": ("", False), "eu": ("REGION = 'EU'", False), "rest": ("", True)})
    assert found == {"all": [10, 11, 12, 13], "eu": [10, 13], "rest": [11, 12]}
    assert homeless == 0


def test_no_outputs():
    found, homeless = route(OUTPUTS.slice(0, 0), {"eu": ("region = 'EU'", False), "rest": ("", True)})
    assert [table.num_rows for table in found.values()] == [0, 0]
    assert homeless == 0


@pytest.mark.parametrize("when", ["regoin = 'EU'", "n = ", "nosuch(n)", "_rid = 10", "region = 'x' AND (SELECT TRUE)"])
def test_mistakes(when):
    with pytest.raises(ConfigError):
        route(OUTPUTS, {"eu": (when, False)})


def test_a_condition_that_raises_is_told_not_taken_for_false():
    with pytest.raises(FatalError, match="zero") as caught:
        route(OUTPUTS, {"eu": ("10 // n > 1", False)})
    assert caught.value.code == "route.failed"


def test_what_time_it_is_the_run_decides():
    whens = {"before": ("now() < TIMESTAMPTZ '2026-01-03 00:00:00+00'", False), "after": ("", True)}
    for day, taker in ((2, "before"), (4, "after")):
        found, _homeless = route(OUTPUTS, whens, datetime(2026, 1, day, tzinfo=UTC))
        assert found[taker].num_rows == OUTPUTS.num_rows
