"""Mutations about rollouts: what a planner and the people of a hub do."""

from collections.abc import Awaitable, Callable
from datetime import datetime

import strawberry

from connector.api.conditions import condition_of
from connector.api.context import Info
from connector.api.plan import Plan
from connector.api.schema.asking import refusing, request_of
from connector.api.schema.nodes import key_of
from connector.api.schema.payloads import Payload, target
from connector.api.schema.rollout_inputs import (
    AssignRolloutTicketInput,
    ConfirmWaveTaskInput,
    CreateRolloutInput,
    MoveRolloutInput,
    PlanRolloutInput,
    ReportRolloutLineInput,
    StartRolloutInput,
)
from connector.api.schema.rollouts import Rollout, RolloutHub, RolloutLine
from connector.api.schema.work import Task
from connector.fulfilment.rollout_draft import MOST_LINES, NewRollout, SiteOrder
from connector.fulfilment.rollout_work import RolloutWork
from connector.fulfilment.rollouts import RolloutResult, Rollouts
from connector.model.errors import InvalidInput
from connector.rules.policy.document import Mode
from connector.storage.query import Page, Selection
from connector.storage.rollouts.facts import sites_called


@strawberry.type(description="Answer of the mutations that make a rollout or move it.")
class RolloutPayload(Payload):
    """Payload of most of them."""

    rollout: Rollout | None = target("rollout")
    waits_for: str | None = strawberry.field(
        default=None,
        description="Name of the approval that it waits for before it begins; null when it waits for none.",
    )


@strawberry.type(description="A line of a rollout in a plan.")
class RolloutPlacement:
    """A line, placed or short."""

    site: str = strawberry.field(description="What people call the site.")
    risk: int = strawberry.field(description="How much is at stake there.")
    risk_rule: str = strawberry.field(description="What of the policy says so.")
    wave: int | None = strawberry.field(description="Its wave; null when it is short.")
    hub: str | None = strawberry.field(description="Where its unit comes from; null when it is short.")
    distance_km: int | None = strawberry.field(description="Great circle; null when a position is not known.")
    mode: Mode | None = strawberry.field(description="How it travels; null when it is short.")
    estimated_arrival_at: datetime | None = strawberry.field(
        description="When it should be there; null when it is short."
    )
    reason: str | None = strawberry.field(description="Why it is short.")
    expected_at: datetime | None = strawberry.field(
        description="When a short line may get a unit; null when nothing is on order, `reason` says so."
    )


@strawberry.type(description="Answer of `planRollout`.")
class PlanRolloutPayload(Payload):
    """Payload of `planRollout`."""

    rollout: Rollout | None = target("rollout")
    placements: list[RolloutPlacement] = strawberry.field(
        default_factory=list,
        description="Every line that has no unit yet: the placed ones in order, then the short ones.",
    )
    hubs: list[RolloutHub] = strawberry.field(default_factory=list, description="What is expected of each hub.")


@strawberry.type(description="Answer of `reportRolloutLine`.")
class RolloutLinePayload(Payload):
    """Payload of `reportRolloutLine`."""

    line: RolloutLine | None = target("line")


@strawberry.type(description="Answer of `confirmStaging` and `confirmHandover`.")
class WaveTaskPayload(Payload):
    """Payload of both."""

    task: Task | None = target("task")
    lines: int = strawberry.field(default=0, description="Parcels that it was done for.")
    left: int = strawberry.field(default=0, description="Parcels that it is still to be done for.")


async def create(info: Info, input: CreateRolloutInput) -> RolloutPayload:
    """`createRollout`."""
    async with refusing(info) as refusals:
        by = request_of(info, input.idempotency_key)
        new = NewRollout(
            name=input.name,
            product_id=key_of(input.product_id, entity="product"),
            sites=await _orders(info, input),
            ticket_id=None if input.ticket_id is None else key_of(input.ticket_id, entity="ticket"),
            preparation=input.preparation,
            starts_at=input.starts_at,
            first_wave_size=input.first_wave_size,
            wave_size=input.wave_size,
            keep_free_percent=input.keep_free_percent,
            success=input.success,
            success_percent=input.success_percent,
            soak_minutes=input.soak_minutes,
            halt_percent=input.halt_percent,
            halt_sample=input.halt_sample,
            delivery_days=input.delivery_days,
        )
        return RolloutPayload(key=await _rollouts(info).create(new, key=by.key, actor=by.actor))
    return RolloutPayload(errors=refusals)


async def plan(info: Info, input: PlanRolloutInput) -> PlanRolloutPayload:
    """`planRollout`."""
    async with refusing(info) as refusals:
        key, by = key_of(input.rollout_id, entity="rollout"), request_of(info, input.idempotency_key)
        rollouts = _rollouts(info)
        found = await (rollouts.look(key) if input.dry_run else rollouts.plan(key, key=by.key, actor=by.actor))
        placements = [RolloutPlacement(**line._asdict()) for line in found.lines]
        hubs = [
            RolloutHub(hub=hub.label, free=hub.free, protected=hub.protected, kept=hub.kept, promised=hub.promised)
            for hub in found.hubs
        ]
        return PlanRolloutPayload(key=key, placements=placements, hubs=hubs)
    return PlanRolloutPayload(errors=refusals)


async def start(info: Info, input: StartRolloutInput) -> RolloutPayload:
    """`startRollout`."""
    async with refusing(info) as refusals:
        key, by = key_of(input.rollout_id, entity="rollout"), request_of(info, input.idempotency_key)
        result = await _rollouts(info).start(key, key=by.key, actor=by.actor)
        return RolloutPayload(key=key, waits_for=result.waits_for)
    return RolloutPayload(errors=refusals)


async def pause(info: Info, input: MoveRolloutInput) -> RolloutPayload:
    """`pauseRollout`."""
    return await _move(info, input, _rollouts(info).pause)


async def resume(info: Info, input: MoveRolloutInput) -> RolloutPayload:
    """`resumeRollout`."""
    return await _move(info, input, _rollouts(info).resume)


async def halt(info: Info, input: MoveRolloutInput) -> RolloutPayload:
    """`haltRollout`."""
    return await _move(info, input, _rollouts(info).halt)


async def cancel(info: Info, input: MoveRolloutInput) -> RolloutPayload:
    """`cancelRollout`."""
    return await _move(info, input, _rollouts(info).cancel)


async def report_line(info: Info, input: ReportRolloutLineInput) -> RolloutLinePayload:
    """`reportRolloutLine`."""
    async with refusing(info) as refusals:
        key, by = key_of(input.rollout_line_id, entity="rollout_line"), request_of(info, input.idempotency_key)
        await _people(info).report(key, input.outcome, reason=input.reason, key=by.key, actor=by.actor)
        return RolloutLinePayload(key=key)
    return RolloutLinePayload(errors=refusals)


async def assign_ticket(info: Info, input: AssignRolloutTicketInput) -> RolloutPayload:
    """`assignRolloutTicket`."""
    async with refusing(info) as refusals:
        key, by = key_of(input.rollout_id, entity="rollout"), request_of(info, input.idempotency_key)
        site, ticket = key_of(input.site_id, entity="site"), None
        if input.ticket_id is not None:
            ticket = key_of(input.ticket_id, entity="ticket")
        await _people(info).assign_ticket(key, site, ticket, key=by.key, actor=by.actor)
        return RolloutPayload(key=key)
    return RolloutPayload(errors=refusals)


async def confirm_staging(info: Info, input: ConfirmWaveTaskInput) -> WaveTaskPayload:
    """`confirmStaging`."""
    async with refusing(info) as refusals:
        key, by = key_of(input.task_id, entity="task"), request_of(info, input.idempotency_key)
        done = await _people(info).confirm_staging(key, key=by.key, actor=by.actor)
        return WaveTaskPayload(key=key, lines=done.lines, left=done.left)
    return WaveTaskPayload(errors=refusals)


async def confirm_handover(info: Info, input: ConfirmWaveTaskInput) -> WaveTaskPayload:
    """`confirmHandover`."""
    async with refusing(info) as refusals:
        key, by = key_of(input.task_id, entity="task"), request_of(info, input.idempotency_key)
        done = await _people(info).confirm_handover(key, key=by.key, actor=by.actor)
        return WaveTaskPayload(key=key, lines=done.lines, left=done.left)
    return WaveTaskPayload(errors=refusals)


async def _move(
    info: Info, input: MoveRolloutInput, command: Callable[..., Awaitable[RolloutResult]]
) -> RolloutPayload:
    async with refusing(info) as refusals:
        key, by = key_of(input.rollout_id, entity="rollout"), request_of(info, input.idempotency_key)
        await command(key, reason=input.reason, key=by.key, actor=by.actor)
        return RolloutPayload(key=key)
    return RolloutPayload(errors=refusals)


async def _orders(info: Info, input: CreateRolloutInput) -> list[SiteOrder]:
    """What each site is to get. Raises InvalidInput."""
    if (input.sites is None) == (input.filter is None or input.filter is strawberry.UNSET):
        raise InvalidInput("createRollout needs either `sites` or `filter`, and only one of them")
    if input.sites is None:
        page = Page(
            size=MOST_LINES + 1, where=condition_of("site", Plan.of(info._raw_info).arguments()["input"].get("filter"))
        )
        found = await info.context.reader.page(Selection("site"), page)
        return [SiteOrder(edge.node.id, input.quantity) for edge in found.edges]
    for place, item in enumerate(input.sites, start=1):
        if (item.site_id is None) == (item.code is None):
            raise InvalidInput(f"site {place} of {len(input.sites)} needs either `siteId` or `code`, and only one")
    codes = [item.code for item in input.sites if item.code is not None]
    async with info.context.reader.exclusively:
        known = await sites_called(await info.context.reader.snapshot(), codes)
    unknown = [code for code in codes if code not in known]
    if unknown:
        raise InvalidInput(
            f"{len(unknown)} of {len(input.sites)} sites are not known: {', '.join(map(repr, unknown[:10]))}",
            hint="Give codes or names as the query `sites` shows them.",
        )
    return [
        SiteOrder(
            known[item.code] if item.code is not None else key_of(item.site_id or "", entity="site"),
            item.quantity,
            item.wave,
            None if item.ticket_id is None else key_of(item.ticket_id, entity="ticket"),
        )
        for item in input.sites
    ]


def _rollouts(info: Info) -> Rollouts:
    return Rollouts(info.context.engine, info.context.clock, info.context.policy)


def _people(info: Info) -> RolloutWork:
    return RolloutWork(info.context.engine, info.context.clock, info.context.policy)
