"""External systems: their condition, what they call our things, and what they sent that we could not use."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Index, LargeBinary, UniqueConstraint
from sqlmodel import Field

from connector.model.kinds import PlanState, RunOutcome, SourceState, SyncMode
from connector.model.refs import EntityKind
from connector.storage.tables.columns import Declared, EnumText, Id, Json, UtcDateTime, one_of


class Source(Declared, table=True):
    """A configured external system and how the connection to it fares.

    failures: in a row. not_before: while backing off, when it is asked again. paused_by, paused_at, pause_reason: since
    somebody, or the guard, stopped it, until somebody lets it go on; no start does that.
    """

    __tablename__: ClassVar[str] = "source"
    __table_args__ = (one_of("state", SourceState),)

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    name: str = Field(unique=True)
    adapter: str
    state: SourceState = Field(default=SourceState.NEW, sa_type=EnumText(SourceState))
    last_success_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_error_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_error: str | None = None
    failures: int = 0
    not_before: datetime | None = Field(default=None, sa_type=UtcDateTime)
    paused_by: str | None = None
    paused_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    pause_reason: str | None = None
    updated_at: datetime = Field(sa_type=UtcDateTime)


class SourceStream(Declared, table=True):
    """How far one stream of a source has been pulled. resume: the adapter's cursor.

    backfill: the cursor of a backfill that is not done yet. records_seen, records_changed: of the last pull.
    lease, lease_until: the pull that is under way, and until when that holds unless it is renewed. holder: the process
    that pulls, where it says that it is there (see HubProcess).
    """

    __tablename__: ClassVar[str] = "source_stream"
    __table_args__ = (UniqueConstraint("source_id", "name", name="uq_source_stream"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    source_id: int = Field(foreign_key="source.id", sa_type=Id)
    name: str
    resume: str | None = None
    backfill: str | None = None
    lease: str | None = None
    lease_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    holder: str | None = None
    last_success_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    records_seen: int = 0
    records_changed: int = 0


class SyncRun(Declared, table=True):
    """A pull of a stream that is over. started_by: a person, a program, `schedule` or `start`."""

    __tablename__: ClassVar[str] = "sync_run"
    __table_args__ = (
        one_of("mode", SyncMode),
        one_of("outcome", RunOutcome),
        Index("ix_sync_run_stream", "source_id", "stream", "id"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    source_id: int = Field(foreign_key="source.id", sa_type=Id)
    stream: str
    mode: SyncMode = Field(sa_type=EnumText(SyncMode))
    outcome: RunOutcome = Field(sa_type=EnumText(RunOutcome))
    started_by: str
    began_at: datetime = Field(sa_type=UtcDateTime)
    ended_at: datetime = Field(sa_type=UtcDateTime)
    records_seen: int
    created: int
    updated: int
    retired: int
    unchanged: int
    quarantined: int
    error: str | None = None


class SourceRefRow(Declared, table=True):
    """What a source calls one of our things.

    entity_id: NULL when the source deleted it before the hub ever saw it. version: the source's updated_at.
    heard_at: when the hub began to hear a version that was in the future by then; NULL for all others.
    content_hash: of the record as last applied, so that an unchanged one costs a look-up and writes nothing;
    empty when part of the record could not be used yet, so that it is looked at again. placement: what the
    source last said of an asset's state and place and the hub took over; said again it changes nothing. stated: of
    things that several sources may know, field -> [values of its columns, when the hub first heard that, the version
    that brought it], times in microseconds since 1970; only what is said.
    """

    __tablename__: ClassVar[str] = "source_ref"
    __table_args__ = (
        UniqueConstraint("source_id", "kind", "external_id", name="uq_source_ref"),
        Index("ix_source_ref_entity", "kind", "entity_id"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    source_id: int = Field(foreign_key="source.id", sa_type=Id)
    kind: EntityKind = Field(sa_type=EnumText(EntityKind))
    external_id: str
    entity_id: int | None = Field(default=None, sa_type=Id)
    version: datetime | None = Field(default=None, sa_type=UtcDateTime)
    content_hash: bytes = Field(sa_type=LargeBinary)
    placement: str | None = None
    deleted_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    heard_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    stated: dict[str, Any] | None = Field(default=None, sa_type=Json)


class Quarantine(Declared, table=True):
    """A record that could not be normalised, whole, with its reason.

    waits_for: `kind:external_id` of a reference that is not known yet; its arrival replays the record.
    """

    __tablename__: ClassVar[str] = "quarantine"
    __table_args__ = (
        UniqueConstraint("source_id", "stream", "fingerprint", name="uq_quarantine_record"),
        Index("ix_quarantine_waits", "source_id", "waits_for"),
        Index("ix_quarantine_ref", "source_id", "external_ref"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    source_id: int = Field(foreign_key="source.id", sa_type=Id)
    stream: str
    fingerprint: str
    external_ref: str | None = None
    reason: str
    path: str | None = None
    waits_for: str | None = None
    raw: bytes = Field(sa_type=LargeBinary)
    record: dict[str, Any] | None = Field(default=None, sa_type=Json)
    attempts: int = 1
    first_seen_at: datetime = Field(sa_type=UtcDateTime)
    last_seen_at: datetime = Field(sa_type=UtcDateTime)
    resolved_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Inbox(Declared, table=True):
    """A verified webhook as it arrived, without the source's secrets; answered 2xx once it is here.

    not_before: until when it is left alone, by backing off or because somebody works on it. holder: the process that
    does, where it says that it is there (see HubProcess).
    """

    __tablename__: ClassVar[str] = "inbox"
    __table_args__ = (
        UniqueConstraint("source_id", "fingerprint", name="uq_inbox_delivery"),
        Index("ix_inbox_pending", "processed_at", "id"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    source_id: int = Field(foreign_key="source.id", sa_type=Id)
    fingerprint: str
    headers: dict[str, str] = Field(sa_type=Json)
    query: dict[str, str] = Field(sa_type=Json)
    body: bytes = Field(sa_type=LargeBinary)
    received_at: datetime = Field(sa_type=UtcDateTime)
    processed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    attempts: int = 0
    not_before: datetime | None = Field(default=None, sa_type=UtcDateTime)
    holder: str | None = None
    error: str | None = None


class SyncPlan(Declared, table=True):
    """What a sync of a source would do, kept until somebody approves it and it is done exactly so.

    streams: only these, NULL for all.
    exceeds_limit: it retires as much as the source lets go. fingerprint: of what it would do, in any order. counts:
    of each stream. decided_by: who approved or discarded it. result: what became of it, for people.
    """

    __tablename__: ClassVar[str] = "sync_plan"
    __table_args__ = (one_of("state", PlanState),)

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    source_id: int = Field(foreign_key="source.id", sa_type=Id)
    streams: list[str] | None = Field(default=None, sa_type=Json)
    is_full: bool
    exceeds_limit: bool
    state: PlanState = Field(default=PlanState.PROPOSED, sa_type=EnumText(PlanState))
    fingerprint: str
    counts: list[dict[str, Any]] = Field(sa_type=Json)
    alarms: list[str] = Field(sa_type=Json)
    created_by: str
    created_at: datetime = Field(sa_type=UtcDateTime)
    decided_by: str | None = None
    decided_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    result: str | None = None


class SyncPlanPage(Declared, table=True):
    """A part of what a plan says. lines: JSON, one change or unusable record per line, packed by zlib."""

    __tablename__: ClassVar[str] = "sync_plan_page"

    plan_id: int = Field(foreign_key="sync_plan.id", primary_key=True, sa_type=Id)
    number: int = Field(primary_key=True)
    lines: bytes = Field(sa_type=LargeBinary)
