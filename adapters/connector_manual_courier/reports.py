"""What people say of a parcel: from the page that the code on its label leads to, or from a program. Pure.

A link names the parcel, the moment at which it was given, and a proof of both. Whoever holds the label can get one;
that is what a label is for. What it says counts from the moment of the link, or as much earlier as is said.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl, urlencode

from pydantic import Field, ValidationError

from connector.sdk import (
    AuthError,
    EntityKind,
    Invalid,
    ShipmentRecord,
    ShipmentStatus,
    SourceRef,
    TrackingEvent,
    WebhookRequest,
    hmac_hex,
    require_json,
    require_recent,
)
from connector.sdk.answers import Theirs, unreadable, unreadable_webhook
from connector.sdk.cursors import read_instant
from connector_manual_courier.numbers import read_number

PARCEL, AT, PROOF = "parcel", "at", "proof"
"""Names in a link's query."""
PROOF_LENGTH: Final = 32
WITHIN: Final = timedelta(hours=1)
"""How long a page that was opened may be used; open it again after that."""
LONGEST_AGO: Final = 7 * 24 * 60
HINT: Final = "Open the page again by the code on the label."

REPORTED: Final[dict[ShipmentStatus, str]] = {
    ShipmentStatus.PICKED_UP: "Picked up",
    ShipmentStatus.IN_TRANSIT: "On the road",
    ShipmentStatus.OUT_FOR_DELIVERY: "Next stop: the recipient",
    ShipmentStatus.READY_FOR_PICKUP: "Left to be collected",
    ShipmentStatus.DELIVERED: "Delivered",
    ShipmentStatus.EXCEPTION: "Could not deliver",
    ShipmentStatus.RETURNED: "Brought back",
    ShipmentStatus.LOST: "Lost",
}
"""What can be reported, as the page calls it."""


class Report(Theirs):
    """What somebody says. ago_minutes: how long before the link was given it happened."""

    status: ShipmentStatus
    by: str = Field(default="", max_length=100)
    place: str = Field(default="", max_length=200)
    note: str = Field(default="", max_length=1_000)
    ago_minutes: int = Field(default=0, ge=0, le=LONGEST_AGO)


@dataclass(frozen=True, slots=True)
class Link:
    """A link to a parcel. at: when it was given; None for the one on the label, which shows a page alone."""

    number: str
    at: datetime | None = None

    def query(self, secret: str) -> str:
        """What stands behind the question mark of its address."""
        stamp = {AT: self.at.isoformat()} if self.at is not None else {}
        return urlencode({PARCEL: self.number, **stamp, PROOF: self.proof(secret)})

    def proof(self, secret: str) -> str:
        """Half of an HMAC-SHA256, which is as much as nobody guesses and a label has room for."""
        said = f"report\n{self.number}\n{self.at.isoformat()}" if self.at is not None else f"label\n{self.number}"
        return hmac_hex(secret, said.encode())[:PROOF_LENGTH]


def require_link(request: WebhookRequest, secret: str) -> Link:
    """The link of a request. Raises AuthError when it was not given out, or too long ago."""
    link = read_link(request)
    given = request.query.get(PROOF, "")
    if link is None or not secret or not hmac.compare_digest(given.encode(), link.proof(secret).encode()):
        raise AuthError("the link's proof does not fit its parcel", operation="verify link", hint=HINT)
    if link.at is not None:
        require_recent(link.at, request, within=WITHIN)
    return link


def read_link(request: WebhookRequest) -> Link | None:
    """The link of a request, whoever made it; None when there is none."""
    number = read_number(request.query.get(PARCEL, ""))
    at = request.query.get(AT)
    try:
        return Link(number, read_instant(at) if at is not None else None) if number is not None else None
    except ValueError:
        return None


def read_report(request: WebhookRequest) -> Report:
    """What a request says. Raises Invalid."""
    is_json = request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
    try:
        report = Report.model_validate(require_json(request) if is_json else _form(request.body))
    except ValidationError as error:
        raise unreadable_webhook(unreadable(error, "report")) from None
    if report.status not in REPORTED:
        raise Invalid(
            f"{report.status.value} is nothing that people report; that is: {', '.join(REPORTED)}",
            operation="parse webhook",
            fields={"/status": "cannot be reported"},
        )
    return report


def report_record(request: WebhookRequest, carrier: str) -> ShipmentRecord:
    """What a request says of its parcel. Its version is when that happened. Raises Invalid."""
    link, report = read_link(request), read_report(request)
    if link is None or link.at is None:
        raise Invalid("the address of this report names no parcel and moment", operation="parse webhook", hint=HINT)
    at = link.at - timedelta(minutes=report.ago_minutes)
    who = f"{report.by.strip()}: " if report.by.strip() else ""
    event = TrackingEvent(
        status=report.status,
        vendor_code=report.status.value,
        description=f"{who}{report.note.strip() or REPORTED[report.status]}",
        location=report.place.strip() or None,
        occurred_at=at,
    )
    return ShipmentRecord(
        ref=SourceRef(kind=EntityKind.SHIPMENT, external_id=link.number),
        updated_at=at,
        tracking_number=link.number,
        carrier=carrier,
        status=report.status,
        events=(event,),
    )


def _form(body: bytes) -> dict[str, str]:
    """Raises Invalid."""
    try:
        return dict(parse_qsl(body.decode(), max_num_fields=50, errors="strict"))
    except ValueError as error:
        raise Invalid(
            "the report is neither JSON nor what a form sends", operation="parse webhook", detail=str(error)[:200]
        ) from None
