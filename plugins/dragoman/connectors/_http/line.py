"""One connection to a server, over which requests go one after the other (HTTP/1.1).

It knows what the transport below httpcore's pools does not tell: whether any of a request was sent before something
failed. A connection is only used again where the last exchange ended cleanly on both sides and not one byte stands in
it that nobody asked for: such bytes would be taken for the answer to the next request.
Source: RFC 9112, 9.3 (persistence), 9.5 (failures and timeouts).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import h11
import httpcore

from dragoman.core import clock

__all__ = ["Line"]

IDLE = 4.0
"""Seconds after which an idle connection is not used again: many servers close theirs after five, and a request that
crosses with that has an unknown outcome."""
_BLOCK = 65_536


class Line:
    """``send`` a request, ``receive`` the head of its answer, read its ``body``; if ``reusable``, another may go."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self._state = h11.Connection(h11.CLIENT, max_incomplete_event_size=100 * 1024)
        self._idle_since = clock.monotonic()

    @property
    def reusable(self) -> bool:
        """Whether the server can be expected to take one more request here."""
        if self._state.states != {h11.CLIENT: h11.IDLE, h11.SERVER: h11.IDLE} or self._state.trailing_data[0]:
            return False
        if clock.monotonic() - self._idle_since > IDLE:
            return False
        secure = self._stream.get_extra_info("ssl_object")
        if secure is not None and secure.pending():
            return False
        return not self._stream.get_extra_info("is_readable")

    def send(self, method: str, target: str, headers: Sequence[tuple[str, str]], body: bytes) -> bool:
        """Whether anything of the request may have left; what fails after its head was sent shows in ``receive``.

        A server may answer before it has read the body, and close: so its answer is read although writing failed.
        """
        head = self._state.send(
            h11.Request(
                method=method,
                target=target,
                headers=[(name.encode("ascii"), value.encode("latin-1")) for name, value in headers],
            )
        )
        try:
            self._stream.write(head or b"")
        except httpcore.WriteError:
            return False
        try:
            if body:
                self._stream.write(self._state.send(h11.Data(data=body)) or b"")
            self._state.send(h11.EndOfMessage())
        except httpcore.WriteError:
            self._state.send_failed()
        return True

    def receive(self) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Status and headers of the answer; those that announce it (1xx) are passed over."""
        while True:
            event = self._next()
            if isinstance(event, h11.Response):
                return event.status_code, list(event.headers.raw_items())
            if isinstance(event, h11.InformationalResponse) and event.status_code == 101:
                raise httpcore.RemoteProtocolError("the server changes to a protocol that nobody asked for")

    def body(self) -> Iterator[bytes]:
        """The rest of the answer."""
        while True:
            event = self._next()
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            else:
                break
        if self._state.states == {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE} and not self._state.trailing_data[0]:
            self._state.start_next_cycle()
            self._idle_since = clock.monotonic()

    def close(self) -> None:
        """Hang up."""
        self._stream.close()

    def _next(self) -> h11.Event | type[h11.PAUSED]:
        while True:
            try:
                event = self._state.next_event()
            except h11.RemoteProtocolError as error:
                raise httpcore.RemoteProtocolError(str(error)) from error
            if event is not h11.NEED_DATA:
                return event  # type: ignore[return-value]  # what is left of h11's union
            data = self._stream.read(_BLOCK)
            if not data and self._state.their_state == h11.SEND_RESPONSE:
                raise httpcore.RemoteProtocolError("the server hung up without an answer")
            self._state.receive_data(data)
