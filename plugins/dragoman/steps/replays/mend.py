"""What a person does about rejects besides replaying them: correct one by hand, dismiss, settle a doubt.

Each is written to the audit, with who, when and which fields; never with values.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pyarrow as pa

from dragoman.core.batch import HIDDEN, Reject
from dragoman.core.errors import ConfigError, FatalError
from dragoman.core.fieldtype import words_field, words_of
from dragoman.core.flow import Flow
from dragoman.ledger.reject_index import Wanted
from dragoman.ledger.rows import RejectRow
from dragoman.steps.replays.reject_payloads import RejectPayloads
from dragoman.steps.staged_columns import columns_of, packed_columns, tokens_of, with_start
from dragoman.steps.workplace import Workplace

__all__ = ["Change", "correct", "dismiss", "settle"]

Tokens = dict[str, msgspec.Raw]


@dataclass(frozen=True)
class Change:
    """How a record should have been.

    ``payload``: the whole of it as a JSON object. Or ``values``: new ones by field, as text where the source gives
    text; where it gives JSON, JSON, or else text. ``nulls``: fields that are to be NULL.
    """

    payload: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    nulls: Sequence[str] = ()


def correct(flow: Flow, place: Workplace, number: int, change: Change) -> dict[str, Any]:
    """Store the record as it should have been; the original stays, and a replay sends the correction.

    Returns:
        ``{id, fields, original}``: the changed fields, and the record as it is now.

    Raises:
        ConfigError: there is no such reject, it is not open, a field is unknown, a value does not fit.
    """
    row = _open_reject(flow, place, number)
    payloads = RejectPayloads(place.stage)
    first, before = payloads.first(row), payloads.corrected(row)
    shape = (before or first).shape
    start = columns_of(shape).start if shape else row.node
    fields = columns_of(shape).fields if shape else _fields_of_node(flow, place, start)
    old = _tokens((before or first).original)
    new = _changed(flow, number, old, fields, change)
    fields = _widened(fields, new)
    names = sorted(name for name in {**new, **(old or {})} if _differs(new, old or {}, name))
    text = _text_of(new)
    try:
        table = tokens_of([text], fields)
    except (pa.ArrowInvalid, ValueError) as error:
        raise ConfigError("correct.unfit", f"a value does not fit: {error}", next_step="correct it") from error
    tallies = columns_of(shape).tallies if shape else {}
    corrected = Reject(
        row.code, row.message, row.stage, original=text, shape=packed_columns(with_start(table, start, tallies))
    )
    sealed = place.stage.run(row.integration, row.run_id).write_rejects(row.node, f"corrected-{number}", [corrected])
    place.ledger.decide_reject(
        number,
        row,
        {"corrected": sealed.path, "corrected_sha256": sealed.sha256},
        who=place.actor,
        what="correct",
        detail=f"reject {number}: {', '.join(names) or 'nothing changed'}",
    )
    return {"id": number, "fields": names, "original": text}


def dismiss(flow: Flow, place: Workplace, wanted: Wanted, reason: str) -> int:
    """Close open rejects that shall not be sent; returns how many.

    Raises:
        ConfigError: one that was named is not open, or nothing fits.
    """
    if not reason.strip():
        raise ConfigError("dismiss.no_reason", "a dismissal has a reason", next_step="--reason 'sent by telephone'")
    numbers = _numbers(flow, place, wanted)
    place.ledger.decide_rejects(numbers, "open", "dismissed", who=place.actor, what="dismiss", detail=reason.strip())
    return len(numbers)


def settle(flow: Flow, place: Workplace, wanted: Wanted, *, delivered: bool) -> int:
    """A person has found out at the peer whether rejects in doubt have arrived; returns how many there were.

    Those that have not are open from then on and can be replayed.

    Raises:
        ConfigError: one that was named is not in doubt, or nothing fits.
    """
    numbers = _numbers(flow, place, wanted)
    becomes, said = ("delivered", "they have arrived") if delivered else ("open", "they have not arrived")
    place.ledger.decide_rejects(numbers, "in_doubt", becomes, who=place.actor, what="settle", detail=said)
    return len(numbers)


def _numbers(flow: Flow, place: Workplace, wanted: Wanted) -> list[int]:
    numbers = place.ledger.replayable(flow.integration, wanted)
    missing = [number for number in wanted.numbers if number not in set(numbers)]
    if missing or not numbers:
        state = " or ".join(wanted.states)
        which = f"reject {missing[0]}" if missing else "no reject that fits"
        raise ConfigError(
            "reject.wrong_state",
            f"{which} of {flow.integration} is {'not ' if missing else ''}{state} in a run that has ended",
            next_step=f"dragoman rejects {flow.integration} --all",
        )
    return numbers


def _open_reject(flow: Flow, place: Workplace, number: int) -> RejectRow:
    row = next((row for _number, row in place.ledger.rejects_numbered([number])), None)
    if row is None or row.integration != flow.integration:
        raise ConfigError(
            "reject.unknown",
            f"{flow.integration} has no reject {number}",
            next_step=f"dragoman rejects {flow.integration}",
        )
    if row.state != "open" or not place.ledger.run(row.run_id).finished:
        state = row.state if row.state != "open" else "of a run that has not ended"
        step = f"dragoman settle {row.integration} --reject {number} --delivered | --not-delivered"
        raise ConfigError(
            "reject.wrong_state",
            f"reject {number} of {flow.integration} is {state}; only an open one is corrected",
            next_step=step if row.state == "in_doubt" else f"dragoman rejects {flow.integration}",
        )
    return row


def _fields_of_node(flow: Flow, place: Workplace, node: str) -> pa.Schema:
    """The columns that its records had the last time; none where there never was one."""
    batch = place.ledger.latest_batch(flow.integration, node)
    if batch is None:
        return pa.schema([])
    try:
        schema = place.stage.load(batch.path, batch.sha256).schema
    except FatalError:
        return pa.schema([])
    return pa.schema([one for one in schema if one.name not in HIDDEN])


def _widened(fields: pa.Schema, new: Tokens) -> pa.Schema:
    """With the fields that only the correction has: documents may have any, tables may not."""
    more = [name for name in new if name not in fields.names]
    if not more:
        return fields
    if any(words_of(one) != "json" for one in fields):
        near = difflib.get_close_matches(more[0], fields.names, 1)
        raise ConfigError(
            "correct.unknown_field",
            f"the record has no field {more[0]!r}; it has {', '.join(fields.names)}",
            next_step=f"did you mean {near[0]!r}?" if near else "correct the name",
        )
    return pa.schema([*fields, *(words_field(name, json=True) for name in more)])


def _changed(flow: Flow, number: int, old: Tokens | None, fields: pa.Schema, change: Change) -> Tokens:
    if change.payload is not None:
        found = _tokens(change.payload)
        if found is None:
            raise ConfigError(
                "correct.no_object",
                f"the correction of reject {number} is no JSON object",
                next_step='write one, such as {"id": "7", "name": "Ann"}: every field of the record, texts in quotes',
            )
        return found
    if old is None:
        raise ConfigError(
            "correct.unreadable",
            f"reject {number} could not be read as a record, so no single field of it can be set",
            next_step=f"give all of it: dragoman correct {flow.integration} {number} --payload FILE; its fields are "
            + (", ".join(fields.names) or "those that the source gives"),
        )
    documents = {one.name for one in fields if words_of(one) == "json"}
    new = dict(old)
    for name, value in change.values.items():
        new[name] = msgspec.Raw(_token(value, json=name in documents or name not in fields.names))
    return new | {name: msgspec.Raw(b"null") for name in change.nulls}


def _differs(new: Tokens, old: Tokens, name: str) -> bool:
    return bytes(new.get(name, b"")) != bytes(old.get(name, b""))


def _text_of(record: Tokens) -> str:
    pairs = (f"{msgspec.json.encode(name).decode()}: {bytes(raw).decode()}" for name, raw in record.items())
    return "{" + ", ".join(pairs) + "}"


def _token(value: str, *, json: bool) -> bytes:
    if json:
        try:
            msgspec.json.decode(value)
        except msgspec.DecodeError:
            return msgspec.json.encode(value)
        return value.encode()
    return msgspec.json.encode(value)


def _tokens(text: str | None) -> Tokens | None:
    try:
        return msgspec.json.decode(text or "", type=Tokens)
    except msgspec.DecodeError:
        return None
