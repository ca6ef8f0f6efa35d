"""The outputs of a translation, made ahead in a thread while the ones before are sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import pyarrow as pa

from dragoman.steps.chain import Chain, Made, root_of
from dragoman.steps.kinds import Shape, observed
from dragoman.steps.prefetch import Prefetch
from dragoman.steps.staged import StagedBatch, staged_batches
from dragoman.steps.work import Work

__all__ = ["made_ahead"]


@contextmanager
def made_ahead(
    work: Work, node: str, live: Iterable[StagedBatch] | None
) -> Iterator[tuple[Iterator[Made], Callable[[], Chain]]]:
    """The outputs of a translation, made ahead in a thread; and its chain, which is compiled at the first batch."""
    chain: Chain | None = None
    root = root_of(work, node)

    def compiled(schema: pa.Schema | None = None) -> Chain:
        nonlocal chain
        if chain is None:
            shape = observed(work, root) if live is None else Shape(schema or pa.schema([]))
            chain = Chain(work, node, shape)
        return chain

    def make(batches: Iterable[StagedBatch]) -> Iterator[Made]:
        for batch in batches:
            yield compiled(batch.table.schema).apply(batch)

    source = staged_batches(work, root) if live is None else live
    with Prefetch(source, name="stage") as sealed, Prefetch(make(sealed), name="translate") as made:
        yield made, compiled
