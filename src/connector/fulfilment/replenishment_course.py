"""The course of a replenishment: sent for, followed, called off. Steps of the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from connector.fulfilment.keys import ACTOR
from connector.model.errors import IllegalTransition
from connector.model.kinds import ReplenishmentKind
from connector.model.lifecycle import ReplenishmentState, TicketState
from connector.model.refs import EntityKind
from connector.rules.policy.document import Policy
from connector.rules.replenishment.plan import plan
from connector.rules.replenishment.told import text_of
from connector.storage.approvals.approvals import withdraw_approvals
from connector.storage.database.changes import log_changes
from connector.storage.database.engine import Transaction
from connector.storage.database.locks import lock_ticket
from connector.storage.database.rows import update_logged
from connector.storage.replenishment.facts import lock_shelves, shelf_facts
from connector.storage.replenishment.going_out import send_for
from connector.storage.replenishment.parts import Part, live_claims, parts_of
from connector.storage.replenishment.replenishments import (
    ReplenishmentRow,
    lock_replenishment,
    move_replenishment,
    replenishment_row,
    values_of,
)
from connector.storage.stock.stopping import order_stop
from connector.storage.tables import ticket
from connector.storage.tickets.orders import give_up_orders

NOT_LOW = "the shelf is not low any more"
LEFT_ALONE = "the policy leaves the shelf alone"


async def send_out(tx: Transaction, replenishment_id: int, policy: Policy, *, actor: str, at: datetime) -> None:
    """Claim and order what fills a shelf up, worked out anew from how things are now.

    Raises NotKnown, IllegalTransition when it was decided about before, the shelf is not low any more or nothing can be
    had, OutOfStock when a unit is being worked on. Nothing has changed then.
    """
    row = await replenishment_row(tx, replenishment_id)
    await lock_shelves(tx, [row.stock_id], with_givers=True)
    row = await lock_replenishment(tx, replenishment_id)
    require_proposed(row, "approved")
    shelf = (await shelf_facts(tx, [row.stock_id])).get(row.stock_id)
    proposal = None if shelf is None else plan(shelf, policy, at)
    if proposal is None:
        why = LEFT_ALONE if shelf is not None and shelf.is_low else NOT_LOW
        raise IllegalTransition(f"{row.name} cannot go out: {why}", hint="It is withdrawn by itself.")
    if proposal.kind is ReplenishmentKind.NONE:
        raise IllegalTransition(
            f"{row.name} cannot go out: {text_of(proposal)}",
            hint="It is worked out anew when stock comes; or name a supplier that offers purchase in the policy.",
        )
    ticket_id = await send_for(tx, proposal, policy, actor=actor, at=at)
    values = {**values_of(proposal), "ticket_id": ticket_id, "decided_by": actor, "decided_at": at}
    await move_replenishment(tx, row, ReplenishmentState.APPROVED, values, actor=actor, at=at)


async def settle(tx: Transaction, replenishment_id: int, *, at: datetime) -> None:
    """Bring a replenishment to where its claims, parcels and orders are; one that has ended stays as it is."""
    row = await _locked(tx, replenishment_id)
    if row.ticket_id is None or row.state not in (ReplenishmentState.APPROVED, ReplenishmentState.UNDER_WAY):
        return
    parts = await parts_of(tx, row.ticket_id)
    values: dict[str, Any] = {"received_quantity": sum(part.received for part in parts)}
    state: ReplenishmentState = row.state
    if any(part.is_open for part in parts):
        if any(part.is_out for part in parts):
            state = ReplenishmentState.UNDER_WAY
    else:
        state = ReplenishmentState.RECEIVED if values["received_quantity"] else ReplenishmentState.CANCELLED
        values |= {"reason": _end(row, parts), "has_failed": any(part.has_failed for part in parts)}
        await _close_ticket(tx, row.ticket_id, state, at)
    await move_replenishment(tx, row, state, values, actor=ACTOR, cause=row.ticket_number, at=at)


async def call_off(tx: Transaction, replenishment_id: int, *, reason: str, actor: str, at: datetime) -> None:
    """Give back what has not left its hub, and give up what is on order; what is under way arrives.

    Raises NotKnown, IllegalTransition when it has ended, or was not sent for.
    """
    row = await _locked(tx, replenishment_id)
    if row.ticket_id is None or not row.is_open:
        hint = "Reject it instead." if row.is_open else ""
        raise IllegalTransition(f"{row.name} is {row.state.value}: there is nothing to call off", hint=hint)
    if row.cancelled_by is not None:
        return
    await move_replenishment(tx, row, row.state, {"cancelled_by": actor}, actor=actor, cause=reason, at=at)
    for reservation_id in await live_claims(tx, row.ticket_id):
        await order_stop(tx, reservation_id, reason=reason, actor=actor, at=at)
    ids, changes = await give_up_orders(tx, row.ticket_id, reason, at=at)
    await log_changes(tx, list(changes), actor=actor, cause=reason, at=at)
    for order_id in ids:
        await withdraw_approvals(tx, EntityKind.PROCUREMENT, order_id, reason=reason, actor=actor, at=at)


async def withdraw(
    tx: Transaction, row: ReplenishmentRow, state: ReplenishmentState, *, reason: str, actor: str, at: datetime
) -> None:
    """End a proposal that the transaction has locked: rejected by a person, or not needed any more."""
    require_proposed(row, state.value)
    decided = {"decided_by": actor, "decided_at": at} if state is ReplenishmentState.REJECTED else {}
    await move_replenishment(tx, row, state, {"reason": reason, **decided}, actor=actor, cause=reason, at=at)


def require_proposed(row: ReplenishmentRow, verb: str) -> None:
    """Refuse what is for proposals alone. Raises IllegalTransition."""
    if row.state is ReplenishmentState.PROPOSED:
        return
    by = f" by {row.decided_by}" if row.decided_by else ""
    raise IllegalTransition(
        f"{row.name} is {row.state.value.replace('_', ' ')}{by}: it cannot be {verb}",
        hint="Call it off instead." if row.is_open else "A new one is proposed when the shelf is low again.",
    )


async def _locked(tx: Transaction, replenishment_id: int) -> ReplenishmentRow:
    """The replenishment, locked after its ticket. Raises NotKnown."""
    row = await replenishment_row(tx, replenishment_id)
    if row.ticket_id is not None:
        await lock_ticket(tx, row.ticket_id)
    return await lock_replenishment(tx, replenishment_id)


def _end(row: ReplenishmentRow, parts: Sequence[Part]) -> str:
    """What has come of it, for people."""
    reasons = list(dict.fromkeys(part.reason for part in parts if part.reason))
    came = sum(part.received for part in parts)
    told = f"{came} of {row.quantity} received"
    return f"{told}: {'; '.join(reasons)}" if reasons else told


async def _close_ticket(tx: Transaction, ticket_id: int, state: ReplenishmentState, at: datetime) -> None:
    is_done = state is ReplenishmentState.RECEIVED
    values = {"state": TicketState.CLOSED if is_done else TicketState.CANCELLED, "resolved_at": at}
    await update_logged(tx, ticket, EntityKind.TICKET, ticket_id, values, actor=ACTOR, cause=state.value, at=at)
