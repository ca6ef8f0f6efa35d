"""What a piece of an answer says of itself: that it worked, that it failed, or nothing.

APIs say it in many ways: a status as an integer, a word, a yes or no, or that an error is there. All are looked for;
where they contradict each other, the piece says nothing that can be relied on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from dragoman.connectors._http.sign_words import (
    BAD_WORDS,
    CODES,
    ERRORS,
    FLAGS,
    GOOD_WORDS,
    HALF_WORDS,
    LATER_WORDS,
    STATES,
    STATUS,
    TELLING,
    plain_name,
    speaks_of_errors,
    speaks_of_leftovers,
)

__all__ = [
    "BAD",
    "GOOD",
    "NOTHING",
    "UNSURE",
    "Sign",
    "buried_sign",
    "code_of_status",
    "is_empty",
    "sign_of",
    "sign_of_value",
]

GOOD, BAD, UNSURE, NOTHING = "good", "bad", "unsure", "nothing"

_NUMBERED = re.compile(r"(?:HTTP/[\d.]+ )?([1-5]\d\d)(?: .*)?")
_COMPLAINT = re.compile(
    r"error|fail|invalid|denied|reject|refus|exception|unauthor|forbid|not found|missing|unable|cannot|can't|could not|"
    r"must |required|too (many|large|long)|timeout|timed out|unavailable|conflict|expired|<html",
    re.IGNORECASE,
)


class Sign(NamedTuple):
    """``kind``: one of the four words. ``status``: the integer status that was named, 0 where none was."""

    kind: str
    status: int = 0
    why: str = ""


def sign_of(piece: Any, sent: Mapping[str, Any] | None = None) -> Sign:
    """What an element (or a whole document) says of itself.

    ``sent``: what was sent of it by column; a key that comes back with the very value that was sent is an echo, and
    no sign (an order whose own ``status`` is ``failed``).
    """
    if not isinstance(piece, Mapping):
        return sign_of_value(piece)
    signs: list[Sign] = []
    for name, value in piece.items():
        if sent is not None and name in sent and _same(sent[name], value):
            continue
        sign = _of_code(piece, value) if plain_name(name) in CODES else _of_key(name, value)
        if sign is not None:
            signs.append(sign)
    kinds = {sign.kind for sign in signs} - {NOTHING}
    status = next((sign.status for sign in signs if sign.status), 0)
    if len(kinds) > 1:
        told = ", ".join(dict.fromkeys(sign.why for sign in signs if sign.why))
        return Sign(UNSURE, status, f"it contradicts itself ({told})")
    if kinds:
        return next(sign._replace(status=status) for sign in signs if sign.kind != NOTHING)
    return _of_sentence(piece) or Sign(GOOD if piece else NOTHING, status)


def buried_sign(document: Any, sent: Mapping[str, Any] | None, depth: int = 4) -> Sign | None:
    """A failure that an envelope hides: lists or objects of errors, and elements of lists that failed.

    Words and flags are not looked for down there, for they may be the record's own.
    """
    if not isinstance(document, Mapping) or depth == 0:
        return None
    for name, value in document.items():
        if sent is not None and name in sent:
            continue
        if isinstance(value, list | Mapping) and value:
            plain = plain_name(name)
            if speaks_of_errors(plain) or speaks_of_leftovers(plain):
                return Sign(BAD, why=f"its {name}")
            inner = value if isinstance(value, list) else [value]
            found = next(filter(None, (buried_sign(each, None, depth - 1) for each in inner[:1000])), None)
            if found is not None:
                return found
    return None


def sign_of_value(value: Any) -> Sign:
    """What a bare value says: true and false, a word, a status; a number or a text may as well be an id."""
    if value is None:
        return Sign(NOTHING)
    if isinstance(value, bool):
        return Sign(GOOD if value else BAD, why="true" if value else "false")
    if isinstance(value, int):
        sign = code_of_status(value)
        return Sign(UNSURE, why=f"{value} may be a status or an id") if sign is not None else _an_id(value)
    if isinstance(value, str):
        word = _of_word(value)
        if word is not None:
            return word
        if not value.strip():
            return Sign(NOTHING)
        return Sign(UNSURE, why=f"{value[:60]!r}") if _COMPLAINT.search(value) or len(value) > 200 else Sign(GOOD)
    return Sign(UNSURE, why="no value of a known kind")


def code_of_status(value: Any) -> Sign | None:
    """What a status of three digits says, as an integer or as text; None for anything else."""
    if isinstance(value, bool):
        return None
    text = str(value).strip() if isinstance(value, int | str) else ""
    match = _NUMBERED.fullmatch(text) if len(text) < 200 else None
    if match is None:
        return None
    status = int(match[1])
    kind = GOOD if 200 <= status < 300 and status != 207 else BAD if status >= 400 else UNSURE
    return Sign(kind, status, f"status {status}")


def is_empty(value: Any) -> bool:
    """Whether an error's place says that there is none: absent, null, false, 0, an empty text, list or object."""
    return value is None or value is False or value == "" or value in (0, [], {}) or value == "0"


def _an_id(value: int) -> Sign:
    return Sign(GOOD) if value > 0 else Sign(UNSURE, why=str(value))


def _of_key(name: str, value: Any) -> Sign | None:
    """The sign of one key; None where the key is none of those that tell."""
    plain = plain_name(name)
    if plain in STATES:
        return _of_state(name, value)
    if plain in FLAGS:
        return _of_flag(name, value)
    if is_empty(value):
        return None
    if plain in ERRORS:
        return Sign(BAD, why=f"its {name}")
    many = isinstance(value, list | Mapping)
    if many and speaks_of_leftovers(plain):
        return Sign(UNSURE, why=f"its {name}")
    return Sign(BAD, why=f"its {name}") if many and speaks_of_errors(plain) else None


def _of_sentence(piece: Mapping[str, Any]) -> Sign | None:
    """Of an object that holds a sentence and nothing else, what the sentence says."""
    texts = [value for name, value in piece.items() if plain_name(name) in TELLING and isinstance(value, str)]
    if not texts or len(texts) < len(piece):
        return None
    return next((sign for sign in map(sign_of_value, texts) if sign.kind in {BAD, UNSURE}), None)


def _of_code(piece: Mapping[str, Any], value: Any) -> Sign | None:
    """A code is a status where a sentence stands beside it; else it may be anything, such as an article's."""
    sign = code_of_status(value) if any(plain_name(name) in TELLING for name in piece) else None
    return sign if sign is not None and sign.kind == BAD else None


def _of_state(name: str, value: Any) -> Sign | None:
    if isinstance(value, bool):
        return Sign(GOOD if value else BAD, why=f"{name} {str(value).lower()}")
    numbered = code_of_status(value)
    if numbered is not None:
        return numbered
    if isinstance(value, str):
        word = _of_word(value)
        return None if word is None else word._replace(why=f"{name} {value[:40]}")
    if isinstance(value, Mapping):
        inner = sign_of(value)
        return inner if inner.kind in {BAD, UNSURE} else None
    if isinstance(value, int | Decimal) and plain_name(name) in STATUS:
        return Sign(UNSURE, why=f"{name} {value}")
    return None


def _of_flag(name: str, value: Any) -> Sign | None:
    if isinstance(value, bool):
        return Sign(GOOD if value else BAD, why=f"{name} {str(value).lower()}")
    word = str(value).strip().lower() if isinstance(value, str | int) else ""
    if word in {"true", "yes", "1", "y"}:
        return Sign(GOOD, why=f"{name} {word}")
    if word in {"false", "no", "0", "n"}:
        return Sign(BAD, why=f"{name} {word}")
    return None if word or value is None else Sign(UNSURE, why=name)


def _of_word(text: str) -> Sign | None:
    word = re.sub(r"[\s-]+", "_", text.strip().lower().rstrip(".!"))
    if word in GOOD_WORDS:
        return Sign(GOOD, why=text[:40])
    if word in BAD_WORDS:
        return Sign(BAD, why=text[:40])
    if word in HALF_WORDS:
        return Sign(UNSURE, why=text[:40])
    return Sign(BAD, 429, text[:40]) if word in LATER_WORDS else code_of_status(text)


def _same(sent: Any, came: Any) -> bool:
    return sent is not None and type(sent) is not bool and str(sent) == str(came)
