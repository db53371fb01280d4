"""What adapters emit: one validated record per thing of an external system.

Records are the boundary: after them nothing is `Any`. They carry *their* identifiers and references; the hub
resolves those to its own. A record states the whole of what its source knows; a field left at `None` means
"this source does not say", and never erases what another source said.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from connector.model.calendars import check_time_zone, parse_hours, parse_time_of_day
from connector.model.geo import Point
from connector.model.kinds import (
    Criticality,
    HubTier,
    Lane,
    Priority,
    ProductStatus,
    RelationKind,
    TicketType,
    Tracking,
)
from connector.model.lifecycle import PROCUREMENT_OF_HUB, AssetState, ProcurementState, ShipmentStatus, TicketState
from connector.model.macs import mac_keys
from connector.model.refs import EntityKind, IdempotencyKey, SourceRef


def _utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{value.isoformat()} is outside the calendar in UTC") from None


def _hours(value: str) -> str:
    parse_hours(value)
    return value


def _time_of_day(value: str) -> str:
    parse_time_of_day(value)
    return value


UtcDatetime = Annotated[AwareDatetime, AfterValidator(_utc)]
"""An aware instant, always kept in UTC; a time without zone is refused, since guessing one loses records."""
Hours = Annotated[str, AfterValidator(_hours)]
TimeOfDay = Annotated[str, AfterValidator(_time_of_day)]
TimeZone = Annotated[str, AfterValidator(check_time_zone)]
Text = Annotated[str, Field(max_length=65_536)]
Name = Annotated[str, Field(min_length=1, max_length=255)]
StepMinutes = Annotated[int, Field(ge=0, le=10_080)]
Units = Annotated[int, Field(ge=0, le=100_000_000)]
"""How many of a thing; what is more is a mistake of the source, and would break what adds them up."""
Measure = Annotated[int, Field(ge=0, le=100_000_000)]
"""A weight in grams or a length in millimetres: 100 tonnes, 100 km."""
Cents = Annotated[int, Field(ge=0, le=2_000_000_000)]
Macs = Annotated[tuple[str, ...], AfterValidator(mac_keys)]
"""Addresses of network adapters, kept in one way of writing; those that tell nothing of a device are left out."""
Revision = Annotated[str, Field(min_length=1, max_length=255)]
CountryCode = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]


class Address(BaseModel):
    """A postal address. country: ISO 3166-1 alpha-2."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    postal_code: str | None = None
    state: str | None = None
    country: CountryCode | None = None
    contact: str | None = None
    phone: str | None = None
    email: str | None = None


class ProductKey(BaseModel):
    """How a product is named where it has no identifier of its own."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    manufacturer: Name
    model: Name
    part_number: str | None = None


class _Record(BaseModel):
    """ref: who it is. updated_at: source version; an older record never overwrites a newer one."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid", str_strip_whitespace=True)

    ref: SourceRef
    updated_at: UtcDatetime | None = None


class SiteRecord(_Record):
    """A place where hardware is used. point: None when the source has no coordinates."""

    name: Name
    code: str | None = None
    point: Point | None = None
    time_zone: TimeZone | None = None
    region: str | None = None
    address: Address | None = None
    service_class: str | None = None
    access_hours: Hours | None = None


class HubRecord(_Record):
    """A place where spares are held.

    opening_hours: when units can be picked. courier_cut_offs: local times `HH:MM` at which the courier's van
    leaves on open days. handling_minutes: pick, QA and pack; each of them by itself where the source knows them apart.
    is_mobile: an engineer's car: `point` is where it is, `opening_hours` are the engineer's.
    """

    name: Name
    code: str | None = None
    tier: HubTier | None = None
    point: Point | None = None
    time_zone: TimeZone | None = None
    region: str | None = None
    address: Address | None = None
    opening_hours: Hours | None = None
    courier_cut_offs: tuple[TimeOfDay, ...] | None = None
    handling_minutes: StepMinutes | None = None
    pick_minutes: StepMinutes | None = None
    qa_minutes: StepMinutes | None = None
    pack_minutes: StepMinutes | None = None
    is_mobile: bool | None = None


class ProductRecord(_Record):
    """A stockable model. Money in cents of `currency` (ISO 4217), weight in grams, size in millimetres."""

    key: ProductKey
    sku: str | None = None
    asset_class: str | None = None
    criticality: Criticality | None = None
    unit_cost_cents: Cents | None = None
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    weight_g: Measure | None = None
    length_mm: Measure | None = None
    width_mm: Measure | None = None
    height_mm: Measure | None = None
    is_data_bearing: bool | None = None
    tracking: Tracking | None = None
    status: ProductStatus | None = None


def _of_asset(ref: SourceRef) -> SourceRef:
    if ref.kind is not EntityKind.ASSET:
        raise ValueError(f"{ref} is no asset: a device is related to devices only")
    return ref


class AssetRelation(BaseModel):
    """That a device belongs to another one of the same source, which the hub may know or not."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    kind: RelationKind
    other: Annotated[SourceRef, AfterValidator(_of_asset)]

    @classmethod
    def to(cls, kind: RelationKind, external_id: str) -> AssetRelation:
        """To the device that the source calls so."""
        return cls(kind=kind, other=SourceRef(kind=EntityKind.ASSET, external_id=external_id))


class AssetRecord(_Record):
    """One serialised device.

    product: their reference, or its name. place: the site where it is used or the hub where it is held; when
    the source does not tell sites from hubs, the adapter says `site` and the hub finds out. revision: of the hardware,
    as its maker writes it. warranty_ends_on: the last day on which the maker's warranty holds, where the device is.
    macs: addresses of its network adapters, however they are written; None where the source says nothing of them. Those
    that are none, or that no maker gave to one device, are left out (see `connector.model.macs`). relations: all that
    the source says of the device and other ones, from its own side; None where it says nothing of any.
    """

    name: str | None = None
    serial: str | None = None
    asset_tag: str | None = None
    product: SourceRef | ProductKey | None = None
    revision: Revision | None = None
    warranty_ends_on: date | None = None
    place: SourceRef | None = None
    state: AssetState | None = None
    lane: Lane | None = None
    holder: str | None = None
    url: str | None = None
    macs: Macs | None = None
    relations: Annotated[tuple[AssetRelation, ...], Field(max_length=1000)] | None = None


class StockRecord(_Record):
    """A counted quantity of one product in one hub and lane, as the source's book has it.

    hub: their reference, or the hub's code. quantity: units on the shelf, claimed ones included. safety_stock,
    emergency_buffer: units of these that are kept for worse days, and used only where a rule releases them.
    """

    hub: SourceRef | str
    product: SourceRef | ProductKey
    lane: Lane = Lane.NORMAL
    quantity: Units
    reorder_point: Units | None = None
    target: Units | None = None
    safety_stock: Units | None = None
    emergency_buffer: Units | None = None
    counted_at: UtcDatetime | None = None


class CompatibilityRecord(_Record):
    """`substitute` can stand in for `product`, not the other way round. preference: 1 is tried first.

    condition: a CEL expression over `ticket`, `asset` and `site`; None means always.
    """

    product: SourceRef | ProductKey
    substitute: SourceRef | ProductKey
    preference: Annotated[int, Field(ge=1, le=1000)] = 1
    condition: str | None = None


class KitComponent(BaseModel):
    """One line of a kit: so many of a product."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    product: SourceRef | ProductKey
    quantity: Annotated[int, Field(ge=1, le=10_000)] = 1


class KitRecord(_Record):
    """A bill of materials that ships as one. Its name is unique over all sources.

    product: the device that it is the swap kit of, which is not among its components; None for a kit of no device.
    components: all of them; a kit without any cannot be used. instructions: how to pack and install it.
    """

    name: Name
    product: SourceRef | ProductKey | None = None
    components: Annotated[tuple[KitComponent, ...], Field(max_length=500)]
    instructions: Text | None = None


def _of_ticket(ref: SourceRef) -> SourceRef:
    if ref.kind is not EntityKind.TICKET:
        raise ValueError(f"{ref} is no ticket: a ticket is linked to tickets only")
    return ref


TicketRef = Annotated[SourceRef, AfterValidator(_of_ticket)]


class TicketRecord(_Record):
    """A ticket of an ITSM system. The affected device is named by whatever the source knows of it.

    parent, duplicate_of, related: other tickets of the same source, known to the hub or not; all links that it has.
    quantity: units that it needs, 1 when the source does not say.
    """

    number: str
    type: TicketType = TicketType.INCIDENT
    priority: Priority | None = None
    state: TicketState
    title: Text = ""
    description: Text | None = None
    category: str | None = None
    asset: SourceRef | None = None
    asset_tag: str | None = None
    serial: str | None = None
    hostname: str | None = None
    site: SourceRef | None = None
    site_name: str | None = None
    product: ProductKey | None = None
    parent: TicketRef | None = None
    duplicate_of: TicketRef | None = None
    related: Annotated[tuple[TicketRef, ...], Field(max_length=1000)] | None = None
    quantity: Annotated[int, Field(ge=1, le=10_000)] | None = None
    requester: str | None = None
    assignee: str | None = None
    opened_at: UtcDatetime | None = None
    resolved_at: UtcDatetime | None = None
    sla_due_at: UtcDatetime | None = None
    url: str | None = None


class TrackingEvent(BaseModel):
    """One scan of a parcel. vendor_code: the courier's own word for it. occurred_at: courier's time."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    status: ShipmentStatus
    vendor_code: str | None = None
    description: str = ""
    location: str | None = None
    occurred_at: UtcDatetime


class ShipmentRecord(_Record):
    """What a courier says of a parcel that the hub already knows by its tracking number."""

    tracking_number: Name
    carrier: str | None = None
    status: ShipmentStatus
    estimated_delivery_at: UtcDatetime | None = None
    events: tuple[TrackingEvent, ...] = ()


def _of_supplier(state: ProcurementState) -> ProcurementState:
    if state in PROCUREMENT_OF_HUB:
        raise ValueError(f"no order is {state.value} at its supplier: that is a state of the hub's own")
    return state


class OrderRecord(_Record):
    """What a supplier says of an order.

    key: of the operation that placed it, where the supplier keeps it; an order without one is found by its reference,
    and one that the hub has not placed is passed over. expected_at: of the delivery. carrier, tracking_number: of the
    parcel, once it was sent. serials: of the units that were delivered. reason: of a refusal or an end.
    """

    key: IdempotencyKey | None = None
    order_number: Name
    state: Annotated[ProcurementState, AfterValidator(_of_supplier)]
    expected_at: UtcDatetime | None = None
    carrier: str | None = None
    tracking_number: str | None = None
    serials: Annotated[tuple[Name, ...], Field(max_length=10_000)] = ()
    reason: Text | None = None


class Tombstone(_Record):
    """The source deleted it. updated_at: when, as the source says."""


Record: TypeAlias = (
    SiteRecord
    | HubRecord
    | ProductRecord
    | AssetRecord
    | StockRecord
    | CompatibilityRecord
    | KitRecord
    | TicketRecord
    | ShipmentRecord
    | OrderRecord
    | Tombstone
)
