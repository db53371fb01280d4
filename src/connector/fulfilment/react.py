"""The reactor: reads the change log and does what follows from it.

A durable reader. What a change leads to in the database is written in the transaction that moves the reader, so a
crash repeats the change or has done with it; workflows are started before, by an id that makes starting twice once.
Our own writes come back as changes as well; those that decide nothing are passed over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from connector.fulfilment.keys import ACTOR
from connector.fulfilment.line import LINKS, Line, concerns_decision, gives_back
from connector.fulfilment.loan_notes import is_told
from connector.fulfilment.low_shelves import LowShelves
from connector.fulfilment.reactions import Reactions, comes_later
from connector.fulfilment.rma_notes import is_return_told
from connector.fulfilment.rollout_lines import RolloutFollower
from connector.fulfilment.work import Work
from connector.fulfilment.workflows import Workflows
from connector.model.errors import NotKnown
from connector.model.kinds import TaskKind
from connector.model.lifecycle import APPROVAL_GIVEN, ApprovalState, ProcurementState, RecoveryState, ShipmentStatus
from connector.model.refs import EntityKind
from connector.storage.approvals.approvals import approval_row
from connector.storage.database.changes import (
    LoggedChange,
    claim_reader,
    last_position,
    move_reader,
    publish,
    read_changes,
    reader_position,
)
from connector.storage.database.engine import Transaction, reading, transaction
from connector.storage.database.growth import Rest
from connector.storage.database.outages import DatabaseAway
from connector.storage.policies.active import PolicySource
from connector.storage.shipments.recoveries import recovery_of_second
from connector.storage.stock.stopping import stop_reason
from connector.storage.stock.waiting import waiting_claims
from connector.storage.tickets.procurements import procurement_row
from connector.storage.tickets.tasks import NewTask, require_task

log = logging.getLogger("connector.fulfilment")

READER: Final = "rules"
BATCH: Final = 500
TOGETHER: Final = 100
"""Tickets that are decided in one transaction: enough to share its statements, few enough to hold their locks."""
POLL: Final = timedelta(seconds=1)
TRIES: Final = 5
"""Times that a change is tried before a person is asked and the reader goes on."""

LONGEST_WAIT: Final = timedelta(seconds=2)
"""For a database that is away: it is asked for again often, so that what waits is dealt with once it is back."""

KINDS: Final = (
    EntityKind.TICKET, EntityKind.RESERVATION, EntityKind.SHIPMENT, EntityKind.APPROVAL, EntityKind.ROLLOUT,
    EntityKind.ROLLOUT_LINE, EntityKind.RECOVERY, EntityKind.INCIDENT_GROUP, EntityKind.RED_CHANNEL,
    EntityKind.PROCUREMENT, EntityKind.LOAN, EntityKind.RMA, EntityKind.REPLENISHMENT, EntityKind.POLICY, *LINKS,
)  # fmt: skip


class Reactor:
    """Follows the change log on behalf of the rules.

    Any number of processes may run one: each change is dealt with once.
    """

    def __init__(self, work: Work, workflows: Workflows, policy: PolicySource) -> None:
        self._work = work
        self._workflows = workflows
        self._reactions = Reactions(work, policy)
        self._line = Line(work, policy)
        self._rollouts = RolloutFollower(work.database, work.clock, policy)
        self._low_shelves = LowShelves(work.database, work.clock, policy)
        self._wake = asyncio.Event()
        self._rest = Rest(work.database)

    def wake(self) -> None:
        """Look at the log now instead of at the next poll."""
        self._wake.set()

    async def run(self) -> None:
        """Follow the log until cancelled; while the database is away, try again ever more slowly."""
        failures = 0
        while True:
            self._wake.clear()
            try:
                dealt = await self.catch_up() if await self._rest.has_ended() else 0
            except DatabaseAway as error:
                failures += 1
                log.warning("the change log cannot be followed; it is tried again: %s", error.message)
                await asyncio.sleep(min(self._work.options.backoff.wait(failures), LONGEST_WAIT).total_seconds())
                continue
            except Exception:
                failures += 1
                log.exception("following the change log failed; it is tried again")
                await asyncio.sleep(self._work.options.backoff.wait(failures).total_seconds())
                continue
            failures = 0
            if not dealt:
                self._rest.read_on()
                await self._idle()

    async def catch_up(self) -> int:
        """Deal with one batch of changes; returns how many of the log's changes that were."""
        await publish(self._work.database)
        async with reading(self._work.database) as tx:
            position = await reader_position(tx, READER) or 0
            changes = await read_changes(tx, position, kinds=KINDS, limit=BATCH)
            end = changes[-1].position if len(changes) == BATCH else await last_position(tx)
        if end <= position:
            return 0
        decided: set[int] = set()  # with all of these changes in sight
        await self._serve(await self._line.of(changes, beyond=TOGETHER), changes, end, decided)
        for run in runs(changes):
            left = [change for change in run if not _is_done(change, decided)]
            if len(left) < 2 or not await self._together(left, decided):
                for change in left:
                    await self._insist(change, decided)
        await self._follow_rollouts(changes)
        await self._low_shelves.follow(changes)
        async with transaction(self._work.database) as tx:
            if await claim_reader(tx, READER) < end:
                await move_reader(tx, READER, end)
        return end - position

    async def _serve(self, line: Sequence[int], changes: Sequence[LoggedChange], end: int, decided: set[int]) -> None:
        """Decide about tickets in their order, before their changes are dealt with one by one.

        One that cannot be decided about is left to its own change, or shown to a person when it only waits.
        """
        changed = {change.entity_id for change in changes if change.kind is EntityKind.TICKET}
        for first in range(0, len(line), TOGETHER):
            chunk = line[first : first + TOGETHER]
            if await self._decide_waiting(chunk, end, decided):
                continue
            for ticket_id in chunk:
                if ticket_id not in changed:
                    await self._insist_on_waiting(ticket_id, end, decided)
                elif not await self._decide_waiting((ticket_id,), end, decided):
                    log.warning("ticket %s is decided about when its change is dealt with", ticket_id)

    async def _decide_waiting(self, ticket_ids: Sequence[int], end: int, decided: set[int]) -> bool:
        """Decide about tickets in one transaction, unless another process is past all that they wait for.

        False when that failed: then nothing was done.
        """
        try:
            async with transaction(self._work.database) as tx:
                if await claim_reader(tx, READER) < end:
                    await self._reactions.on_tickets(tx, {ticket_id: {} for ticket_id in ticket_ids})
        except DatabaseAway:  # which is no fault of a ticket's
            raise
        except Exception:
            log.exception("%s waiting tickets could not be decided about", len(ticket_ids))
            return False
        decided.update(ticket_ids)
        return True

    async def _insist_on_waiting(self, ticket_id: int, end: int, decided: set[int]) -> None:
        for number in range(1, TRIES + 1):
            if await self._decide_waiting((ticket_id,), end, decided):
                return
            if number < TRIES:
                await asyncio.sleep(self._work.options.backoff.wait(number).total_seconds())
        what = f"ticket {ticket_id}"
        await self._ask(
            NewTask(
                key=f"error:ticket:{ticket_id}",
                kind=TaskKind.REVIEW,
                title=f"{what.capitalize()} could not be decided about again",
                instructions=(
                    f"Something that {what} waits for has changed. Deciding about it failed {TRIES} times; "
                    "the log has the reason."
                ),
                ticket_id=ticket_id,
            )
        )

    async def _idle(self) -> None:
        try:
            async with asyncio.timeout(POLL.total_seconds()):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _together(self, run: Sequence[LoggedChange], decided: set[int]) -> bool:
        """Decide about the tickets of these changes in the transaction that moves the reader past all of them.

        False when that failed: then nothing was done, and each change is to be dealt with by itself.
        """
        try:
            async with transaction(self._work.database) as tx:
                position = await claim_reader(tx, READER)
                new = {change.entity_id: change for change in run if change.position > position}
                unknown = await self._reactions.on_tickets(tx, {n: change.fields for n, change in new.items()})
                await move_reader(tx, READER, max(run[-1].position, position))
        except DatabaseAway:
            raise
        except Exception:
            log.exception("%s tickets could not be decided together; each is decided by itself", len(run))
            return False
        decided |= new.keys()
        for ticket_id in unknown:
            log.warning("change %s is passed over: there is no ticket with id %s", new[ticket_id].position, ticket_id)
        return True

    async def _insist(self, change: LoggedChange, decided: set[int]) -> None:
        """Deal with a change; one that fails again and again is shown to a person and passed over."""
        for number in range(1, TRIES + 1):
            try:
                await self._react(change, decided)
            except NotKnown as error:
                log.warning("change %s is passed over: %s", change.position, error)
                return
            except DatabaseAway:
                raise
            except Exception:
                log.exception("change %s of %s %s failed", change.position, change.kind.value, change.entity_id)
                if number == TRIES:
                    await self._show(change)
                    return
                await asyncio.sleep(self._work.options.backoff.wait(number).total_seconds())
            else:
                return

    async def _react(self, change: LoggedChange, decided: set[int]) -> None:
        match change.kind:
            case EntityKind.TICKET:
                await self._on_ticket(change, decided)
            case EntityKind.RESERVATION:
                await self._on_reservation(change, decided)
            case EntityKind.SHIPMENT:
                await self._on_shipment(change)
            case EntityKind.PROCUREMENT:
                await self._on_procurement(change, decided)
            case EntityKind.APPROVAL:
                await self._on_approval(change, decided)
            case EntityKind.RECOVERY:
                await self._on_recovery(change)
            case EntityKind.LOAN if is_told(change):
                await self._workflows.start_loan_note(change.position)
            case EntityKind.RMA if is_return_told(change):
                await self._workflows.start_return_note(change.position)

    async def _on_ticket(self, change: LoggedChange, decided: set[int]) -> None:
        if not concerns_decision(change):
            return
        if await self._once(change, lambda tx: self._on_one(tx, change.entity_id, change.fields)):
            decided.add(change.entity_id)

    async def _on_one(self, tx: Transaction, ticket_id: int, fields: Mapping[str, Any]) -> None:
        if await self._reactions.on_tickets(tx, {ticket_id: fields}):
            raise NotKnown(f"there is no ticket with id {ticket_id}")

    async def _on_reservation(self, change: LoggedChange, decided: Collection[int]) -> None:
        if change.operation == "created":
            if "ships_with_id" in change.fields:
                return  # a component of a kit goes with its device
            if not {"approval_name", "rollout_line_id"} & change.fields.keys():  # those begin when they may
                await self._workflows.start_fulfilment(change.entity_id)
            if "replaces_id" in change.fields:
                await self._once(change, lambda tx: self._reactions.on_taken_over(tx, change.entity_id, decided))
        elif "reason" in change.fields or gives_back(change):
            async with reading(self._work.database) as tx:
                is_stopped = await stop_reason(tx, change.entity_id) is not None
                is_second = gives_back(change) and await recovery_of_second(tx, change.entity_id) is not None
            if is_stopped:
                await self._workflows.start_undo(change.entity_id)
            if is_second:
                await self._once(change, lambda tx: self._reactions.on_second_ended(tx, change.entity_id))

    async def _follow_rollouts(self, changes: Sequence[LoggedChange]) -> None:
        """Have rollouts follow a batch of changes, and start what comes of it."""
        news = await self._rollouts.follow(changes)
        for reservation_id in news.fulfil:
            await self._workflows.start_fulfilment(reservation_id)
        for position in news.tell:
            await self._workflows.start_rollout_note(position)

    async def _on_shipment(self, change: LoggedChange) -> None:
        if "status" not in change.fields:
            return
        status = ShipmentStatus(change.fields["status"][1])
        if status is ShipmentStatus.DELIVERED:
            await self._workflows.start_delivered(change.entity_id)
            await self._workflows.swaps.start_parcel(change.entity_id)
        await self._once(change, lambda tx: self._reactions.on_shipment(tx, change.entity_id, status))

    async def _on_procurement(self, change: LoggedChange, decided: Collection[int]) -> None:
        """It is ordered or called off, by a source or by somebody; the ticket is told at each step."""
        if "state" in change.fields:
            state = ProcurementState(change.fields["state"][1])
            await self._workflows.start_procurement(change.entity_id, state)
        async with reading(self._work.database) as tx:
            row = await procurement_row(tx, change.entity_id)
        await self._workflows.orders.see_to(row)
        if "state" in change.fields and row.state is ProcurementState.RECEIVED and row.hub_id is None:
            await self._workflows.swaps.start_order(change.entity_id)
        if comes_later(change) and row.is_open and row.is_wanted:
            await self._workflows.orders.start_late(change.position)

        async def do(tx: Transaction) -> None:
            await self._reactions.on_procurement(tx, change, decided)

        await self._once(change, do)

    async def _on_approval(self, change: LoggedChange, decided: set[int]) -> None:
        """What waited for it begins, or the ticket is decided anew; the ticket is told what it waits for."""
        if change.operation == "created":
            await self._workflows.start_asked(change.entity_id)
        if change.operation != "updated" or "state" not in change.fields:
            return
        state = ApprovalState(change.fields["state"][1])
        async with reading(self._work.database) as tx:
            row = await approval_row(tx, change.entity_id)
            is_claim = row.subject_kind is EntityKind.RESERVATION
            claims = await waiting_claims(tx, row.subject_id, locked=False) if is_claim else ()
        if state in APPROVAL_GIVEN:
            for claim in claims:
                await self._workflows.start_fulfilment(claim.id)
        if state is ApprovalState.WAIVED:
            await self._workflows.start_waived(change.entity_id)
        if state is ApprovalState.REJECTED and row.ticket_id is not None:
            ticket_id = row.ticket_id
            await self._workflows.start_refused(change.entity_id)
            if ticket_id not in decided and await self._once(change, lambda tx: self._on_one(tx, ticket_id, {})):
                decided.add(ticket_id)

    async def _on_recovery(self, change: LoggedChange) -> None:
        if "state" in change.fields:
            await self._workflows.start_recovery(change.entity_id, RecoveryState(change.fields["state"][1]))

    async def _once(self, change: LoggedChange, do: Callable[[Transaction], Awaitable[None]]) -> bool:
        """Do it in the transaction that moves the reader past the change; False when another process has."""
        async with transaction(self._work.database) as tx:
            if await claim_reader(tx, READER) >= change.position:
                return False
            await do(tx)
            await move_reader(tx, READER, change.position)
        return True

    async def _show(self, change: LoggedChange) -> None:
        what = f"{change.kind.value} {change.entity_id}"
        new = NewTask(
            key=f"error:{change.kind.value}:{change.entity_id}",
            kind=TaskKind.REVIEW,
            title=f"A change of {what} could not be dealt with",
            instructions=f"Change {change.position} of {what} failed {TRIES} times; the log has the reason.",
            ticket_id=change.entity_id if change.kind is EntityKind.TICKET else None,
        )
        await self._ask(new)

    async def _ask(self, new: NewTask) -> None:
        async with transaction(self._work.database) as tx:
            await require_task(tx, new, actor=ACTOR, cause=None, at=self._work.clock.now())


def _is_done(change: LoggedChange, decided: Collection[int]) -> bool:
    """Whether a change is that of a new ticket that was decided about."""
    return change.kind is EntityKind.TICKET and change.operation == "created" and change.entity_id in decided


def runs(changes: Sequence[LoggedChange]) -> Iterator[list[LoggedChange]]:
    """The changes that something may follow from, in their order: those to be dealt with together in one list.

    Together are changes of different tickets that concern a decision, up to `TOGETHER` of them, with nothing between
    them that anything else follows from.
    """
    run: dict[int, LoggedChange] = {}
    for change in changes:
        decides = _decides(change)
        if change.kind in LINKS or (change.kind is EntityKind.TICKET and decides is False):
            continue
        if run and (not decides or change.entity_id in run or len(run) == TOGETHER):
            yield list(run.values())
            run = {}
        if decides:
            run[change.entity_id] = change
        else:
            yield [change]
    if run:
        yield list(run.values())


def _decides(change: LoggedChange) -> bool | None:
    """Whether a change concerns a decision about its ticket; None when it cannot be told."""
    if change.kind is not EntityKind.TICKET:
        return False
    try:
        return concerns_decision(change)
    except (KeyError, ValueError):
        return None
