"""The plugin's web routes inside Airflow's API server: read-only, and only for whom Airflow has let in.

Airflow does not authenticate the routes of a plugin by itself: the whole app asks for a signed-in user, each route
for the right to read its DAG, what shows payloads of rejects for a right of its own besides, and there are no routes
for docs or the OpenAPI schema.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag, requires_authenticated
from fastapi import Depends, FastAPI, Header, HTTPException, Query
from fastapi.responses import HTMLResponse, JSONResponse, Response

from dragoman.core.errors import DragomanError, FatalError
from dragoman.ledger.ledger import Ledger, Run
from dragoman.steps.report import report_of
from dragoman.steps.workplace import Workplace
from dragoman.web.reject_page import MOST, reject_page
from dragoman.web.run_page import run_page

__all__ = ["create_app"]

After = Annotated[int, Query(ge=0)]
Limit = Annotated[int, Query(ge=1, le=MOST)]

SAFE = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def create_app(
    workplace: Callable[[], AbstractContextManager[Workplace]], payload_view: Callable[[str], str]
) -> FastAPI:
    """The app.

    Args:
        workplace: opens the ledger for one request.
        payload_view: names, for a DAG id, the view that a user must be allowed to read to see payloads.
    """
    app = FastAPI(
        title="Dragoman",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(requires_authenticated())],
    )

    @app.get("/runs/{dag_id}/{run_id:path}", dependencies=[Depends(requires_access_dag("GET"))])
    def run_figures(dag_id: str, run_id: str, accept: Annotated[str, Header()] = "") -> Response:
        """One run's figures: JSON, or a page where a browser asks. ``run_id`` is Dragoman's or Airflow's own.

        404 where the ledger knows no such run of this DAG; 503 where the ledger cannot be read.
        """
        with _ledger_trouble_said(), workplace() as place:
            run = _find(place.ledger, dag_id, run_id)
            report = None if run is None else report_of(place, run.run_id)
        if report is None:
            raise HTTPException(404, detail=f"the ledger knows no run {run_id} of {dag_id}")
        if "text/html" in accept:
            return HTMLResponse(run_page(report), headers=SAFE)
        return JSONResponse(report, headers=SAFE)

    def requires_payload_right(dag_id: str, user: GetUserDep) -> None:
        allowed = get_auth_manager().is_authorized_custom_view(
            method="GET", resource_name=payload_view(dag_id), user=user
        )
        if not allowed:
            raise HTTPException(403, detail=f"payloads of {dag_id} need the right payload (access: in its YAML)")

    def page_of(dag_id: str, run_id: str, after: int, limit: int, *, payloads: bool) -> Response:
        with _ledger_trouble_said(), workplace() as place:
            page = reject_page(place, dag_id, run_id=run_id, after=after, limit=limit, payloads=payloads)
        return JSONResponse(page, headers=SAFE)

    @app.get("/rejects/{dag_id}", dependencies=[Depends(requires_access_dag("GET"))])
    def rejects(dag_id: str, run_id: str = "", after: After = 0, limit: Limit = 50) -> Response:
        """What was rejected, where and by which code, newest first; nothing of what the records hold."""
        return page_of(dag_id, run_id, after, limit, payloads=False)

    @app.get(
        "/payloads/{dag_id}",
        dependencies=[Depends(requires_access_dag("GET")), Depends(requires_payload_right)],
    )
    def payloads(dag_id: str, run_id: str = "", after: After = 0, limit: Limit = 50) -> Response:
        """The same with the sentence, the record as it was read, as it was mapped, and the target's answer."""
        return page_of(dag_id, run_id, after, limit, payloads=True)

    return app


@contextmanager
def _ledger_trouble_said() -> Iterator[None]:
    try:
        yield
    except DragomanError as error:
        raise HTTPException(503, detail=f"{error.message} [{error.code}]") from error


def _find(ledger: Ledger, dag_id: str, run_id: str) -> Run | None:
    """The run, only if it is this DAG's: the right to read one DAG must not open another's runs."""
    try:
        run: Run | None = ledger.run(run_id)
    except FatalError:
        run = ledger.run_of_trigger(dag_id, f"{dag_id}/{run_id}")
    if run is None or (run.integration != dag_id and not run.trigger.startswith(f"{dag_id}/")):
        return None
    return run
