"""Returns of failed units, and the mutations on them: sent, received, called off, given more time."""

from datetime import datetime

import strawberry

from connector.api.context import Info
from connector.api.schema.asking import refusing, request_of
from connector.api.schema.fields import column, derived, related
from connector.api.schema.inputs import KEY
from connector.api.schema.lazy import AnyAsset, AnyHub, AnyProcurement, AnyProduct, AnyReservation, AnySite, AnyTicket
from connector.api.schema.nodes import Node, key_of
from connector.api.schema.payloads import Payload, target
from connector.fulfilment.returns import Returns
from connector.model.lifecycle import RmaState
from connector.storage.query import Row
from connector.storage.tickets.rmas import rma_number


def _number(root: Row) -> str:
    return rma_number(root.id)


@strawberry.type(description="The return of a unit that has failed, begun when its replacement was delivered.")
class Rma(Node):
    """A return."""

    number: str = derived(_number, "How people call it: `RMA-7`.", columns=("id",))
    ticket: AnyTicket | None = related(
        "ticket", "The ticket that the unit had; null where it lies outside of one's regions."
    )
    asset: AnyAsset | None = related(
        "asset",
        "The device that has failed, or is one too many; null for counted units, and while nobody knows which it is.",
    )
    product: AnyProduct = related("product", "What comes back.")
    quantity: int = column("How many units.")
    reservation: AnyReservation | None = related(
        "reservation", "What replaced it, from a hub; as `procurement` null for a unit that is one too many."
    )
    procurement: AnyProcurement | None = related("procurement", "What replaced it, from a supplier.")
    line: int = column("The line of the ticket that was served; of what a supplier sent, which unit of it.")
    hub: AnyHub | None = related("hub", "Where it is to come back; null when no hub is known that takes it.")
    site: AnySite | None = related("site", "Where it was used.")
    state: RmaState = column("Where it stands.")
    due_back_at: datetime = column("When it is due back.")
    reason: str | None = column(
        "Why it is so: what stands against its return, why it has more time, was called off, or another unit came."
    )
    carrier: str | None = column("Who brings it back.")
    tracking_number: str | None = column("The number of that parcel.")
    sent_at: datetime | None = column("When it left its site, as somebody recorded.")
    overdue_since: datetime | None = column(
        "When it was due back, once that has passed and people were told: filter `{isNull: false}` together with the "
        "states `EXPECTED` and `IN_TRANSIT` for what is overdue now."
    )
    received_at: datetime | None = column("When it was received.")
    received_hub: AnyHub | None = related("received_hub", "The hub that received it.")
    received_asset: AnyAsset | None = related(
        "received_asset", "The unit that was received; another one than `asset` when somebody accepted that."
    )
    condition: str | None = column("How it was when it was received, as whoever did says.")
    cancelled_by: str | None = column(
        "Who called it off; null when the hub did, since the replacement was not delivered after all."
    )
    created_at: datetime = column("When it was begun.")
    updated_at: datetime = column("When it last changed.")


@strawberry.input(description="Record that a unit has left its site.")
class SendReturnInput:
    """Input of `sendReturn`."""

    rma_id: strawberry.ID = strawberry.field(description="Which return.")
    carrier: str | None = strawberry.field(default=None, description="Who brings it back.")
    tracking_number: str | None = strawberry.field(default=None, description="The number of the parcel.")
    idempotency_key: str = KEY


@strawberry.input(description="Take a unit in that has come back.")
class ReceiveReturnInput:
    """Input of `receiveReturn`."""

    rma_id: strawberry.ID = strawberry.field(description="Which return.")
    serial: str | None = strawberry.field(
        default=None, description="Serial or asset tag, as it stands on the unit; null for counted units."
    )
    hub_id: strawberry.ID | None = strawberry.field(
        default=None, description="The hub that took it in; the one that it was due at when null."
    )
    condition: str | None = strawberry.field(default=None, description="How it is: what is broken, what is missing.")
    accept_different: bool = strawberry.field(
        default=False,
        description="Take it although it is not the unit that was expected. That is kept, and the expected one counts "
        "as in use.",
    )
    idempotency_key: str = KEY


@strawberry.input(description="Record that a unit does not come back.")
class CancelRmaInput:
    """Input of `cancelRma`."""

    rma_id: strawberry.ID = strawberry.field(description="Which return.")
    reason: str = strawberry.field(description="Why; told to the ticket.")
    idempotency_key: str = KEY


@strawberry.input(description="Give a unit more time to come back.")
class ExtendRmaInput:
    """Input of `extendRma`."""

    rma_id: strawberry.ID = strawberry.field(description="Which return.")
    until: datetime = strawberry.field(description="When it is due back now.")
    reason: str = strawberry.field(description="Why; told to the ticket.")
    idempotency_key: str = KEY


@strawberry.type(description="Answer of `sendReturn`, `receiveReturn`, `cancelRma` and `extendRma`.")
class RmaPayload(Payload):
    """Payload of all of them."""

    rma: Rma | None = target("return")
    is_different: bool = strawberry.field(
        default=False, description="Whether another unit was received than the one that was expected."
    )


async def send_return(info: Info, input: SendReturnInput) -> RmaPayload:
    """Resolver of `sendReturn`."""
    async with refusing(info) as refusals:
        number, by = key_of(input.rma_id, entity="rma"), request_of(info, input.idempotency_key)
        await _returns(info).send(
            number, key=by.key, actor=by.actor, carrier=input.carrier, tracking_number=input.tracking_number
        )
        return RmaPayload(key=number)
    return RmaPayload(errors=refusals)


async def receive_return(info: Info, input: ReceiveReturnInput) -> RmaPayload:
    """Resolver of `receiveReturn`."""
    async with refusing(info) as refusals:
        number, by = key_of(input.rma_id, entity="rma"), request_of(info, input.idempotency_key)
        done = await _returns(info).receive(
            number,
            key=by.key,
            actor=by.actor,
            serial=input.serial,
            hub_id=None if input.hub_id is None else key_of(input.hub_id, entity="hub"),
            condition=input.condition,
            accept_different=input.accept_different,
        )
        return RmaPayload(key=number, is_different=done.is_different)
    return RmaPayload(errors=refusals)


async def cancel_rma(info: Info, input: CancelRmaInput) -> RmaPayload:
    """Resolver of `cancelRma`."""
    async with refusing(info) as refusals:
        number, by = key_of(input.rma_id, entity="rma"), request_of(info, input.idempotency_key)
        await _returns(info).cancel(number, reason=input.reason, key=by.key, actor=by.actor)
        return RmaPayload(key=number)
    return RmaPayload(errors=refusals)


async def extend_rma(info: Info, input: ExtendRmaInput) -> RmaPayload:
    """Resolver of `extendRma`."""
    async with refusing(info) as refusals:
        number, by = key_of(input.rma_id, entity="rma"), request_of(info, input.idempotency_key)
        await _returns(info).extend(number, until=input.until, reason=input.reason, key=by.key, actor=by.actor)
        return RmaPayload(key=number)
    return RmaPayload(errors=refusals)


def _returns(info: Info) -> Returns:
    return Returns(info.context.engine, info.context.clock)
