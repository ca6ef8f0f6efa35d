"""Stories of the fault matrix whose destination is an API, and what its faults may come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dragoman.testing.checker import Expected
from fault_stories import BAD, CSV, EACH, FIELDS, FILES, FROM_FILES, Story, row_of, write_files
from workshop import Workshop

MODES: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "key": ({"idempotency": "Idempotency-Key"}, "idempotency: Idempotency-Key"),
    "external id": ({"external_id": "id"}, "external_id: id"),
    "read-back": ({"search": "id"}, "read_back: {path: /orders, key: id, records: data, id: remote_id}"),
    "nothing": ({}, ""),
}
BATCHES = (1, 7, 100)
RESULT = (
    "result: {items: results, match: {field: index, column: index}, status: status, ok: [ok], id: remote_id, "
    "error: error.message, atomic: ATOMIC}"
)
REFUSED = (5, 130)
"""The keys that the rules of single items are about."""
OF_ITEMS = frozenset({"poison_400", "partial_207", "partial_200", "atomic_group"})
AMBIGUOUS = frozenset(
    {
        "before_503", "before_reset", "half_500", "applied_500", "applied_503", "applied_timeout", "applied_reset",
        "truncated_answer", "garbage_answer", "empty_answer", "missing_parts", "error_200",
    }
)  # fmt: skip
"""Faults after which no client can know what was applied."""
OPEN_REQUEST = frozenset({"deliver.intent.recorded", "deliver.request.answered", "deliver.outcomes.recorded"})
"""Failpoints at which a request may or may not have been applied; outcomes are recorded with the next intent."""
ALL = [number for number in range(FILES * EACH) if number not in BAD]


def rest_story(mode: str, batch: int, *, fault: str = "", failpoint: str = "") -> Story:
    """A CSV append to an API; ``fault`` is what the API does at its second request, or to the two refused items."""
    abilities, option = MODES[mode]
    atomic = "true" if fault == "atomic_group" else "false"
    options = [option] if option else []
    options += [f"batch: {batch}", RESULT.replace("ATOMIC", atomic)] if batch > 1 else []
    text = ", ".join(["connector: http, connection: api, path: /orders, key: [id], timeout: 1s", *options])
    rule = {"fault": fault, "nth": 2, "field": "id"}
    rule |= {"nth": 1, "times": 0, "values": REFUSED} if fault in OF_ITEMS else {}
    rule |= {"values": REFUSED} if fault == "poison_400" else {"size": 3, "times": 0} if fault == "size_413" else {}
    rule |= {"wait": 0.2} if fault == "slow" else {}

    def prepare(shop: Workshop) -> None:
        write_files(shop)
        shop.integration("orders", f"integration: orders\n{CSV}\n{FIELDS}\ndeliver: {{{text}}}\n")
        if fault:
            shop.api.rules(rule)

    helpless = mode == "nothing" or (mode == "key" and fault == "missing_parts")
    unknown = helpless and (fault in AMBIGUOUS or failpoint in OPEN_REQUEST)
    return Story(
        f"REST, {mode}, by {batch}",
        prepare,
        lambda shop: shop.api.rows("orders"),
        _expected(fault, unknown=unknown),
        whole=False,
        api=abilities,
        doubts=2 * batch if unknown else 0,
    )


def _expected(fault: str, *, unknown: bool) -> Expected:
    expected = FROM_FILES
    if fault in OF_ITEMS:
        rows = [row_of(number) for number in ALL if number not in REFUSED]
        expected = Expected.of(rows, ["id"], rejected={*BAD, *REFUSED})
    if fault in {"error_200", "in_flight_409"}:
        unknown = True  # without a key it is a refusal of the item, with the API's own words
    return replace(expected, maybe=frozenset((str(number),) for number in ALL)) if unknown else expected


REST_STORIES = {story.name: story for mode in MODES for batch in BATCHES for story in [rest_story(mode, batch)]}
