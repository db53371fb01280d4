"""Red channels: when each was opened, by whom, why, for what, and how it was used."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Index, text
from sqlmodel import Field

from connector.storage.tables.columns import Declared, Id, Json, UtcDateTime

_OPEN = text("closed_at IS NULL")


class RedChannel(Declared, table=True):
    """A red channel. name: its kind in the policy. scope: key -> values, ids for products and sites.

    ends_at: until when its tickets are served by it, whatever else; closed_at: when that was recorded, or somebody
    closed it sooner. report: how it was used, written when it was closed.
    """

    __tablename__: ClassVar[str] = "red_channel"
    __table_args__ = (Index("ix_red_channel_open", "id", sqlite_where=_OPEN, postgresql_where=_OPEN),)

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    name: str
    policy_version: str
    reason: str
    scope: dict[str, Any] = Field(sa_type=Json)
    opened_by: str
    opened_at: datetime = Field(sa_type=UtcDateTime)
    ends_at: datetime = Field(sa_type=UtcDateTime)
    closed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    closed_by: str | None = None
    close_reason: str | None = None
    report: dict[str, Any] | None = Field(default=None, sa_type=Json)
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
