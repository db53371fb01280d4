"""Sites, hubs and service classes."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import CheckConstraint, Index, text
from sqlmodel import Field

from connector.model.kinds import CalendarKind, HubTier
from connector.storage.tables.columns import Declared, EnumText, Id, Json, UtcDateTime, one_of


class ServiceClass(Declared, table=True):
    """How long an outage may last, and in which hours that counts."""

    __tablename__: ClassVar[str] = "service_class"
    __table_args__ = (
        one_of("calendar", CalendarKind),
        CheckConstraint("maximum_outage_minutes > 0", name="outage_positive"),
        CheckConstraint("business_days > 0", name="business_days_positive"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    name: str = Field(unique=True)
    maximum_outage_minutes: int
    calendar: CalendarKind = Field(sa_type=EnumText(CalendarKind))
    business_hours: str | None = None
    holidays: str | None = None
    closed_dates: list[str] = Field(default_factory=list, sa_type=Json, sa_column_kwargs={"server_default": "[]"})
    business_days: int | None = None


class Site(Declared, table=True):
    """A place where hardware is used. data_quality, data_defects: as of `Product`."""

    __tablename__: ClassVar[str] = "site"
    __table_args__ = (
        Index("ix_site_name", "name"),
        Index("ix_site_region", "region"),
        CheckConstraint("data_quality BETWEEN 0 AND 100", name="data_quality_percent"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    name: str
    code: str | None = Field(default=None, index=True)
    latitude: float | None = None
    longitude: float | None = None
    time_zone: str | None = None
    region: str | None = None
    country: str | None = None
    address: dict[str, Any] | None = Field(default=None, sa_type=Json)
    service_class_id: int | None = Field(default=None, foreign_key="service_class.id", sa_type=Id)
    access_hours: str | None = None
    data_quality: int | None = None
    data_defects: dict[str, int] | None = Field(default=None, sa_type=Json)
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
    retired_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Hub(Declared, table=True):
    """A place where spares are held. is_mobile: an engineer's car, wherever it is now.

    handling_minutes: from the claim until it can leave; pick, QA and pack instead, where they are known apart.
    """

    __tablename__: ClassVar[str] = "hub"
    __table_args__ = (
        one_of("tier", HubTier),
        CheckConstraint("handling_minutes >= 0", name="handling_not_negative"),
        CheckConstraint("pick_minutes >= 0 AND qa_minutes >= 0 AND pack_minutes >= 0", name="steps_not_negative"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    name: str = Field(index=True)
    code: str | None = Field(default=None, unique=True)
    tier: HubTier = Field(sa_type=EnumText(HubTier))
    latitude: float | None = None
    longitude: float | None = None
    time_zone: str | None = None
    region: str | None = None
    country: str | None = None
    address: dict[str, Any] | None = Field(default=None, sa_type=Json)
    opening_hours: str = "24x7"
    courier_cut_offs: list[str] = Field(default_factory=list, sa_type=Json)
    handling_minutes: int = 30
    pick_minutes: int | None = None
    qa_minutes: int | None = None
    pack_minutes: int | None = None
    is_mobile: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime, index=True)
    retired_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
