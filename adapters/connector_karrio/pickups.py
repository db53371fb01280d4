"""Pickups: the carrier of a bought shipment comes for it. Karrio keeps the operation's key in the pickup's metadata."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import Field

from connector.sdk import IdempotencyKey, Invalid, OrderPickup, Party, Receipt, SourceRef, UnexpectedResponse
from connector.sdk.answers import Theirs, read_answer
from connector.sdk.courier import CancelPickup, PickupReceipt
from connector_karrio import rates
from connector_karrio.client import KarrioClient
from connector_karrio.requests import KEY, address_fields

OPERATION = "schedule pickup"
CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class SchedulePickup:
    """Have the carrier come for a parcel between two times of one day. at: where it waits, in `time_zone`.

    others: tracking numbers of parcels of the same carrier that wait beside it.
    """

    key: IdempotencyKey
    shipment: SourceRef
    at: Party
    earliest: datetime
    latest: datetime
    time_zone: str = "UTC"
    instructions: str = ""
    others: tuple[str, ...] = ()


def translated(op: OrderPickup) -> SchedulePickup:
    """What the hub orders, as Karrio is asked."""
    first, *others = op.parcels
    numbers = tuple(each.tracking_number for each in others)
    return SchedulePickup(op.key, first.shipment, op.at, op.earliest, op.latest, op.time_zone, op.instructions, numbers)


class _Pickup(Theirs):
    id: str = Field(min_length=1)
    confirmation_number: str | None = None
    status: str | None = None
    metadata: dict[str, Any] | None = None


class Pickups:
    """Orders pickups once for each key. since: how far back one is looked for."""

    def __init__(self, client: KarrioClient, since: datetime) -> None:
        self._client = client
        self._since = since

    async def schedule(self, op: SchedulePickup) -> PickupReceipt:
        """Order it, unless that was done. Raises Invalid, OutcomeUnknown."""
        if found := await self.find(op.key):
            return found
        shipment = rates.read_shipment(await self._client.shipment(op.shipment, OPERATION), OPERATION)
        body = pickup_request(op, shipment)
        made = read_answer(_Pickup, await self._client.create_pickup(body), OPERATION)
        return PickupReceipt(op.key, made.id, confirmation=made.confirmation_number)

    async def find(self, key: IdempotencyKey) -> PickupReceipt | None:
        """The pickup of this key, also when it was called off since. Raises UnexpectedResponse, if pages repeat."""
        offset = 0
        before: tuple[Any, ...] = ()
        while True:
            page = await self._client.pickups(self._since, offset)
            if page.has_more and page.results == before:
                raise UnexpectedResponse(
                    f"Karrio's list of pickups does not go on: behind {offset} is nothing new, and more follow",
                    operation="find pickup", hint="No pickup was ordered. Report it to Karrio where it stays so.",
                )  # fmt: skip
            before = page.results
            for body in page.results:
                if isinstance(body, dict) and (body.get("metadata") or {}).get(KEY) == key:
                    found = read_answer(_Pickup, body, "find pickup")
                    return PickupReceipt(key, found.id, confirmation=found.confirmation_number)
            if not page.has_more:
                return None
            offset += len(page.results)

    async def cancel(self, op: CancelPickup) -> Receipt:
        """Call it off; one that is called off stays so. Raises Conflict when the carrier was there, NotFound."""
        pickup = read_answer(_Pickup, await self._client.pickup(op.pickup), "cancel pickup")
        if pickup.status != CANCELLED:
            await self._client.cancel_pickup(pickup.id)
        return Receipt(key=op.key, external_id=pickup.id)


def pickup_request(op: SchedulePickup, shipment: rates.Shipment) -> dict[str, Any]:
    """Body of `POST /v1/pickups`. Raises Invalid for a shipment without a label, or times of two days."""
    zone = ZoneInfo(op.time_zone)
    begin, end = op.earliest.astimezone(zone), op.latest.astimezone(zone)
    if begin.date() != end.date() or begin >= end:
        raise Invalid(
            f"a driver comes between two times of one day, not from {begin.isoformat()} to {end.isoformat()}",
            operation=OPERATION, fields={"latest": "is not later on the same day"},
        )  # fmt: skip
    if not shipment.tracking_number or not shipment.carrier_name:
        raise Invalid(
            f"shipment {op.shipment.external_id} has no label yet, so that nobody would come for it",
            operation=OPERATION, ref=op.shipment, fields={"shipment": "has no label"},
        )  # fmt: skip
    return {
        "carrier_code": shipment.carrier_name, "pickup_date": f"{begin:%Y-%m-%d}", "ready_time": f"{begin:%H:%M}",
        "closing_time": f"{end:%H:%M}", "address": address_fields(op.at), "instruction": op.instructions or None,
        "tracking_numbers": [shipment.tracking_number, *op.others], "metadata": {KEY: op.key},
    }  # fmt: skip
