"""Which addresses a request may reach: the guard against requests that are led into the own network.

A name is resolved once for each connection that is opened, every address that it has is judged, and the connection
goes to one of these very addresses: a name that points elsewhere a moment later (DNS rebinding) gains nothing.
Source of the ranges: IANA's special-purpose address registries, as ``ipaddress`` has them; RFC 6052 (NAT64),
RFC 3056 (6to4), RFC 4291 (IPv4 within IPv6).
"""

from __future__ import annotations

import ipaddress
import re
import socket

from dragoman.core.errors import DOWN, FatalError, RetriableError

__all__ = ["refusal", "resolve"]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NUMBERS = re.compile(r"(0[xX][0-9a-fA-F]*|[0-9]+)(\.(0[xX][0-9a-fA-F]*|[0-9]+)){0,3}\.?")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")
_TEREDO = ipaddress.IPv6Network("2001::/32")
_COMPATIBLE = ipaddress.IPv6Network("::/96")
_CARRIER = ipaddress.IPv4Network("100.64.0.0/10")
_METADATA = frozenset({"169.254.169.254", "169.254.170.2", "fd00:ec2::254", "100.100.100.200"})


def resolve(host: str, port: int, *, allow_private: bool) -> list[str]:
    """The addresses that may be connected to for ``host``, in the resolver's order.

    Raises:
        FatalError: ``http.address`` where any of its addresses is private, loopback, link-local or otherwise not
            public (unless ``allow_private``).
        RetriableError: ``http.name`` where the name does not resolve now.
    """
    if not allow_private:
        _refuse_odd_numbers(host)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise RetriableError(
            "http.name",
            f"the name {host!r} has no address now: {error}",
            next_step="look at the connection's host and at the name server of this machine",
            outage=DOWN,
        ) from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for address in addresses if not allow_private else ():
        why = refusal(address)
        if why:
            shown = "" if address == host else f", which {host!r} resolves to,"
            raise _forbidden(f"{address}{shown} is {why}")
    return addresses


def refusal(address: str) -> str:
    """What is wrong with an address as a target on the public network; empty where nothing is."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return "no address that can be judged"
    inner = _embedded(known)
    if inner is not None:
        why = refusal(str(inner))
        return f"{inner} in another notation, {why}" if why else ""
    if address in _METADATA:
        return "the address of a cloud's metadata service"
    return _kind(known)


def _kind(known: Address) -> str:
    if known.is_unspecified:
        return "the unspecified address"
    if known.is_loopback:
        return "a loopback address"
    if known.is_link_local:
        return "a link-local address"
    if known.is_multicast:
        return "a multicast address"
    if known in _CARRIER:
        return "an address of a carrier's own network"
    if isinstance(known, ipaddress.IPv6Address) and (known in _COMPATIBLE or known in _TEREDO):
        return "an address that hides another one"
    return "" if known.is_global else "a private or reserved address"


def _embedded(known: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address leads to, if any."""
    if isinstance(known, ipaddress.IPv4Address):
        return None
    if known.ipv4_mapped is not None:
        return known.ipv4_mapped
    if known in _SIX_TO_FOUR:
        return known.sixtofour
    return ipaddress.IPv4Address(int(known) & 0xFFFFFFFF) if known in _NAT64 else None


def _refuse_odd_numbers(host: str) -> None:
    """Octal, hexadecimal and shortened notations: programs differ about what they mean."""
    if not _NUMBERS.fullmatch(host):
        return
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        raise _forbidden(f"{host} is an address in an uncommon notation") from None


def _forbidden(what: str) -> FatalError:
    return FatalError(
        "http.address",
        f"a request was not sent: {what}",
        next_step="if the connection's own server has such an address, write allow_private: true in its extra",
    )
