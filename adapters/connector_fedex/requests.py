"""What the hub wants, as FedEx's requests. Pure."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from connector.sdk import BuyLabel, IdempotencyKey, LabelFormat, Parcel, Party
from connector.sdk.courier import (
    IMPERIAL,
    key_mark,
    line_problem,
    require_complete,
    street_lines,
    tenths_of_weight,
    whole_sides,
)
from connector_fedex.config import FedExConfig
from connector_fedex.shapes import CARRIER

NAME_LENGTH = 70
COMPANY_LENGTH = 35
LINE_LENGTH, LINES = 35, 3
CITY_LENGTH = 35
REFERENCE_LENGTH = 30
LOOKS_BACK = timedelta(days=14)
"""How old a label may be that is looked for by its reference: FedEx wants days to search between."""


def ship_day(config: FedExConfig, now: datetime) -> date:
    """The day of a shipment."""
    return now.astimezone(ZoneInfo(config.time_zone)).date()


def rate_request(parcel: Parcel, config: FedExConfig, now: datetime) -> dict[str, Any]:
    """Body of `POST /rate/v1/rates/quotes`: all services, with days on the way."""
    shipper = address(parcel.sender, "shipper")
    recipient = address(parcel.recipient, "recipient")
    return {
        "accountNumber": {"value": config.account_number},
        "rateRequestControlParameters": {"returnTransitTimes": True},
        "requestedShipment": {
            "shipper": {"address": shipper}, "recipient": {"address": recipient},
            "shipDateStamp": ship_day(config, now).isoformat(), "pickupType": config.pickup_type,
            "packagingType": "YOUR_PACKAGING", "rateRequestType": ["ACCOUNT", "LIST"],
            "requestedPackageLineItems": [_package(parcel, config)],
        },
    }  # fmt: skip


def ship_request(op: BuyLabel, service: str, config: FedExConfig, now: datetime) -> dict[str, Any]:
    """Body of `POST /ship/v1/shipments`. The mark of the key is the invoice number, the ticket's the reference."""
    package = _package(op.parcel, config)
    references = (("CUSTOMER_REFERENCE", op.reference.strip()[:REFERENCE_LENGTH]), ("INVOICE_NUMBER", key_mark(op.key)))
    package["customerReferences"] = [
        {"customerReferenceType": kind, "value": text} for kind, text in references if text
    ]  # fmt: skip
    package["itemDescription"] = (op.parcel.description or "IT hardware")[:50]
    is_pdf = op.label_format is LabelFormat.PDF
    shipment = {
        "shipper": party(op.parcel.sender, "shipper", config),
        "recipients": [party(op.parcel.recipient, "recipients", config)],
        "shipDatestamp": ship_day(config, now).isoformat(),
        "serviceType": service, "packagingType": "YOUR_PACKAGING", "pickupType": config.pickup_type,
        "blockInsightVisibility": False, "totalPackageCount": 1,
        "totalWeight": package["weight"]["value"],
        "shippingChargesPayment": {"paymentType": "SENDER"},
        "labelSpecification": {
            "labelFormatType": "COMMON2D", "imageType": "PDF" if is_pdf else "ZPLII",
            "labelStockType": "PAPER_4X6" if is_pdf else "STOCK_4X6",
        },
        "rateRequestType": ["ACCOUNT", "LIST"],
        "requestedPackageLineItems": [package],
    }  # fmt: skip
    if op.is_return:
        shipment["shipmentSpecialServices"] = {
            "specialServiceTypes": ["RETURN_SHIPMENT"], "returnShipmentDetail": {"returnType": "PRINT_RETURN_LABEL"},
        }  # fmt: skip
    return {
        "labelResponseOptions": "LABEL", "accountNumber": {"value": config.account_number},
        "requestedShipment": shipment,
    }  # fmt: skip


def reference_request(key: IdempotencyKey, config: FedExConfig, now: datetime) -> dict[str, str]:
    """Which parcels `POST /track/v1/referencenumbers` is to tell of: those of a key."""
    today = ship_day(config, now)
    return {
        "type": "INVOICE", "value": key_mark(key), "accountNumber": config.account_number,
        "shipDateBegin": (today - LOOKS_BACK).isoformat(), "shipDateEndDate": (today + timedelta(days=1)).isoformat(),
    }  # fmt: skip


def party(party: Party, what: str, config: FedExConfig) -> dict[str, Any]:
    """A party of a label. Raises Invalid naming what is missing or too long."""
    phone = re.sub(r"\D", "", party.address.phone or config.usual_phone or "")[:15]
    where = address(party, what, without="" if phone else "contact.phoneNumber")
    contact = {
        "personName": party.name[:NAME_LENGTH], "companyName": (party.company or "")[:COMPANY_LENGTH],
        "phoneNumber": phone, "emailAddress": (party.address.email or "")[:80],
    }  # fmt: skip
    return {"contact": {name: value for name, value in contact.items() if value}, "address": where}


def address(party: Party, what: str, *, without: str = "") -> dict[str, Any]:
    """An address. without: something else of the party that is missing. Raises Invalid naming all of it."""
    at = party.address
    lines = street_lines(party, LINE_LENGTH)
    problems = {
        f"{what}.{without}": "is missing" if without else "",
        f"{what}.address.countryCode": "is missing" if not at.country else "",
        f"{what}.address.city": "is missing" if not at.city else "",
        f"{what}.address.streetLines": line_problem(lines, LINES),
    }
    hint = "Complete it at its source (or set usual_phone); FedEx takes three lines of 35 characters."
    require_complete(party, problems, courier=CARRIER, hint=hint)
    told = {
        "streetLines": lines, "city": (at.city or "")[:CITY_LENGTH], "stateOrProvinceCode": at.state,
        "postalCode": at.postal_code, "countryCode": at.country,
    }  # fmt: skip
    return {name: value for name, value in told.items() if value}


def _package(parcel: Parcel, config: FedExConfig) -> dict[str, Any]:
    imperial = (config.units or ("imperial" if parcel.sender.address.country in IMPERIAL else "metric")) == "imperial"
    weight = float(tenths_of_weight(parcel.weight_g, imperial=imperial))
    package: dict[str, Any] = {"weight": {"units": "LB" if imperial else "KG", "value": weight}}
    sides = whole_sides(parcel, config.usual_size_mm, imperial=imperial)
    if sides is not None:
        length, width, height = sides
        units = "IN" if imperial else "CM"
        package["dimensions"] = {"length": length, "width": width, "height": height, "units": units}
    return package
