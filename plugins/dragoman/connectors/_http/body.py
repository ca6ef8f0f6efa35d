"""The body of an answer, unpacked as it comes, and never beyond a limit.

Source: RFC 9110, 8.4 (content codings), RFC 1952 (gzip: members may follow each other).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from dragoman.core.errors import FatalError, RetriableError

__all__ = ["read_body"]

_GZIP = 16 + zlib.MAX_WBITS


def read_body(chunks: Iterable[bytes], encoding: str, limit: int, place: str) -> bytes:
    """All bytes, unpacked.

    Raises:
        FatalError: ``http.too_large`` over ``limit`` bytes, unpacked; ``http.encoding`` for a coding that was not
            asked for.
        RetriableError: ``http.truncated`` where the packed bytes end too early or are broken.
    """
    coding = encoding.strip().lower()
    if coding in {"", "identity"}:
        return _joined(chunks, limit, place)
    if coding not in {"gzip", "x-gzip"}:
        raise FatalError(
            "http.encoding",
            f"{place} answered in the coding {encoding[:40]!r}, and gzip or none was asked for",
            next_step="have the server respect Accept-Encoding",
        )
    return _joined(_unpacked(chunks, limit, place), limit, place)


def _joined(chunks: Iterable[bytes], limit: int, place: str) -> bytes:
    parts: list[bytes] = []
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise FatalError(
                "http.too_large",
                f"{place} sent more than {limit} bytes in one answer, unpacked",
                next_step="ask for smaller pages (paging.size), or write a larger max_bytes",
            )
        parts.append(chunk)
    return b"".join(parts)


def _unpacked(chunks: Iterable[bytes], limit: int, place: str) -> Iterable[bytes]:
    unpack = zlib.decompressobj(_GZIP)
    begun = False
    for chunk in chunks:
        rest = chunk
        while rest:
            if unpack.eof:
                unpack = zlib.decompressobj(_GZIP)
            begun = True
            try:
                yield unpack.decompress(rest, limit + 1)
            except zlib.error as error:
                raise _broken(place, str(error)) from error
            rest = unpack.unused_data if unpack.eof else unpack.unconsumed_tail
    if begun and not unpack.eof:
        raise _broken(place, "the packed bytes end too early")


def _broken(place: str, why: str) -> RetriableError:
    return RetriableError(
        "http.truncated",
        f"the gzip body that {place} sent cannot be unpacked: {why}",
        next_step="nothing of it was taken over; if it stays so, look at the server or a proxy before it",
    )
