"""Mutations on claims that are there: extended, moved, split."""

from datetime import datetime

import strawberry

from connector.api.context import Info
from connector.api.schema.asking import refusing, request_of
from connector.api.schema.inputs import KEY
from connector.api.schema.nodes import key_of
from connector.api.schema.payloads import Payload, target
from connector.api.schema.work import Reservation
from connector.fulfilment.claims import Claims, MoveTo
from connector.model.kinds import Lane


@strawberry.input(description="Hold a claim longer.")
class ExtendInput:
    """Input of `extend`."""

    reservation_id: strawberry.ID = strawberry.field(description="Which claim.")
    until: datetime = strawberry.field(description="Until when; the policy says how long units are held at most.")
    reason: str = strawberry.field(description="Why; kept with it.")
    idempotency_key: str = KEY


@strawberry.input(description="Claim units elsewhere in place of these. What is null stays as it is.")
class MoveInput:
    """Input of `move`."""

    reservation_id: strawberry.ID = strawberry.field(description="Which claim.")
    hub_id: strawberry.ID | None = strawberry.field(default=None, description="From this hub.")
    product_id: strawberry.ID | None = strawberry.field(default=None, description="Of this product.")
    lane: Lane | None = strawberry.field(default=None, description="From this lane.")
    asset_id: strawberry.ID | None = strawberry.field(
        default=None, description="This unit; the first free one when null."
    )
    reason: str = strawberry.field(description="Why; told to the ticket.")
    idempotency_key: str = KEY


@strawberry.input(description="Make two claims of one of several counted units.")
class SplitInput:
    """Input of `split`."""

    reservation_id: strawberry.ID = strawberry.field(description="Which claim.")
    quantity: int = strawberry.field(description="Units that become a claim of their own.")
    idempotency_key: str = KEY


@strawberry.type(description="Answer of `extend`, `move` and `split`.")
class ClaimPayload(Payload):
    """Payload of all three."""

    reservation: Reservation | None = target("claim, the new one where it was moved or split off")


def _claims(info: Info) -> Claims:
    return Claims(info.context.engine, info.context.clock, info.context.policy)


def _optional(text: strawberry.ID | None, entity: str) -> int | None:
    return None if text is None else key_of(text, entity=entity)


async def extend(info: Info, input: ExtendInput) -> ClaimPayload:
    """Resolver of `extend`."""
    async with refusing(info) as refusals:
        number, by = key_of(input.reservation_id, entity="reservation"), request_of(info, input.idempotency_key)
        await _claims(info).extend(number, until=input.until, reason=input.reason, key=by.key, actor=by.actor)
        return ClaimPayload(key=number)
    return ClaimPayload(errors=refusals)


async def move(info: Info, input: MoveInput) -> ClaimPayload:
    """Resolver of `move`."""
    async with refusing(info) as refusals:
        number, by = key_of(input.reservation_id, entity="reservation"), request_of(info, input.idempotency_key)
        to = MoveTo(
            hub_id=_optional(input.hub_id, "hub"),
            product_id=_optional(input.product_id, "product"),
            lane=input.lane,
            asset_id=_optional(input.asset_id, "asset"),
        )
        new = await _claims(info).move(number, to, reason=input.reason, key=by.key, actor=by.actor)
        return ClaimPayload(key=new)
    return ClaimPayload(errors=refusals)


async def split(info: Info, input: SplitInput) -> ClaimPayload:
    """Resolver of `split`."""
    async with refusing(info) as refusals:
        number, by = key_of(input.reservation_id, entity="reservation"), request_of(info, input.idempotency_key)
        _, new = await _claims(info).split(number, input.quantity, key=by.key, actor=by.actor)
        return ClaimPayload(key=new)
    return ClaimPayload(errors=refusals)
