"""What a sourcing decision knows: the ticket and what hangs on it, and the shelves that could serve it.

Built by `connector.storage.facts.facts`, or by hand in a test. Values are as the database holds them; what cannot be
used (hours that nobody can read, a time zone that does not exist) is kept as a `problem`, never raised.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from math import cos, dist, radians, sin
from typing import Any, NamedTuple

from connector.model.calendars import check_time_zone, parse_hours, parse_time_of_day
from connector.model.geo import Point
from connector.model.kinds import (
    Criticality,
    GroupKind,
    HubTier,
    Lane,
    Priority,
    ProcurementKind,
    ProductStatus,
    Protection,
    TicketType,
    Trouble,
)
from connector.model.lifecycle import (
    PROCUREMENT_OPEN,
    AssetState,
    GroupState,
    ProcurementState,
    ReservationState,
    TicketState,
)
from connector.rules.arrival.lanes import NO_LANES, SiteLanes
from connector.rules.facts.protection import Kept


class Profile(NamedTuple):
    """What says when a hub works: hubs that share it work at the same times.

    cut_offs: minutes after midnight at which the courier's van leaves. country, state: of its address, which say whose
    public holidays close it; "" when unknown. steps: minutes to pick, check and pack, where the hub states them; then
    they count, not `handling_minutes`. is_mobile: an engineer's car, whose hours are the engineer's.
    """

    time_zone: str
    hours: str
    cut_offs: tuple[int, ...]
    handling_minutes: int
    country: str = ""
    state: str = ""
    steps: tuple[int, int, int] | None = None
    is_mobile: bool = False


NO_COORDINATES = "no coordinates"
_MOST_PLACES = 256
"""Places whose distances to all hubs a fleet remembers: 100 kB each with a thousand hubs."""


@dataclass(frozen=True, slots=True)
class TicketFacts:
    """The ticket. source: name of the system that it comes from. has_lost: a unit that it had went to another one."""

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


@dataclass(frozen=True, slots=True)
class AssetFacts:
    """The affected device."""

    id: int
    state: AssetState
    name: str | None = None
    serial: str | None = None
    asset_tag: str | None = None
    holder: str | None = None


@dataclass(frozen=True, slots=True)
class ProductFacts:
    """The product that is needed."""

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

    @property
    def label(self) -> str:
        """How people call it."""
        return f"{self.manufacturer} {self.model}"


@dataclass(frozen=True, slots=True)
class SiteFacts:
    """Where the replacement must go. access_hours: None means at any time. state: of its address."""

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


@dataclass(frozen=True, slots=True)
class ServiceClassFacts:
    """The outage that the site's service bears. hours: when it counts, as written, in the site's time zone.

    holidays: whose public holidays do not count, as a policy says it (see `connector.rules.policy.days`); closed:
    further dates that do not.
    """

    name: str
    maximum_outage_minutes: int
    hours: str
    holidays: str | None = None
    closed: frozenset[date] = frozenset()

    @property
    def counts_always(self) -> bool:
        """Whether every minute counts."""
        return self.hours.strip().lower() == "24x7" and not self.closed and self.holidays in (None, "none")


@dataclass(frozen=True, slots=True)
class HubFacts:
    """A hub that holds something. unit: its position as a unit vector; None without coordinates.

    region: that it serves first, "" when nobody says.
    """

    id: int
    label: str
    tier: HubTier
    unit: tuple[float, float, float] | None
    profile: Profile
    problem: str | None = None
    region: str = ""


class Fleet:
    """The hubs, arranged so that a decision handles most of them as sets and looks only at the nearest one by one.

    hubs, units: by id, units only of those that can be planned with. tiers: ids of the hubs of each. unusable: text
    of the problem to the ids that have it. never_open: ids of hubs without opening hours; uncollected: of those
    that no courier collects from; unlocated: of those whose only problem is that nobody knows where they are. groups:
    number of the hub's profile, the same for those that work at the same times.
    """

    __slots__ = (
        "_outwards",
        "_usable",
        "groups",
        "hubs",
        "never_open",
        "tiers",
        "uncollected",
        "units",
        "unlocated",
        "unusable",
    )

    def __init__(self, hubs: Iterable[HubFacts]) -> None:
        self.hubs = {hub.id: hub for hub in hubs}
        self.units: dict[int, tuple[float, float, float]] = {}
        self.tiers: dict[HubTier, set[int]] = {tier: set() for tier in HubTier}
        self.never_open: set[int] = set()
        self.uncollected: set[int] = set()
        self.unlocated: set[int] = set()
        numbers: dict[Profile, int] = {}
        self.groups = {hub.id: numbers.setdefault(hub.profile, len(numbers)) for hub in self.hubs.values()}
        self.unusable: dict[str, set[int]] = {}
        self._outwards: dict[tuple[float, float, float], tuple[tuple[float, int], ...]] = {}
        self._usable: dict[tuple[tuple[HubTier, ...], bool], frozenset[int]] = {}
        for hub in self.hubs.values():
            self.tiers[hub.tier].add(hub.id)
            problem = hub.problem or (NO_COORDINATES if hub.unit is None else None)
            if problem is not None:
                self.unusable.setdefault(problem, set()).add(hub.id)
            if hub.problem is not None:
                continue
            if hub.unit is None:
                self.unlocated.add(hub.id)
            else:
                self.units[hub.id] = hub.unit
            if not any(parse_hours(hub.profile.hours).days):
                self.never_open.add(hub.id)
            if not hub.profile.cut_offs:
                self.uncollected.add(hub.id)

    def usable(self, tiers: tuple[HubTier, ...], *, with_unlocated: bool = False) -> frozenset[int]:
        """The hubs of some tiers that can be planned with. with_unlocated: those without coordinates among them."""
        found = self._usable.get((tiers, with_unlocated))
        if found is None:
            members = set[int]().union(*(self.tiers[tier] for tier in tiers)) - self.never_open
            planned = self.units.keys() | self.unlocated if with_unlocated else self.units.keys()
            found = self._usable[tiers, with_unlocated] = frozenset(members & planned)
        return found

    def outwards(self, unit: tuple[float, float, float]) -> tuple[tuple[float, int], ...]:
        """The hubs that can be planned with and their chords to a place, from the nearest one outwards.

        Remembered for the places that were asked for last: hubs stay where they are as long as a fleet is the same.
        """
        found = self._outwards.get(unit)
        if found is None:
            while len(self._outwards) >= _MOST_PLACES:
                self._outwards.pop(next(iter(self._outwards)))
            found = self._outwards[unit] = tuple(sorted((dist(place, unit), hub) for hub, place in self.units.items()))
        return found


@dataclass(frozen=True, slots=True)
class Holding:
    """Where free units of one product are in one lane. free: hub id to the units that may be used, at least 1 each.

    kept: the shelves that keep some of their free units, by hub id; those that keep all of them are only here.
    """

    product_id: int
    lane: Lane
    free: Mapping[int, int]
    kept: Mapping[int, Kept] = field(default_factory=dict)

    def without(self, hubs: Collection[int]) -> Holding:
        """The same without these hubs."""
        if not hubs:
            return self
        free = {hub: units for hub, units in self.free.items() if hub not in hubs}
        return replace(self, free=free, kept={hub: kept for hub, kept in self.kept.items() if hub not in hubs})

    def opened(self, releases: Collection[Protection]) -> Holding:
        """The same with what is kept for these purposes free to use."""
        if not self.kept or not releases:
            return self
        usable = {hub: kept.usable(releases) for hub, kept in self.kept.items()}
        return replace(self, free={**self.free, **{hub: units for hub, units in usable.items() if units}})

    def less(self, hub_id: int, quantity: int) -> Holding:
        """The same after so many units of a hub were claimed, kept ones included."""
        free, kept = dict(self.free), dict(self.kept)
        left = free.pop(hub_id, 0) - quantity
        shelf = kept.pop(hub_id, None)
        if shelf is not None and shelf.free > quantity:
            kept[hub_id] = replace(shelf, free=shelf.free - quantity)
            left = kept[hub_id].usable()
        if left > 0:
            free[hub_id] = left
        return replace(self, free=free, kept=kept)


def holding_of(product_id: int, lane: Lane, shelves: Mapping[int, Kept]) -> Holding:
    """The holding of these shelves; those that keep nothing are not noted as keeping."""
    free = {hub: shelf.usable() for hub, shelf in shelves.items() if shelf.usable()}
    keeping = {hub: shelf for hub, shelf in shelves.items() if shelf.safety_stock or shelf.emergency_buffer}
    return Holding(product_id, lane, free, keeping)


@dataclass(frozen=True, slots=True)
class SubstituteFacts:
    """A product that can stand in for the needed one. preference: 1 first. condition: CEL, None means always."""

    product_id: int
    label: str
    preference: int
    condition: str | None = None


@dataclass(frozen=True, slots=True)
class Relief:
    """What is on its way to the affected device for another ticket already. hub: what people call where it is from."""

    ticket_number: str
    reservation_id: int
    state: ReservationState
    hub: str


@dataclass(frozen=True, slots=True)
class LinkedTicket:
    """A ticket that is linked to the one that is decided about, or that one itself.

    duplicate_of: id of the ticket that it is a duplicate of. relief: a unit that it has, or that was sent for it after
    the other one had been opened.
    """

    id: int
    number: str
    state: TicketState
    is_deleted: bool = False
    duplicate_of: int | None = None
    relief: Relief | None = None


@dataclass(frozen=True, slots=True)
class Links:
    """What the ticket system says of the ticket and others.

    family: all that are duplicates of each other, however far, the ticket itself included; empty when there are none.
    """

    family: tuple[LinkedTicket, ...] = ()
    parent: LinkedTicket | None = None


NO_LINKS = Links()
"""Of a ticket that is linked to none."""


@dataclass(frozen=True, slots=True)
class Contested:
    """Units that are held or committed for another ticket and have not left their hub.

    since: when that ticket was opened. losses: units of the same line that went to other tickets before. is_rollout:
    they are for a line of a rollout. made_at: when they were reserved.
    """

    reservation_id: int
    ticket_id: int
    ticket: str
    hub_id: int
    product_id: int
    lane: Lane
    quantity: int
    priority: Priority | None
    since: datetime
    made_at: datetime
    losses: int = 0
    is_rollout: bool = False

    @property
    def label(self) -> str:
        """How people call it, for example `INC-7 (P4)`."""
        return f"{self.ticket} ({'rollout' if self.is_rollout else self.priority or 'no priority'})"


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a second unit is to recover from.

    shipment: what people call the first parcel. predicted_at: when that will arrive; None when it will not. gain: how
    much sooner the second one must be. text: why the first is in trouble. quantity: units of the second.
    """

    shipment_id: int
    shipment: str
    trouble: Trouble
    predicted_at: datetime | None
    gain: timedelta
    text: str
    quantity: int = 1

    def helps(self, arrives_at: datetime) -> bool:
        """Whether a unit that arrives then is worth sending."""
        return self.predicted_at is None or arrives_at <= self.predicted_at - self.gain

    def explained(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "shipment_id": self.shipment_id,
            "shipment": self.shipment,
            "trouble": self.trouble.value,
            "predicted_at": f"{self.predicted_at.isoformat()[:19]}Z" if self.predicted_at else None,
            "text": self.text,
        }


class Standing(StrEnum):
    """What belonging to an event means for a ticket. nothing: none of its tickets needs a unit."""

    SERVED = "served"
    HELD = "held"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """The event that a ticket belongs to. cause: as whoever confirmed it states it.

    serves, limit_units: whether its tickets get units once it is confirmed, how many at most.
    """

    id: int
    kind: GroupKind
    title: str
    state: GroupState
    serves: bool = True
    limit_units: int | None = None
    cause: str | None = None
    standing: Standing = Standing.SERVED

    @property
    def text(self) -> str:
        """Why its ticket waits, or gets nothing, for people."""
        if self.standing is Standing.NOTHING:
            cause = f": {self.cause}" if self.cause else ""
            return (
                f"Incident group {self.id} ({self.title}) is confirmed{cause}. Its tickets need no unit of their own."
            )
        what = "may be one event" if self.state is GroupState.PROPOSED else "has all the units that it may have"
        return f"Incident group {self.id} ({self.title}) {what}: a person decides, and this ticket waits for that."

    def explained(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "id": self.id,
            "kind": self.kind.value,
            "title": self.title,
            "state": self.state.value,
            "standing": self.standing.value,
        }


@dataclass(frozen=True, slots=True)
class ChannelScope:
    """What a red channel is narrowed to; empty: not narrowed in that respect. products, sites: ids."""

    products: frozenset[int] = frozenset()
    asset_classes: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    sites: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class ChannelFacts:
    """A red channel that nobody has closed. name: its kind, under `red_channels` in the policy."""

    id: int
    name: str
    reason: str
    scope: ChannelScope
    opened_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class ProcurementFacts:
    """What was ordered outside for the ticket, or waits for stock. expected_at: where it is delivered to."""

    id: int
    product_id: int
    kind: ProcurementKind
    supplier: str
    state: ProcurementState
    quantity: int = 1
    expected_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether something is still to come."""
        return self.state in PROCUREMENT_OPEN

    @property
    def is_refused(self) -> bool:
        """Whether the supplier, or who had to approve it, has said no."""
        return self.state is ProcurementState.REFUSED


@dataclass(frozen=True, slots=True)
class SourcingFacts:
    """Everything that one decision looks at. holdings: free units of the product and of its substitutes.

    relief: for another ticket about the same device; None when nothing is. refusals: approvals that were refused for
    the ticket, and what is to follow: `next` or `person`. contested: what other tickets hold of these products; None
    when it was not read, which is for rules that may take it. lanes: what is known of the ways there. channels: red
    channels that nobody has closed, by id. procurements: what was ordered for it.

    service_class_name is what the site names; service_class what the database knows of it.
    """

    ticket: TicketFacts
    asset: AssetFacts | None = None
    product: ProductFacts | None = None
    site: SiteFacts | None = None
    service_class: ServiceClassFacts | None = None
    substitutes: tuple[SubstituteFacts, ...] = ()
    holdings: tuple[Holding, ...] = ()
    fleet: Fleet = field(default_factory=lambda: Fleet(()))
    quantity: int = 1
    relief: Relief | None = None
    links: Links = NO_LINKS
    refusals: Mapping[str, str] = field(default_factory=dict)
    channels: tuple[ChannelFacts, ...] = ()
    contested: tuple[Contested, ...] | None = None
    recovery: Recovery | None = None
    lanes: SiteLanes = NO_LANES
    group: GroupFacts | None = None
    procurements: tuple[ProcurementFacts, ...] = ()


def hub_facts(
    *,
    id: int,
    label: str,
    tier: HubTier,
    latitude: float | None,
    longitude: float | None,
    time_zone: str | None,
    opening_hours: str,
    cut_offs: tuple[str, ...],
    handling_minutes: int,
    country: str | None = None,
    state: str | None = None,
    pick_minutes: int | None = None,
    qa_minutes: int | None = None,
    pack_minutes: int | None = None,
    is_mobile: bool = False,
    region: str | None = None,
) -> HubFacts:
    """A hub's facts, its data checked: what cannot be used becomes its `problem`.

    Steps that are not stated take no time where others are. No courier collects from a mobile hub.
    """
    zone = time_zone or "UTC"
    problem: str | None = None
    unit: tuple[float, float, float] | None = None
    minutes: tuple[int, ...] = ()
    try:
        check_time_zone(zone)
        parse_hours(opening_hours)
        minutes = tuple(sorted({parse_time_of_day(text) for text in cut_offs}))
        if latitude is not None and longitude is not None:
            unit = unit_vector(Point(latitude, longitude))
    except ValueError as error:
        problem = str(error)
    stated = (pick_minutes, qa_minutes, pack_minutes)
    steps = None if stated == (None, None, None) else (pick_minutes or 0, qa_minutes or 0, pack_minutes or 0)
    cut_minutes = () if is_mobile else minutes
    profile = Profile(zone, opening_hours, cut_minutes, handling_minutes, country or "", state or "", steps, is_mobile)
    return HubFacts(id, label, tier, unit, profile, problem, region or "")


def unit_vector(point: Point) -> tuple[float, float, float]:
    """The point on a sphere of radius 1; half the chord between two of them is the sine of half their angle."""
    latitude, longitude = radians(point.latitude), radians(point.longitude)
    return cos(latitude) * cos(longitude), cos(latitude) * sin(longitude), sin(latitude)
