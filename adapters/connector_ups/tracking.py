"""What UPS reports of parcels, when it is asked and by Track Alert, in the hub's terms. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
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
from connector.sdk.answers import Theirs, read_answer, unreadable
from connector.sdk.courier import Place
from connector_ups.shapes import CARRIER, Several, parcel_ref

TYPES: dict[str, ShipmentStatus] = {
    "M": ShipmentStatus.LABEL_CREATED,
    "MV": ShipmentStatus.CANCELLED,
    "P": ShipmentStatus.PICKED_UP,
    "I": ShipmentStatus.IN_TRANSIT,
    "W": ShipmentStatus.IN_TRANSIT,
    "O": ShipmentStatus.OUT_FOR_DELIVERY,
    "X": ShipmentStatus.EXCEPTION,
    "D": ShipmentStatus.DELIVERED,
    "DO": ShipmentStatus.IN_TRANSIT,
    "DD": ShipmentStatus.IN_TRANSIT,
    "RS": ShipmentStatus.RETURNED,
}
"""By the type of an activity. U, an update of the date, and NA say nothing of where a parcel is."""
SILENT = frozenset({"U", "NA"})
CODES: dict[str, ShipmentStatus] = {
    "OT": ShipmentStatus.OUT_FOR_DELIVERY,
    "OF": ShipmentStatus.OUT_FOR_DELIVERY,
    **dict.fromkeys(("006", "021", "037"), ShipmentStatus.OUT_FOR_DELIVERY),
    "007": ShipmentStatus.CANCELLED,
    "038": ShipmentStatus.PICKED_UP,
    **dict.fromkeys(("017", "018", "040"), ShipmentStatus.READY_FOR_PICKUP),
    **dict.fromkeys(("034", "067"), ShipmentStatus.RETURNED),
    "068": ShipmentStatus.LOST,
    **dict.fromkeys(
        ("013", "022", "023", "024", "029", "030", "046", "047", "048", "049", "050", "051", "052", "053", "059",
         "060", "061", "062", "064", "066", "069"),
        ShipmentStatus.EXCEPTION,
    ),
}  # fmt: skip
"""Codes that say more than the type of an activity: of two characters, and of three digits."""


def _text(value: object) -> object:
    """Codes come as texts, and as numbers where nobody wrote quotes; dates and times that do not apply are blank."""
    if isinstance(value, bool) or value is None:
        return None
    return str(value).strip() or None if isinstance(value, str | int) else value


Text = Annotated[str | None, BeforeValidator(_text)]


class _Status(Theirs):
    type: Text = None
    code: Text = None
    description: Text = None
    simple: Text = Field(default=None, alias="simplifiedTextDescription")
    number: Text = Field(default=None, alias="statusCode")
    alert_number: Text = Field(default=None, alias="descriptionCode")

    @property
    def status(self) -> ShipmentStatus | None:
        """What it means for the hub; None where it says nothing of where a parcel is. Raises InvalidRecord."""
        if self.type in SILENT:
            return None
        for code in (self.code, self.number, self.alert_number.zfill(3) if self.alert_number else None):
            if code in CODES:
                return CODES[code]
        if self.type not in TYPES:
            raise InvalidRecord(
                f"status type is {self.type!r}; known are {', '.join([*TYPES, *sorted(SILENT)])}",
                path="/status/type",
                hint="UPS has learnt a new word: it needs a newer adapter, then replay the record.",
            )
        return TYPES[self.type]


class _Address(Theirs):
    city: Text = None
    state: Text = Field(default=None, alias="stateProvince")
    country_code: Text = Field(default=None, alias="countryCode")
    country: Text = None


class _Location(Theirs):
    address: _Address | None = None


class _Activity(Theirs):
    status: _Status
    location: _Location | None = None
    gmt_date: Text = Field(default=None, alias="gmtDate")
    gmt_time: Text = Field(default=None, alias="gmtTime")
    date: Text = None
    time: Text = None
    offset: Text = Field(default=None, alias="gmtOffset")


class _DeliveryDate(Theirs):
    type: Text = None
    date: Text = None


class _DeliveryTime(Theirs):
    end: Text = Field(default=None, alias="endTime")


class Package(Theirs):
    """A parcel, with its latest activity first."""

    number: str = Field(alias="trackingNumber", min_length=1, max_length=40)
    activities: Several[_Activity] = Field(default=(), alias="activity")
    current: _Status | None = Field(default=None, alias="currentStatus")


class _Shipment(Theirs):
    packages: Several[Package] = Field(default=(), alias="package")


class _Response(Theirs):
    shipments: Several[_Shipment] = Field(default=(), alias="shipment")


class _Tracked(Theirs):
    response: _Response = Field(alias="trackResponse")


def packages_of(body: object, operation: str) -> tuple[Package, ...]:
    """Parcels of an answer. Raises UnexpectedResponse."""
    tracked = read_answer(_Tracked, body, operation)
    return tuple(package for shipment in tracked.response.shipments for package in shipment.packages)


def is_void(package: Package) -> bool:
    """Whether its label was voided."""
    latest = package.current or (package.activities[0].status if package.activities else None)
    return latest is not None and (latest.type == "MV" or "007" in (latest.number, latest.code))


def tracked_record(body: Any, number: str | None = None) -> ShipmentRecord | None:
    """What is known of a parcel; None while nothing is. number: which of several. Raises InvalidRecord."""
    try:
        tracked = _Tracked.model_validate(body)
    except ValidationError as error:
        raise unreadable(error, "tracking answer") from None
    for shipment in tracked.response.shipments:
        for package in shipment.packages:
            if number in (None, package.number):
                return _package_record(package)
    return None


def _package_record(package: Package) -> ShipmentRecord | None:
    events = sorted(_events(package.activities), key=lambda event: (event.occurred_at, event.vendor_code or ""))
    if not events:
        return None
    latest = package.current.status if package.current is not None and package.current.type else None
    return ShipmentRecord(
        ref=parcel_ref(package.number),
        updated_at=max(_instant(activity, place) for place, activity in enumerate(package.activities)),
        tracking_number=package.number,
        carrier=CARRIER,
        status=latest or events[-1].status,
        events=tuple(events),
    )


def _events(activities: Iterable[_Activity]) -> Iterator[TrackingEvent]:
    for place, activity in enumerate(activities):
        status = activity.status.status
        if status is not None:
            at = (activity.location and activity.location.address) or None
            yield _event(activity.status, status, at, _instant(activity, place))


def _event(told: _Status, status: ShipmentStatus, at: _Address | None, instant: datetime) -> TrackingEvent:
    place = Place(city=at.city, state=at.state, country=at.country_code or at.country) if at else Place()
    return TrackingEvent(
        status=status,
        vendor_code=told.code or told.number or told.alert_number or told.type,
        description=told.description or told.simple or "",
        location=place.text,
        occurred_at=instant,
    )


def _instant(activity: _Activity, place: int) -> datetime:
    """When it was: UPS tells it in GMT; in local time with an offset where it does not."""
    path = f"/activity/{place}/gmtDate"
    if activity.gmt_date and activity.gmt_time:
        return _moment(activity.gmt_date, activity.gmt_time.replace(":", ""), "+0000", path)
    if activity.date and activity.time and activity.offset:
        return _moment(activity.date, activity.time, activity.offset, path)
    raise InvalidRecord(
        f"activity {place} has neither a time in GMT nor an offset: there is no telling when it was",
        path=path,
        hint="Fetch the parcel again later.",
    )


def _moment(date: str, time: str, offset: str, path: str) -> datetime:
    """Digits of a date and a time, which lacks its leading zeros now and then."""
    sign, hours = offset[:1], offset[1:].replace(":", "").replace(".", "")
    try:
        ahead = timedelta(hours=int(hours[:2]), minutes=int(hours[2:] or 0)) * (-1 if sign == "-" else 1)
        return datetime.strptime(f"{date} {time.zfill(6)}+0000", "%Y%m%d %H%M%S%z").astimezone(UTC) - ahead
    except (ValueError, OverflowError):
        raise InvalidRecord(
            f"{date!r} {time!r} {offset!r} is no time", path=path, hint="Have UPS correct the parcel's history."
        ) from None


class _Alert(Theirs):
    """What Track Alert posts."""

    number: str = Field(alias="trackingNumber", pattern=r"^1[ZR][0-9A-Z]{14,26}$")
    status: _Status = Field(alias="activityStatus")
    location: _Address | None = Field(default=None, alias="activityLocation")
    gmt_date: Text = Field(default=None, alias="gmtActivityDate")
    gmt_time: Text = Field(default=None, alias="gmtActivityTime")
    date: Text = Field(default=None, alias="localActivityDate")
    time: Text = Field(default=None, alias="localActivityTime")
    offset: Text = Field(default=None, alias="gmtOffset")


def alert_result(request: WebhookRequest) -> WebhookResult:
    """What an alert says: an event, or that a parcel is to be asked about. Raises Invalid, InvalidRecord."""
    body = require_json(request)
    if isinstance(body, dict) and "trackingNumber" not in body and "activityStatus" not in body:
        return WebhookResult()
    try:
        alert = _Alert.model_validate(body)
    except ValidationError as error:
        raise unreadable(error, "alert") from None
    ref = parcel_ref(alert.number)
    if alert.status.type in SILENT:
        return WebhookResult(fetch=(ref,))
    status = alert.status.status
    at = _instant(
        _Activity(
            status=alert.status, gmtDate=alert.gmt_date, gmtTime=alert.gmt_time, date=alert.date, time=alert.time,
            gmtOffset=alert.offset,
        ),
        0,
    )  # fmt: skip
    if status is None:
        return WebhookResult(fetch=(ref,))
    event = _event(alert.status, status, alert.location, at)
    record = ShipmentRecord(
        ref=ref, updated_at=at, tracking_number=alert.number, carrier=CARRIER, status=status, events=(event,)
    )
    return WebhookResult(records=(record,))
