"""External systems: how they fare, and what they sent that could not be used."""

from datetime import datetime, timedelta

import strawberry

from connector.api.schema.fields import column, derived, paged, related
from connector.api.schema.lazy import AnyQuarantinedRecord, AnySyncPlan, AnySyncRun
from connector.api.schema.nodes import Node
from connector.api.schema.paging import Connection
from connector.api.schema.scalars import JSON
from connector.model.kinds import SourceState
from connector.storage.query import Row


def _freshness(root: Row, info: strawberry.Info) -> timedelta | None:
    last: datetime | None = root.values["last_success_at"]
    now: datetime = info.context.clock.now()
    return None if last is None else max(timedelta(0), now - last)


@strawberry.type(description="One kind of record that is pulled from a source.")
class SourceStream(Node):
    """A stream."""

    name: str = column("What the adapter calls it.")
    last_success_at: datetime | None = column("When it was last pulled to its end.")
    freshness: timedelta | None = derived(_freshness, "How long ago that is.", columns=("last_success_at",))
    records_seen: int = column("Records that its last pull brought.")
    records_changed: int = column("Things that changed here by it.")


@strawberry.type(description="A configured external system, and how the connection to it fares.")
class Source(Node):
    """A source."""

    name: str = column("What connector.toml calls it.")
    adapter: str = column("Name of the adapter that speaks to it.")
    state: SourceState = column("How the connection fares.")
    last_success_at: datetime | None = column("When it last worked.")
    last_error: str | None = column("What failed last, why, and what to do; kept after it has been mended.")
    last_error_at: datetime | None = column("When that was.")
    freshness: timedelta | None = derived(
        _freshness, "How long ago it last worked; null when it never did.", columns=("last_success_at",)
    )
    failures: int = column("Failures since it last worked.")
    paused_by: str | None = column(
        "Who stopped it until it is resumed: a person, or `guard` where it would retire or change too much."
    )
    paused_at: datetime | None = column("When that was.")
    pause_reason: str | None = column("Why.")
    streams: list[SourceStream] = related("streams", "What is pulled from it.")
    quarantine: Connection[AnyQuarantinedRecord] = paged(
        "quarantine", "quarantine", "What it sent that is of no use yet."
    )
    runs: Connection[AnySyncRun] = paged("sync_run", "runs", "The history of its pulls.")
    plans: Connection[AnySyncPlan] = paged("sync_plan", "plans", "Plans of syncs that are kept.")
    updated_at: datetime = column("When it last changed.")


def _raw(root: Row) -> str:
    raw: bytes = root.values["raw"]
    return raw.decode("utf-8", "replace")


@strawberry.type(description="A record that could not be normalised, kept whole, with the reason.")
class QuarantinedRecord(Node):
    """A quarantined record."""

    source: Source = related("source", "Who sent it.")
    stream: str = column("In which stream.")
    external_ref: str | None = column("What its source calls it, when that could be read.")
    reason: str = column("What is wrong, where, and what to do.")
    path: str | None = column("JSON pointer to what is wrong.")
    waits_for: str | None = column("`kind:id` of what it refers to and nobody knows yet; its arrival replays it.")
    raw: str = derived(_raw, "The record as it came; bytes that are no UTF-8 are replaced.", columns=("raw",))
    record: JSON | None = derived(
        lambda root: root.values["record"], "The record as far as it could be read.", columns=("record",)
    )
    attempts: int = column("How often it was tried.")
    first_seen_at: datetime = column("When it first came.")
    last_seen_at: datetime = column("When it last came.")
    resolved_at: datetime | None = column("When it was applied after all, or discarded; null while it waits.")
