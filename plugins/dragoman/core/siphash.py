"""SipHash-2-4 of many texts at once: a keyed hash of 64 bits.

Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012). Without the key nobody can tell which text a hash
belongs to, nor find one that fits. NumPy does each step for thousands of texts; a step is a few additions, rotations
and exclusive ors of 64-bit words.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

import dragoman.core.arrow_alone  # noqa: F401 - settles how Arrow starts

__all__ = ["siphash"]

Words = npt.NDArray[np.uint64]
_START = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
_AT_ONCE = 16_384
_WORD = 8


def siphash(key: bytes, texts: pa.Array, prefix: bytes = b"") -> Words:
    """The hash of ``prefix + text`` for each text (of a string array without nulls).

    Args:
        key: 16 bytes.
        texts: what to hash.
        prefix: stands before every text; its whole words are hashed once.
    """
    whole = len(prefix) - len(prefix) % _WORD
    state = _started(key, prefix[:whole])
    data, starts, sizes = _bytes_of(texts, prefix[whole:])
    found = np.empty(len(sizes), np.uint64)
    for first in range(0, len(sizes), _AT_ONCE):
        some = slice(first, first + _AT_ONCE)
        found[some] = _Messages(data, prefix[whole:], starts[some], sizes[some]).hashed(state, whole)
    return found


def _started(key: bytes, prefix: bytes) -> list[Words]:
    """The state after the key and the whole words of the prefix: four arrays of one word."""
    k0, k1 = np.frombuffer(key, "<u8", 2)
    state = [np.full(1, word, np.uint64) ^ (k1 if at % 2 else k0) for at, word in enumerate(_START)]
    for word in np.frombuffer(prefix, "<u8"):
        _absorb(state, np.full(1, word, np.uint64), np.empty(1, np.uint64))
    return state


def _bytes_of(
    texts: pa.Array, before: bytes
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The texts' bytes with room on both sides, and for each message where it starts and how long it is."""
    if len(texts) == 0:
        return np.zeros(0, np.uint8), np.zeros(0, np.int64), np.zeros(0, np.int64)
    kind = np.dtype(np.int64 if pa.types.is_large_string(texts.type) else np.int32)
    _valid, offsets, content = texts.buffers()
    places = np.frombuffer(offsets, kind, len(texts) + 1, texts.offset * kind.itemsize).astype(np.int64)
    low, high, room = int(places[0]), int(places[-1]), len(before)
    data = np.zeros(room + high - low + 2 * _WORD, np.uint8)
    if high > low:
        data[room : room + high - low] = np.frombuffer(content, np.uint8, high - low, low)
    return data, places[:-1] - low, np.diff(places) + room


class _Messages:
    """Some messages, of which all begin with ``before`` (under 8 bytes), which stands in ``data`` for none of them."""

    def __init__(
        self,
        data: npt.NDArray[np.uint8],
        before: bytes,
        starts: npt.NDArray[np.int64],
        sizes: npt.NDArray[np.int64],
    ) -> None:
        blocks = sizes // _WORD
        self._order: npt.NDArray[np.intp] | None = None
        if blocks.min() != blocks.max():
            self._order = np.argsort(-blocks, kind="stable")
            starts, sizes, blocks = starts[self._order], sizes[self._order], blocks[self._order]
        self._starts, self._sizes, self._blocks = starts, sizes, blocks
        self._before = np.uint64(int.from_bytes(before, "little"))
        self._own = np.uint64((1 << 8 * len(before)) - 1)
        self._at_each_byte: Words = np.lib.stride_tricks.as_strided(
            data[:_WORD].view("<u8"), shape=(len(data) - _WORD + 1,), strides=(1,)
        )

    def hashed(self, start: list[Words], behind: int) -> Words:
        """Their hashes; ``start`` is the state after the ``behind`` bytes that stand before all of them."""
        state = [np.repeat(one, len(self._sizes)) for one in start]
        spare = np.empty(len(self._sizes), np.uint64)
        for at, count in self._counts():
            _absorb([one[:count] for one in state], self._word(self._starts[:count] + at * _WORD, at), spare[:count])
        left = (self._sizes % _WORD).astype(np.uint64) << np.uint64(3)
        last = self._word(self._starts + self._blocks * _WORD, self._blocks) & ((np.uint64(1) << left) - np.uint64(1))
        _absorb(state, last | ((self._sizes + behind).astype(np.uint64) << np.uint64(56)), spare)
        state[2] ^= np.uint64(0xFF)
        for _ in range(4):
            _round(state, spare)
        done = state[0] ^ state[1] ^ state[2] ^ state[3]
        if self._order is None:
            return done
        back = np.empty_like(done)
        back[self._order] = done
        return back

    def _counts(self) -> Iterator[tuple[int, int]]:
        """For each whole word of the longest message: how many messages (longest first) have it."""
        rising = self._blocks[::-1]
        for at in range(int(self._blocks[0])):
            yield at, len(rising) - int(np.searchsorted(rising, at, side="right"))

    def _word(self, places: npt.NDArray[np.int64], at: int | npt.NDArray[np.int64]) -> Words:
        """The words at these places, each the ``at``-th of its message."""
        words: Words = self._at_each_byte[places]
        if not self._own:
            return words
        if isinstance(at, int):
            return (words & ~self._own) | self._before if at == 0 else words
        return np.where(at == 0, (words & ~self._own) | self._before, words)


def _absorb(state: list[Words], word: Words, spare: Words) -> None:
    state[3] ^= word
    _round(state, spare)
    _round(state, spare)
    state[0] ^= word


def _round(state: list[Words], spare: Words) -> None:
    v0, v1, v2, v3 = state
    _add_and_turn(v0, v1, 13, spare)
    _turn(v0, 32, spare)
    _add_and_turn(v2, v3, 16, spare)
    _add_and_turn(v0, v3, 21, spare)
    _add_and_turn(v2, v1, 17, spare)
    _turn(v2, 32, spare)


def _add_and_turn(one: Words, other: Words, bits: int, spare: Words) -> None:
    np.add(one, other, out=one)
    _turn(other, bits, spare)
    np.bitwise_xor(other, one, out=other)


def _turn(word: Words, bits: int, spare: Words) -> None:
    np.left_shift(word, np.uint64(bits), out=spare)
    np.right_shift(word, np.uint64(64 - bits), out=word)
    np.bitwise_or(word, spare, out=word)
