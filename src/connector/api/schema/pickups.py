"""Drivers of couriers who come to hubs for parcels, and the mutations that order and call them off."""

from datetime import datetime

import strawberry

from connector.api.context import Info
from connector.api.schema.asking import refusing, request_of
from connector.api.schema.fields import column, paged, related
from connector.api.schema.inputs import KEY
from connector.api.schema.lazy import AnyHub, AnyShipment, AnySource
from connector.api.schema.money import Money, money
from connector.api.schema.nodes import Node, key_of
from connector.api.schema.paging import Connection
from connector.api.schema.payloads import Payload, target
from connector.fulfilment.pickups import MOST_PARCELS, NewOrder
from connector.model.lifecycle import PickupState


@strawberry.type(description="A driver whom a courier is to send to a hub for parcels.")
class Pickup(Node):
    """A pickup."""

    hub: AnyHub = related("hub", "Where the parcels wait.")
    source: AnySource = related("source", "The courier's system that it was ordered from.")
    carrier: str | None = column("Who comes.")
    state: PickupState = column("Where it stands.")
    earliest_at: datetime = column("From when on somebody may come.")
    latest_at: datetime = column("Until when.")
    note: str | None = column("What the driver is told.")
    confirmation: str | None = column("The carrier's number, for the telephone; null where the courier tells none.")
    external_id: str | None = column("What the courier's system calls it; null until it is ordered.")
    cost_cents: int | None = column("What it costs, in hundredths of `currency`.")
    currency: str | None = column("ISO 4217.")
    cost: Money | None = money("cost_cents", "What it costs; null when the courier does not say.")
    reason: str | None = column("Why the courier refused it, or what is to be known of one that was called off.")
    shipments: Connection[AnyShipment] = paged(
        "shipment", "shipments", "The parcels that it is for; those of one that ended may have gone over to another."
    )
    ordered_by: str = column("Who ordered it.")
    cancelled_by: str | None = column("Who called it off.")
    cancelled_at: datetime | None = column("When it was called off.")
    created_at: datetime = column("When it was ordered.")
    updated_at: datetime = column("When it last changed.")


@strawberry.input(description="Have a courier come to a hub for parcels that have a label.")
class OrderPickupInput:
    """Input of `orderPickup`."""

    hub_id: strawberry.ID = strawberry.field(description="Where the parcels wait.")
    earliest_at: datetime = strawberry.field(description="From when on somebody may come.")
    latest_at: datetime = strawberry.field(description="Until when, on the same day of the hub.")
    source_id: strawberry.ID | None = strawberry.field(
        default=None, description="The courier's system; that which buys the labels when null."
    )
    carrier: str | None = strawberry.field(
        default=None, description="Only parcels of this carrier, where the courier's system sells labels of several."
    )
    shipment_ids: list[strawberry.ID] | None = strawberry.field(
        default=None,
        description="Only these parcels; when null all that have a label of the courier and have not left the hub. "
        f"{MOST_PARCELS} at most.",
    )
    note: str | None = strawberry.field(default=None, description="For the driver: the gate, whom to ask for.")
    idempotency_key: str = KEY


@strawberry.input(description="Call a driver off.")
class CancelPickupInput:
    """Input of `cancelPickup`."""

    pickup_id: strawberry.ID = strawberry.field(description="Which pickup.")
    idempotency_key: str = KEY


@strawberry.type(description="Answer of `orderPickup` and `cancelPickup`.")
class PickupPayload(Payload):
    """Payload of both."""

    pickup: Pickup | None = target("pickup")


async def order_pickup(info: Info, input: OrderPickupInput) -> PickupPayload:
    """Resolver of `orderPickup`."""
    async with refusing(info) as refusals:
        shipment_ids = input.shipment_ids
        new = NewOrder(
            hub_id=key_of(input.hub_id, entity="hub"),
            earliest_at=input.earliest_at,
            latest_at=input.latest_at,
            source_id=None if input.source_id is None else key_of(input.source_id, entity="source"),
            carrier=input.carrier,
            shipment_ids=None if shipment_ids is None else [key_of(one, entity="shipment") for one in shipment_ids],
            note=input.note,
        )
        number = await info.context.commands.order_pickup(new, request_of(info, input.idempotency_key))
        return PickupPayload(key=number)
    return PickupPayload(errors=refusals)


async def cancel_pickup(info: Info, input: CancelPickupInput) -> PickupPayload:
    """Resolver of `cancelPickup`."""
    async with refusing(info) as refusals:
        number = key_of(input.pickup_id, entity="pickup")
        await info.context.commands.cancel_pickup(number, request_of(info, input.idempotency_key))
        return PickupPayload(key=number)
    return PickupPayload(errors=refusals)
