"""Parcels, their labels and their scans."""

from datetime import datetime
from typing import Any

import strawberry

from connector.api.schema.fields import RELATION, column, derived, related
from connector.api.schema.lazy import AnyHub, AnyPickup, AnyReservation, AnySite, AnySource, AnyTask, AnyTicket
from connector.api.schema.money import Money, money
from connector.api.schema.nodes import Node
from connector.model.kinds import Direction, LabelFormat
from connector.model.lifecycle import ShipmentStatus
from connector.storage.query import Row


@strawberry.type(description="One scan of a parcel.")
class ShipmentEvent(Node):
    """A tracking event."""

    status: ShipmentStatus = column("What it means, in the hub's one vocabulary for all couriers.")
    vendor_code: str | None = column("The courier's own word for it.")
    description: str = column("What the courier says.")
    location: str | None = column("Where it was scanned.")
    occurred_at: datetime = column("When it was scanned, by the courier's clock.")
    received_at: datetime = column("When the hub heard of it.")


def _url(root: Row, info: strawberry.Info) -> str:
    url: str = info.context.label_url(root.id)
    return url


def _format(root: Row) -> LabelFormat:
    return LabelFormat.ZPL if "zpl" in root.values["media_type"] else LabelFormat.PDF


@strawberry.type(description="The label of a parcel, to be printed.")
class ShipmentLabel(Node):
    """A label."""

    format: LabelFormat = derived(_format, "File format.", columns=("media_type",))
    url: str = derived(
        _url,
        "Where the file is; fetched with the same authorisation as this query.",
        columns=("id",),
        by_address=True,
    )
    name: str = column("File name.")
    media_type: str = column("Media type of the file.")
    sha256: str = column("Hex digest of the file.")
    created_at: datetime = column("When it was bought.")


def _label(root: Row, info: strawberry.Info) -> Any:
    return root.related[str(info.path.key)]


@strawberry.type(description="A parcel's life.")
class Shipment(Node):
    """A shipment."""

    tracking_number: str | None = column("The courier's number; null until a label is bought.")
    tracking_url: str | None = column("The courier's page about it.")
    status: ShipmentStatus = column("Where it stands, in the hub's one vocabulary for all couriers.")
    direction: Direction = column("Which way it goes.")
    carrier: str | None = column("Who carries it.")
    service: str | None = column("The courier's service that was bought.")
    cost_cents: int | None = column("What it cost, in hundredths of `currency`.")
    currency: str | None = column("ISO 4217.")
    cost: Money | None = money("cost_cents", "What it cost; null when nobody said.")
    external_id: str | None = column("What the courier's system calls it.")
    events: list[ShipmentEvent] = related("events", "Its scans, the oldest first.")
    label: ShipmentLabel | None = strawberry.field(
        resolver=_label,
        description="Its label; null until it is bought, or when our own people carry it.",
        metadata={RELATION: "label_document"},
    )
    ticket: AnyTicket | None = related("ticket", "The ticket that it is for.")
    reservation: AnyReservation | None = related("reservation", "The claim that it delivers.")
    hub: AnyHub | None = related("hub", "The hub that it leaves, or comes to.")
    site: AnySite | None = related("site", "The site that it goes to, or comes from.")
    to_hub: AnyHub | None = related("to_hub", "The hub that a transfer goes to.")
    region: str | None = column(
        "Region of the site that it goes to, or comes from; of `hub` where there is no site, null when nobody knows."
    )
    source: AnySource | None = related("source", "The courier's system; null when our own people carry it.")
    pickup: AnyPickup | None = related(
        "pickup", "The driver who was last ordered for it; its state says whether somebody comes."
    )
    tasks: list[AnyTask] = related("tasks", "Work for people about it.")
    estimated_delivery_at: datetime | None = column("When it should arrive.")
    delivered_at: datetime | None = column("When it arrived.")
    received_at: datetime | None = column("When a hub took in what a transfer brought.")
    created_at: datetime = column("When it was made.")
    updated_at: datetime = column("When it last changed.")
