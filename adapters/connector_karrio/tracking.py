"""Karrio's trackers and shipment events, in the hub's terms. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from connector.sdk import (
    EntityKind,
    InvalidRecord,
    ShipmentRecord,
    ShipmentStatus,
    SourceRef,
    TrackingEvent,
    WebhookRequest,
)
from connector.sdk.answers import Theirs, unreadable
from connector_karrio.config import KarrioConfig
from connector_karrio.rates import Shipment, expected

TRACKER_STATUSES: dict[str, ShipmentStatus] = {
    "pending": ShipmentStatus.LABEL_CREATED,
    "picked_up": ShipmentStatus.PICKED_UP,
    "in_transit": ShipmentStatus.IN_TRANSIT,
    "out_for_delivery": ShipmentStatus.OUT_FOR_DELIVERY,
    "ready_for_pickup": ShipmentStatus.READY_FOR_PICKUP,
    "delivered": ShipmentStatus.DELIVERED,
    "on_hold": ShipmentStatus.EXCEPTION,
    "delivery_delayed": ShipmentStatus.EXCEPTION,
    "delivery_failed": ShipmentStatus.EXCEPTION,
    "return_to_sender": ShipmentStatus.RETURNED,
    "cancelled": ShipmentStatus.CANCELLED,
}
"""Karrio's words for a parcel's state. `unknown` is none: it is what Karrio writes when it gives up asking."""
UNKNOWN = "unknown"
CLOCKS = ("%H:%M", "%I:%M %p", "%H:%M:%S", "%I:%M:%S %p")


class _Event(Theirs):
    date: str | None = None
    time: str | None = None
    timestamp: str | None = None
    status: str | None = None
    code: str | None = None
    reason: str | None = None
    description: str | None = None
    location: str | None = None


class _Tracker(Theirs):
    id: str
    tracking_number: str
    carrier_name: str | None = None
    status: str
    estimated_delivery: str | None = None
    events: tuple[_Event, ...] | None = None


class _Webhook(Theirs):
    event: str
    data: dict[str, Any]


def tracker_record(body: Any, config: KarrioConfig) -> ShipmentRecord:
    """What a tracker says of its parcel; the version is the time of its latest scan. Raises InvalidRecord."""
    try:
        return _tracker_record(_Tracker.model_validate(body), config)
    except ValidationError as error:
        raise unreadable(error, "tracker") from None


def webhook_records(request: WebhookRequest, config: KarrioConfig) -> tuple[ShipmentRecord, ...]:
    """What a webhook says; nothing for events that are not of parcels. Raises InvalidRecord.

    Purchase and cancellation are told of shipments; all else of the parcel comes from its tracker, whose scans
    have times. A cancellation has none: it counts from when we heard of it, and nothing comes after it.
    """
    try:
        webhook = _Webhook.model_validate_json(request.body)
    except ValidationError as error:
        raise unreadable(error, "webhook") from None
    match webhook.event:
        case "tracker_created" | "tracker_updated":
            return (tracker_record(webhook.data, config),)
        case "shipment_purchased":
            return _shipment_records(webhook.data, ShipmentStatus.LABEL_CREATED, None)
        case "shipment_cancelled":
            return _shipment_records(webhook.data, ShipmentStatus.CANCELLED, request.received_at)
        case _:
            return ()


def _tracker_record(tracker: _Tracker, config: KarrioConfig) -> ShipmentRecord:
    events = tuple(
        sorted(
            (_event(event, number, config) for number, event in enumerate(tracker.events or ())),
            key=lambda event: (event.occurred_at, event.status, event.vendor_code or ""),
        )
    )
    return ShipmentRecord(
        ref=SourceRef(kind=EntityKind.SHIPMENT, external_id=tracker.id),
        updated_at=events[-1].occurred_at if events else None,
        tracking_number=tracker.tracking_number,
        carrier=tracker.carrier_name,
        status=_status(tracker, events),
        estimated_delivery_at=expected(tracker.estimated_delivery, config),
        events=events,
    )


def _shipment_records(body: dict[str, Any], status: ShipmentStatus, at: datetime | None) -> tuple[ShipmentRecord, ...]:
    try:
        shipment = Shipment.model_validate(body)
        return (_shipment_record(shipment, status, at),) if shipment.is_bought else ()
    except ValidationError as error:
        raise unreadable(error, "shipment") from None


def _shipment_record(shipment: Shipment, status: ShipmentStatus, at: datetime | None) -> ShipmentRecord:
    return ShipmentRecord(
        ref=shipment.ref,
        updated_at=at or shipment.created_at,
        tracking_number=shipment.tracking_number or "",
        carrier=shipment.selected_rate.carrier_name if shipment.selected_rate else None,
        status=status,
    )


def _status(tracker: _Tracker, events: tuple[TrackingEvent, ...]) -> ShipmentStatus:
    if tracker.status in TRACKER_STATUSES:
        return TRACKER_STATUSES[tracker.status]
    if tracker.status == UNKNOWN:
        return events[-1].status if events else ShipmentStatus.LABEL_CREATED
    raise InvalidRecord(
        f"tracker {tracker.id} has status {tracker.status!r}; known are {', '.join(TRACKER_STATUSES)}",
        path="/status",
        hint="Karrio has learnt a new word: it needs a newer adapter, then replay the record.",
    )


def _event(event: _Event, number: int, config: KarrioConfig) -> TrackingEvent:
    return TrackingEvent(
        status=_event_status(event),
        vendor_code=event.code or None,
        description=event.description or "",
        location=event.location or None,
        occurred_at=_occurred_at(event, number, config),
    )


def _event_status(event: _Event) -> ShipmentStatus:
    """By the scan alone, never by its place among others, so that the same scan always reads the same.

    A carrier that gives no status still says that it had the parcel in hand.
    """
    for word in (event.status, event.code):
        if word and word.casefold() in TRACKER_STATUSES:
            return TRACKER_STATUSES[word.casefold()]
    return ShipmentStatus.EXCEPTION if event.reason else ShipmentStatus.IN_TRANSIT


def _occurred_at(event: _Event, number: int, config: KarrioConfig) -> datetime:
    zone = ZoneInfo(config.tracking_time_zone)
    try:
        at = datetime.fromisoformat(event.timestamp) if event.timestamp else _local(event.date or "", event.time)
    except ValueError:
        raise InvalidRecord(
            f"scan {number} has date {event.date!r}, time {event.time!r} and timestamp {event.timestamp!r}: "
            "there is no telling when it was",
            path=f"/events/{number}",
            hint="Correct the tracker in Karrio, then replay the record.",
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=zone)


def _local(day: str, clock: str | None) -> datetime:
    at = datetime.strptime(day, "%Y-%m-%d")  # noqa: DTZ007 - the zone is a setting, and added by the caller
    if not clock:
        return at
    for pattern in CLOCKS:
        try:
            told = datetime.strptime(clock.strip(), pattern)  # noqa: DTZ007
        except ValueError:
            continue
        return at.replace(hour=told.hour, minute=told.minute, second=told.second)
    raise ValueError(f"time {clock!r} cannot be read")
