"""From a file's bytes to UTF-8: gzip, encodings, byte order marks.

Text that the encoding does not hold is not guessed and not dropped: each bad byte becomes a lone surrogate, which is
no valid UTF-8 either, so that the record it stands in is found and rejected by the format's own check.
"""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from dragoman.core.errors import ConfigError, FatalError

__all__ = ["Encoded", "Utf8Source", "carried", "packed", "shown"]

_BOMS = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_PORTION = 1 << 20
_MARKS = "dragoman_marks"
_MARKED = re.compile(rb"\xed[\xb2\xb3][\x80-\xbf]")
"""A mark in UTF-8: U+DC80 to U+DCFF, whose last eight bits are the bad byte."""


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    bad = error.object[error.start : error.end]
    return "".join(chr(0xDC00 + byte) for byte in bad), error.end


codecs.register_error(_MARKS, _mark)


def packed(options: Mapping[str, Any], name: str) -> bool:
    """Whether the file of that name is (to be) gzip: by the option ``compression``, else by its ending."""
    kind = options.get("compression", "auto")
    return kind == "gzip" or (kind == "auto" and name.lower().endswith(".gz"))


def shown(raw: bytes) -> str:
    r"""Bytes as text for a person; what is no UTF-8, or was none of the file's encoding, shows as ``\xff``."""
    return _MARKED.sub(lambda found: bytes([found[0][1] << 6 & 0xC0 | found[0][2] & 0x3F]), raw).decode(
        "utf-8", "backslashreplace"
    )


class Utf8Source:
    """``read(n)`` gives UTF-8 bytes, exactly ``n`` of them (or a few more) until the end, without byte order mark.

    Args:
        stream: the file as it is.
        options: ``encoding`` and ``compression`` of the format.
        origin: the file's path, for its ending and for messages.
        kind: the format's word, with which the codes of its errors begin.

    Raises:
        FatalError: ``<kind>.truncated`` for a cut gzip or a cut character, ``<kind>.gzip`` for a damaged one,
            ``<kind>.encoding`` where the file begins with the mark of another encoding.
    """

    def __init__(self, stream: BinaryIO, options: Mapping[str, Any], *, origin: str, kind: str) -> None:
        self.origin = origin
        self._kind = kind
        self._stream: BinaryIO = gzip.GzipFile(fileobj=stream) if packed(options, origin) else stream  # type: ignore[assignment]
        self.encoding = str(options.get("encoding", "utf-8"))
        self._decoder = self._make_decoder()
        self._began = False

    def _make_decoder(self) -> codecs.IncrementalDecoder | None:
        try:
            name = codecs.lookup(self.encoding).name
            "".encode(name)
        except LookupError as error:
            raise ConfigError(
                f"{self._kind}.encoding",
                f"{self.encoding!r} is no known text encoding",
                next_step="write encoding: utf-8, utf-16, cp1252, latin-1 or another name that Python knows",
            ) from error
        if name in {"utf-8", "utf-8-sig"}:
            return None
        return codecs.getincrementaldecoder(name)(errors=_MARKS)

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes; fewer only at the end, empty at the end."""
        parts: list[bytes] = []
        missing = size
        while missing > 0:
            raw = self._raw(missing if self._decoder is None else min(missing, _PORTION))
            piece = self._recode(raw) if self._decoder is not None else raw
            if not self._began and piece:
                piece = self._begin(piece)
            if piece:
                parts.append(piece)
                missing -= len(piece)
            if not raw:
                break
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _raw(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except EOFError as error:
            raise FatalError(
                f"{self._kind}.truncated",
                f"{self.origin} is cut: its gzip stream ends before its end mark",
                next_step="have the file sent again; nothing of it was taken over",
            ) from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise FatalError(
                f"{self._kind}.gzip",
                f"{self.origin} is no sound gzip file: {error}",
                next_step="have the file sent again, or write compression: none if it is not packed",
            ) from error

    def _recode(self, raw: bytes) -> bytes:
        decoder = self._decoder
        if decoder is None:
            return raw
        if raw:
            return decoder.decode(raw).encode("utf-8", "surrogatepass")
        decoder.errors = "strict"
        try:
            return decoder.decode(b"", final=True).encode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            raise FatalError(
                f"{self._kind}.truncated",
                f"{self.origin} is cut in the middle of a character of {self.encoding}",
                next_step="have the file sent again, or correct the encoding",
            ) from error

    def _begin(self, piece: bytes) -> bytes:
        """The first piece of the file, without its mark. It is never shorter than the longest mark unless it is all."""
        while len(piece) < 4 and self._decoder is None:
            more = self._raw(4 - len(piece))
            if not more:
                break
            piece += more
        self._began = True
        if piece.startswith(codecs.BOM_UTF8):
            return piece[len(codecs.BOM_UTF8) :]
        if self._decoder is None:
            for mark, name in _BOMS:
                if piece.startswith(mark):
                    raise FatalError(
                        f"{self._kind}.encoding",
                        f"{self.origin} begins with the byte order mark of {name}, not as {self.encoding}",
                        next_step=f"write encoding: {name} in its format",
                    )
        return piece


class Encoded:
    """Takes UTF-8 bytes and writes them in the format's encoding; ``begins``: nothing stands before them.

    Raises:
        FatalError: ``<kind>.encoding`` where a text has a character that the encoding does not hold.
    """

    def __init__(self, stream: BinaryIO, encoding: str, kind: str, *, begins: bool) -> None:
        try:
            name = codecs.lookup(encoding).name
        except LookupError as error:
            raise ConfigError(f"{kind}.encoding", f"{encoding!r} is no known text encoding") from error
        self._stream = stream
        self._kind = kind
        self._encoding = name
        self._encoder = None if name == "utf-8" else codecs.getincrementalencoder(name)()
        if self._encoder is not None and not begins:
            self._encoder.encode("")  # gives the byte order mark, which stands in the file already

    def write(self, data: bytes | memoryview) -> None:
        """Write whole characters."""
        if self._encoder is None:
            self._stream.write(data)
            return
        try:
            self._stream.write(self._encoder.encode(str(data, "utf-8", "surrogatepass")))
        except UnicodeEncodeError as error:
            raise FatalError(
                f"{self._kind}.encoding",
                f"the text {error.object[error.start : error.end]!r} cannot be written in {self._encoding}",
                next_step="write encoding: utf-8, which holds every text",
            ) from error

    def flush(self) -> None:
        """Hand on what the stream holds back."""
        self._stream.flush()


def carried(old: BinaryIO, stream: BinaryIO, options: Mapping[str, Any], *, origin: str, kind: str) -> Iterator[bytes]:
    """Copy what stands in a file to the stream, and give it as UTF-8 portion by portion; both streams are unpacked.

    The last line gets a line end if it has none.
    """
    source = Utf8Source(old, {**options, "compression": "none"}, origin=origin, kind=kind)
    target = Encoded(stream, source.encoding, kind, begins=True)
    last = b""
    while portion := source.read(_PORTION):
        target.write(portion)
        yield portion
        last = portion[-1:]
    if last and last != b"\n":
        target.write(b"\n")
    target.flush()
