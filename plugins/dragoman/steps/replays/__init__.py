"""Rejected records again: looked at, corrected, sent by today's mapping."""
