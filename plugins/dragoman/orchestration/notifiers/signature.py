"""The signature of a webhook: HMAC-SHA256 over time and body, so that neither can be forged or sent again later."""

from __future__ import annotations

import hashlib
import hmac

__all__ = ["SIGNATURE_HEADER", "TIMESTAMP_HEADER", "sign", "verify"]

TIMESTAMP_HEADER = "X-Dragoman-Timestamp"
SIGNATURE_HEADER = "X-Dragoman-Signature"
_VERSION = "v1"


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """``v1=`` and the HMAC-SHA256 in hex of ``timestamp + "." + body``; ``timestamp`` is in seconds since 1970."""
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"{_VERSION}={digest}"


def verify(secret: str, timestamp: str, body: bytes, signature: str, *, now: float, tolerance: float = 300.0) -> bool:
    """Whether a receiver may trust the body: the signature fits, and it is at most ``tolerance`` seconds old.

    ``now`` is in seconds since 1970. The comparison takes the same time whatever differs.
    """
    try:
        age = abs(now - float(timestamp))
    except ValueError:
        return False
    return age <= tolerance and hmac.compare_digest(sign(secret, timestamp, body), signature)
