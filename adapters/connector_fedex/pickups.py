"""Pickups: a driver comes for parcels whose labels were bought. FedEx has no list of them. Pure but for the calls."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from connector.sdk import IdempotencyKey, Invalid, NotFound, OrderPickup, Party, Receipt, SourceRef
from connector.sdk.answers import Theirs, read_answer
from connector.sdk.courier import CancelPickup, PickupReceipt, key_mark
from connector_fedex.client import FedExClient
from connector_fedex.config import FedExConfig
from connector_fedex.refusals import reasons
from connector_fedex.requests import party

OPERATION = "schedule pickup"
GROUND = frozenset({"FEDEX_GROUND", "GROUND_HOME_DELIVERY"})
"""Services whose parcels the drivers of FedEx Ground fetch."""
CALLED_OFF, NO_SUCH_PICKUP = "DUPLICATE.REQUEST.CANCEL", "NO.DISPATCH.FOUND"


@dataclass(frozen=True, slots=True)
class SchedulePickup:
    """Have a driver come for a parcel between two times of one day. at: where it waits.

    carrier: FDXE drivers fetch express parcels, FDXG those of FedEx Ground.
    """

    key: IdempotencyKey
    shipment: SourceRef
    at: Party
    earliest: datetime
    latest: datetime
    carrier: Literal["FDXE", "FDXG"] = "FDXE"
    time_zone: str = "UTC"
    quantity: int = 1
    instructions: str = ""


class _Created(Theirs):
    code: str = Field(alias="pickupConfirmationCode", min_length=1)
    location: str | None = None


class _Answer(Theirs):
    output: _Created


def translated(op: OrderPickup) -> SchedulePickup:
    """What the hub orders, as FedEx is asked. Raises Invalid for parcels that different drivers fetch."""
    drivers: set[Literal["FDXE", "FDXG"]] = {"FDXG" if each.service in GROUND else "FDXE" for each in op.parcels}
    if len(drivers) > 1:
        raise Invalid(
            "parcels of FedEx Ground and express parcels are fetched by different drivers",
            operation=OPERATION, fields={"carrierCode": "is FDXE and FDXG"},
            hint="Order one pickup for the ground parcels and one for the others.",
        )  # fmt: skip
    return SchedulePickup(
        op.key, op.parcels[0].shipment, op.at, op.earliest, op.latest, drivers.pop(), op.time_zone, len(op.parcels),
        op.instructions,
    )  # fmt: skip


async def schedule(op: SchedulePickup, client: FedExClient, config: FedExConfig) -> PickupReceipt:
    """Order it. FedEx cannot be asked whether it was: after a lost answer a second order is a second pickup.

    It is called off by drivers, day, FedEx's place and confirmation code.
    """
    body = pickup_request(op, config)
    created = read_answer(_Answer, await client.create_pickup(body, key_mark(op.key)), OPERATION).output
    day = body["originDetail"]["readyDateTimestamp"][:10]
    external_id = "/".join((op.carrier, day, created.location or "", created.code))
    return PickupReceipt(op.key, external_id, confirmation=created.code)


async def cancel(op: CancelPickup, client: FedExClient, config: FedExConfig) -> Receipt:
    """Call it off. One that is called off already counts as such. Raises NotFound, or Invalid when FedEx refuses."""
    parts = op.pickup.split("/")
    if len(parts) != 4:
        raise Invalid(
            f"{op.pickup!r} is no pickup of FedEx", operation="cancel pickup",
            fields={"pickup": "is not drivers/day/place/code"}, hint="Give the external_id of the receipt.",
        )  # fmt: skip
    carrier, day, location, code = parts
    body: dict[str, object] = {
        "associatedAccountNumber": {"value": config.account_number}, "pickupConfirmationCode": code,
        "carrierCode": carrier, "scheduledDate": day,
    }  # fmt: skip
    try:
        await client.cancel_pickup({**body, **({"location": location} if location else {})})
    except Invalid as error:
        told = reasons(error)
        if NO_SUCH_PICKUP in told:
            raise NotFound(error.message, operation=error.operation, hint=error.hint, detail=error.detail) from error
        if CALLED_OFF not in told:
            raise
    return Receipt(op.key, op.pickup)


def pickup_request(op: SchedulePickup, config: FedExConfig) -> dict[str, Any]:
    """Body of `POST /pickup/v1/pickups`. Times are those of the place."""
    zone = ZoneInfo(op.time_zone)
    ready, close = op.earliest.astimezone(zone), op.latest.astimezone(zone)
    waits = party(op.at, "originDetail.pickupLocation", config)
    waits["contact"].pop("emailAddress", None)
    waits["contact"].setdefault("companyName", op.at.name[:35])
    return {
        "associatedAccountNumber": {"value": config.account_number},
        "originDetail": {
            "pickupLocation": {**waits, "accountNumber": {"value": config.account_number}},
            "readyDateTimestamp": f"{ready:%Y-%m-%dT%H:%M:%S}Z",
            "customerCloseTime": f"{close:%H:%M:%S}",
        },
        "carrierCode": op.carrier,
        "packageCount": op.quantity,
        **({"remarks": op.instructions[:60]} if op.instructions else {}),
    }
