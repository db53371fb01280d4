"""SANDBOX: what the sandbox of UPS knows and does."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from connector.sdk import Clock, LabelFormat
from connector.sdk.testing import draw_label

ACCOUNT = "A1B2C3"
LONGEST = 35
SERVICES = (("03", "7.10", "0.42", "3"), ("02", "14.20", "0.90", "2"), ("01", "31.00", "1.35", "1"))
"""Code, price, price of a pound or kilogram, business days."""
GIF = b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"


class Refusal(Exception):  # noqa: N818 - says what is so
    """An answer that is none of success."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"response": {"errors": [{"code": code, "message": message}]}}


@dataclass
class Parcel:
    """A shipment of one package, with what was asked for."""

    number: str
    asked: Mapping[str, Any]
    service: str
    references: list[str]
    made_at: datetime
    is_void: bool = False
    activities: list[dict[str, Any]] = field(default_factory=list)


class Office:
    """Shipments, subscriptions and pickups.

    lag: how long a shipment is unknown to Label Recovery, tracking_lag: to tracking. lists_candidates: several
    shipments of one reference are an answer with their numbers, else a refusal.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.parcels: dict[str, Parcel] = {}
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self.pickups: dict[str, dict[str, Any]] = {}
        self.lag = self.tracking_lag = timedelta(0)
        self.lists_candidates = False

    # Rating

    def rates(self, option: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Offers for a parcel."""
        shipment = body["RateRequest"]["Shipment"]
        _require_address(shipment)
        has_transit = option == "Shoptimeintransit" and "DeliveryTimeInformation" in shipment
        is_own = "NegotiatedRatesIndicator" in shipment.get("ShipmentRatingOptions", {})
        offers = [self._offer(shipment, *line, is_own=is_own, has_transit=has_transit) for line in SERVICES]
        return {"RateResponse": {"Response": _OK, "RatedShipment": offers}}

    def _offer(
        self, shipment: Mapping[str, Any], code: str, price: str, per_unit: str, days: str, *, is_own: bool,
        has_transit: bool,
    ) -> dict[str, Any]:  # fmt: skip
        total = _total(shipment, price, per_unit)
        offer: dict[str, Any] = {
            "Service": {"Code": code, "Description": ""}, "RatedShipmentAlert": [],
            "BillingWeight": {"UnitOfMeasurement": {"Code": "LBS", "Description": "Pounds"}, "Weight": "10.0"},
            "TransportationCharges": _money(total), "ServiceOptionsCharges": _money(Decimal(0)),
            "TotalCharges": _money(total), "RatedPackage": [{}],
        }  # fmt: skip
        del offer["Service"]["Description"]
        if is_own:
            offer["NegotiatedRateCharges"] = {"TotalCharge": _money(_own(total))}
        if has_transit:
            day = shipment["DeliveryTimeInformation"]["Pickup"]["Date"]
            arrival = {
                "Arrival": {"Date": day, "Time": "230000"}, "BusinessDaysInTransit": days,
                "Pickup": {"Date": day, "Time": "190000"}, "DayOfWeek": "MON",
            }  # fmt: skip
            service = {"Description": f"UPS {code}"}
            summary = {"Service": service, "EstimatedArrival": arrival}
            offer["TimeInTransit"] = {"PickupDate": day, "ServiceSummary": summary}
        return offer

    # Shipping

    def ship(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make a shipment."""
        asked = body["ShipmentRequest"]
        shipment = asked["Shipment"]
        _require_address(shipment)
        service = shipment["Service"]["Code"]
        line = next((line for line in SERVICES if line[0] == service), None)
        if line is None:
            raise Refusal(400, "120100", "Missing or invalid service code")
        image = asked["LabelSpecification"]["LabelImageFormat"]["Code"]
        if image not in ("GIF", "ZPL", "EPL", "SPL"):
            raise Refusal(400, "120403", "Missing/Invalid label image format code")
        parcel = self.make(asked, service)
        total = _total(shipment, line[1], line[2])
        charges = {name: _money(total) for name in ("TransportationCharges", "TotalCharges")}
        results: dict[str, Any] = {
            "ShipmentCharges": {**charges, "ServiceOptionsCharges": _money(Decimal(0))},
            "BillingWeight": {"UnitOfMeasurement": {"Code": "LBS", "Description": "Pounds"}, "Weight": "    10.0"},
            "ShipmentIdentificationNumber": parcel.number,
            "PackageResults": [{"TrackingNumber": parcel.number, "ShippingLabel": self.image(parcel, image)}],
        }
        if "NegotiatedRatesIndicator" in shipment.get("ShipmentRatingOptions", {}):
            results["NegotiatedRateCharges"] = {"TotalCharge": _money(_own(total))}
        return {"ShipmentResponse": {"Response": _OK, "ShipmentResults": results}}

    def make(self, asked: Mapping[str, Any], service: str) -> Parcel:
        """A shipment as the request has it, with a first activity."""
        shipment = asked["Shipment"]
        number = f"1Z{ACCOUNT}{service}{len(self.parcels):08d}"
        parcel = Parcel(number, asked, service, list(_references(shipment)), self._clock.now())
        self.parcels[number] = parcel
        self.report(parcel, "M", "MP", "003", "Shipper created a label, UPS has not received the package yet.", None)
        return parcel

    def image(self, parcel: Parcel, code: str) -> dict[str, Any]:
        """A label in a format."""
        content = GIF if code == "GIF" else self.draw(parcel, code)
        return {"ImageFormat": {"Code": code}, "GraphicImage": _base64(content)}

    def draw(self, parcel: Parcel, code: str) -> bytes:
        """The file, of formats that are drawn."""
        to = parcel.asked["Shipment"]["ShipTo"]
        lines = [to["Name"], *to["Address"].get("AddressLine", ()), to["Address"].get("City", "")]
        return draw_label(lines, parcel.number, LabelFormat.PDF if code == "PDF" else LabelFormat.ZPL)

    def recover(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The label of a shipment, by its number or by a reference."""
        asked = body["LabelRecoveryRequest"]
        found = [parcel for parcel in self._meant(asked) if self._clock.now() - parcel.made_at >= self.lag]
        standing = [parcel for parcel in found if not parcel.is_void] or found
        if not standing:
            raise Refusal(400, "300007", "The shipment could not be found. Please wait until it is processed.")
        if len(standing) > 1 and not self.lists_candidates:
            raise Refusal(400, "300001", "Multiple shipments found for the request")
        if len(standing) > 1:
            candidates = [{"TrackingNumber": parcel.number} for parcel in standing]
            return {"LabelRecoveryResponse": {"Response": _OK, "LabelResults": [], "TrackingCandidate": candidates}}
        [parcel] = standing
        if parcel.is_void:
            raise Refusal(400, "300033", "The shipment for which you are trying to recover a label has been voided.")
        code = asked["LabelSpecification"]["LabelImageFormat"]["Code"]
        image = {"LabelImageFormat": {"Code": code}, "GraphicImage": _base64(self.draw(parcel, code))}
        results = [{"TrackingNumber": parcel.number, "LabelImage": image}]
        number = {"ShipmentIdentificationNumber": parcel.number}
        return {"LabelRecoveryResponse": {"Response": _OK, **number, "LabelResults": results}}

    def _meant(self, asked: Mapping[str, Any]) -> list[Parcel]:
        if "TrackingNumber" in asked:
            return [parcel for parcel in self.parcels.values() if parcel.number == asked["TrackingNumber"]]
        values = asked["ReferenceValues"]
        if values["ShipperNumber"] != ACCOUNT:
            raise Refusal(400, "300031", "Invalid Shipper Number")
        return self.with_reference(values["ReferenceNumber"]["Value"])

    def with_reference(self, reference: str) -> list[Parcel]:
        """Shipments with a reference number."""
        return [parcel for parcel in self.parcels.values() if reference in parcel.references]

    def void(self, number: str) -> dict[str, Any]:
        """Take a shipment back."""
        parcel = self.parcels.get(number)
        if parcel is None:
            raise Refusal(400, "190102", "No shipment found within the allowed void period")
        if parcel.is_void:
            raise Refusal(400, "190117", "The Shipment has already been voided")
        parcel.is_void = True
        self.report(parcel, "MV", "VP", "007", "Shipment information voided.", None)
        status = {"Code": "1", "Description": "Voided"}
        return {"VoidShipmentResponse": {"Response": _OK, "SummaryResult": {"Status": status}}}

    # Tracking

    def report(self, parcel: Parcel, kind: str, code: str, number: str, text: str, city: str | None) -> dict[str, Any]:
        """An activity of now."""
        now = self._clock.now()
        local = now - timedelta(hours=5)
        at = {"city": city or "", "stateProvince": "TX" if city else "", "countryCode": "US", "country": "US"}
        activity = {
            "location": {"address": at, "slic": "7846"},
            "status": {"type": kind, "code": code, "statusCode": number, "description": text},
            "date": f"{local:%Y%m%d}", "time": f"{local:%H%M%S}", "gmtDate": f"{now:%Y%m%d}",
            "gmtTime": f"{now:%H:%M:%S}", "gmtOffset": "-05:00",
        }  # fmt: skip
        parcel.activities.insert(0, activity)
        return activity

    def tracked(self, number: str) -> dict[str, Any]:
        """A parcel, as far as tracking knows it by now."""
        return self._told([parcel for parcel in self.parcels.values() if parcel.number == number], number)

    def tracked_by(self, reference: str) -> dict[str, Any]:
        """Parcels with a reference number."""
        return self._told(self.with_reference(reference), reference)

    def _told(self, parcels: list[Parcel], inquiry: str) -> dict[str, Any]:
        known = [parcel for parcel in parcels if self._clock.now() - parcel.made_at >= self.tracking_lag]
        if not known:
            raise Refusal(404, "TW0001", "Tracking Information Not Found")
        packages = [
            {
                "trackingNumber": parcel.number, "activity": parcel.activities, "packageCount": 1,
                "currentStatus": dict(parcel.activities[0]["status"]),
                "referenceNumber": [{"type": "PACKAGE", "number": text} for text in parcel.references],
            }
            for parcel in known
        ]  # fmt: skip
        return {"trackResponse": {"shipment": [{"inquiryNumber": inquiry, "package": packages}]}}

    def subscribe(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Alerts about parcels."""
        numbers = body["trackingNumberList"]
        valid = [number for number in numbers if number.startswith("1Z") and len(number) == 18]
        for number in valid:
            self.subscriptions[number] = {"id": number, "trackingNumber": number}
        if not valid:
            raise Refusal(400, "VSS210", "The Subscription request should have at least one valid tracking number.")
        return {"validTrackingNumbers": valid, "invalidTrackingNumbers": sorted({*numbers} - {*valid})}

    # Pickup

    def create_pickup(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """A driver comes."""
        asked = body["PickupCreationRequest"]
        number = f"29{len(self.pickups):09d}"
        self.pickups[number] = dict(asked)
        rate = {"Code": "04", "Description": "Rate not requested"}
        return {"PickupCreationResponse": {"Response": _OK, "PRN": number, "RateStatus": rate}}

    def pending_pickups(self) -> dict[str, Any]:
        """Those that are not over."""
        if not self.pickups:
            raise Refusal(400, "9510117", "No Pending Pickup found")
        pending = [
            {
                "PickupType": "01", "ServiceDate": asked["PickupDateInfo"]["PickupDate"], "PRN": number,
                "PickupStatusMessage": "Dispatched to driver", "ReferenceNumber": asked["ReferenceNumber"],
            }
            for number, asked in self.pickups.items()
        ]  # fmt: skip
        return {"PickupPendingStatusResponse": {"Response": _OK, "PendingStatus": pending}}

    def cancel_pickup(self, number: str) -> dict[str, Any]:
        """No driver comes."""
        if self.pickups.pop(number, None) is None:
            raise Refusal(400, "190107", "The Pickup Request has previously been canceled")
        return {"PickupCancelResponse": {"Response": _OK, "PickupType": "01"}}


_OK = {"ResponseStatus": {"Code": "1", "Description": "Success"}}


def _references(shipment: Mapping[str, Any]) -> Iterator[str]:
    countries = {shipment[name]["Address"]["CountryCode"] for name in ("ShipFrom", "ShipTo")}
    package = shipment["Package"][0]
    misplaced = shipment if countries == {"US"} else package
    if "ReferenceNumber" in misplaced:
        where = "Shipment" if countries == {"US"} else "Package"
        raise Refusal(400, "120541", f"{where}/ReferenceNumber is not allowed for this shipment")
    for each in shipment.get("ReferenceNumber", package.get("ReferenceNumber", [])):
        if len(each["Value"]) > LONGEST:
            raise Refusal(400, "120545", "Reference number value is too long")
        yield each["Value"]


def _require_address(shipment: Mapping[str, Any]) -> None:
    for name in ("ShipFrom", "ShipTo"):
        given = shipment[name]
        if len(given["Address"].get("CountryCode", "")) != 2:
            raise Refusal(400, "120206", f"Missing or invalid {name} country code")
        if any(len(given.get(part, "")) > LONGEST for part in ("Name", "AttentionName")):
            raise Refusal(400, "120201", f"{name} name is too long")


def _total(shipment: Mapping[str, Any], price: str, per_unit: str) -> Decimal:
    return Decimal(price) + Decimal(shipment["Package"][0]["PackageWeight"]["Weight"]) * Decimal(per_unit)


def _own(total: Decimal) -> Decimal:
    """A fifth less."""
    return total * Decimal("0.8")


def _money(amount: Decimal) -> dict[str, str]:
    return {"CurrencyCode": "USD", "MonetaryValue": str(amount.quantize(Decimal("0.01"), ROUND_HALF_UP))}


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
