"""What Shipment Tracking - Unified tells of parcels of any part of DHL, asked and pushed, in the hub's terms. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pydantic import Field, ValidationError

from connector.sdk import (
    InvalidRecord,
    ShipmentRecord,
    ShipmentStatus,
    TrackingEvent,
    WebhookRequest,
    WebhookResult,
    require_json,
)
from connector.sdk.answers import Theirs, unreadable
from connector.sdk.courier import Place, known_instant
from connector_dhl.tracking import record_of

CODES: dict[str, ShipmentStatus] = {
    "pre-transit": ShipmentStatus.LABEL_CREATED,
    "transit": ShipmentStatus.IN_TRANSIT,
    "delivered": ShipmentStatus.DELIVERED,
    "failure": ShipmentStatus.EXCEPTION,
}
SILENT = "unknown"
"""DHL has no simple word for what happened."""
VALIDATE, PUSH = "subscription.validate", "subscription.push"
ACTIVATE = (
    "DHL asks whether its subscription is wanted: activate it with the secret of this message, as the README says"
)


class _Address(Theirs):
    city: str | None = Field(default=None, alias="addressLocality")
    country: str | None = Field(default=None, alias="countryCode")


class _Location(Theirs):
    address: _Address | None = None


class _Event(Theirs):
    at: datetime | None = Field(default=None, alias="timestamp")
    code: str | None = Field(default=None, alias="statusCode")
    word: str | None = Field(default=None, alias="status")
    description: str | None = None
    remark: str | None = None
    location: _Location | None = None

    @property
    def status(self) -> ShipmentStatus | None:
        """What it means for the hub. Raises InvalidRecord."""
        code = (self.code or SILENT).strip().lower()
        if code == SILENT:
            return None
        if code not in CODES:
            raise InvalidRecord(
                f"a status code is {self.code!r}; known are {', '.join((*CODES, SILENT))}",
                path="/shipments/status/statusCode",
                hint="DHL has learnt a new word: it needs a newer adapter, then replay the record.",
            )
        return CODES[code]

    @property
    def text(self) -> str:
        """For people: DHL's word and what it says beyond."""
        told = dict.fromkeys(text.strip() for text in (self.word, self.description, self.remark) if text)
        return ". ".join(text for text in told if text)


class _Shipment(Theirs):
    number: str = Field(default="", alias="id")
    latest: _Event | None = Field(default=None, alias="status")
    events: tuple[_Event, ...] = ()


class _Answer(Theirs):
    shipments: tuple[_Shipment, ...] = ()


def found_record(number: str, body: Any) -> ShipmentRecord | None:
    """What is known of a number. A piece's number finds its shipment, which has another. Raises InvalidRecord."""
    shipments = _read(body)
    own = [each for each in shipments if each.number == number] or shipments
    records = [record for each in own if (record := record_of(number, list(_events(each)))) is not None]
    return max(records, key=lambda record: record.events[-1].occurred_at, default=None)


def pushed_records(body: Any) -> tuple[ShipmentRecord, ...]:
    """What is told of several parcels, each under its own number. Raises InvalidRecord."""
    records = (record_of(each.number, list(_events(each))) for each in _read(body))
    return tuple(record for record in records if record is not None)


def webhook_result(request: WebhookRequest) -> WebhookResult:
    """What a push says. Raises Invalid, InvalidRecord."""
    body = require_json(request)
    scope = body.get("scope") if isinstance(body, dict) else None
    if scope == VALIDATE:
        return WebhookResult(refused=(ACTIVATE,))
    if scope != PUSH:
        return WebhookResult()
    return WebhookResult(records=pushed_records(body))


def _read(body: Any) -> tuple[_Shipment, ...]:
    try:
        return _Answer.model_validate(body).shipments
    except ValidationError as error:
        raise unreadable(error, "tracking answer") from None


def _events(shipment: _Shipment) -> Iterator[TrackingEvent]:
    """Those that tell when, each once: the latest is told of by itself as well."""
    told: set[tuple[datetime, str]] = set()
    for event in (*shipment.events, *((shipment.latest,) if shipment.latest else ())):
        status, at = event.status, known_instant(event.at)
        code = (event.code or "").strip().lower()
        if status is None or at is None or (at, code) in told:
            continue
        told.add((at, code))
        where = event.location.address if event.location else None
        yield TrackingEvent(
            status=status,
            vendor_code=code,
            description=event.text,
            location=Place(city=where.city, country=where.country).text if where else None,
            occurred_at=at,
        )
