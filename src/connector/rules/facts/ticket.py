"""The ticket and what hangs on it: device, product, site, service class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import date, datetime
from typing import NamedTuple

from connector.model.frozen import frozen
from connector.model.geo import Point
from connector.model.kinds import (
    Criticality,
    HubTier,
    Priority,
    ProductStatus,
    TicketType,
)
from connector.model.lifecycle import (
    AssetState,
    TicketState,
)


class Profile(NamedTuple):
    """What says when a hub works: hubs that share it work at the same times.

    cut_offs: minutes after midnight at which the courier's van leaves. country, state: of its address, which say whose
    public holidays close it; "" when unknown. steps: minutes to pick, check and pack, where the hub states them; then
    they count, not `handling_minutes`. is_mobile: an engineer's car, whose hours are the engineer's. without_cut_offs:
    the tier of a hub that states none, for which a policy may name some; None where it states them, and for cars.
    """

    time_zone: str
    hours: str
    cut_offs: tuple[int, ...]
    handling_minutes: int
    country: str = ""
    state: str = ""
    steps: tuple[int, int, int] | None = None
    is_mobile: bool = False
    without_cut_offs: HubTier | None = None


@frozen
class TicketFacts:
    """The ticket. source: name of the system that it comes from. has_lost: a unit that it had went to another one.

    known_since: since when the hub knows it, which counts as its opening where its system does not say when that was.
    """

    id: int
    number: str
    type: TicketType
    state: TicketState
    priority: Priority | None = None
    title: str = ""
    description: str | None = None
    category: str | None = None
    requester: str | None = None
    assignee: str | None = None
    asset_hint: str | None = None
    site_hint: str | None = None
    product_hint: str | None = None
    source: str = ""
    opened_at: datetime | None = None
    sla_due_at: datetime | None = None
    has_lost: bool = False
    known_since: datetime | None = None


@frozen
class AssetFacts:
    """The affected device. revision: of its hardware, as its maker writes it. warranty_ends_on: the last day of it."""

    id: int
    state: AssetState
    name: str | None = None
    serial: str | None = None
    asset_tag: str | None = None
    holder: str | None = None
    revision: str | None = None
    warranty_ends_on: date | None = None

    @property
    def label(self) -> str:
        """How people call it."""
        return self.name or self.serial or str(self.id)


@frozen
class ProductFacts:
    """The product that is needed.

    data_quality: percent of the records behind it without a defect, data_defects: how many have which, both when last
    measured; None before.
    """

    id: int
    manufacturer: str
    model: str
    part_number: str | None = None
    sku: str | None = None
    asset_class: str | None = None
    criticality: Criticality | None = None
    unit_cost_cents: int | None = None
    weight_g: int | None = None
    is_data_bearing: bool | None = None
    status: ProductStatus = ProductStatus.ACTIVE
    data_quality: int | None = None
    data_defects: Mapping[str, int] | None = field(default=None, hash=False)

    @property
    def label(self) -> str:
        """How people call it."""
        return f"{self.manufacturer} {self.model}"


@frozen
class SiteFacts:
    """Where the replacement must go. access_hours: None means at any time. state: of its address.

    data_quality, data_defects: as of `ProductFacts`.
    """

    id: int
    name: str
    code: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    time_zone: str | None = None
    region: str | None = None
    country: str | None = None
    state: str | None = None
    access_hours: str | None = None
    data_quality: int | None = None
    data_defects: Mapping[str, int] | None = field(default=None, hash=False)

    @property
    def label(self) -> str:
        """How people call it."""
        return self.code or self.name

    @property
    def point(self) -> Point | None:
        """Where it is; None when that is not known."""
        if self.latitude is None or self.longitude is None:
            return None
        return Point(self.latitude, self.longitude)


@frozen
class ServiceClassFacts:
    """The outage that the site's service bears. hours: when it counts, as written, in the site's time zone.

    holidays: whose public holidays do not count, as a policy says it (see `connector.rules.policy.days`); closed:
    further dates that do not. business_days: it ends with the close of so many of those after the day that it began on,
    if that is sooner; None where only the minutes count.
    """

    name: str
    maximum_outage_minutes: int
    hours: str
    holidays: str | None = None
    closed: frozenset[date] = frozenset()
    business_days: int | None = None

    @property
    def counts_always(self) -> bool:
        """Whether every minute counts."""
        return self.hours.strip().lower() == "24x7" and not self.closed and self.holidays in (None, "none")
