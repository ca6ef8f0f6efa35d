"""Dragoman: records carried between business systems, translated on the way, and accounted for."""

__version__ = "0.1.0"
__all__ = ["__version__"]
