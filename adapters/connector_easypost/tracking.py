"""EasyPost's trackers and events, in the hub's terms. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError

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
from connector.sdk.courier import Place

STATUSES: dict[str, ShipmentStatus] = {
    "pre_transit": ShipmentStatus.LABEL_CREATED,
    "in_transit": ShipmentStatus.IN_TRANSIT,
    "out_for_delivery": ShipmentStatus.OUT_FOR_DELIVERY,
    "available_for_pickup": ShipmentStatus.READY_FOR_PICKUP,
    "delivered": ShipmentStatus.DELIVERED,
    "return_to_sender": ShipmentStatus.RETURNED,
    "failure": ShipmentStatus.EXCEPTION,
    "error": ShipmentStatus.EXCEPTION,
    "cancelled": ShipmentStatus.CANCELLED,
}
"""EasyPost's words for a parcel's state. `unknown` is none: the carrier has said nothing yet."""
UNKNOWN = "unknown"
DETAILS: dict[str, ShipmentStatus] = {
    "lost": ShipmentStatus.LOST,
    "received_at_origin_facility": ShipmentStatus.PICKED_UP,
    "departed_origin_facility": ShipmentStatus.IN_TRANSIT,
    **dict.fromkeys(
        (
            "damaged", "delayed", "delivery_exception", "held", "missorted", "refused", "transit_exception",
            "weather_delay",
        ),
        ShipmentStatus.EXCEPTION,
    ),
}  # fmt: skip
"""Details that say more than the state of a parcel under way."""


class _Scan(Theirs):
    datetime: str | None = None
    status: str
    status_detail: str | None = None
    message: str | None = None
    description: str | None = None
    carrier_code: str | None = None
    tracking_location: Place | None = None


class _Tracker(Theirs):
    id: str
    tracking_code: str
    carrier: str | None = None
    status: str
    status_detail: str | None = None
    updated_at: datetime | None = None
    est_delivery_date: datetime | None = None
    tracking_details: Annotated[tuple[_Scan, ...], BeforeValidator(lambda value: value or ())] = ()


class _Refund(Theirs):
    shipment_id: str = Field(min_length=1)
    tracking_code: str
    carrier: str | None = None
    updated_at: datetime | None = None


class _Event(Theirs):
    description: str
    result: Any = None


def tracker_record(body: Any) -> ShipmentRecord:
    """What a tracker says of its parcel; the version is when EasyPost last changed it. Raises InvalidRecord."""
    try:
        return _tracker_record(_Tracker.model_validate(body))
    except ValidationError as error:
        raise unreadable(error, "tracker") from None


def webhook_records(request: WebhookRequest) -> tuple[ShipmentRecord, ...]:
    """What an event says; nothing for events that are not of parcels. Raises InvalidRecord."""
    try:
        event = _Event.model_validate_json(request.body)
    except ValidationError as error:
        raise unreadable(error, "event") from None
    match event.description:
        case "tracker.created" | "tracker.updated":
            return (tracker_record(event.result),)
        case "refund.successful":
            return (_refund_record(event.result),)
        case _:
            return ()


def created_at(body: Any) -> datetime | None:
    """When the tracker was made, if it says so."""
    try:
        at = datetime.fromisoformat(body["created_at"])
    except (KeyError, TypeError, ValueError):
        return None
    return _utc(at)


def _tracker_record(tracker: _Tracker) -> ShipmentRecord:
    events = tuple(
        sorted(
            (_event(scan, number) for number, scan in enumerate(tracker.tracking_details)),
            key=lambda event: (event.occurred_at, event.status, event.vendor_code or ""),
        )
    )
    status = _status(tracker.status, tracker.status_detail, "/status")
    return ShipmentRecord(
        ref=SourceRef(kind=EntityKind.SHIPMENT, external_id=tracker.id),
        updated_at=_utc(tracker.updated_at) or (events[-1].occurred_at if events else None),
        tracking_number=tracker.tracking_code,
        carrier=tracker.carrier,
        status=status or (events[-1].status if events else ShipmentStatus.LABEL_CREATED),
        estimated_delivery_at=_utc(tracker.est_delivery_date),
        events=events,
    )


def _refund_record(body: Any) -> ShipmentRecord:
    try:
        refund = _Refund.model_validate(body)
        return ShipmentRecord(
            ref=SourceRef(kind=EntityKind.SHIPMENT, external_id=refund.shipment_id),
            updated_at=_utc(refund.updated_at),
            tracking_number=refund.tracking_code,
            carrier=refund.carrier,
            status=ShipmentStatus.CANCELLED,
        )
    except ValidationError as error:
        raise unreadable(error, "refund") from None


def _status(word: str, detail: str | None, path: str) -> ShipmentStatus | None:
    """By the words alone, so that the same scan always reads the same; None when nothing is known.

    A detail counts only while the parcel is under way: what was delayed and then delivered is delivered.
    """
    if word != UNKNOWN and word not in STATUSES:
        raise InvalidRecord(
            f"{path} is {word!r}; known are {', '.join([UNKNOWN, *STATUSES])}",
            path=path,
            hint="EasyPost has learnt a new word: it needs a newer adapter, then replay the record.",
        )
    if word in (UNKNOWN, "in_transit", "failure", "error") and detail in DETAILS:
        return DETAILS[detail]
    return STATUSES.get(word)


def _event(scan: _Scan, number: int) -> TrackingEvent:
    """A carrier that gives no state still says that it had the parcel in hand."""
    place = scan.tracking_location or Place()
    status = _status(scan.status, scan.status_detail, f"/tracking_details/{number}/status")
    return TrackingEvent(
        status=status or ShipmentStatus.IN_TRANSIT,
        vendor_code=scan.carrier_code or "/".join(filter(None, (scan.status, scan.status_detail))),
        description=scan.message or scan.description or "",
        location=place.text,
        occurred_at=_occurred_at(scan, number),
    )


def _occurred_at(scan: _Scan, number: int) -> datetime:
    try:
        at = datetime.fromisoformat(scan.datetime or "")
    except ValueError:
        raise InvalidRecord(
            f"scan {number} is dated {scan.datetime!r}: there is no telling when it was",
            path=f"/tracking_details/{number}/datetime",
            hint="Have EasyPost correct the tracker, then replay the record.",
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _utc(at: datetime | None) -> datetime | None:
    """EasyPost writes UTC where it knows no zone."""
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at
