"""Shelves that are filled up, and the mutations on that: approve, reject, call off."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import strawberry

from connector.api.context import Info
from connector.api.plan import Plan
from connector.api.schema.asking import refusing, request_of
from connector.api.schema.fields import column, derived, related
from connector.api.schema.inputs import KEY
from connector.api.schema.lazy import AnyHub, AnyProduct, AnyStock, AnyTicket
from connector.api.schema.money import Money, money
from connector.api.schema.nodes import Node, key_of
from connector.api.schema.payloads import Payload, target
from connector.api.schema.refusals import refusal_of
from connector.fulfilment.replenishment import Replenishments
from connector.model.errors import ConnectorError, InvalidInput
from connector.model.kinds import HubTier, Lane, ReplenishmentKind
from connector.model.lifecycle import ReplenishmentState
from connector.rules.policy.values import Mode
from connector.storage.query import Row

MOST_APPROVED = 50
"""Replenishments that one mutation approves."""


@strawberry.type(description="A hub or a supplier that was looked at.")
class ReplenishmentCandidate:
    """A candidate of the explanation."""

    kind: ReplenishmentKind = strawberry.field(description="`TRANSFER` for a hub, `PURCHASE` for a supplier.")
    name: str = strawberry.field(description="What people call the hub; the supplier's name in the policy.")
    tier: HubTier | None = strawberry.field(description="Of a hub.")
    distance_km: int | None = strawberry.field(description="Great circle from a hub; null where nobody knows.")
    free: int | None = strawberry.field(description="Units that the hub has free.")
    keeps: int | None = strawberry.field(
        description="Of these, what it is not brought below: its reorder point, or safety stock and emergency buffer."
    )
    can_give: int | None = strawberry.field(description="Units that the hub can spare.")
    cost_cents: int | None = strawberry.field(description="What a supplier would take for what hubs do not give.")
    expected_at: datetime | None = strawberry.field(description="When a supplier would deliver.")
    takes: int = strawberry.field(description="Units that come from there.")
    why: str | None = strawberry.field(description="Why it gives nothing; null for what gives.")


def _candidates(root: Row) -> list[ReplenishmentCandidate] | None:
    content = root.values["explanation"]
    if content is None:
        return None
    return [
        ReplenishmentCandidate(
            kind=ReplenishmentKind(item["kind"]),
            name=item["name"],
            tier=HubTier(item["tier"]) if item.get("tier") else None,
            distance_km=item.get("distance_km"),
            free=item.get("free"),
            keeps=item.get("keeps"),
            can_give=item.get("can_give"),
            cost_cents=item.get("cost_cents"),
            expected_at=datetime.fromisoformat(item["expected_at"]) if item.get("expected_at") else None,
            takes=item["takes"],
            why=item["why"],
        )
        for item in content["candidates"]
    ]


@strawberry.type(description="Units that fill up a shelf which is low: from hubs of higher tiers, from a supplier.")
class Replenishment(Node):
    """A replenishment."""

    state: ReplenishmentState = column("Where it stands.")
    kind: ReplenishmentKind = column("Where the units come from; `NONE`: from nowhere, as things stand.")
    stock: AnyStock | None = related("stock", "The shelf; null where it lies outside of one's regions.")
    hub: AnyHub = related("hub", "The hub of the shelf.")
    product: AnyProduct = related("product", "What is wanted.")
    lane: Lane = column("The lane of the shelf.")
    quantity: int = column("Units that are wanted.")
    transfer_quantity: int = column("Of these, units that come from other hubs.")
    purchase_quantity: int = column("Of these, units that are bought.")
    received_quantity: int = column("Of these, units that are on the shelf by now.")
    free: int = column("Units that the shelf had free when this was worked out.")
    coming: int = column("Units that were coming to it anyway: orders that no ticket wants any more.")
    reorder_point: int = column("Its reorder point then.")
    target: int | None = column("Its target then.")
    mode: Mode = column("How transfers travel.")
    delivery_days: int = column("Days that a transfer may take.")
    cost_cents: int | None = column("What is bought costs, in hundredths of the currency.")
    currency: str | None = column("ISO 4217.")
    cost: Money | None = money("cost_cents", "What is bought costs; null when nothing is, or nobody said.")
    expected_at: datetime | None = column("When what is bought is expected.")
    ticket: AnyTicket | None = related(
        "ticket", "The hub's own ticket that its claims, parcels, orders and tasks hang on; null until it is approved."
    )
    rule: str = column("The rule of the policy's section `replenishment` that decided.")
    approval_name: str | None = column("The approval that its order waits for.")
    policy_version: str = column("Version of the policy.")
    reason: str = column("What is proposed, or what became of it, for people.")
    candidates: list[ReplenishmentCandidate] | None = derived(
        _candidates,
        "Every hub and supplier that was looked at, and why it gives nothing; null for whoever is limited to regions, "
        "since it tells of hubs everywhere.",
        columns=("explanation",),
    )
    decided_by: str | None = column("Who approved or rejected it; `rules` where the policy lets it go out at once.")
    decided_at: datetime | None = column("When.")
    cancelled_by: str | None = column("Who called it off later.")
    has_failed: bool = column("Whether something of it could not be sent, or was refused.")
    ended_at: datetime | None = column("When it ended.")
    created_at: datetime = column("When the shelf was found low.")
    updated_at: datetime = column("When it last changed.")


@strawberry.input(description="Let shelves be filled up as proposed.")
class ApproveReplenishmentsInput:
    """Input of `approveReplenishments`."""

    replenishment_ids: list[strawberry.ID] = strawberry.field(description=f"Which; {MOST_APPROVED} at most.")
    idempotency_key: str = KEY


@strawberry.input(description="Do not want a proposal, or call off what was approved.")
class EndReplenishmentInput:
    """Input of `rejectReplenishment` and `cancelReplenishment`."""

    replenishment_id: strawberry.ID = strawberry.field(description="Which replenishment.")
    reason: str = strawberry.field(description="Why; kept with it.")
    idempotency_key: str = KEY


@strawberry.type(description="Answer of `rejectReplenishment` and `cancelReplenishment`.")
class ReplenishmentPayload(Payload):
    """Payload of both."""

    replenishment: Replenishment | None = target("replenishment")


async def _approved(root: Any, info: Info) -> list[Any]:
    if not root.keys:
        return []
    rows = await info.context.reader.rows(Plan.of(info._raw_info).selection(), root.keys)
    return [rows[key] for key in root.keys if key in rows]


@strawberry.type(description="Answer of `approveReplenishments`.")
class ApproveReplenishmentsPayload(Payload):
    """Payload of `approveReplenishments`: each is approved or refused by itself."""

    replenishments: list[Replenishment] = strawberry.field(
        resolver=_approved, description="Those that were approved, in the order in which they were given."
    )
    keys: strawberry.Private[Sequence[int]] = ()


async def approve_replenishments(info: Info, input: ApproveReplenishmentsInput) -> ApproveReplenishmentsPayload:
    """Resolver of `approveReplenishments`."""
    approved: list[int] = []
    async with refusing(info) as refusals:
        numbers = [key_of(text, entity="replenishment") for text in dict.fromkeys(input.replenishment_ids)]
        if not 0 < len(numbers) <= MOST_APPROVED:
            raise InvalidInput(
                f"{len(numbers)} ids are given, 1 to {MOST_APPROVED} are allowed", hint="Ask in several requests."
            )
        by = request_of(info, input.idempotency_key)
        for number in numbers:
            try:
                await _commands(info).approve(number, key=f"{by.key}:{number}", actor=by.actor)
            except ConnectorError as error:
                refusals.append(refusal_of(error))
            else:
                approved.append(number)
    return ApproveReplenishmentsPayload(errors=refusals, keys=approved)


async def reject_replenishment(info: Info, input: EndReplenishmentInput) -> ReplenishmentPayload:
    """Resolver of `rejectReplenishment`."""
    async with refusing(info) as refusals:
        number, by = key_of(input.replenishment_id, entity="replenishment"), request_of(info, input.idempotency_key)
        await _commands(info).reject(number, reason=input.reason, key=by.key, actor=by.actor)
        return ReplenishmentPayload(key=number)
    return ReplenishmentPayload(errors=refusals)


async def cancel_replenishment(info: Info, input: EndReplenishmentInput) -> ReplenishmentPayload:
    """Resolver of `cancelReplenishment`."""
    async with refusing(info) as refusals:
        number, by = key_of(input.replenishment_id, entity="replenishment"), request_of(info, input.idempotency_key)
        await _commands(info).cancel(number, reason=input.reason, key=by.key, actor=by.actor)
        return ReplenishmentPayload(key=number)
    return ReplenishmentPayload(errors=refusals)


def _commands(info: Info) -> Replenishments:
    return Replenishments(info.context.engine, info.context.clock, info.context.policy)
