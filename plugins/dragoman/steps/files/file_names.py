"""Which file each output goes to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from dragoman.core import clock
from dragoman.core.errors import ConfigError
from dragoman.core.ports import DeliverRequest

__all__ = ["FileNames"]

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_KNOWN = ("run", "batch", "record", "stream", "date")


@dataclass
class FileNames:
    """``template`` with ``{run}``, ``{batch}`` and ``{record}`` (numbers within the run), ``{stream}``, ``{date}``."""

    template: str
    per: str
    request: DeliverRequest
    _batches: dict[str, int] = field(default_factory=dict)
    _records: int = 0

    @classmethod
    def of(cls, request: DeliverRequest, options: Mapping[str, Any]) -> FileNames:
        """Raises ``ConfigError`` ``files.placeholder`` for an unknown one, or where ``one_file_per`` needs another."""
        template, per = str(options["path"]), str(options.get("one_file_per") or "run")
        used = _PLACEHOLDER.findall(template)
        unknown = [name for name in used if name not in _KNOWN]
        if unknown:
            raise ConfigError(
                "files.placeholder",
                f"the path {template} has the placeholder {{{unknown[0]}}}; there are "
                + ", ".join(f"{{{name}}}" for name in _KNOWN),
            )
        if per != "run" and per not in used:
            raise ConfigError(
                "files.placeholder",
                f"one_file_per: {per} needs {{{per}}} in the path, which is {template}",
                next_step=f"write a path such as out/{{run}}-{{{per}}}.csv",
            )
        if "record" in used and per != "record":
            raise ConfigError(
                "files.placeholder",
                f"the path {template} has {{record}}, but there is one file per {per}",
                next_step="write one_file_per: record, or leave the placeholder out",
            )
        return cls(template, per, request)

    def parts(self, outputs: pa.Table) -> Iterator[tuple[int, pa.Table]]:
        """What goes into one file each, with the first row's number in ``outputs``."""
        step = 1 if self.per == "record" else max(outputs.num_rows, 1)
        for at in range(0, outputs.num_rows, step):
            yield at, outputs.slice(at, step)

    def path(self, batch_id: str, row: int) -> str:
        """The path of the file that takes the row of that batch."""
        batch = 0 if self.per == "run" else self._batches.setdefault(batch_id, len(self._batches))
        values = {
            "run": self.request.run_id,
            "batch": f"{batch:05d}",
            "record": f"{self._records + row + 1:07d}",
            "stream": self.request.delivery.partition(".")[2],
            "date": self._date(),
        }
        return _PLACEHOLDER.sub(lambda found: values[found[1]], self.template)

    def passed(self, rows: int) -> None:
        """So many outputs are behind."""
        self._records += rows

    def _date(self) -> str:
        """The day on which the run began, which its id tells; so every try of it writes the same name."""
        began = re.match(r"(\d{4})(\d{2})(\d{2})T", self.request.run_id)
        return "-".join(began.groups()) if began else f"{clock.now():%Y-%m-%d}"
