"""SipHash-2-4 against the vectors of its paper and against itself written out word by word."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest

from dragoman.core.siphash import siphash

KEY = bytes(range(16))
MASK = (1 << 64) - 1
VECTORS = ["310e0edd47db6f72", "fd67dc93c539f874", "5a4fa9d909806c0d", "2d7efbd796666785"]
"""Of messages 00, 00 01, …, from the reference implementation (vectors_sip64), as they are stored."""


def plain(key: bytes, message: bytes) -> int:
    """The paper's own steps."""
    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]

    def turned(word: int, bits: int) -> int:
        return (word << bits | word >> 64 - bits) & MASK

    def rounds(times: int) -> None:
        for _ in range(times):
            v[0] = (v[0] + v[1]) & MASK
            v[1] = turned(v[1], 13) ^ v[0]
            v[0] = turned(v[0], 32)
            v[2] = (v[2] + v[3]) & MASK
            v[3] = turned(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) & MASK
            v[3] = turned(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) & MASK
            v[1] = turned(v[1], 17) ^ v[2]
            v[2] = turned(v[2], 32)

    padded = message + bytes(7 - len(message) % 8) + bytes([len(message) & 255])
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at : at + 8], "little")
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 255
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def test_the_vectors_of_the_reference() -> None:
    found = siphash(KEY, pa.array([bytes(range(size)).decode("ascii") for size in range(16)]))
    assert [int(one).to_bytes(8, "little").hex() for one in found[:4]] == VECTORS
    assert int(found[15]) == 0xA129CA6149BE45E5


@pytest.mark.parametrize("prefix", ["", "id=", "1234567", "12345678", "_rid=20261124T181509-1a2b3c4d:", "ü=" * 20])
def test_texts_of_all_lengths_together_are_hashed_as_each_alone(prefix: str) -> None:
    chance = random.Random(7)
    texts = ["".join(chance.choices("aé0€😀", k=chance.randrange(40))) for _ in range(500)] + ["", "x" * 300]
    wanted = [plain(KEY, (prefix + text).encode()) for text in texts]
    assert siphash(KEY, pa.array(texts), prefix.encode()).tolist() == wanted
    shifted = pa.array(["before", *texts, "behind"]).slice(1, len(texts))
    assert siphash(KEY, shifted, prefix.encode()).tolist() == wanted
    assert siphash(KEY, pa.array(texts, pa.large_string()), prefix.encode()).tolist() == wanted


def test_more_than_one_portion_and_none() -> None:
    texts = [str(number) for number in range(40_000)]
    found = siphash(KEY, pa.array(texts), b"id=")
    assert [int(found[at]) for at in (0, 16_383, 16_384, 39_999)] == [
        plain(KEY, f"id={at}".encode()) for at in (0, 16_383, 16_384, 39_999)
    ]
    assert siphash(KEY, pa.array([], pa.string())).tolist() == []
