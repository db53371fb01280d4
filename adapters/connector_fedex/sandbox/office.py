"""SANDBOX: what the sandbox of FedEx knows and does."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from connector.sdk import Clock, LabelFormat
from connector.sdk.testing import draw_label

ACCOUNT = "740561073"
LONGEST = 70
MOST_NUMBERS = 30
SERVICES = (
    ("FEDEX_GROUND", "9.00", "0.50", "THREE_DAYS"), ("FEDEX_2_DAY", "15.00", "1.10", None),
    ("PRIORITY_OVERNIGHT", "36.00", "1.70", None),
)  # fmt: skip
"""Service, price of the list, price of a pound or kilogram, days on the way where FedEx counts them."""
NOT_FOUND = "Tracking number cannot be found. Please correct the tracking number and try again."


class Refusal(Exception):  # noqa: N818 - says what is so
    """An answer that is none of success."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"transactionId": "624deea6", "errors": [{"code": code, "message": message}]}


@dataclass
class Parcel:
    """A shipment of one package, with what was asked for."""

    number: str
    asked: Mapping[str, Any]
    made_at: datetime
    is_void: bool = False
    scans: list[dict[str, Any]] = field(default_factory=list)

    @property
    def references(self) -> list[str]:
        """All its reference numbers."""
        package = self.asked["requestedShipment"]["requestedPackageLineItems"][0]
        return [each["value"] for each in package.get("customerReferences", ())]


class Office:
    """Shipments and pickups. lag: how long a shipment is unknown to tracking."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.parcels: dict[str, Parcel] = {}
        self.pickups: dict[str, dict[str, Any]] = {}
        self.called_off: set[str] = set()
        self.lag = timedelta(0)

    # Rates and Transit Times

    def rates(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Offers for a parcel. Express services tell the day of delivery, ground the days on the way."""
        _require_account(body["accountNumber"])
        shipment = body["requestedShipment"]
        return _output({"rateReplyDetails": [self._offer(shipment, *line) for line in SERVICES], "quoteDate": "x"})

    def _offer(
        self, shipment: Mapping[str, Any], service: str, price: str, per_unit: str, days: str | None
    ) -> dict[str, Any]:
        listed = _total(shipment, price, per_unit)
        rated = [
            {"rateType": kind, "totalNetCharge": _money(amount), "currency": "USD"}
            for kind, amount in (("LIST", listed), ("ACCOUNT", _own(listed)))
        ]
        offer: dict[str, Any] = {"serviceType": service, "packagingType": "YOUR_PACKAGING"}
        ship_day = datetime.fromisoformat(shipment["shipDateStamp"])
        arrives = ship_day + timedelta(days=6 if service == "FEDEX_2_DAY" else 1)
        if days:
            offer["operationalDetail"] = {"transitTime": days}
        else:
            offer["commit"] = {"dateDetail": {"dayOfWeek": "TUE", "dayFormat": f"{arrives:%Y-%m-%dT10:30:00}"}}
        return {**offer, "ratedShipmentDetails": rated}

    # Ship

    def ship(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make a shipment, and give its label out: never again."""
        _require_account(body["accountNumber"])
        shipment = body["requestedShipment"]
        service = shipment["serviceType"]
        line = next((line for line in SERVICES if line[0] == service), None)
        if line is None:
            raise Refusal(400, "SERVICETYPE.NOT.SUPPORTED", "Service type not supported")
        for party in (shipment["shipper"], *shipment["recipients"]):
            if len(party["contact"]["personName"]) > LONGEST:
                raise Refusal(400, "PERSONNAME.TOO.LONG", "The name is too long")
        image = shipment["labelSpecification"]["imageType"]
        parcel = self.make(body)
        amount = _total(shipment, line[1], line[2])
        rates = [
            {"rateType": kind, "totalNetCharge": _money(each), "currency": "USD"}
            for kind, each in (("PAYOR_LIST_PACKAGE", amount), ("PAYOR_ACCOUNT_PACKAGE", _own(amount)))
        ]
        document = {
            "contentType": "LABEL", "docType": "PDF" if image == "PDF" else "ZPL", "copiesToPrint": 1,
            "encodedLabel": base64.b64encode(self._draw(parcel, image)).decode(),
        }  # fmt: skip
        made = {
            "masterTrackingNumber": parcel.number, "serviceType": service,
            "shipDatestamp": shipment["shipDatestamp"],
            "pieceResponses": [{"trackingNumber": parcel.number, "packageDocuments": [document]}],
            "completedShipmentDetail": {"shipmentRating": {"shipmentRateDetails": rates}},
        }  # fmt: skip
        return _output({"transactionShipments": [made]})

    def make(self, asked: Mapping[str, Any]) -> Parcel:
        """A shipment as the request has it, with a first scan."""
        number = f"7949535{len(self.parcels):05d}"
        parcel = self.parcels[number] = Parcel(number, asked, self._clock.now())
        self.report(parcel, "OC", "IN", "Shipment information sent to FedEx", None)
        return parcel

    def _draw(self, parcel: Parcel, image: str) -> bytes:
        to = parcel.asked["requestedShipment"]["recipients"][0]
        lines = [to["contact"]["personName"], *to["address"]["streetLines"], to["address"]["city"]]
        return draw_label(lines, parcel.number, LabelFormat.PDF if image == "PDF" else LabelFormat.ZPL)

    def cancel(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Take a shipment back."""
        _require_account(body["accountNumber"])
        parcel = self.parcels.get(body["trackingNumber"])
        if parcel is None or parcel.is_void:
            raise Refusal(400, "SHIPMENT.CANCEL.FAILED", "The shipment cannot be cancelled")
        parcel.is_void = True
        self.report(parcel, "CA", "CA", "Shipment cancelled by sender", None)
        return _output({"cancelledShipment": True, "cancelledHistory": True, "message": "Shipment is cancelled"})

    # Track

    def report(self, parcel: Parcel, kind: str, derived: str, text: str, city: str | None) -> dict[str, Any]:
        """A scan of now, in local time."""
        scan = scanned(self._clock.now(), kind, derived, text, city)
        parcel.scans.insert(0, scan)
        return scan

    def tracked(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Parcels by their numbers, each for itself."""
        numbers = [each["trackingNumberInfo"]["trackingNumber"] for each in body["trackingInfo"]]
        if len(numbers) > MOST_NUMBERS:
            raise Refusal(400, "TRACKING.TRACKINGINFO.TOOMANY", "At most 30 tracking numbers may be asked for")
        return _output({"completeTrackResults": [self._complete(number) for number in numbers]})

    def tracked_by(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Parcels with a reference number."""
        asked = body["referencesInformation"]
        if asked["accountNumber"] != ACCOUNT:
            raise Refusal(400, "TRACKING.ACCOUNTNUMBER.INVALID", "Invalid account number")
        days = (asked["shipDateBegin"], asked["shipDateEndDate"])
        known = [
            parcel
            for parcel in self.with_reference(asked["value"])
            if self._is_known(parcel) and days[0] <= parcel.asked["requestedShipment"]["shipDatestamp"] <= days[1]
        ]
        if not known:
            raise Refusal(404, "TRACKING.REFERENCENUMBER.NOTFOUND", "Reference number cannot be found.")
        return _output({"completeTrackResults": [self._complete(parcel.number) for parcel in known]})

    def with_reference(self, reference: str) -> list[Parcel]:
        """Shipments with a reference number, void ones included."""
        return [parcel for parcel in self.parcels.values() if reference in parcel.references]

    def _is_known(self, parcel: Parcel) -> bool:
        return self._clock.now() - parcel.made_at >= self.lag

    def _complete(self, number: str) -> dict[str, Any]:
        parcel = self.parcels.get(number)
        if parcel is None or not self._is_known(parcel):
            error = {"code": "TRACKING.TRACKINGNUMBER.NOTFOUND", "message": NOT_FOUND}
            result: dict[str, Any] = {"trackingNumberInfo": {"trackingNumber": number}, "error": error}
        else:
            result = told(number, parcel.scans)
        return {"trackingNumber": number, "trackResults": [result]}

    # Pickup

    def create_pickup(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """A driver comes."""
        _require_account(body["associatedAccountNumber"])
        code = f"{len(self.pickups) + len(self.called_off) + 3001}"
        self.pickups[code] = dict(body)
        return _output({"pickupConfirmationCode": code, "message": "Courier on the way", "location": "AUSA"})

    def cancel_pickup(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """No driver comes."""
        code = body["pickupConfirmationCode"]
        if code in self.called_off:
            raise Refusal(400, "DUPLICATE.REQUEST.CANCEL", "Duplicate cancel request")
        if self.pickups.pop(code, None) is None:
            raise Refusal(400, "NO.DISPATCH.FOUND", "No Dispatch found for this account.")
        self.called_off.add(code)
        return _output({"pickupConfirmationCode": code, "cancelConfirmationMessage": "Requested pickup is cancelled"})


def scanned(at: datetime, kind: str, derived: str, text: str, city: str | None) -> dict[str, Any]:
    """A scan in the local time of Texas."""
    place = {"city": city, "stateOrProvinceCode": "TX", "countryCode": "US"} if city else {"countryCode": "US"}
    return {
        "date": f"{at - timedelta(hours=6):%Y-%m-%dT%H:%M:%S}-06:00", "eventType": kind, "eventDescription": text,
        "exceptionCode": "", "exceptionDescription": "", "scanLocation": place, "derivedStatusCode": derived,
    }  # fmt: skip


def told(number: str, scans: list[dict[str, Any]]) -> dict[str, Any]:
    """A parcel as tracking tells of it. scans: the newest first."""
    latest = {"code": scans[0]["derivedStatusCode"], "description": scans[0]["eventDescription"]}
    info = {"trackingNumber": number, "carrierCode": "FDXE", "trackingNumberUniqueId": f"2460~{number}~FX"}
    return {"trackingNumberInfo": info, "latestStatusDetail": latest, "scanEvents": scans}


def _output(content: Mapping[str, Any]) -> dict[str, Any]:
    return {"transactionId": "624deea6-b709-470c-8c39-4b5511281492", "output": dict(content)}


def _require_account(given: Mapping[str, Any]) -> None:
    if given.get("value") != ACCOUNT:
        raise Refusal(400, "ACCOUNT.NUMBER.MISMATCH", "The account number is not one of this project")


def _total(shipment: Mapping[str, Any], price: str, per_unit: str) -> Decimal:
    weight = shipment["requestedPackageLineItems"][0]["weight"]["value"]
    return Decimal(price) + Decimal(str(weight)) * Decimal(per_unit)


def _own(total: Decimal) -> Decimal:
    """A fifth less."""
    return total * Decimal("0.8")


def _money(amount: Decimal) -> float:
    return float(amount.quantize(Decimal("0.01"), ROUND_HALF_UP))
