"""Pickups: a carrier comes for parcels whose labels were bought."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from connector.sdk import (
    Conflict,
    IdempotencyKey,
    Invalid,
    NotFound,
    OrderPickup,
    Party,
    Receipt,
    SourceRef,
    UnexpectedResponse,
)
from connector.sdk.answers import read_answer
from connector.sdk.courier import CancelPickup, PickupReceipt, cancel_each, order_each, party_fields
from connector_easypost.client import EasyPostClient
from connector_easypost.requests import reference_of
from connector_easypost.shapes import Pickup, Rate, said

SCHEDULED, CANCELLED = "scheduled", "canceled"


@dataclass(frozen=True, slots=True)
class SchedulePickup:
    """Have the carrier of a bought shipment come for it, between two times. at: where the parcel waits."""

    key: IdempotencyKey
    shipment: SourceRef
    at: Party
    earliest: datetime
    latest: datetime
    instructions: str = ""


class Pickups:
    """Orders pickups once for each key, which EasyPost keeps as their reference."""

    def __init__(self, client: EasyPostClient) -> None:
        self._client = client

    async def schedule(self, op: SchedulePickup) -> PickupReceipt:
        """Order it; one that an earlier attempt left unordered is ordered now."""
        pickup = await self._of(op.key)
        if pickup is None:
            body = await self._client.create_pickup(pickup_request(op))
            pickup = read_answer(Pickup, body, "schedule pickup")
        offer = cheapest(pickup)
        if pickup.status not in (SCHEDULED, CANCELLED):
            body = await self._client.buy_pickup(pickup.id, offer.carrier, offer.service)
            pickup = read_answer(Pickup, body, "schedule pickup")
        if pickup.status not in (SCHEDULED, CANCELLED):
            raise UnexpectedResponse(
                f"pickup {pickup.id} was ordered and is {pickup.status}", operation="schedule pickup"
            )
        return _receipt(pickup, op.key, offer)

    async def order(self, op: OrderPickup) -> PickupReceipt:
        """Order one for each parcel: a pickup of EasyPost is for one shipment."""
        return await order_each(op, self._order_one, self.cancel)

    async def _order_one(self, op: OrderPickup) -> PickupReceipt:
        [parcel] = op.parcels
        return await self.schedule(
            SchedulePickup(op.key, parcel.shipment, op.at, op.earliest, op.latest, op.instructions)
        )

    async def find(self, key: IdempotencyKey) -> PickupReceipt | None:
        """The pickup of this key, also when it was called off since."""
        pickup = await self._of(key)
        if pickup is None or pickup.status not in (SCHEDULED, CANCELLED):
            return None
        return _receipt(pickup, key, cheapest(pickup))

    async def cancel(self, op: CancelPickup) -> Receipt:
        """Call off one, or all that `order` ordered. Raises Conflict when the carrier says that it is too late."""
        return await cancel_each(op, self._cancel_one)

    async def _cancel_one(self, op: CancelPickup) -> Receipt:
        pickup = read_answer(Pickup, await self._client.pickup(op.pickup, "cancel pickup"), "cancel pickup")
        if pickup.status == SCHEDULED:
            pickup = read_answer(Pickup, await self._client.cancel_pickup(pickup.id), "cancel pickup")
            if pickup.status != CANCELLED:
                raise Conflict(f"pickup {pickup.id} is still {pickup.status}", operation="cancel pickup")
        return Receipt(key=op.key, external_id=pickup.id)

    async def _of(self, key: IdempotencyKey) -> Pickup | None:
        reference = reference_of(key)
        try:
            pickup = read_answer(Pickup, await self._client.pickup(reference, "find pickup"), "find pickup")
        except NotFound:
            return None
        return pickup if pickup.reference == reference else None


def pickup_request(op: SchedulePickup) -> dict[str, Any]:
    """Body of `POST /v2/pickups`."""
    return {
        "pickup": {
            "reference": reference_of(op.key), "shipment": {"id": op.shipment.external_id},
            "address": party_fields(op.at), "min_datetime": _written(op.earliest), "max_datetime": _written(op.latest),
            "instructions": op.instructions, "is_account_address": False,
        }
    }  # fmt: skip


def cheapest(pickup: Pickup) -> Rate:
    """The offer that is taken; pickups are told apart by price alone. Raises Invalid when no carrier would come."""
    if not pickup.pickup_rates:
        raise Invalid(
            f"no carrier comes for this parcel then. {said(pickup.messages)}".strip(),
            operation="schedule pickup",
            fields={"pickup_rates": "none is offered"},
            hint="Choose another time or address, or have the parcel brought to the carrier.",
        )
    return min(pickup.pickup_rates, key=lambda rate: (rate.amount_cents, rate.carrier, rate.service))


def _receipt(pickup: Pickup, key: IdempotencyKey, offer: Rate) -> PickupReceipt:
    return PickupReceipt(
        key=key,
        external_id=pickup.id,
        confirmation=pickup.confirmation,
        amount_cents=offer.amount_cents,
        currency=offer.currency,
    )


def _written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
