"""Deletions found by comparing keys: what the last closed run saw in the source, and this one does not.

Each reading brings the keys of all records. They are gathered in a database file of its own, which spills where memory
does not suffice, and compared with the key set that the last closed run left. The new set is a file of the stage, and
a mark of the node names it: so it moves only with the closed run, in the transaction of the cursors.

A source that fails may look like one that lost its records. So more than a share of the known keys (``most``), or all
of them, do not vanish at once: that is red, and nothing is erased.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from dragoman.core.batch import HIDDEN, POSITION, ReadBatch, ReadKeys
from dragoman.core.errors import FatalError, RetriableError
from dragoman.core.failpoints import failpoint
from dragoman.core.fieldtype import words_field, words_of
from dragoman.core.flow import DeletesSpec, StreamSpec
from dragoman.steps.behind import catch_up
from dragoman.steps.work import Work

__all__ = ["MARK", "Vanished", "compared", "keep_newest"]

MARK = "deletes: keys"
"""The mark of a source's node that names its key set."""
FEW = 10
"""So many keys may always vanish at once, unless they are all."""
_PIECE = 500_000
_ROWS = 65_536
_KEPT = 2


class _KeySet(msgspec.Struct, frozen=True):
    """``parts`` are paths in the stage and their sha256; the keys are distinct, in the order of ``columns``."""

    run_id: str
    columns: tuple[str, ...]
    rows: int
    parts: tuple[tuple[str, str], ...]


def compared(work: Work, stream: StreamSpec) -> Vanished | None:
    """The comparison, where this reading is to find deletions by one: a live reading that goes to its end."""
    spec = stream.deletes
    if spec is None or spec.column or work.run.interval is not None or work.read_limit is not None:
        return None
    return Vanished(work, stream, spec)


class Vanished:
    """The comparison of one reading; ``close`` removes what it gathered."""

    def __init__(self, work: Work, stream: StreamSpec, spec: DeletesSpec) -> None:
        self._work, self._stream, self._spec = work, stream, spec
        self._sets = work.place.stage.keys(work.flow.integration, stream.node)
        self._before = _last(work, stream, spec)
        self._columns: dict[str, pa.Field] = {}
        self._whole = True
        self._names = ", ".join(f"k{number}" for number in range(len(spec.keys)))
        self._folder = tempfile.mkdtemp(prefix="dragoman-keys-")
        try:
            self._db = duckdb.connect(
                str(Path(self._folder) / "keys.duckdb"),
                config={"memory_limit": work.flow.policy.memory, "threads": 1, "temp_directory": self._folder},
            )
            for table in ("now", "before", "gone"):
                self._run(f"CREATE TABLE {table} ({self._names.replace(',', ' VARCHAR,')} VARCHAR)")
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def close(self) -> None:
        """Remove what was gathered."""
        self._db.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, item: ReadKeys | ReadBatch) -> None:
        """Take in the keys that a source gives of all its records, or those of the records that it brought."""
        schema = item.schema if isinstance(item, ReadKeys) else item.table.schema
        self._columns |= {field.name: field for field in schema if field.name not in HIDDEN}
        if isinstance(item, ReadBatch):
            self._whole = self._whole and not item.rejects
        if item.table.num_rows:
            self._insert("now", pa.table([self._column(item.table, key) for key in self._spec.keys], self._named()))

    def gone(self) -> Iterator[ReadBatch]:
        """The deleted records, of each its key.

        Raises:
            RetriableError: ``deletes.too_many``: so many are gone that the source is not believed.
        """
        if self._before is None:
            return
        for path, sha256 in self._before.parts:
            self._insert("before", self._load(path, sha256))
        self._run(f"INSERT INTO gone SELECT DISTINCT * FROM before ANTI JOIN now USING ({self._names})")
        if not self._whole:
            self._run("INSERT INTO now SELECT * FROM gone")
            return
        self._judge(self._before.rows, self._count("gone"), self._count("now"))
        reader = self._db.sql("SELECT * FROM gone").to_arrow_reader(_ROWS)
        for piece in reader:
            yield ReadBatch(self._records(pa.Table.from_batches([piece])), deleted=True)

    def marks(self) -> dict[str, str]:
        """What the node is to remember when the run closes; the set is durable when this returns."""
        self._run("CREATE TABLE known AS SELECT DISTINCT * FROM now")
        rows, before, sets, run_id = self._count("known"), self._before, self._sets, self._work.run_id
        if before is not None and before.rows == rows and not self._count("gone"):
            return {}
        sets.drop(run_id)
        parts: list[tuple[str, str]] = []
        reader = self._db.sql(f"SELECT * FROM known ORDER BY {self._names}").to_arrow_reader(_PIECE)
        for number, piece in enumerate(reader):
            sealed = sets.write(run_id, number, pa.Table.from_batches([piece]))
            parts.append((sealed.path, sealed.sha256))
        failpoint("extract.keys.written")
        found = _KeySet(run_id=run_id, columns=self._spec.keys, rows=rows, parts=tuple(parts))
        return {MARK: msgspec.json.encode(found).decode()}

    def _judge(self, before: int, gone: int, now: int) -> None:
        if self._spec.most >= 1 or (gone <= max(self._spec.most * before, FEW) and now):
            return
        raise RetriableError(
            "deletes.too_many",
            f"{gone} of the {before} keys that {self._stream.node!r} had are gone, and {now} are there: "
            f"more than {self._spec.most:.0%} at once is not believed, and nothing was erased",
            next_step="if the source was not whole, the next run reads it again; if they were deleted, write "
            "deletes: {compare: true, most: 100%} for one run",
        )

    def _column(self, table: pa.Table, key: str) -> pa.ChunkedArray:
        folded = {name.lower(): name for name in table.column_names}
        name = key if key in table.column_names else folded.get(key.lower(), "")
        documents = any(words_of(field) == "json" for field in table.schema)
        if not name and not documents:
            raise FatalError(
                "deletes.no_key_column",
                f"the keys of the deliveries are made of {key!r}, and the source has {', '.join(table.column_names)}",
                next_step="add the column to columns:, or correct the delivery's key",
            )
        column = table.column(name).cast(pa.string()) if name else pa.nulls(table.num_rows, pa.string())
        if documents:
            column = pc.if_else(pc.equal(column, "null"), None, column)
            self._whole = self._whole and not column.null_count
        return column

    def _records(self, keys: pa.Table) -> pa.Table:
        """Whole records of which only the key is known."""
        folded = {name.lower(): name for name in self._columns}
        at = {folded.get(key.lower(), key): keys.column(number) for number, key in enumerate(self._spec.keys)}
        fields = [*self._columns.values(), *(words_field(name) for name in at if name not in self._columns)]
        columns = [
            at[one.name].cast(one.type) if one.name in at else pa.nulls(keys.num_rows, one.type) for one in fields
        ]
        named = keys.rename_columns(list(self._spec.keys)).to_pylist()
        said = [", ".join(f"{name}={value}" for name, value in row.items()) for row in named]
        place = pa.array([f"{self._stream.node}: gone: {one}" for one in said], pa.string())
        return pa.table([*columns, place], schema=pa.schema([*fields, pa.field(POSITION, pa.string())]))

    def _load(self, path: str, sha256: str) -> pa.Table:
        try:
            return self._sets.load(path, sha256)
        except FatalError as error:
            catch_up(self._work)  # a ledger put back from a backup names a set that later runs have removed
            raise FatalError(
                "deletes.keys_lost",
                f"the key set of the last run cannot be read, so what is deleted since is unknown: {error.message}",
                next_step=f"restore the stage; or begin anew: dragoman cursor reset {self._work.flow.integration} "
                "(what was deleted since the last run then stays at the destination)",
            ) from error

    def _named(self) -> list[str]:
        return self._names.split(", ")

    def _insert(self, name: str, table: pa.Table) -> None:
        there = " AND ".join(f"{column} IS NOT NULL" for column in self._named())
        self._db.register("piece", table)
        self._run(f"INSERT INTO {name} SELECT DISTINCT * FROM piece WHERE {there}")
        self._db.unregister("piece")

    def _count(self, name: str) -> int:
        return int(self._db.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0])

    def _run(self, statement: str) -> None:
        try:
            self._db.execute(statement)
        except duckdb.Error as error:
            raise RetriableError(
                "deletes.compare",
                f"the keys of {self._stream.node!r} cannot be compared: {error}",
                next_step="free space in the folder for temporary files (TMPDIR), or raise policy: {memory: …}",
            ) from error


def keep_newest(work: Work, stream: StreamSpec) -> None:
    """Remove the key sets that no run will ask for: all but the last closed run's and the two newest."""
    spec = stream.deletes
    last = None if spec is None else _last(work, stream, spec)
    if last is None:
        return
    sets = work.place.stage.keys(work.flow.integration, stream.node)
    for run_id in sets.runs()[:-_KEPT]:
        if run_id != last.run_id:
            sets.drop(run_id)


def _last(work: Work, stream: StreamSpec, spec: DeletesSpec) -> _KeySet | None:
    """The key set of the last closed run; None where there is none, or one of other columns."""
    text = work.place.ledger.mark(work.flow.integration, stream.node, MARK)
    found = msgspec.json.decode(text, type=_KeySet) if text else None
    return found if found is not None and found.columns == spec.keys else None
