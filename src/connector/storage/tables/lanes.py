"""What was observed of the lanes between hubs and sites. Kept for decisions, derived from elsewhere, never edited."""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import CheckConstraint, Index, PrimaryKeyConstraint
from sqlmodel import Field

from connector.model.kinds import LaneScope
from connector.storage.tables.columns import Declared, EnumText, Id, Json, UtcDateTime, one_of


class LaneStatistic(Declared, table=True):
    """Transit of delivered parcels, in minutes. key: of scope, ends and service. minutes: of each, ascending.

    service: "" for all services together. region: of the sites, their country where they have none.
    """

    __tablename__: ClassVar[str] = "lane_statistic"
    __table_args__ = (
        Index("ix_lane_statistic_site", "site_id"),
        Index("ix_lane_statistic_region", "region"),
        one_of("scope", LaneScope),
        CheckConstraint("deliveries > 0", name="deliveries_positive"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    key: str = Field(unique=True)
    scope: LaneScope = Field(sa_type=EnumText(LaneScope))
    hub_id: int | None = Field(default=None, foreign_key="hub.id", sa_type=Id)
    site_id: int | None = Field(default=None, foreign_key="site.id", sa_type=Id)
    region: str | None = None
    service: str = ""
    deliveries: int
    p10_minutes: int
    p50_minutes: int
    p90_minutes: int
    p95_minutes: int
    minutes: list[int] = Field(sa_type=Json)
    newest_at: datetime = Field(sa_type=UtcDateTime)
    computed_at: datetime = Field(sa_type=UtcDateTime)


class LaneQuote(Declared, table=True):
    """The last offer of a courier's service for a lane. transit_minutes: from the departure.

    business_days: the transit, where the courier stated that.
    """

    __tablename__: ClassVar[str] = "lane_quote"
    __table_args__ = (
        PrimaryKeyConstraint("site_id", "hub_id", "service", name="pk_lane_quote"),
        CheckConstraint("transit_minutes >= 0", name="transit_not_negative"),
        CheckConstraint("business_days >= 0", name="business_days_not_negative"),
    )

    site_id: int = Field(foreign_key="site.id", sa_type=Id)
    hub_id: int = Field(foreign_key="hub.id", sa_type=Id)
    service: str
    transit_minutes: int
    business_days: int | None = None
    amount_cents: int
    currency: str
    quoted_at: datetime = Field(sa_type=UtcDateTime)


class TravelTime(Declared, table=True):
    """The way by road from a hub to a site, as a provider measured it, between the positions that they had then.

    minutes: NULL when the provider knows no way.
    """

    __tablename__: ClassVar[str] = "travel_time"
    __table_args__ = (
        PrimaryKeyConstraint("site_id", "hub_id", name="pk_travel_time"),
        Index("ix_travel_time_measured", "measured_at"),
        CheckConstraint("minutes IS NULL OR minutes >= 0", name="minutes_not_negative"),
    )

    site_id: int = Field(foreign_key="site.id", sa_type=Id)
    hub_id: int = Field(foreign_key="hub.id", sa_type=Id)
    minutes: int | None = None
    km: float | None = None
    provider: str
    measured_at: datetime = Field(sa_type=UtcDateTime)
    hub_latitude: float
    hub_longitude: float
    site_latitude: float
    site_longitude: float


class LaneRevision(Declared, table=True):
    """How often what is known of a site's lanes was written; of site 0: the statistics. Tells readers to read anew."""

    __tablename__: ClassVar[str] = "lane_revision"

    site_id: int = Field(primary_key=True, sa_type=Id, sa_column_kwargs={"autoincrement": False})
    revision: int = 1
