"""What the hub asks external systems to do. Each operation carries the key that makes it happen once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from connector.model.geo import Point
from connector.model.kinds import LabelFormat
from connector.model.lifecycle import TicketState
from connector.model.records import Address
from connector.model.refs import IdempotencyKey, SourceRef


@dataclass(frozen=True, slots=True)
class AddNote:
    """Write a note on a ticket. is_public: the requester sees it. body: plain text."""

    key: IdempotencyKey
    ticket: SourceRef
    body: str
    is_public: bool = False


@dataclass(frozen=True, slots=True)
class SetTicketState:
    """Move a ticket to a state."""

    key: IdempotencyKey
    ticket: SourceRef
    state: TicketState


@dataclass(frozen=True, slots=True)
class SetTicketFields:
    """Set custom fields of a ticket, by their name in the external system."""

    key: IdempotencyKey
    ticket: SourceRef
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that an operation took effect. external_id: what it made there, for example a transaction."""

    key: IdempotencyKey
    external_id: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Party:
    """Sender or consignee of a parcel. point: where that is; None when nobody knows."""

    name: str
    address: Address
    company: str | None = None
    point: Point | None = None


@dataclass(frozen=True, slots=True)
class Parcel:
    """One parcel to be carried. Weight in grams, size in millimetres; a size of None is not declared."""

    sender: Party
    recipient: Party
    weight_g: int
    length_mm: int | None = None
    width_mm: int | None = None
    height_mm: int | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Quote:
    """An offer to carry a parcel. service: the courier's code. transit_days: business days, if stated."""

    carrier: str
    service: str
    amount_cents: int
    currency: str
    transit_days: int | None = None
    estimated_delivery_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BuyLabel:
    """Buy the label for a parcel. carrier, service: from a quote; None takes the cheapest offer.

    is_return: a consignee sends something back. The way is from the parcel's sender to its recipient all the same;
    a courier that bills returns otherwise, for example when they are used, is told of it.
    """

    key: IdempotencyKey
    parcel: Parcel
    reference: str
    carrier: str | None = None
    service: str | None = None
    label_format: LabelFormat = LabelFormat.PDF
    is_return: bool = False


@dataclass(frozen=True, slots=True)
class LabelReceipt:
    """A bought label. shipment: the courier's own object. document: the file's bytes in `label_format`.

    service: empty for a label that was found again, where the courier does not say; it and the price are those of the
    offer then.
    """

    key: IdempotencyKey
    shipment: SourceRef
    tracking_number: str
    carrier: str
    service: str
    label_format: LabelFormat
    document: bytes = field(repr=False)
    amount_cents: int | None = None
    currency: str | None = None
    tracking_url: str | None = None
    estimated_delivery_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class VoidLabel:
    """Cancel a label that was not used. Voiding one that is void already succeeds."""

    key: IdempotencyKey
    shipment: SourceRef


@dataclass(frozen=True, slots=True)
class TrackShipment:
    """Have the courier report on a parcel from now on, where it does not by itself."""

    key: IdempotencyKey
    tracking_number: str
    carrier: str


@dataclass(frozen=True, slots=True)
class WaitingParcel:
    """A parcel whose label was bought and that no driver has. shipment: the courier's own object.

    service: as its label's receipt has it; empty where the courier did not say.
    """

    shipment: SourceRef
    tracking_number: str
    carrier: str
    service: str
    parcel: Parcel


@dataclass(frozen=True, slots=True)
class OrderPickup:
    """Have a driver come for parcels of one carrier, between two times of one day in `time_zone`. at: where they wait.

    instructions: for the driver; couriers cut it to the length that they take.
    """

    key: IdempotencyKey
    parcels: tuple[WaitingParcel, ...]
    at: Party
    earliest: datetime
    latest: datetime
    time_zone: str = "UTC"
    instructions: str = ""


@dataclass(frozen=True, slots=True)
class CancelPickup:
    """Have no driver come. pickup: the receipt's external_id."""

    key: IdempotencyKey
    pickup: str


@dataclass(frozen=True, slots=True)
class PickupReceipt:
    """Proof of a pickup that was ordered. external_id: what it is called off by, made by the adapter.

    confirmation: the carrier's number, for the telephone; None where the external_id is all there is, or nothing was
    told yet. amount_cents, currency: its price, where the courier tells one.
    """

    key: IdempotencyKey
    external_id: str
    confirmation: str | None = None
    amount_cents: int | None = None
    currency: str | None = None
