"""Peers: the same faults for Dragoman and for others, and a table of what came of them."""
