"""Pickups: a driver comes for parcels whose labels were bought, today or on a later day. Pure but for `schedule`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import Field

from connector.sdk import IdempotencyKey, Invalid, OrderPickup, Party, Receipt, SourceRef
from connector.sdk.answers import Theirs, read_answer
from connector.sdk.courier import CancelPickup, PickupReceipt, key_mark
from connector_ups.client import UpsClient
from connector_ups.config import UpsConfig
from connector_ups.refusals import NO_PICKUP, codes
from connector_ups.requests import party
from connector_ups.shapes import Several

OPERATION = "schedule pickup"


@dataclass(frozen=True, slots=True)
class SchedulePickup:
    """Have a driver come for a parcel between two times of one day. at: where it waits. service: UPS's code.

    destination: country that it goes to. others: service, destination and number of parcels of other kinds.
    """

    key: IdempotencyKey
    shipment: SourceRef
    at: Party
    earliest: datetime
    latest: datetime
    service: str
    destination: str
    time_zone: str = "UTC"
    quantity: int = 1
    instructions: str = ""
    others: tuple[tuple[str, str, int], ...] = ()


class _Created(Theirs):
    number: str = Field(alias="PRN", min_length=1)


class _Answer(Theirs):
    created: _Created = Field(alias="PickupCreationResponse")


class _Pending(Theirs):
    number: str = Field(alias="PRN", min_length=1)
    reference: str | None = Field(default=None, alias="ReferenceNumber")


class _PendingResponse(Theirs):
    pending: Several[_Pending] = Field(default=(), alias="PendingStatus")


class _PendingAnswer(Theirs):
    response: _PendingResponse = Field(alias="PickupPendingStatusResponse")


def translated(op: OrderPickup) -> SchedulePickup:
    """What the hub orders, as UPS is asked."""
    kinds = Counter((each.service, each.parcel.recipient.address.country or "") for each in op.parcels)
    (service, destination), quantity = next(iter(kinds.items()))
    others = tuple((*kind, number) for kind, number in list(kinds.items())[1:])
    return SchedulePickup(
        op.key, op.parcels[0].shipment, op.at, op.earliest, op.latest, service, destination, op.time_zone, quantity,
        op.instructions, others,
    )  # fmt: skip


def is_listed(op: OrderPickup, now: datetime) -> bool:
    """Whether UPS lists a pickup of then as pending, by which it is found again: today and tomorrow alone."""
    zone = ZoneInfo(op.time_zone)
    return op.earliest.astimezone(zone).date() <= now.astimezone(zone).date() + timedelta(days=1)


async def schedule(op: SchedulePickup, client: UpsClient, config: UpsConfig) -> PickupReceipt:
    """Order it once per key: pending ones have the key as their reference. Raises Invalid when UPS does not come."""
    known = await _pending(client, config)
    number = known.get(key_mark(op.key))
    if number is None:
        number = read_answer(_Answer, await client.create_pickup(pickup_request(op, config)), OPERATION).created.number
    return PickupReceipt(op.key, number)


async def cancel(op: CancelPickup, client: UpsClient) -> Receipt:
    """Call it off. One that is called off already, or unknown, counts as such."""
    try:
        await client.cancel_pickup(op.pickup)
    except Invalid as error:
        if not NO_PICKUP & set(codes(error)):
            raise
    return Receipt(op.key, op.pickup)


def pickup_request(op: SchedulePickup, config: UpsConfig) -> dict[str, Any]:
    """Body of `POST /pickupcreation/pickup`. Times are those of the place."""
    zone = ZoneInfo(op.time_zone)
    ready, close = op.earliest.astimezone(zone), op.latest.astimezone(zone)
    waits = party(op.at, "PickupAddress")
    address = waits["Address"]
    place = {
        "CompanyName": waits["Name"][:27], "ContactName": waits["AttentionName"][:22],
        "AddressLine": address["AddressLine"][:1], "City": address["City"],
        "StateProvince": address.get("StateProvinceCode"), "PostalCode": address.get("PostalCode"),
        "CountryCode": address["CountryCode"], "ResidentialIndicator": "N", "Phone": waits.get("Phone"),
    }  # fmt: skip
    if place["Phone"] is None:
        raise Invalid(
            f"UPS comes to no one without a telephone number, {op.at.name} has none",
            operation=OPERATION, fields={"PickupAddress.Phone": "is missing"}, hint="Give the hub a phone number.",
        )  # fmt: skip
    return {
        "PickupCreationRequest": {
            "Request": {},
            "RatePickupIndicator": "N",
            "Shipper": {
                "Account": {
                    "AccountNumber": config.account_number,
                    "AccountCountryCode": address["CountryCode"],
                }
            },
            "PickupDateInfo": {
                "PickupDate": f"{ready:%Y%m%d}", "ReadyTime": f"{ready:%H%M}", "CloseTime": f"{close:%H%M}",
            },
            "PickupAddress": {name: value for name, value in place.items() if value},
            "AlternateAddressIndicator": "Y",
            "PickupPiece": [
                {"ServiceCode": service.zfill(3), "Quantity": str(quantity),
                 "DestinationCountryCode": destination, "ContainerCode": "01"}
                for service, destination, quantity in ((op.service, op.destination, op.quantity), *op.others)
            ],
            "PaymentMethod": "01",
            "ReferenceNumber": key_mark(op.key),
            "ShippingLabelsAvailable": "Y",
            **({"SpecialInstruction": op.instructions[:57]} if op.instructions else {}),
        }
    }  # fmt: skip


async def _pending(client: UpsClient, config: UpsConfig) -> dict[str, str]:
    """Numbers of pickups of today and tomorrow, by their references; UPS refuses to list none."""
    try:
        body = await client.pending_pickups(config.account_number, OPERATION)
    except Invalid:
        return {}
    pending = read_answer(_PendingAnswer, body, OPERATION).response.pending
    return {each.reference: each.number for each in pending if each.reference}
