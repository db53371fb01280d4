"""What the hub wants, as UPS's requests. Pure."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from connector.sdk import BuyLabel, LabelFormat, Parcel, Party
from connector.sdk.courier import (
    IMPERIAL,
    key_mark,
    line_problem,
    require_complete,
    street_lines,
    tenths_of_weight,
    whole_sides,
)
from connector_ups.config import UpsConfig

NAME_LENGTH = 35
LINE_LENGTH, LINES = 35, 3
CITY_LENGTH = 30
REFERENCE_LENGTH = 35
DOMESTIC = frozenset({"US", "PR"})
"""Within these references belong to the package, elsewhere to the shipment; the other way round is refused (120541)."""
BROWSER = "Mozilla/4.5"
"""GIF labels come with a page for a browser; the documentation asks for this one."""


def rate_request(parcel: Parcel, config: UpsConfig, now: datetime) -> tuple[str, dict[str, Any]]:
    """Option and body of `POST /rating`. Between countries UPS tells transit times only with values for customs."""
    is_domestic = parcel.sender.address.country == parcel.recipient.address.country
    shipment = _shipment(parcel, config, is_return=False, packaging="PackagingType")
    if config.negotiated_rates:
        shipment["ShipmentRatingOptions"] = {"NegotiatedRatesIndicator": "Y"}
    shipment["PaymentDetails"] = _payment(config)
    if is_domestic:
        day = now.astimezone(ZoneInfo(config.time_zone))
        shipment["DeliveryTimeInformation"] = {"PackageBillType": "03", "Pickup": {"Date": f"{day:%Y%m%d}"}}
    option = "Shoptimeintransit" if is_domestic else "Shop"
    asked = {"Request": {"RequestOption": option}, "PickupType": {"Code": "01"}, "Shipment": shipment}
    return option, {"RateRequest": asked}


def ship_request(op: BuyLabel, service: str, config: UpsConfig) -> dict[str, Any]:
    """Body of `POST /shipments/ship`. The mark of the key is the second reference, the ticket's number the first."""
    shipment = _shipment(op.parcel, config, is_return=op.is_return, packaging="Packaging")
    shipment["Description"] = (op.parcel.description or "IT hardware")[:50]
    shipment["PaymentInformation"] = _payment(config)
    shipment["Service"] = {"Code": service}
    if config.negotiated_rates:
        shipment["ShipmentRatingOptions"] = {"NegotiatedRatesIndicator": "Y"}
    if op.is_return:
        shipment["ReturnService"] = {"Code": config.return_service}
    references = [{"Value": text} for text in (op.reference.strip()[:REFERENCE_LENGTH], key_mark(op.key)) if text]
    countries = {op.parcel.sender.address.country, op.parcel.recipient.address.country}
    holder = shipment["Package"][0] if len(countries) == 1 and countries <= DOMESTIC else shipment
    holder["ReferenceNumber"] = references
    return {
        "ShipmentRequest": {
            "Request": {"RequestOption": "nonvalidate"},
            "Shipment": shipment,
            "LabelSpecification": _label("GIF" if op.label_format is LabelFormat.PDF else "ZPL"),
        }
    }


def recovery_request(
    config: UpsConfig, label_format: LabelFormat, *, number: str | None = None, mark: str | None = None
) -> dict[str, Any]:
    """Body of `POST /labels/recovery`, by tracking number or by the mark of a key."""
    known: dict[str, Any] = {"TrackingNumber": number} if number is not None else {}
    if mark is not None:
        known["ReferenceValues"] = {"ReferenceNumber": {"Value": mark}, "ShipperNumber": config.account_number}
    specification = _label("PDF" if label_format is LabelFormat.PDF else "ZPL")
    return {"LabelRecoveryRequest": {"Request": {}, "LabelSpecification": specification, **known}}


def party(party: Party, what: str) -> dict[str, Any]:
    """A party as UPS has it. Names are cut at 35 characters. Raises Invalid naming what is missing or too long."""
    at = party.address
    lines = street_lines(party, LINE_LENGTH)
    problems = {
        f"{what}.Address.CountryCode": "is missing" if not at.country else "",
        f"{what}.Address.City": "is missing" if not at.city else "",
        f"{what}.Address.AddressLine": line_problem(lines, LINES),
    }
    hint = "Complete the address at its source; UPS takes three lines of 35 characters."
    require_complete(party, problems, courier="UPS", hint=hint)
    address = {
        "AddressLine": lines, "City": (at.city or "")[:CITY_LENGTH], "StateProvinceCode": at.state,
        "PostalCode": (at.postal_code or "").replace(" ", ""), "CountryCode": at.country,
    }  # fmt: skip
    phone = re.sub(r"\D", "", at.phone or "")[:15]
    told = {
        "Name": (party.company or party.name)[:NAME_LENGTH], "AttentionName": party.name[:NAME_LENGTH],
        "Phone": {"Number": phone} if phone else None, "EMailAddress": at.email if len(at.email or "") <= 50 else None,
        "Address": {name: value for name, value in address.items() if value},
    }  # fmt: skip
    return {name: value for name, value in told.items() if value}


def _shipment(parcel: Parcel, config: UpsConfig, *, is_return: bool, packaging: str) -> dict[str, Any]:
    """The account's owner is who sends, or who gets a return back."""
    origin, destination = party(parcel.sender, "ShipFrom"), party(parcel.recipient, "ShipTo")
    owner = destination if is_return else origin
    imperial = (config.units or ("imperial" if parcel.sender.address.country in IMPERIAL else "metric")) == "imperial"
    unit = {"Code": "LBS", "Description": "Pounds"} if imperial else {"Code": "KGS", "Description": "Kilograms"}
    package: dict[str, Any] = {
        "Description": (parcel.description or "IT hardware")[:NAME_LENGTH],
        packaging: {"Code": "02", "Description": "Customer supplied"},
        "PackageWeight": {
            "UnitOfMeasurement": unit,
            "Weight": str(tenths_of_weight(parcel.weight_g, imperial=imperial)),
        },
    }
    if packaging == "PackagingType":
        del package["Description"]
    if size := _size(parcel, config, imperial=imperial):
        package["Dimensions"] = size
    return {
        "Shipper": {**owner, "ShipperNumber": config.account_number}, "ShipTo": destination, "ShipFrom": origin,
        "Package": [package],
    }  # fmt: skip


def _size(parcel: Parcel, config: UpsConfig, *, imperial: bool) -> dict[str, Any] | None:
    """The longest side is the length; whole inches or centimetres, rounded up."""
    sides = whole_sides(parcel, config.usual_size_mm, imperial=imperial)
    if sides is None:
        return None
    length, width, height = (str(side) for side in sides)
    unit = {"Code": "IN", "Description": "Inches"} if imperial else {"Code": "CM", "Description": "Centimeters"}
    return {"UnitOfMeasurement": unit, "Length": length, "Width": width, "Height": height}


def _payment(config: UpsConfig) -> dict[str, Any]:
    return {"ShipmentCharge": [{"Type": "01", "BillShipper": {"AccountNumber": config.account_number}}]}


def _label(code: str) -> dict[str, Any]:
    stock = {"LabelStockSize": {"Height": "6", "Width": "4"}}
    return {"LabelImageFormat": {"Code": code}, "HTTPUserAgent": BROWSER, **stock}
