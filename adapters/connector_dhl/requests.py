"""What the hub wants, as requests of MyDHL API. Pure."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from connector.sdk import BuyLabel, IdempotencyKey, LabelFormat, Parcel, Party
from connector.sdk.courier import (
    IMPERIAL,
    SATURDAY,
    key_mark,
    line_problem,
    require_complete,
    street_lines,
    tenths_of_weight,
    whole_sides,
)
from connector_dhl.config import DhlConfig
from connector_dhl.shapes import CARRIER

NAME_LENGTH, COMPANY_LENGTH = 255, 100
LINE_LENGTH, LINES = 45, 3
CITY_LENGTH = 45
REFERENCE_LENGTH = 35
CONTENT_LENGTH = 70
REFERENCE = "CU"
"""DHL's type of references of the consignor."""
PREPARATION = timedelta(minutes=30)
"""A shipment that is planned for sooner could be in the past when DHL reads of it."""
LOOKS_BACK = timedelta(days=30)
"""How old a shipment may be that is looked for by its reference: DHL wants days to search between."""


def planned(config: DhlConfig, now: datetime) -> datetime:
    """When a parcel is given to DHL: at the hour of the settings, on this working day or the next, in local time."""
    zone = ZoneInfo(config.time_zone)
    local = now.astimezone(zone)
    at = datetime.combine(local.date(), config.ready_at, zone)
    if at < local + PREPARATION:
        at += timedelta(days=1)
    while at.weekday() >= SATURDAY:
        at += timedelta(days=1)
    return at


def rate_request(parcel: Parcel, config: DhlConfig, now: datetime) -> dict[str, Any]:
    """Body of `POST /rates`: all products, with days on the way."""
    return {
        "customerDetails": {
            "shipperDetails": address(parcel.sender, "shipperDetails"),
            "receiverDetails": address(parcel.recipient, "receiverDetails"),
        },
        "accounts": [{"typeCode": "shipper", "number": config.account_number}],
        "plannedShippingDateAndTime": written(planned(config, now)),
        "unitOfMeasurement": units(parcel, config),
        "isCustomsDeclarable": False,
        "estimatedDeliveryDate": {"isRequested": True, "typeCode": "QDDC"},
        "packages": [package(parcel, config)],
    }


def ship_request(op: BuyLabel, product: str, local: str | None, config: DhlConfig, now: datetime) -> dict[str, Any]:
    """Body of `POST /shipments`. The ticket's number is the first reference, the mark of the key the second."""
    parcel = op.parcel
    accounts = [{"typeCode": "shipper", "number": config.account_number}]
    if op.is_return and config.return_account_number is not None:
        accounts.append({"typeCode": "payer", "number": config.return_account_number})
    references = (op.reference.strip()[:REFERENCE_LENGTH], key_mark(op.key))
    body = {
        "plannedShippingDateAndTime": written(planned(config, now)),
        "pickup": {"isRequested": False},
        "productCode": product,
        "getRateEstimates": True,
        "accounts": accounts,
        "outputImageProperties": {
            "printerDPI": 300,
            "encodingFormat": "pdf" if op.label_format is LabelFormat.PDF else "zpl",
            "imageOptions": [
                {"typeCode": "label", "templateName": config.label_template},
                {"typeCode": "waybillDoc", "isRequested": False},
            ],
        },
        "customerReferences": [{"value": text, "typeCode": REFERENCE} for text in references if text],
        "customerDetails": {
            "shipperDetails": party(parcel.sender, "shipperDetails", config),
            "receiverDetails": party(parcel.recipient, "receiverDetails", config),
        },
        "content": {
            "packages": [package(parcel, config)],
            "isCustomsDeclarable": False,
            "description": (parcel.description.strip() or "IT hardware")[:CONTENT_LENGTH],
            "incoterm": "DAP",
            "unitOfMeasurement": units(parcel, config),
        },
    }  # fmt: skip
    if local:
        body["localProductCode"] = local
    if op.is_return and config.return_services:
        body["valueAddedServices"] = [{"serviceCode": code} for code in config.return_services]
    return body


def reference_query(key: IdempotencyKey, config: DhlConfig, now: datetime) -> dict[str, str]:
    """Which shipments `GET /tracking` is to tell of: those of a key."""
    today: date = now.astimezone(ZoneInfo(config.time_zone)).date()
    return {
        "shipmentReference": key_mark(key), "shipmentReferenceType": REFERENCE,
        "shipperAccountNumber": config.account_number, "dateRangeFrom": (today - LOOKS_BACK).isoformat(),
        "dateRangeTo": (today + timedelta(days=1)).isoformat(),
    }  # fmt: skip


def party(party: Party, what: str, config: DhlConfig) -> dict[str, Any]:
    """A party of a shipment. Raises Invalid naming what is missing or too long."""
    phone = (party.address.phone or config.usual_phone or "").strip()[:70]
    where = address(party, f"{what}.postalAddress", without="" if phone else f"{what}.contactInformation.phone")
    contact = {
        "fullName": party.name[:NAME_LENGTH], "companyName": (party.company or party.name)[:COMPANY_LENGTH],
        "phone": phone, "email": party.address.email if len(party.address.email or "") <= 70 else None,
    }  # fmt: skip
    return {"postalAddress": where, "contactInformation": {name: text for name, text in contact.items() if text}}


def address(party: Party, what: str, *, without: str = "") -> dict[str, Any]:
    """An address. without: something else of the party that is missing. Raises Invalid naming all of it."""
    at = party.address
    lines = street_lines(party, LINE_LENGTH)
    problems = {
        without: "is missing" if without else "",
        f"{what}.countryCode": "is missing" if not at.country else "",
        f"{what}.cityName": "is missing" if not at.city else "",
        f"{what}.addressLine1": line_problem(lines, LINES),
    }
    hint = f"Complete it at its source (or set usual_phone); DHL takes {LINES} lines of {LINE_LENGTH} characters."
    require_complete(party, problems, courier=CARRIER, hint=hint)
    told = {
        "cityName": (at.city or "")[:CITY_LENGTH], "countryCode": at.country,
        "provinceCode": at.state if 2 <= len(at.state or "") <= 35 else None,
        **{f"addressLine{number}": line for number, line in enumerate(lines, 1)},
    }  # fmt: skip
    return {"postalCode": (at.postal_code or "")[:12], **{name: text for name, text in told.items() if text}}


def package(parcel: Parcel, config: DhlConfig) -> dict[str, Any]:
    """The one package of a shipment."""
    imperial = units(parcel, config) == "imperial"
    told: dict[str, Any] = {"weight": float(tenths_of_weight(parcel.weight_g, imperial=imperial))}
    sides = whole_sides(parcel, config.usual_size_mm, imperial=imperial)
    if sides is not None:
        told["dimensions"] = dict(zip(("length", "width", "height"), sides, strict=True))
    return told


def units(parcel: Parcel, config: DhlConfig) -> str:
    """As the settings say, else as the sender's country measures."""
    return config.units or ("imperial" if parcel.sender.address.country in IMPERIAL else "metric")


def written(at: datetime) -> str:
    """A local time as DHL writes it: 2026-11-25T17:00:00 GMT+01:00."""
    offset = f"{at:%z}"
    return f"{at:%Y-%m-%dT%H:%M:%S} GMT{offset[:3]}:{offset[3:5]}"
