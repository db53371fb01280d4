"""Root events: what tickets count for, and the groups of tickets that are about one cause."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field

from connector.model.kinds import GroupKind
from connector.model.lifecycle import GroupState
from connector.storage.tables.columns import Declared, EnumText, Id, Json, UtcDateTime, one_of

_OPEN = text("state IN ('proposed', 'confirmed')")


class IncidentSignal(Declared, table=True):
    """A ticket that counts for a kind of event. scope: what it would be about, as `site:5`. subject: the device.

    label: the scope for people. at: when the ticket was first decided about.
    """

    __tablename__: ClassVar[str] = "incident_signal"
    __table_args__ = (
        UniqueConstraint("ticket_id", "kind", name="uq_incident_signal"),
        Index("ix_incident_signal_scope", "kind", "scope", "at"),
        Index("ix_incident_signal_at", "at"),
        one_of("kind", GroupKind),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    ticket_id: int = Field(foreign_key="ticket.id", sa_type=Id)
    kind: GroupKind = Field(sa_type=EnumText(GroupKind))
    scope: str
    label: str
    subject: str
    place: int | None = Field(default=None, sa_type=Id)
    at: datetime = Field(sa_type=UtcDateTime)


class IncidentGroup(Declared, table=True):
    """Tickets that are, or may be, about one cause: proposed by the rules, confirmed or dismissed by a person.

    statistics: what made it suspicious. serves, limit_units: whether its tickets get units once it is confirmed, how
    many at most. cause: as the person who decided states it. closed_by: `time-out` where nothing came any more.
    expires_at: when a proposal is settled without anybody.
    """

    __tablename__: ClassVar[str] = "incident_group"
    __table_args__ = (
        Index("uq_incident_group_open", "kind", "scope", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_incident_group_scope", "scope"),
        Index("ix_incident_group_state", "state", "expires_at"),
        one_of("kind", GroupKind),
        one_of("state", GroupState),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    kind: GroupKind = Field(sa_type=EnumText(GroupKind))
    scope: str
    title: str
    state: GroupState = Field(sa_type=EnumText(GroupState))
    statistics: dict[str, Any] = Field(sa_type=Json)
    policy_version: str
    serves: bool = True
    limit_units: int | None = None
    cause: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    closed_by: str | None = None
    close_reason: str | None = None
    closed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)


class IncidentGroupTicket(Declared, table=True):
    """A ticket that belongs to a group."""

    __tablename__: ClassVar[str] = "incident_group_ticket"
    __table_args__ = (
        UniqueConstraint("group_id", "ticket_id", name="uq_incident_group_ticket"),
        Index("ix_incident_group_ticket_ticket", "ticket_id"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    group_id: int = Field(foreign_key="incident_group.id", sa_type=Id)
    ticket_id: int = Field(foreign_key="ticket.id", sa_type=Id)
    joined_at: datetime = Field(sa_type=UtcDateTime)
