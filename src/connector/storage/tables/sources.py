"""External systems: their condition, what they call our things, and what they sent that we could not use."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Index, LargeBinary, UniqueConstraint
from sqlmodel import Field

from connector.model.kinds import SourceState
from connector.model.refs import EntityKind
from connector.storage.tables.columns import Declared, EnumText, Id, Json, UtcDateTime, one_of


class Source(Declared, table=True):
    """A configured external system and how the connection to it fares.

    failures: in a row. not_before: while backing off, when it is asked again.
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
    updated_at: datetime = Field(sa_type=UtcDateTime)


class SourceStream(Declared, table=True):
    """How far one stream of a source has been pulled. resume: the adapter's cursor.

    lease, lease_until: who is pulling it, and until when that holds unless it is renewed.
    """

    __tablename__: ClassVar[str] = "source_stream"
    __table_args__ = (UniqueConstraint("source_id", "name", name="uq_source_stream"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    source_id: int = Field(foreign_key="source.id", sa_type=Id)
    name: str
    resume: str | None = None
    lease: str | None = None
    lease_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_success_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    records_seen: int = 0
    records_changed: int = 0


class SourceRefRow(Declared, table=True):
    """What a source calls one of our things.

    entity_id: NULL when the source deleted it before the hub ever saw it. version: the source's updated_at.
    content_hash: of the record as last applied, so that an unchanged one costs a look-up and writes nothing;
    empty when part of the record could not be used yet, so that it is looked at again. placement: what the
    source last said of an asset's state and place and the hub took over; said again it changes nothing.
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

    not_before: until when it is left alone, by backing off or because somebody works on it.
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
    error: str | None = None
