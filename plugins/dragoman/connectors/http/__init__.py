"""Paged JSON lists of an HTTP API."""
