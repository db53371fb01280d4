"""What is told to other systems, and how far each of them is."""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field

from connector.model.refs import EntityKind
from connector.storage.tables.columns import Declared, EnumText, Id, UtcDateTime


class EventEndpoint(Declared, table=True):
    """A system that is told of changes. position: of the log, up to which there were deliveries of what it wants.

    failures: tries in a row that failed, of whatever delivery. not_before: until when it is left alone. disabled_at:
    when it said that it is gone for good. error: why the last try failed.
    """

    __tablename__: ClassVar[str] = "event_endpoint"

    name: str = Field(primary_key=True)
    position: int = Field(sa_type=Id)
    failures: int = 0
    not_before: datetime | None = Field(default=None, sa_type=UtcDateTime)
    disabled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    error: str | None = None


class EventDelivery(Declared, table=True):
    """A change that is to be told, until it is; deleted then.

    position: of the change. not_before: when it is tried again, or until when it is claimed. holder: the process that
    is sending it. dead_at: when it was given up; a person decides what becomes of it.
    """

    __tablename__: ClassVar[str] = "event_delivery"
    __table_args__ = (
        UniqueConstraint("endpoint", "position", name="uq_event_delivery_position"),
        Index("ix_event_delivery_entity", "endpoint", "kind", "entity_id", "position"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    endpoint: str
    position: int = Field(sa_type=Id)
    kind: EntityKind = Field(sa_type=EnumText(EntityKind))
    entity_id: int = Field(sa_type=Id)
    attempts: int = 0
    not_before: datetime | None = Field(default=None, sa_type=UtcDateTime)
    holder: str | None = None
    error: str | None = None
    dead_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
