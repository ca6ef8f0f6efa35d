"""What a server's certificate is checked against."""

from __future__ import annotations

import ssl

import httpcore

__all__ = ["tls_context"]


def tls_context(ca: str) -> ssl.SSLContext:
    """Certificates of the usual authorities, or of the one whose file is named; there is no way to check nothing."""
    if ca:
        return ssl.create_default_context(cafile=ca)
    context = httpcore.default_ssl_context()
    context.load_default_certs()
    return context
