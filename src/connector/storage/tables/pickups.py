"""Drivers of couriers who come to hubs for parcels."""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import Index
from sqlmodel import Field

from connector.model.lifecycle import PickupState
from connector.storage.tables.columns import Declared, EnumText, Id, UtcDateTime, one_of


class Pickup(Declared, table=True):
    """A driver who is to come to a hub; the parcels that he is for name it. source_id: the courier's connection.

    carrier: whose labels the parcels have. external_id: what it is called off by. reason: of one that is refused, or
    was given up. attempted_at: when the courier was asked last without an answer; NULL where nothing is open.
    """

    __tablename__: ClassVar[str] = "pickup"
    __table_args__ = (
        Index("ix_pickup_hub_id", "hub_id", "id"),
        Index("ix_pickup_state", "state", "latest_at"),
        one_of("state", PickupState),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    hub_id: int = Field(foreign_key="hub.id", sa_type=Id)
    source_id: int = Field(foreign_key="source.id", sa_type=Id)
    carrier: str | None = None
    state: PickupState = Field(sa_type=EnumText(PickupState))
    earliest_at: datetime = Field(sa_type=UtcDateTime)
    latest_at: datetime = Field(sa_type=UtcDateTime)
    note: str | None = None
    external_id: str | None = None
    confirmation: str | None = None
    cost_cents: int | None = None
    currency: str | None = None
    reason: str | None = None
    attempted_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ordered_by: str
    cancelled_by: str | None = None
    cancelled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
