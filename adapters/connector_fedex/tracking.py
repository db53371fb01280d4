"""What FedEx reports of parcels, when it is asked and by webhook, in the hub's terms. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError

from connector.sdk import (
    InvalidRecord,
    ShipmentRecord,
    ShipmentStatus,
    TrackingEvent,
    WebhookRequest,
    WebhookResult,
    require_json,
)
from connector.sdk.answers import Theirs, TheirsT, unreadable
from connector.sdk.courier import Place, known_instant
from connector_fedex.refusals import is_not_found
from connector_fedex.shapes import CARRIER, parcel_ref, told_errors

CODES: dict[str, ShipmentStatus] = {
    **dict.fromkeys(("OC", "IN", "OX", "EP", "MD", "DS", "PD", "PY", "RP", "RG"), ShipmentStatus.LABEL_CREATED),
    **dict.fromkeys(("PU", "PX", "OF"), ShipmentStatus.PICKED_UP),
    **dict.fromkeys(
        ("IT", "IX", "AA", "AC", "AF", "AR", "AX", "CC", "CH", "CP", "DP", "EA", "EO", "FD", "LO", "OW", "PF", "PL",
         "PM", "SF", "SP", "TR"),
        ShipmentStatus.IN_TRANSIT,
    ),
    **dict.fromkeys(("OD", "ED", "AD"), ShipmentStatus.OUT_FOR_DELIVERY),
    **dict.fromkeys(("HL", "HP"), ShipmentStatus.READY_FOR_PICKUP),
    **dict.fromkeys(("CD", "DD", "DE", "DR", "DY", "SE"), ShipmentStatus.EXCEPTION),
    "DL": ShipmentStatus.DELIVERED,
    "RS": ShipmentStatus.RETURNED,
    **dict.fromkeys(("CA", "LP", "RD"), ShipmentStatus.CANCELLED),
}  # fmt: skip
"""FedEx's tracking status codes, of events and of a parcel's latest status; written in capitals."""
SILENT = frozenset({"AE", "AO", "AP", "HA", "RC", "RM", "RR", "RT"})
"""Forecasts, wishes of the consignee, a hold or a return that was asked for: nothing of where a parcel is."""


def _text(value: object) -> object:
    return value.strip() or None if isinstance(value, str) else value


Text = Annotated[str | None, BeforeValidator(_text)]


class _Location(Theirs):
    city: Text = None
    state: Text = Field(default=None, alias="stateOrProvinceCode")
    country: Text = Field(default=None, alias="countryCode")


class _Scan(Theirs):
    at: datetime | None = Field(default=None, alias="date")
    kind: Text = Field(default=None, alias="eventType")
    derived: Text = Field(default=None, alias="derivedStatusCode")
    description: Text = Field(default=None, alias="eventDescription")
    exception: Text = Field(default=None, alias="exceptionDescription")
    exception_code: Text = Field(default=None, alias="exceptionCode")
    location: _Location | None = Field(default=None, alias="scanLocation")

    def status(self, place: int) -> ShipmentStatus | None:
        """What it means for the hub; None where it says nothing of where a parcel is. Raises InvalidRecord."""
        if (self.kind or "").upper() in SILENT:
            return None
        for code in (self.kind, self.derived):
            if code is not None and code.upper() in CODES:
                return CODES[code.upper()]
        raise InvalidRecord(
            f"event type is {self.kind!r}, derived status {self.derived!r}; known are {', '.join(CODES)}",
            path=f"/scanEvents/{place}/eventType",
            hint="FedEx has learnt a new word: it needs a newer adapter, then replay the record.",
        )


class _Latest(Theirs):
    code: Text = None
    derived: Text = Field(default=None, alias="derivedCode")

    @property
    def status(self) -> ShipmentStatus | None:
        """What it means for the hub, where the hub knows it."""
        known = (CODES.get((code or "").upper()) for code in (self.code, self.derived))
        return next((status for status in known if status is not None), None)


class _Number(Theirs):
    number: Text = Field(default=None, alias="trackingNumber")


class Tracked(Theirs):
    """One parcel. Numbers are given to parcels again after some time, so a number may have several."""

    named: _Number | None = Field(default=None, alias="trackingNumberInfo")
    latest: _Latest | None = Field(default=None, alias="latestStatusDetail")
    scans: tuple[_Scan, ...] = Field(default=(), alias="scanEvents")


class _Complete(Theirs):
    number: Text = Field(default=None, alias="trackingNumber")
    results: tuple[dict[str, Any], ...] = Field(default=(), alias="trackResults")


class _Output(Theirs):
    complete: tuple[_Complete, ...] = Field(default=(), alias="completeTrackResults")


class _Answer(Theirs):
    output: _Output


def parcels_of(body: Any) -> Iterator[tuple[str, Tracked]]:
    """Parcels that something is known of, with their numbers. Raises InvalidRecord."""
    for complete in _read(_Answer, body).output.complete:
        for result in complete.results:
            errors = told_errors(result)
            if is_not_found(errors):
                continue
            if errors:
                reasons = "; ".join(f"{code}: {reason}" for code, reason in errors.items())
                raise InvalidRecord(f"FedEx cannot tell of {complete.number}: {reasons}", path="/trackResults/error")
            tracked = _read(Tracked, result)
            number = (tracked.named and tracked.named.number) or complete.number
            if number:
                yield number, tracked


def tracked_records(body: Any) -> tuple[ShipmentRecord, ...]:
    """What is known of each number: of several parcels with one number, of the one that was seen last."""
    newest: dict[str, ShipmentRecord] = {}
    found = [record for number, tracked in parcels_of(body) if (record := _record(number, tracked)) is not None]
    for record in sorted(found, key=lambda each: each.events[-1].occurred_at):
        newest[record.tracking_number] = record
    return tuple(newest.values())


def webhook_result(request: WebhookRequest) -> WebhookResult:
    """What Advanced Integrated Visibility posts: parcels as tracking tells of them. Raises Invalid, InvalidRecord."""
    body = require_json(request)
    if isinstance(body, dict) and "completeTrackResults" in body:
        body = {"output": body}
    if isinstance(body, dict) and "output" not in body:
        return WebhookResult()
    return WebhookResult(records=tracked_records(body))


def _read(kind: type[TheirsT], body: object) -> TheirsT:
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        raise unreadable(error, "tracking answer") from None


def _record(number: str, tracked: Tracked) -> ShipmentRecord | None:
    if len(number) > 40 or not number.isalnum():
        raise InvalidRecord(f"{number!r} is no tracking number", path="/trackingNumberInfo/trackingNumber")
    events = sorted(_events(tracked), key=lambda event: (event.occurred_at, event.vendor_code or ""))
    if not events:
        return None
    latest = tracked.latest.status if tracked.latest else None
    return ShipmentRecord(
        ref=parcel_ref(number),
        updated_at=events[-1].occurred_at,
        tracking_number=number,
        carrier=CARRIER,
        status=latest or events[-1].status,
        events=tuple(events),
    )


def _events(tracked: Tracked) -> Iterator[TrackingEvent]:
    """Those that tell where and when. Without an offset there is no telling when one was."""
    for place, scan in enumerate(tracked.scans):
        status, instant = scan.status(place), known_instant(scan.at)
        if status is None or instant is None:
            continue
        at = scan.location
        yield TrackingEvent(
            status=status,
            vendor_code="/".join(filter(None, (scan.kind or scan.derived, scan.exception_code))),
            description=scan.exception or scan.description or "",
            location=Place(city=at.city, state=at.state, country=at.country).text if at else None,
            occurred_at=instant,
        )
