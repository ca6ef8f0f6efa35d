"""Receipts: written with each delivery, looked up, verified, kept."""
