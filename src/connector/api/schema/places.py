"""Sites, hubs and service classes."""

from datetime import date, datetime, timedelta

import strawberry

from connector.api.schema.fields import column, derived, minutes, paged, related
from connector.api.schema.lazy import (
    AnyAsset,
    AnyFieldConflict,
    AnyFieldOverride,
    AnyPickup,
    AnyReservation,
    AnyShipment,
    AnyStock,
    AnyTask,
    AnyTicket,
)
from connector.api.schema.nodes import Node
from connector.api.schema.paging import Connection
from connector.api.schema.provenance import FieldProvenance, SourceRecord, known_as, origins
from connector.model.geo import Point
from connector.model.kinds import CalendarKind, HubTier
from connector.model.refs import EntityKind
from connector.storage.query import Row


@strawberry.type(description="A position on the earth, WGS 84.")
class Position:
    """Decimal degrees."""

    latitude: float = strawberry.field(description="Degrees north.")
    longitude: float = strawberry.field(description="Degrees east.")


@strawberry.type(description="A postal address.")
class Address:
    """As the courier needs it."""

    line1: str | None = strawberry.field(description="Street and number.", default=None)
    line2: str | None = strawberry.field(description="What the street does not say: building, floor.", default=None)
    city: str | None = strawberry.field(description="Town.", default=None)
    postal_code: str | None = strawberry.field(description="Postal code.", default=None)
    state: str | None = strawberry.field(description="State or province.", default=None)
    country: str | None = strawberry.field(description="ISO 3166-1 alpha-2.", default=None)
    contact: str | None = strawberry.field(description="Who receives parcels there.", default=None)
    phone: str | None = strawberry.field(description="Telephone of the contact.", default=None)
    email: str | None = strawberry.field(description="Mail address of the contact.", default=None)


def _position(root: Row) -> Position | None:
    latitude, longitude = root.values["latitude"], root.values["longitude"]
    return None if latitude is None or longitude is None else Position(latitude=latitude, longitude=longitude)


def _location(root: Row) -> Point | None:
    latitude, longitude = root.values["latitude"], root.values["longitude"]
    return None if latitude is None or longitude is None else Point(latitude, longitude)


def _address(root: Row) -> Address | None:
    known = Address.__annotations__
    address = root.values["address"]
    return None if address is None else Address(**{key: value for key, value in address.items() if key in known})


def _cut_offs(root: Row) -> list[str]:
    return list(root.values["courier_cut_offs"])


def _closed_dates(root: Row) -> list[date]:
    return [date.fromisoformat(day) for day in root.values["closed_dates"]]


@strawberry.type(description="How long an outage may last, and in which hours that counts.")
class ServiceClass(Node):
    """A class of service."""

    name: str = column("What it is called.")
    maximum_outage: timedelta = minutes("maximum_outage", "The longest outage that is tolerable.")
    business_days: int | None = column(
        "It also ends with the close of so many business days after the day that it began on, if that is sooner."
    )
    calendar: CalendarKind = column("Whether every hour counts, or business hours only.")
    business_hours: str | None = column("The hours that count, for a business calendar: `Mon-Fri 08:00-18:00`.")
    holidays: str | None = column(
        "Whose public holidays do not count: `site`, or a region like `DE-BY`; null when they count like any day."
    )
    closed_dates: list[date] = derived(
        _closed_dates, "Further dates that do not count, local to the site.", columns=("closed_dates",)
    )


@strawberry.type(description="A place where hardware is used.")
class Site(Node):
    """A site."""

    name: str = column("What its source calls it.")
    code: str | None = column("Short name.")
    latitude: float | None = column("Degrees north, WGS 84; null when nobody knows.")
    longitude: float | None = column("Degrees east, WGS 84; null when nobody knows.")
    position: Position | None = derived(
        _position,
        "Where it is; null when nobody knows.",
        columns=("latitude", "longitude"),
        deprecated="Since 0.1: use `location`, or `latitude` and `longitude`.",
    )
    location: Point | None = derived(
        _location, "Where it is, as maps take it; null when nobody knows.", columns=("latitude", "longitude")
    )
    time_zone: str | None = column("IANA time zone.")
    region: str | None = column("Region that stock is planned for.")
    country: str | None = column("ISO 3166-1 alpha-2.")
    address: Address | None = derived(_address, "Where parcels go.", columns=("address",))
    service_class: ServiceClass | None = related("service_class", "How long an outage may last here.")
    access_hours: str | None = column("When somebody can be let in: `Mon-Fri 08:00-18:00`.")
    data_quality: int | None = column(
        "Percent of the records behind it without a defect, rounded down, when last measured: itself and the devices "
        "there; null before it was."
    )
    assets: Connection[AnyAsset] = paged("asset", "assets", "Devices that are used here.")
    tickets: Connection[AnyTicket] = paged("ticket", "tickets", "Tickets about this place.")
    shipments: Connection[AnyShipment] = paged("shipment", "shipments", "Parcels that go here or come from here.")
    field_conflicts: Connection[AnyFieldConflict] = paged(
        "field_conflict", "field_conflicts", "Its fields of which sources state different values."
    )
    field_overrides: Connection[AnyFieldOverride] = paged(
        "field_override", "field_overrides", "What people said that its fields are, released ones too."
    )
    provenance: list[FieldProvenance] = origins(EntityKind.SITE, "site")
    source_records: list[SourceRecord] = known_as()
    created_at: datetime = column("When the hub first heard of it.")
    updated_at: datetime = column("When the hub last changed it.")
    retired_at: datetime | None = column("When its source deleted it; null while it exists.")


@strawberry.type(description="A place where spares are held.")
class Hub(Node):
    """A hub."""

    name: str = column("What it is called.")
    code: str | None = column("Short name, unique.")
    tier: HubTier = column("How near to the point of failure it is.")
    latitude: float | None = column("Degrees north, WGS 84; null when nobody knows.")
    longitude: float | None = column("Degrees east, WGS 84; null when nobody knows.")
    position: Position | None = derived(
        _position,
        "Where it is; null when nobody knows.",
        columns=("latitude", "longitude"),
        deprecated="Since 0.1: use `location`, or `latitude` and `longitude`.",
    )
    location: Point | None = derived(
        _location, "Where it is, as maps take it; null when nobody knows.", columns=("latitude", "longitude")
    )
    time_zone: str | None = column("IANA time zone.")
    region: str | None = column("Region that it serves first.")
    country: str | None = column("ISO 3166-1 alpha-2.")
    address: Address | None = derived(_address, "Where parcels are handed over.", columns=("address",))
    opening_hours: str = column("When units can be picked: `Mon-Fri 08:00-18:00`, or `24x7`.")
    courier_cut_offs: list[str] = derived(
        _cut_offs, "Local times at which the courier's van leaves on open days.", columns=("courier_cut_offs",)
    )
    handling_time: timedelta = minutes("handling_time", "Pick, check and pack, as a whole.")
    pick_time: timedelta | None = minutes("pick_time", "To pick; null where the steps are not known apart.")
    qa_time: timedelta | None = minutes("qa_time", "To check (QA); null where the steps are not known apart.")
    pack_time: timedelta | None = minutes("pack_time", "To pack; null where the steps are not known apart.")
    is_mobile: bool = column("Whether it is an engineer's car; then its position is where the car is.")
    stock: Connection[AnyStock] = paged("stock", "stock", "What it holds, by product and lane.")
    assets: Connection[AnyAsset] = paged("asset", "assets", "Serialised units that it holds.")
    reservations: Connection[AnyReservation] = paged("reservation", "reservations", "Claims of its stock.")
    shipments: Connection[AnyShipment] = paged("shipment", "shipments", "Parcels that leave it or come back.")
    pickups: Connection[AnyPickup] = paged("pickup", "pickups", "Drivers of couriers who come, or came, for parcels.")
    tasks: Connection[AnyTask] = paged("task", "tasks", "Work for the people there.")
    field_conflicts: Connection[AnyFieldConflict] = paged(
        "field_conflict", "field_conflicts", "Its fields of which sources state different values."
    )
    field_overrides: Connection[AnyFieldOverride] = paged(
        "field_override", "field_overrides", "What people said that its fields are, released ones too."
    )
    provenance: list[FieldProvenance] = origins(EntityKind.HUB, "hub")
    source_records: list[SourceRecord] = known_as()
    created_at: datetime = column("When it was first known.")
    updated_at: datetime = column("When it last changed.")
    retired_at: datetime | None = column("When its source deleted it; null while it exists.")
