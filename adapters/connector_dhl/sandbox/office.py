"""SANDBOX: what the sandbox of DHL knows and does."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from connector.sdk import Clock, LabelFormat
from connector.sdk.testing import draw_label

ACCOUNT, IMPORT_ACCOUNT = "123456789", "953456789"
LONGEST = 255
WHEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d GMT[+-]\d\d:\d\d")
PRODUCTS = {
    False: (("W", "W", "EXPRESS ECONOMY SELECT", 21.5, 4), ("U", "U", "EXPRESS WORLDWIDE EU", 38.25, 1)),
    True: (("N", "7", "EXPRESS DOMESTIC", 12.4, 1),),
}
"""Within a country or not: code, local code, name, price, days on the way."""


class Refusal(Exception):  # noqa: N818 - says what is so
    """An answer that is none of success."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.body = {
            "instance": "/expressapi", "detail": detail, "title": title, "message": title, "status": str(status)
        }  # fmt: skip


@dataclass
class Shipment:
    """A shipment of one package, with what was asked for, and what scanners have said of it, the newest first."""

    number: str
    asked: Mapping[str, Any]
    day: str
    checkpoints: list[dict[str, Any]] = field(default_factory=list)

    @property
    def references(self) -> list[str]:
        """All its references."""
        return [each["value"] for each in self.asked["customerReferences"]]


class Office:
    """Shipments and pickups of Express, and what other parts of DHL carry."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.shipments: dict[str, Shipment] = {}
        self.pickups: dict[str, dict[str, Any]] = {}
        self.elsewhere: dict[str, dict[str, Any]] = {}

    # Rating

    def rates(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Products with their prices."""
        _require_account(body["accounts"])
        _require_time(body["plannedShippingDateAndTime"])
        parties = body["customerDetails"]
        start, end = parties["shipperDetails"]["countryCode"], parties["receiverDetails"]["countryCode"]
        tendered = datetime.fromisoformat(body["plannedShippingDateAndTime"].partition(" ")[0])
        weight = body["packages"][0]["weight"]
        return {"products": [_offer(line, weight, tendered) for line in PRODUCTS[start == end]]}

    # Shipping

    def ship(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make a shipment, and give its label out: never again. A waybill comes along unless it is declined."""
        _require_account(body["accounts"])
        _require_time(body["plannedShippingDateAndTime"])
        parties = body["customerDetails"]
        addresses = [parties[each]["postalAddress"]["countryCode"] for each in ("shipperDetails", "receiverDetails")]
        is_domestic = addresses[0] == addresses[1]
        line = next((each for each in PRODUCTS[is_domestic] if each[0] == body["productCode"]), None)
        if line is None or (is_domestic and body.get("localProductCode") != line[1]):
            raise Refusal(400, "Bad request", f"1001: The product {body['productCode']} does not go this way.")
        for name in ("shipperDetails", "receiverDetails"):
            given = parties[name]["contactInformation"]["fullName"]
            if len(given) > LONGEST:
                place = f"#/customerDetails/{name}/contactInformation/fullName"
                raise Refusal(422, "Validation error", f"{place}: expected maxLength: 255, actual: {len(given)}")
        shipment = self.make(body)
        properties = body["outputImageProperties"]
        form = properties["encodingFormat"]
        options = {each["typeCode"]: each.get("isRequested", True) for each in properties["imageOptions"]}
        names = [shipment.number, *(["WAYBILL DOC"] if options.get("waybillDoc", True) else ())]
        documents = [
            {
                "imageFormat": form.upper(), "typeCode": "label",
                "content": base64.b64encode(self._draw(shipment, name, form)).decode(),
            }
            for name in names
        ]  # fmt: skip
        weight = body["content"]["packages"][0]["weight"]
        return {
            "shipmentTrackingNumber": shipment.number,
            "trackingUrl": f"https://express.api.dhl.com/mydhlapi/shipments/{shipment.number}/tracking",
            "packages": [{"referenceNumber": 1, "trackingNumber": f"JD01460000{shipment.number}"}],
            "documents": documents,
            "shipmentCharges": _prices(line[3], weight),
        }

    def make(self, asked: Mapping[str, Any]) -> Shipment:
        """A shipment as the request has it. No checkpoint knows of it."""
        number = f"53745{len(self.shipments):05d}"
        shipment = Shipment(number, asked, f"{self._clock.now():%Y-%m-%d}")
        self.shipments[number] = shipment
        return shipment

    def _draw(self, shipment: Shipment, name: str, form: str) -> bytes:
        to = shipment.asked["customerDetails"]["receiverDetails"]
        lines = [to["contactInformation"]["fullName"], to["postalAddress"]["addressLine1"]]
        return draw_label(lines, name, LabelFormat.PDF if form == "pdf" else LabelFormat.ZPL)

    # Tracking

    def report(self, number: str, code: str, text: str, area: str) -> None:
        """A checkpoint of now, in the local time of Central Europe."""
        at = self._clock.now() + timedelta(hours=1)
        self.shipments[number].checkpoints.insert(0, {
            "date": f"{at:%Y-%m-%d}", "time": f"{at:%H:%M:%S}", "GMTOffset": "+01:00", "typeCode": code,
            "description": text, "serviceArea": [{"code": area[:3].upper(), "description": area}],
        })  # fmt: skip

    def tracked(self, number: str, query: Mapping[str, str]) -> dict[str, Any]:
        """One shipment."""
        if number not in self.shipments:
            raise Refusal(404, "Not data found", f"No Shipments Found for AWBNumber | {number}")
        with_offset = query.get("requestGMTOffsetPerEvent") == "true"
        return {"shipments": [_told(self.shipments[number], with_offset=with_offset)]}

    def tracked_by(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Shipments with a reference, of some days; without offsets."""
        for needed in ("shipperAccountNumber", "dateRangeFrom", "dateRangeTo"):
            if needed not in query:
                raise Refusal(400, "Missing parameters", f"Missing mandatory parameters: {needed}")
        found = [
            each
            for each in self.with_reference(query["shipmentReference"])
            if query["dateRangeFrom"] <= each.day <= query["dateRangeTo"] and query["shipperAccountNumber"] == ACCOUNT
        ]
        if not found:
            raise Refusal(404, "Not data found", f"No Shipments Found for ReferenceID | {query['shipmentReference']}")
        return {"shipments": [_told(each, with_offset=False) for each in found]}

    def with_reference(self, reference: str) -> list[Shipment]:
        """Shipments with a reference."""
        return [each for each in self.shipments.values() if reference in each.references]

    def tracked_anywhere(self, number: str) -> dict[str, Any]:
        """A parcel of whatever part of DHL."""
        if number not in self.elsewhere:
            raise Refusal(404, "No result found", "No shipment with given tracking number found.")
        return {"url": f"/shipments?trackingNumber={number}&offset=0&limit=5", "shipments": [self.elsewhere[number]]}

    # Pickups

    def create_pickup(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """A driver comes."""
        _require_account(body["accounts"])
        _require_time(body["plannedPickupDateAndTime"])
        number = f"PRG2611250000{len(self.pickups) + 62}"
        self.pickups[number] = dict(body)
        return {"dispatchConfirmationNumbers": [number]}

    def cancel_pickup(self, number: str, query: Mapping[str, str]) -> None:
        """No driver comes."""
        for needed in ("requestorName", "reason"):
            if needed not in query:
                raise Refusal(400, "Missing parameters", f"Missing mandatory parameters: {needed}")
        if self.pickups.pop(number, None) is None:
            raise Refusal(
                404, "Pickup not found", "Cancellation of booking was not successful. Requested Pickup was not found"
            )


def seen(number: str, at: datetime, code: str, word: str) -> dict[str, Any]:
    """A parcel as Shipment Tracking - Unified tells of it."""
    place = {"address": {"addressLocality": "Hamburg", "countryCode": "DE"}}
    event = {"timestamp": at.isoformat(), "statusCode": code, "status": word, "location": place}
    return {"id": number, "service": "parcel-de", "status": event, "events": [event]}


def _told(shipment: Shipment, *, with_offset: bool) -> dict[str, Any]:
    events = [
        {name: value for name, value in each.items() if with_offset or name != "GMTOffset"}
        for each in shipment.checkpoints
    ]
    references = [{"value": each, "typeCode": "CU"} for each in shipment.references]
    return {
        "shipmentTrackingNumber": shipment.number, "status": "Success", "shipperReferences": references,
        "events": events, "numberOfPieces": 1,
    }  # fmt: skip


def _offer(line: tuple[str, str, str, float, int], weight: float, tendered: datetime) -> dict[str, Any]:
    code, local, name, price, days = line
    arrives = tendered.replace(hour=23, minute=59, second=0)
    left = days
    while left:
        arrives += timedelta(days=1)
        left -= arrives.weekday() < 5
    return {
        "productName": name, "productCode": code, "localProductCode": local,
        "weight": {"provided": weight, "unitOfMeasurement": "metric"}, "totalPrice": _prices(price, weight),
        "deliveryCapabilities": {
            "deliveryTypeCode": "QDDC", "estimatedDeliveryDateAndTime": f"{arrives:%Y-%m-%dT%H:%M:%S}",
            "totalTransitDays": (arrives.date() - tendered.date()).days,
        },
    }  # fmt: skip


def _prices(price: float, weight: float) -> list[dict[str, Any]]:
    """In the currency of the country, then in that of the account."""
    total = round(price + 2 * weight, 2)
    return [
        {"currencyType": "PULCL", "priceCurrency": "CHF", "price": round(total * 0.9, 2)},
        {"currencyType": "BILLC", "priceCurrency": "EUR", "price": total},
    ]


def _require_account(accounts: list[Mapping[str, str]]) -> None:
    for each in accounts:
        if each["number"] not in (ACCOUNT, IMPORT_ACCOUNT):
            raise Refusal(400, "Bad request", "The account number is not found or invalid.")


def _require_time(text: str) -> None:
    if not WHEN.fullmatch(text):
        raise Refusal(400, "Bad request", "998: ShipTimeStamp is not well formatted.")
