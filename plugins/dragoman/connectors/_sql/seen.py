"""Dropping what an overlapping read brings again.

The cursor keeps a hash of every row that the next read will see once more. A row is a duplicate only if its whole
content is the same; a changed one goes on. Equal rows are counted, not merged: a third one is new.
"""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from hashlib import blake2b

from dragoman.core.errors import FatalError

__all__ = ["Seen"]

_BYTES = 8
_MOST = 200_000


class Seen:
    """``before``: the text that the committed cursor holds; ``packed`` is the text for the next one."""

    def __init__(self, before: str = "") -> None:
        try:
            raw = base64.b64decode(before, validate=True)
        except binascii.Error as error:
            raise FatalError("cursor.malformed", "the hashes in the committed cursor cannot be read") from error
        self._before = Counter(raw[at : at + _BYTES] for at in range(0, len(raw), _BYTES))
        self._after: list[bytes] = []

    def is_new(self, content: bytes, *, keep: bool, check: bool) -> bool:
        """Judge one row. ``keep``: the next read sees it again; ``check``: the last one may have seen it."""
        digest = blake2b(content, digest_size=_BYTES).digest()
        if keep:
            self._after.append(digest)
            if len(self._after) > _MOST:
                raise FatalError(
                    "cursor.window_too_large",
                    f"more than {_MOST} rows lie in the window that the next run reads again",
                    next_step="make the cursor's overlap smaller, or name an id: that breaks ties",
                )
        if check and self._before[digest]:
            self._before[digest] -= 1
            return False
        return True

    @property
    def packed(self) -> str:
        """All kept hashes, sorted, as text."""
        return base64.b64encode(b"".join(sorted(self._after))).decode()
