"""Pickups: a carrier comes for parcels whose labels were bought. USPS and DHL Express alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from connector.sdk import IdempotencyKey, Invalid, OrderPickup, Party, SourceRef
from connector.sdk.answers import read_answer
from connector.sdk.courier import PickupReceipt, party_fields
from connector_shippo.client import ShippoClient
from connector_shippo.requests import MARK, METADATA_LIMIT
from connector_shippo.shapes import Pickup, Rate, Transaction

ORDERED = frozenset({"PENDING", "CONFIRMED"})
OPERATION = "schedule pickup"


@dataclass(frozen=True, slots=True)
class SchedulePickup:
    """Have the carrier of a bought label come for its parcel, between two times. at: where it waits.

    place: one of Shippo's, such as `Front Door`, `Shipping Dock` (DHL Express) or `Other`, which needs instructions.
    others: labels of the same carrier whose parcels wait beside it.
    """

    key: IdempotencyKey
    shipment: SourceRef
    at: Party
    earliest: datetime
    latest: datetime
    place: str = "Front Door"
    instructions: str = ""
    others: tuple[SourceRef, ...] = ()


def translated(op: OrderPickup) -> SchedulePickup:
    """What the hub orders, as Shippo is asked."""
    first, *others = op.parcels
    return SchedulePickup(
        op.key, first.shipment, op.at, op.earliest, op.latest, instructions=op.instructions,
        others=tuple(each.shipment for each in others),
    )  # fmt: skip


async def schedule(op: SchedulePickup, client: ShippoClient) -> PickupReceipt:
    """Order it. Shippo lists no pickups: one whose answer was lost cannot be found, and asking again may order two.

    Raises Invalid when the carrier refuses, OutcomeUnknown when the answer was lost: ask the carrier then.
    """
    transaction = read_answer(Transaction, await client.transaction(op.shipment, OPERATION), OPERATION)
    rate = read_answer(Rate, await client.rate(transaction.rate, OPERATION), OPERATION)
    pickup = read_answer(Pickup, await client.create_pickup(pickup_request(op, rate)), OPERATION)
    if pickup.status not in ORDERED:
        told = "; ".join(pickup.messages) or "no reason given"
        raise Invalid(
            f"{rate.provider} does not come for this parcel then, the pickup is {pickup.status}: {told}",
            operation=OPERATION,
            ref=op.shipment,
            fields={"requested_start_time": told[:500]},
            hint="Choose another time or address, or have the parcel brought to the carrier.",
        )
    return PickupReceipt(key=op.key, external_id=pickup.id, confirmation=pickup.confirmation_code)


def pickup_request(op: SchedulePickup, rate: Rate) -> dict[str, Any]:
    """Body of `POST /pickups`."""
    location: dict[str, Any] = {"building_location_type": op.place, "address": party_fields(op.at)}
    if op.instructions:
        location["instructions"] = op.instructions
    return {
        "carrier_account": rate.carrier_account, "location": location,
        "transactions": [each.external_id for each in (op.shipment, *op.others)],
        "requested_start_time": _written(op.earliest), "requested_end_time": _written(op.latest),
        "metadata": f"{MARK} {op.key}"[:METADATA_LIMIT],
    }  # fmt: skip


def _written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
