"""The reactor: reads the change log and does what follows from it.

A durable reader. What a change leads to in the database is written in the transaction that moves the reader, so a
crash repeats the change or has done with it; workflows are started by an id that makes starting twice once, and
the reader moves after that. Our own writes come back as changes as well; those that decide nothing are passed over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

from connector.fulfilment.handover import leave_hub
from connector.fulfilment.keys import ACTOR
from connector.fulfilment.reviews import ABOUT_FULFILMENT, ABOUT_THE_DECISION, close_reviews, require_review
from connector.fulfilment.stopping import order_stop, stop_reason
from connector.fulfilment.work import Work
from connector.fulfilment.workflows import Workflows
from connector.model.kinds import TaskKind
from connector.model.lifecycle import TICKET_OPEN, ReservationState, ShipmentStatus, TaskState, TicketState
from connector.model.refs import EntityKind
from connector.rules.decision import Outcome
from connector.rules.policy import Policy
from connector.storage.changes import (
    LoggedChange,
    claim_reader,
    last_position,
    move_reader,
    publish_changes,
    read_changes,
    reader_position,
)
from connector.storage.consignments import lock_reservation
from connector.storage.engine import Transaction, reading, transaction
from connector.storage.shipments import ON_ITS_WAY, shipment_row
from connector.storage.sourcing import decide_and_reserve
from connector.storage.standing import Standing, products_on, ticket_standing, waiting_tickets
from connector.storage.tasks import NewTask, require_task

log = logging.getLogger("connector.fulfilment")

READER: Final = "rules"
BATCH: Final = 500
POLL: Final = timedelta(seconds=1)
TRIES: Final = 5
"""Times that a change is tried before a person is asked and the reader goes on."""

DECIDING: Final = frozenset(
    {
        "priority", "state", "type", "title", "description", "category", "asset_id", "site_id", "product_id",
        "asset_hint", "site_hint", "product_hint", "sla_due_at", "requester", "retired_at",
    }
)  # fmt: skip
"""Fields of a ticket that a decision looks at."""
IDENTIFYING: Final = frozenset({"asset_id", "product_id"})
"""Fields of a ticket that say which hardware it is about."""
TROUBLE: Final = frozenset({ShipmentStatus.EXCEPTION, ShipmentStatus.LOST, ShipmentStatus.RETURNED})

_LINKS: Final = {
    EntityKind.ASSET: frozenset({"product_id", "site_id"}),
    EntityKind.SITE: frozenset({"latitude", "longitude", "time_zone", "access_hours", "address", "country"}),
    EntityKind.STOCK: frozenset({"on_hand", "reserved"}),
    EntityKind.COMPATIBILITY: frozenset({"product_id", "substitute_id", "condition", "retired_at"}),
}
KINDS: Final = (EntityKind.TICKET, EntityKind.RESERVATION, EntityKind.SHIPMENT, *_LINKS)


class Reactor:
    """Follows the change log on behalf of the rules.

    Any number of processes may run one: each change is dealt with once.
    """

    def __init__(self, work: Work, workflows: Workflows, policy: Policy) -> None:
        self._work = work
        self._workflows = workflows
        self._policy = policy
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look at the log now instead of at the next poll."""
        self._wake.set()

    async def run(self) -> None:
        """Follow the log until cancelled."""
        while True:
            self._wake.clear()
            if not await self.catch_up():
                await self._idle()

    async def catch_up(self) -> int:
        """Deal with one batch of changes; returns how many of the log's changes that were."""
        async with transaction(self._work.database) as tx:
            await publish_changes(tx)
        async with reading(self._work.database) as tx:
            position = await reader_position(tx, READER) or 0
            changes = await read_changes(tx, position, kinds=KINDS, limit=BATCH)
            end = changes[-1].position if len(changes) == BATCH else await last_position(tx)
        if end <= position:
            return 0
        for change in changes:
            if change.kind not in _LINKS:
                await self._insist(change)
        await self._retry_waiting(changes)
        async with transaction(self._work.database) as tx:
            if await claim_reader(tx, READER) < end:
                await move_reader(tx, READER, end)
        return end - position

    async def _idle(self) -> None:
        try:
            async with asyncio.timeout(POLL.total_seconds()):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _insist(self, change: LoggedChange) -> None:
        """Deal with a change; one that fails again and again is shown to a person and passed over."""
        for number in range(1, TRIES + 1):
            try:
                await self._react(change)
            except Exception:
                log.exception("change %s of %s %s failed", change.position, change.kind.value, change.entity_id)
                if number == TRIES:
                    await self._show(change)
                    return
                await asyncio.sleep(self._work.options.backoff.wait(number).total_seconds())
            else:
                return

    async def _react(self, change: LoggedChange) -> None:
        match change.kind:
            case EntityKind.TICKET:
                await self._on_ticket(change)
            case EntityKind.RESERVATION:
                await self._on_reservation(change)
            case EntityKind.SHIPMENT:
                await self._on_shipment(change)

    async def _on_ticket(self, change: LoggedChange) -> None:
        if not _is_relevant(change):
            return
        await self._once(change, lambda tx: self._decide(tx, change.entity_id, change.fields))

    async def _decide(self, tx: Transaction, ticket_id: int, fields: dict[str, Any]) -> None:
        """What follows for a ticket, in the caller's transaction."""
        now = self._work.clock.now()
        standing = await ticket_standing(tx, ticket_id)
        if not standing.wants_hardware:
            await self._withdraw(tx, standing)
            return
        if standing.holdings:
            await self._compare(tx, standing, fields)
            return
        sourced = await decide_and_reserve(tx, ticket_id, self._policy, now=now)
        decision = sourced.decision
        if decision is not None and decision.outcome is Outcome.REVIEW:
            code, number = decision.reason.value, standing.number
            await require_review(tx, ticket_id=ticket_id, number=number, code=code, reason=decision.text, at=now)
            return
        cause = "a unit was reserved" if sourced.reserved else "nothing is needed"
        prefixes = (*ABOUT_THE_DECISION, *ABOUT_FULFILMENT)
        await close_reviews(tx, ticket_id=ticket_id, target=TaskState.DONE, cause=cause, at=now, prefixes=prefixes)

    async def _withdraw(self, tx: Transaction, standing: Standing) -> None:
        now = self._work.clock.now()
        state = "deleted" if standing.is_deleted else standing.state.value.replace("_", " ")
        for reservation_id in standing.withdrawn:
            await order_stop(tx, reservation_id, reason=f"ticket {standing.number} is {state}", actor=ACTOR, at=now)
        await close_reviews(
            tx,
            ticket_id=standing.ticket_id,
            target=TaskState.CANCELLED,
            cause=f"the ticket is {state}",
            at=now,
            prefixes=(*ABOUT_THE_DECISION, *ABOUT_FULFILMENT),
        )

    async def _compare(self, tx: Transaction, standing: Standing, fields: dict[str, Any]) -> None:
        """A ticket that has its hardware already gets no second one; what no longer fits is for a person to judge."""
        reopened = "state" in fields and fields["state"][0] is not None
        has_live = any(item.is_live for item in standing.holdings)
        fits = standing.product_id in {None, *(item.requested_product_id for item in standing.holdings)}
        code, reason = "", ""
        if IDENTIFYING & fields.keys() and not fits:
            code = "hardware_changed"
            reason = "The ticket is now about another product than the one that was reserved for it."
        elif reopened and not has_live:
            code = "reopened"
            reason = "The ticket was opened again after its replacement had been sent. Reserve another one, or none."
        if code:
            now = self._work.clock.now()
            await require_review(
                tx, ticket_id=standing.ticket_id, number=standing.number, code=code, reason=reason, at=now
            )

    async def _on_reservation(self, change: LoggedChange) -> None:
        if change.operation == "created":
            await self._workflows.start_fulfilment(change.entity_id)
        elif "reason" in change.fields:
            async with reading(self._work.database) as tx:
                is_stopped = await stop_reason(tx, change.entity_id) is not None
            if is_stopped:
                await self._workflows.start_undo(change.entity_id)

    async def _on_shipment(self, change: LoggedChange) -> None:
        status = ShipmentStatus((change.fields.get("status") or [None, ShipmentStatus.PENDING])[1])
        if status in ON_ITS_WAY:
            await self._once(change, lambda tx: self._has_left(tx, change.entity_id))
        if status in TROUBLE:
            await self._once(change, lambda tx: self._in_trouble(tx, change.entity_id, status))
        if status is ShipmentStatus.DELIVERED:
            await self._workflows.start_delivered(change.entity_id)

    async def _has_left(self, tx: Transaction, shipment_id: int) -> None:
        """The courier has the parcel, so the unit has left the hub even if nobody there said so."""
        shipment = await shipment_row(tx, shipment_id)
        if shipment.reservation_id is None:
            return
        if await lock_reservation(tx, shipment.reservation_id) is ReservationState.COMMITTED:
            now = self._work.clock.now()
            cause = f"courier reports {shipment.status.value}"
            await leave_hub(tx, shipment.reservation_id, actor=ACTOR, cause=cause, at=now, was_seen=True)

    async def _in_trouble(self, tx: Transaction, shipment_id: int, status: ShipmentStatus) -> None:
        shipment = await shipment_row(tx, shipment_id)
        new = NewTask(
            key=f"shipment:{shipment_id}:{status.value}",
            kind=TaskKind.REVIEW,
            title=f"{shipment.name.capitalize()}: {status.value}",
            instructions="The courier reports trouble. Ask there; send a replacement if it does not come in time.",
            ticket_id=shipment.ticket_id,
            reservation_id=shipment.reservation_id,
            shipment_id=shipment_id,
            hub_id=shipment.hub_id,
        )
        await require_task(tx, new, actor=ACTOR, cause=None, at=self._work.clock.now())

    async def _retry_waiting(self, changes: list[LoggedChange]) -> None:
        """Decide again about tickets that wait for a person, where what they lacked may be there now."""
        touched: dict[EntityKind, set[int]] = {kind: set() for kind in _LINKS}
        for change in changes:
            if change.kind in _LINKS and (_LINKS[change.kind] & change.fields.keys()) and _may_help(change):
                touched[change.kind].add(change.entity_id)
        if not any(touched.values()):
            return
        async with reading(self._work.database) as tx:
            products = await products_on(
                tx,
                stock_ids=touched[EntityKind.STOCK],
                compatibility_ids=touched[EntityKind.COMPATIBILITY],
            )
            tickets = await waiting_tickets(
                tx,
                asset_ids=touched[EntityKind.ASSET],
                site_ids=touched[EntityKind.SITE],
                product_ids=products,
            )
        for ticket_id in tickets:
            async with transaction(self._work.database) as tx:
                await self._decide(tx, ticket_id, {})

    async def _once(self, change: LoggedChange, do: Callable[[Transaction], Awaitable[None]]) -> None:
        """Do it in the transaction that moves the reader past the change, unless another process has."""
        async with transaction(self._work.database) as tx:
            if await claim_reader(tx, READER) < change.position:
                await do(tx)
                await move_reader(tx, READER, change.position)

    async def _show(self, change: LoggedChange) -> None:
        what = f"{change.kind.value} {change.entity_id}"
        new = NewTask(
            key=f"error:{change.kind.value}:{change.entity_id}",
            kind=TaskKind.REVIEW,
            title=f"A change of {what} could not be dealt with",
            instructions=f"Change {change.position} of {what} failed {TRIES} times; the log has the reason.",
            ticket_id=change.entity_id if change.kind is EntityKind.TICKET else None,
        )
        async with transaction(self._work.database) as tx:
            await require_task(tx, new, actor=ACTOR, cause=None, at=self._work.clock.now())


def _is_relevant(change: LoggedChange) -> bool:
    """Whether a decision could come out differently: a move between open states does not count."""
    fields = DECIDING & change.fields.keys()
    if fields != {"state"}:
        return bool(fields) or change.operation == "deleted"
    before, after = (TicketState(value) if value else None for value in change.fields["state"])
    return (before in TICKET_OPEN) != (after in TICKET_OPEN) or after is TicketState.CANCELLED


def _may_help(change: LoggedChange) -> bool:
    """Whether a change can give a waiting ticket what it lacks: of stock, only more of it."""
    if change.kind is not EntityKind.STOCK:
        return True
    more = [(change.fields.get(name) or [0, 0]) for name in ("on_hand", "reserved")]
    (held, holds), (claimed, claims) = more
    return (holds or 0) > (held or 0) or (claims or 0) < (claimed or 0)
