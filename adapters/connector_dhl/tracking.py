"""Checkpoints of DHL Express, as MyDHL API tells of them, in the hub's terms. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pydantic import Field, ValidationError

from connector.sdk import InvalidRecord, ShipmentRecord, ShipmentStatus, TrackingEvent
from connector.sdk.answers import Theirs, unreadable
from connector_dhl.shapes import CARRIER, parcel_ref

CODES: dict[str, ShipmentStatus] = {
    **dict.fromkeys(("PU", "SA"), ShipmentStatus.PICKED_UP),
    **dict.fromkeys(
        ("AF", "AR", "BN", "BR", "CR", "DF", "FD", "IC", "MC", "MS", "PL", "TP", "TR"), ShipmentStatus.IN_TRANSIT
    ),
    "WC": ShipmentStatus.OUT_FOR_DELIVERY,
    "CC": ShipmentStatus.READY_FOR_PICKUP,
    **dict.fromkeys(("DD", "OK"), ShipmentStatus.DELIVERED),
    **dict.fromkeys(
        ("BA", "CA", "CD", "CM", "HP", "MD", "ND", "NH", "OH", "PD", "RD", "SS", "UD"), ShipmentStatus.EXCEPTION
    ),
    "RT": ShipmentStatus.RETURNED,
    "DS": ShipmentStatus.LOST,
}
"""DHL Express's codes of checkpoints."""
SILENT = frozenset({"AD", "CS", "RR", "SC"})
"""A day that was agreed on, a file that was closed, an answer that came, another service: nothing of any place."""
ORDER = {status: place for place, status in enumerate(ShipmentStatus)}
"""Of events of one second the one that is further counts."""


class _Area(Theirs):
    description: str | None = None


class _Checkpoint(Theirs):
    day: str = Field(default="", alias="date")
    time: str = ""
    offset: str = Field(default="", alias="GMTOffset")
    code: str = Field(default="", alias="typeCode")
    description: str = ""
    areas: tuple[_Area, ...] = Field(default=(), alias="serviceArea")

    @property
    def at(self) -> datetime | None:
        """When it was; None where no offset tells."""
        try:
            return datetime.fromisoformat(f"{self.day}T{self.time}{self.offset}") if self.offset else None
        except ValueError:
            raise InvalidRecord(
                f"a checkpoint was at {self.day!r}, {self.time!r}, {self.offset!r}, which is no time", path="/events"
            ) from None

    @property
    def status(self) -> ShipmentStatus | None:
        """What it means for the hub; None where it says nothing of where a parcel is. Raises InvalidRecord."""
        code = self.code.strip().upper()
        if code in SILENT:
            return None
        if code not in CODES:
            raise InvalidRecord(
                f"a checkpoint's code is {self.code!r}; known are {', '.join(sorted(CODES))}",
                path="/events/typeCode",
                hint="DHL has learnt a new word: it needs a newer adapter, then replay the record.",
            )
        return CODES[code]


class Shipment(Theirs):
    """A shipment with its checkpoints."""

    number: str = Field(default="", alias="shipmentTrackingNumber")
    checkpoints: tuple[_Checkpoint, ...] = Field(default=(), alias="events")

    @property
    def was_used(self) -> ShipmentStatus | None:
        """What one of its checkpoints says; None while nobody has seen the parcel."""
        return next((each.status for each in self.checkpoints if each.status is not None), None)


class _Answer(Theirs):
    shipments: tuple[Shipment, ...] = ()


def shipments_of(body: Any) -> tuple[Shipment, ...]:
    """All of an answer. Raises InvalidRecord."""
    try:
        return _Answer.model_validate(body).shipments
    except ValidationError as error:
        raise unreadable(error, "tracking answer") from None


def tracked_record(number: str, body: Any) -> ShipmentRecord | None:
    """What is known of a shipment of this number; None while no checkpoint has seen it. Raises InvalidRecord."""
    events = [event for each in shipments_of(body) if each.number == number for event in _events(each)]
    return record_of(number, events)


def record_of(number: str, events: list[TrackingEvent]) -> ShipmentRecord | None:
    """A parcel with its events, of which the latest counts; None without any. Raises InvalidRecord."""
    if len(number) > 40 or not number.isalnum():
        raise InvalidRecord(f"{number!r} is no tracking number", path="/shipments/id")
    if not events:
        return None
    ordered = sorted(events, key=lambda event: (event.occurred_at, ORDER[event.status]))
    return ShipmentRecord(
        ref=parcel_ref(number),
        updated_at=ordered[-1].occurred_at,
        tracking_number=number,
        carrier=CARRIER,
        status=ordered[-1].status,
        events=tuple(ordered),
    )


def _events(shipment: Shipment) -> Iterator[TrackingEvent]:
    for checkpoint in shipment.checkpoints:
        status, at = checkpoint.status, checkpoint.at
        if status is not None and at is not None:
            yield TrackingEvent(
                status=status,
                vendor_code=checkpoint.code.strip().upper(),
                description=checkpoint.description,
                location=next((area.description for area in checkpoint.areas if area.description), None),
                occurred_at=at,
            )
