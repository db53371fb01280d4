"""Lines follow what happens to their claims and parcels, whoever made it happen: a courier, a person, a workflow.

What a line is follows from how its newest claim and parcel stand now, not from the change that was seen, so that
looking twice, late or out of order comes to the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from connector.fulfilment.handover import arrive_at_site
from connector.fulfilment.rollout_course import ACTOR, advance_locked
from connector.model.kinds import RolloutOutcome, Success
from connector.model.lifecycle import (
    ROLLOUT_LINE_AT_HUB,
    ROLLOUT_LINE_OPEN,
    ReservationState,
    RolloutLineState,
    RolloutState,
    ShipmentStatus,
)
from connector.model.refs import EntityKind
from connector.sdk import Clock
from connector.storage.database.changes import LoggedChange
from connector.storage.database.engine import Database, Transaction, in_transaction, reading
from connector.storage.policies.active import PolicySource, policy_now
from connector.storage.rollouts.lines import (
    LineOnItsWay,
    LineRow,
    line_row,
    lines_concerned,
    lines_on_their_way,
    rollout_of_line,
    write_lines,
)
from connector.storage.rollouts.rollouts import RolloutRow, lock_rollout, running_rollouts
from connector.storage.rollouts.units import give_back, live_claims, stop_claims
from connector.storage.shipments.shipments import shipment_row

_FOLLOWING = ROLLOUT_LINE_AT_HUB | {RolloutLineState.DISPATCHED, RolloutLineState.DELIVERED}
_MISSING = {ShipmentStatus.LOST: "lost by the courier", ShipmentStatus.RETURNED: "sent back by the courier"}


@dataclass(frozen=True, slots=True)
class RolloutNews:
    """What is to be started because of changes.

    fulfil: reservations whose parcels are to be made ready; tell: positions of changes that a ticket hears of.
    """

    fulfil: tuple[int, ...]
    tell: tuple[int, ...]


class RolloutFollower:
    """Has the lines of rollouts follow the change log, and rollouts go on."""

    def __init__(self, database: Database, clock: Clock, policy: PolicySource) -> None:
        self._database = database
        self._clock = clock
        self._policy = policy

    async def follow(self, changes: Sequence[LoggedChange]) -> RolloutNews:
        """Deal with a batch of changes: a few statements for each rollout that they concern, none without any."""
        claims = {item.entity_id for item in changes if item.kind is EntityKind.RESERVATION and "state" in item.fields}
        parcels = {item.entity_id for item in changes if item.kind is EntityKind.SHIPMENT and "status" in item.fields}
        ended = {item.entity_id for item in changes if item.kind is EntityKind.TICKET and "state" in item.fields}
        linked = {
            item.entity_id for item in changes if item.kind is EntityKind.ROLLOUT_LINE and "ticket_id" in item.fields
        }
        staged = {
            item.entity_id
            for item in changes
            if item.kind is EntityKind.ROLLOUT_LINE
            and item.fields.get("state", (None, None))[1] == RolloutLineState.STAGED
        }
        async with reading(self._database) as tx:
            concerned = await lines_concerned(
                tx, reservation_ids=claims, shipment_ids=parcels, ticket_ids=ended, line_ids=linked
            )
        begun = {item.entity_id: set[int]() for item in changes if _begins(item)}
        for rollout_id, line_ids in (begun | concerned).items():
            staged |= await self._move(rollout_id, line_ids)
        async with reading(self._database) as tx:
            fulfil = await live_claims(tx, staged) if staged else {}
        told = (
            item.position
            for item in changes
            if item.kind is EntityKind.ROLLOUT and {"state", "wave"} & item.fields.keys()
        )
        return RolloutNews(tuple(sorted(fulfil.values())), tuple(told))

    async def tick(self) -> int:
        """Have every running rollout do what waits for the clock or for stock; returns how many there are."""
        async with reading(self._database) as tx:
            running = await running_rollouts(tx)
        for rollout_id in running:

            async def work(tx: Transaction, rollout_id: int = rollout_id) -> None:
                rollout = await lock_rollout(tx, rollout_id)
                await advance_locked(tx, rollout, policy=self._policy, now=self._clock.now())

            await in_transaction(self._database, work)
        return len(running)

    async def _move(self, rollout_id: int, line_ids: set[int]) -> set[int]:
        """Move lines of a rollout to where they are; those whose parcels are to be made ready."""
        now = self._clock.now()

        async def work(tx: Transaction) -> set[int]:
            rollout = await lock_rollout(tx, rollout_id)
            found = await lines_on_their_way(tx, line_ids)
            pairs = [(item.line, after(item, rollout, now)) for item in found]
            await write_lines(tx, pairs, actor=ACTOR, cause=f"rollout {rollout.name}", at=now)
            outcomes = (await policy_now(tx, self._policy)).rollouts.outcomes if found else {}
            for item, (_, line) in zip(found, pairs, strict=True):
                if item.ticket_state is not None and item.ticket_state in outcomes:
                    await _end_by_ticket(tx, rollout, line, item, outcomes[item.ticket_state], at=now)
            await advance_locked(tx, rollout, policy=self._policy, now=now)
            return {line.id for _, line in pairs if line.state is RolloutLineState.STAGED}

        return await in_transaction(self._database, work)


def after(item: LineOnItsWay, rollout: RolloutRow, now: datetime) -> LineRow:
    """What a line is, from how its newest claim and parcel stand."""
    if item.line.state not in _FOLLOWING:
        return item.line
    line, status = item.line, item.shipment_status
    if item.estimated_delivery_at is not None:
        line = replace(line, estimated_arrival_at=item.estimated_delivery_at)
    match item.reservation_state:
        case ReservationState.RELEASED | ReservationState.EXPIRED if line.state in ROLLOUT_LINE_AT_HUB:
            cancelled = rollout.state is RolloutState.CANCELLED
            state = RolloutLineState.CANCELLED if cancelled else RolloutLineState.PLANNED
            return replace(line, state=state, reason=item.reservation_reason)
        case ReservationState.FULFILLED if status in _MISSING:
            return replace(line, state=RolloutLineState.FAILED, reason=_MISSING[status], finished_at=now)
        case ReservationState.FULFILLED if status is ShipmentStatus.DELIVERED:
            succeeds = rollout.success is Success.DELIVERED
            finished_at = line.finished_at or (now if succeeds else None)
            return replace(line, state=RolloutLineState.DELIVERED, reason=None, finished_at=finished_at)
        case ReservationState.FULFILLED if line.state in ROLLOUT_LINE_AT_HUB:
            return replace(line, state=RolloutLineState.DISPATCHED, reason=None)
        case ReservationState.HELD | ReservationState.COMMITTED if line.state is RolloutLineState.STAGED and status:
            return replace(line, state=RolloutLineState.LABELLED)
    return line


def _begins(change: LoggedChange) -> bool:
    """Whether a rollout has been let run, perhaps by somebody who does not plan waves: whoever approved it."""
    return change.kind is EntityKind.ROLLOUT and change.fields.get("state", (None, None))[1] == RolloutState.RUNNING


async def _end_by_ticket(
    tx: Transaction,
    rollout: RolloutRow,
    line: LineRow,
    item: LineOnItsWay,
    outcome: RolloutOutcome,
    *,
    at: datetime,
) -> None:
    """What the end of a line's own ticket says of it, once: a line that has an outcome keeps it.

    Nothing is sent for a ticket that has ended before. One that says `installed` counts from when the unit has left.
    """
    told = f"ticket {item.ticket_number} is {item.ticket_state}"
    if line.state in ROLLOUT_LINE_OPEN:
        gone = replace(line, state=RolloutLineState.CANCELLED, reason=f"{told}: nothing was sent")
        await write_lines(tx, [(line, gone)], actor=ACTOR, cause=told, at=at)
    elif line.state not in _FOLLOWING:
        return
    elif outcome is not RolloutOutcome.INSTALLED:
        await fail_line(tx, rollout, line, reason=f"{outcome.value}: {told}", actor=ACTOR, at=at)
    elif line.state not in ROLLOUT_LINE_AT_HUB:
        await install_line(tx, line, actor=ACTOR, cause=told, at=at)


async def install_line(tx: Transaction, line: LineRow, *, actor: str, cause: str, at: datetime) -> None:
    """Somebody has installed what came; who installs it has received it.

    The transaction has locked the rollout. Raises IllegalTransition when nothing has left for the line.
    """
    if line.state is RolloutLineState.DISPATCHED:
        for item in await lines_on_their_way(tx, [line.id]):
            if item.shipment_id is not None:
                parcel = await shipment_row(tx, item.shipment_id)
                await arrive_at_site(tx, parcel, actor=actor, cause=cause, at=at)
    after = replace(line, state=RolloutLineState.INSTALLED, reason=None, finished_at=line.finished_at or at)
    await write_lines(tx, [(line, after)], actor=actor, cause=cause, at=at)


async def fail_line(
    tx: Transaction, rollout: RolloutRow, line: LineRow, *, reason: str, actor: str, at: datetime
) -> None:
    """Note that nothing comes of a line; a unit that has not left its hub is given back.

    The transaction has locked the rollout. Raises IllegalTransition when the line has no unit, or has ended.
    """
    cause = f"rollout {rollout.name}"
    failed = replace(line, state=RolloutLineState.FAILED, reason=reason, finished_at=at)
    await write_lines(tx, [(line, failed)], actor=actor, cause=cause, at=at)
    if line.state is RolloutLineState.RESERVED:
        await give_back(tx, [line.id], reason=reason, actor=actor, cause=cause, at=at)
    elif line.state in ROLLOUT_LINE_AT_HUB:
        claims = await live_claims(tx, [line.id])
        await stop_claims(tx, claims.values(), reason=reason, actor=actor, at=at)


async def fail_unsendable(tx: Transaction, line_id: int, *, reason: str, actor: str, at: datetime) -> None:
    """A parcel could not be made ready: its line has failed, whatever becomes of the rest."""
    rollout = await lock_rollout(tx, await rollout_of_line(tx, line_id))
    line = await line_row(tx, line_id)
    if line.state in ROLLOUT_LINE_AT_HUB:
        await fail_line(tx, rollout, line, reason=reason, actor=actor, at=at)
        await advance_locked(tx, rollout, policy=None, now=at, actor=actor)
