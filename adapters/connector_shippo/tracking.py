"""What carriers report through Shippo, in the hub's terms. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator, Field, ValidationError

from connector.sdk import (
    EntityKind,
    InvalidRecord,
    ShipmentRecord,
    ShipmentStatus,
    SourceRef,
    TrackingEvent,
    WebhookRequest,
    require_json,
)
from connector.sdk.answers import Theirs, unreadable
from connector.sdk.courier import Place

UNKNOWN = "UNKNOWN"
"""The carrier knows nothing of the number yet."""
STATUSES: dict[str, ShipmentStatus] = {
    "PRE_TRANSIT": ShipmentStatus.LABEL_CREATED,
    "TRANSIT": ShipmentStatus.IN_TRANSIT,
    "DELIVERED": ShipmentStatus.DELIVERED,
    "RETURNED": ShipmentStatus.RETURNED,
    "FAILURE": ShipmentStatus.EXCEPTION,
}
DETAILS: dict[str, ShipmentStatus] = {
    "out_for_delivery": ShipmentStatus.OUT_FOR_DELIVERY,
    "package_accepted": ShipmentStatus.PICKED_UP,
    "pickup_available": ShipmentStatus.READY_FOR_PICKUP,
    "package_lost": ShipmentStatus.LOST,
    **dict.fromkeys(
        (
            "address_issue", "contact_carrier", "delayed", "delivery_attempted", "location_inaccessible", "notice_left",
            "package_damaged", "package_held", "reschedule_delivery",
        ),
        ShipmentStatus.EXCEPTION,
    ),
}  # fmt: skip
"""Codes of substatuses that say more than the status of a parcel under way."""


def _utc(value: Any) -> Any:
    """Shippo's times are UTC, also where they name no zone."""
    if not isinstance(value, str):
        return value
    at = datetime.fromisoformat(value)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


Instant = Annotated[AwareDatetime, BeforeValidator(_utc)]


class _Substatus(Theirs):
    code: str | None = None


class _Scan(Theirs):
    status: str
    substatus: _Substatus | None = None
    status_details: str | None = None
    status_date: Instant | None = None
    object_created: Instant | None = None
    object_updated: Instant | None = None
    location: Place | None = None

    @property
    def code(self) -> str | None:
        """The finer word, where there is one."""
        return self.substatus.code if self.substatus else None

    @property
    def told_at(self) -> datetime | None:
        """When Shippo wrote it down."""
        return self.object_updated or self.object_created or self.status_date


class _Track(Theirs):
    carrier: str = Field(pattern=r"^[a-z0-9_]{1,60}$")
    tracking_number: str = Field(min_length=1, max_length=100)
    eta: Instant | None = None
    tracking_status: _Scan | None = None
    tracking_history: Annotated[tuple[_Scan, ...], BeforeValidator(lambda value: value or ())] = ()


def parcel_ref(carrier: str, number: str) -> SourceRef:
    """Identity of a parcel: Shippo has none of its own for what was not bought through it. carrier: its token."""
    return SourceRef(kind=EntityKind.SHIPMENT, external_id=f"{carrier}/{number}")


def track_record(body: Any) -> ShipmentRecord | None:
    """What is known of a parcel; None while nothing is. Raises InvalidRecord.

    The version is when Shippo wrote down the latest of it.
    """
    try:
        track = _Track.model_validate(body)
    except ValidationError as error:
        raise unreadable(error, "track") from None
    scans = [*track.tracking_history, *([track.tracking_status] if track.tracking_status else [])]
    statuses = [_status(scan, number) for number, scan in enumerate(scans)]
    events = sorted(
        (
            _event(scan, number, status)
            for number, (scan, status) in enumerate(zip(scans, statuses, strict=True))
            if status is not None and number < len(track.tracking_history)
        ),
        key=lambda event: (event.occurred_at, event.status, event.vendor_code or ""),
    )
    status = (statuses[-1] if track.tracking_status else None) or (events[-1].status if events else None)
    told = [at for scan in scans if (at := scan.told_at)]
    if status is None or not told:
        return None
    return ShipmentRecord(
        ref=parcel_ref(track.carrier, track.tracking_number),
        updated_at=max(told),
        tracking_number=track.tracking_number,
        carrier=track.carrier,
        status=status,
        estimated_delivery_at=track.eta,
        events=tuple(events),
    )


class _Event(Theirs):
    event: str
    data: Any = None


def webhook_records(request: WebhookRequest) -> tuple[ShipmentRecord, ...]:
    """What a webhook says; nothing for those that are not of parcels. Raises Invalid, InvalidRecord."""
    try:
        event = _Event.model_validate(require_json(request))
    except ValidationError as error:
        raise unreadable(error, "event") from None
    record = track_record(event.data) if event.event == "track_updated" else None
    return (record,) if record else ()


def _status(scan: _Scan, number: int) -> ShipmentStatus | None:
    """By the words alone. A code counts only while the parcel is under way: what was delayed and came has come."""
    if scan.status != UNKNOWN and scan.status not in STATUSES:
        path = f"/tracking_history/{number}/status"
        raise InvalidRecord(
            f"status of scan {number} is {scan.status[:80]!r}; known are {', '.join([UNKNOWN, *STATUSES])}",
            path=path,
            hint="Shippo has learnt a new word: it needs a newer adapter, then replay the record.",
        )
    if scan.status in ("TRANSIT", "FAILURE") and scan.code in DETAILS:
        return DETAILS[scan.code]
    return STATUSES.get(scan.status)


def _event(scan: _Scan, number: int, status: ShipmentStatus) -> TrackingEvent:
    at = scan.status_date or scan.object_created
    if at is None:
        raise InvalidRecord(
            f"scan {number} has no date: there is no telling when it was",
            path=f"/tracking_history/{number}/status_date",
            hint="Have Shippo correct the parcel's history, then replay the record.",
        )
    place = scan.location or Place()
    return TrackingEvent(
        status=status,
        vendor_code=scan.code or scan.status,
        description=scan.status_details or "",
        location=place.text,
        occurred_at=at,
    )
