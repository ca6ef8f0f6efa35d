"""What a destination is asked to do in one run."""

from __future__ import annotations

import pyarrow as pa

from dragoman.core.flow import DeliverySpec
from dragoman.core.ports import DeliverRequest
from dragoman.steps.work import Work

__all__ = ["request_of"]


def request_of(work: Work, spec: DeliverySpec, schema: pa.Schema) -> DeliverRequest:
    """One delivery of the run; ``schema`` are its output columns, without hidden ones."""
    return DeliverRequest(
        integration=work.flow.integration,
        delivery=spec.node,
        run_id=work.run_id,
        token=work.token,
        schema=schema,
        mode=spec.mode,
        key=spec.key,
        create=spec.create,
        version=spec.version,
        update=spec.update,
        insert_only=spec.insert_only,
    )
