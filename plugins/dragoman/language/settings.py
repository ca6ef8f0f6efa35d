"""When an integration runs, how it behaves, and who is told."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictBool

from dragoman.language.shapes import Strict, as_list
from dragoman.language.values import ConnectionId, Cron, Duration, IntegrationId, Memory, Rate, Text, TimeZone

__all__ = ["Alert", "PolicyBody", "Schedule"]


class Schedule(Strict):
    """When it runs: a cron text alone, ``{cron, timezone}``, or ``{after: […]}``; absent, by hand."""

    cron: Cron | None = Field(
        None, description="Five cron fields, or a preset such as @daily", examples=["*/15 * * * *"]
    )
    timezone: TimeZone | None = Field(None, description="IANA name; UTC if absent", examples=["Europe/Paris"])
    after: Annotated[list[IntegrationId], BeforeValidator(as_list)] | None = Field(
        None, description="Integrations whose end starts this one", examples=[["customers"]]
    )


class MaxRejects(Strict):
    """How many rejects are too many: whichever is reached first."""

    rate: Rate | None = Field(None, description="Share of the records read", examples=["2%"])
    count: int | None = Field(None, ge=0, description="Number of records", examples=[1000])


class Retention(Strict):
    """How long things are kept."""

    stage: Duration | None = Field(None, description="Sealed batches", examples=["30d"])
    rejects: Duration | None = Field(None, description="Rejected records", examples=["90d"])
    history: Duration | None = Field(None, description="Runs and their figures", examples=["400d"])


def _max_rejects(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    return {"count": value} if isinstance(value, int) else {"rate": value} if isinstance(value, str) else value


class PolicyBody(Strict):
    """How a run behaves."""

    on_reject: Literal["quarantine", "fail"] = Field("quarantine", description="Whether the first reject is decisive")
    max_rejects: Annotated[MaxRejects, BeforeValidator(_max_rejects)] | None = Field(
        None, description="Over it the run is held; by default the greater of 2 % and 10", examples=[{"rate": "2%"}]
    )
    allow_empty: StrictBool = Field(False, description="Whether a read without records is green")
    retries: int = Field(3, ge=0, le=100, description="How often a task is tried again (two at least)")
    deadline: Duration | None = Field(None, description="How long a run may take", examples=["30m"])
    tasks: Literal["steps", "single"] = Field("steps", description="A task per step, or one for all")
    max_parallel: int | None = Field(None, ge=1, description="Runs at once on one connection")
    memory: Memory = Field("384MB", description="Memory of the translation")
    timeout: Duration = Field(300.0, description="Time that one statement of a translation may take")
    retention: Retention | None = Field(None, description="How long things are kept")


Event = Literal["failed", "late", "held", "rejects", "in_doubt", "overdue", "recovered"]


class Alert(Strict):
    """Who is told, of what, and how."""

    on: Annotated[list[Event], BeforeValidator(as_list)] = Field(
        min_length=1, description="Events", examples=[["failed", "held"]]
    )
    notifier: Literal["email", "webhook"] = Field(description="Kind of message", examples=["email"])
    connection: ConnectionId | None = Field(
        None, description="Id of an Airflow connection: type smtp (smtp_default if absent), or http for a webhook"
    )
    to: Annotated[list[Text], BeforeValidator(as_list)] = Field([], description="Receivers of a mail")
