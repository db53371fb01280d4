"""Pickups: a driver comes for a parcel whose label was bought. DHL has no list of them. Pure but for the calls."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import Field

from connector.sdk import IdempotencyKey, OrderPickup, Parcel, Receipt, SourceRef, WaitingParcel
from connector.sdk.answers import Theirs, read_answer
from connector.sdk.courier import CancelPickup, PickupReceipt, key_mark
from connector_dhl.client import DhlClient
from connector_dhl.config import DhlConfig
from connector_dhl.requests import package, party, units, written

INSTRUCTION_LENGTH, INSTRUCTIONS = 80, 4


@dataclass(frozen=True, slots=True)
class SchedulePickup:
    """Have a driver come to the parcel's sender between two times of one day. service: the label's product code.

    others: parcels that wait beside it, whose service is their label's product code.
    """

    key: IdempotencyKey
    shipment: SourceRef
    parcel: Parcel
    earliest: datetime
    latest: datetime
    service: str
    time_zone: str = "UTC"
    instructions: str = ""
    others: tuple[WaitingParcel, ...] = ()


class _Created(Theirs):
    numbers: tuple[str, ...] = Field(alias="dispatchConfirmationNumbers", min_length=1)


def translated(op: OrderPickup) -> SchedulePickup:
    """What the hub orders, as DHL is asked."""
    first, *others = op.parcels
    parcel = replace(first.parcel, sender=op.at)
    return SchedulePickup(
        op.key, first.shipment, parcel, op.earliest, op.latest, first.service, op.time_zone, op.instructions,
        tuple(others),
    )  # fmt: skip


async def schedule(op: SchedulePickup, client: DhlClient, config: DhlConfig) -> PickupReceipt:
    """Order it. DHL cannot be asked whether it was: after a lost answer a second order is a second pickup."""
    body = await client.create_pickup(pickup_request(op, config), key_mark(op.key))
    return PickupReceipt(op.key, read_answer(_Created, body, "schedule pickup").numbers[0])


async def cancel(op: CancelPickup, client: DhlClient) -> Receipt:
    """Call it off. Raises NotFound, or Invalid when it is called off or over already: DHL has one word for both."""
    await client.cancel_pickup(op.pickup, {"requestorName": "Connector", "reason": "not needed"})
    return Receipt(op.key, op.pickup)


def pickup_request(op: SchedulePickup, config: DhlConfig) -> dict[str, Any]:
    """Body of `POST /pickups`. Times are those of the place."""
    zone = ZoneInfo(op.time_zone)
    text = op.instructions.strip()[: INSTRUCTION_LENGTH * INSTRUCTIONS]
    told = [text[start : start + INSTRUCTION_LENGTH] for start in range(0, len(text), INSTRUCTION_LENGTH)]
    return {
        "plannedPickupDateAndTime": written(op.earliest.astimezone(zone)),
        "closeTime": f"{op.latest.astimezone(zone):%H:%M}",
        "accounts": [{"typeCode": "shipper", "number": config.account_number}],
        "customerDetails": {
            "shipperDetails": party(op.parcel.sender, "shipperDetails", config),
            "receiverDetails": party(op.parcel.recipient, "receiverDetails", config),
        },
        "shipmentDetails": [
            {
                "productCode": service,
                "isCustomsDeclarable": False,
                "unitOfMeasurement": units(parcel, config),
                "shipmentTrackingNumber": shipment.external_id,
                "packages": [package(parcel, config)],
            }
            for service, shipment, parcel in (
                (op.service, op.shipment, op.parcel),
                *((each.service, each.shipment, each.parcel) for each in op.others),
            )
        ],
        **({"specialInstructions": [{"value": line} for line in told]} if told else {}),
    }
