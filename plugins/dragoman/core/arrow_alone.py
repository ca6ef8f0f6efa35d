"""Arrow without pandas, until someone asks for pandas.

``pyarrow.array`` imports pandas the first time it is given a list, to recognise a Series; that costs more CPU than a
small run in all. Told once that pandas cannot be imported, it goes on without; what truly needs pandas
(``Table.to_pandas``) makes pyarrow try again, and then finds it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

import pyarrow as pa

__all__: list[str] = []


class _NoPandas(MetaPathFinder):
    """Says that pandas cannot be imported."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Raise for pandas, know nothing of anything else."""
        del path, target
        if fullname == "pandas":
            raise ImportError(fullname)
        return None


def _settle() -> None:
    if "pandas" in sys.modules:
        return
    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(finder)


_settle()
