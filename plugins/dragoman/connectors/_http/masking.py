"""What an answer says, as a person may see it: short, without secrets and without control characters."""

from __future__ import annotations

import re

__all__ = ["Mask"]

_NAMED = re.compile(
    r"((?:proxy-)?authorization|(?:set-)?cookie|x-api-key|api[_-]?key|access[_-]?key|(?:[a-z]+[_-])?token|secret|"
    r"client[_-]secret|password|passwd|signature|sig)"
    r"(\"?\s*[:=]\s*\"?)((?:bearer|basic)\s+)?([^\s\"'&,;<>}]+)",
    re.IGNORECASE,
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_SHORTEST = 4
"""Shorter secrets would mask parts of common words."""


class Mask:
    """Hides the given secrets, and whatever stands behind a secret's usual name."""

    def __init__(self, *secrets: str) -> None:
        self._secrets = sorted({secret for secret in secrets if len(secret) >= _SHORTEST}, key=len, reverse=True)

    def text(self, text: str) -> str:
        """The text without its secrets; control characters (which could forge a line of a log) become blanks."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return _CONTROL.sub(" ", _NAMED.sub(r"\1\2***", text)).strip()

    def excerpt(self, body: bytes, limit: int = 300) -> str:
        """The beginning of a body."""
        text = self.text(body[: limit * 8].decode("utf-8", "replace"))
        return text if len(text) <= limit else text[:limit] + "…"
