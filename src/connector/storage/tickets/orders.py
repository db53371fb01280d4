"""What a decision wants on order, made so: what is there already stays, what is new is added, the rest is given up.

Steps of the transaction that keeps the decision; the changes are for it to log. A ticket without orders, old or new,
costs nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.kinds import ProcurementKind
from connector.model.lifecycle import PROCUREMENT_UNPLACED, ProcurementState
from connector.model.refs import EntityKind
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.standing import ProcurementFacts
from connector.rules.policy.reading import Policy
from connector.rules.sourcing.decision import Decision, Order, Outcome
from connector.storage.approvals.approvals import Ask, request_approval
from connector.storage.database.changes import NewChange
from connector.storage.database.rows import json_value
from connector.storage.tables import procurement
from connector.storage.tickets.decisions import cause_of

SERVED: Final = "a unit from stock came first"
NOT_NEEDED: Final = "the ticket needs nothing any more"
REPLACED: Final = "another way is better now"


@dataclass(frozen=True, slots=True)
class Ordered:
    """What is on order for a ticket now, and what was changed for that."""

    ids: tuple[int, ...] = ()
    changes: tuple[NewChange, ...] = ()


async def keep_orders(
    tx: AsyncConnection, facts: SourcingFacts, decision: Decision, decision_id: int, *, at: datetime
) -> Ordered:
    """Make what is on order for a ticket what a decision says. A decision for review changes nothing.

    Nor does one about a part of the units: what is on order is the affair of the one about the rest.
    """
    there = [past for past in facts.procurements if past.is_open]
    if decision.outcome is Outcome.REVIEW or decision.rest is not None or not (there or decision.orders):
        return Ordered(tuple(past.id for past in there))
    known = {order: next((past for past in there if _is_same(past, order)), None) for order in decision.orders}
    stays = {past.id for past in known.values() if past is not None}
    reason, is_served = _reason(decision), bool(decision.picks)
    changes = [await _given_up(tx, past, reason, is_served=is_served, at=at) for past in there if past.id not in stays]
    ids: list[int] = []
    for order, past in known.items():
        if past is None:
            number, change = await _inserted(tx, facts, decision, decision_id, order, at)
            changes.append(change)
        else:
            number = past.id
            changes += await _as_many(tx, past, order, at)
        ids.append(number)
    return Ordered(tuple(ids), tuple(changes))


async def ask_for_orders(
    tx: AsyncConnection,
    facts: SourcingFacts,
    decision: Decision,
    procurement_ids: Sequence[int],
    policy: Policy,
    *,
    actor: str,
    at: datetime,
) -> None:
    """Ask for what the orders of a decision wait for; nothing when they wait for nothing, or wait already."""
    if decision.approval is None or decision.picks:
        return
    for order, procurement_id in zip(decision.orders, procurement_ids, strict=True):
        what = f"{order.quantity} × {facts.product.label if facts.product else 'a device'}"
        cost = (order.cost_cents or 0) / 100
        ask = Ask(
            name=decision.approval,
            subject_kind=EntityKind.PROCUREMENT,
            subject_id=procurement_id,
            ticket_id=facts.ticket.id,
            title=f"Approve the order of {what} from {order.supplier} for ticket {facts.ticket.number}",
            details=f"{decision.text} Rule {decision.rule!r} asks for it. Cost {cost:,.2f} {order.currency}.",
            requested_by=actor,
            cost_cents=order.cost_cents,
        )
        await request_approval(tx, ask, policy, actor=actor, at=at, cause=cause_of(decision))


async def give_up_orders(
    tx: AsyncConnection, ticket_id: int, reason: str, *, at: datetime
) -> tuple[Sequence[int], Sequence[NewChange]]:
    """Give up whatever is on order for a ticket; the ids that were, and the changes for the caller to log."""
    statement = (
        select(
            procurement.c.id, procurement.c.product_id, procurement.c.kind, procurement.c.supplier, procurement.c.state,
            procurement.c.quantity, procurement.c.expected_at, procurement.c.via,
        )
        .where(procurement.c.ticket_id == ticket_id)
        .order_by(procurement.c.id)
        .with_for_update()
    )  # fmt: skip
    there = [past for row in await tx.execute(statement) if (past := ProcurementFacts(*row)).is_open]
    return [past.id for past in there], [await _given_up(tx, past, reason, is_served=False, at=at) for past in there]


def _is_same(past: ProcurementFacts, order: Order) -> bool:
    """Whether an order is there already. What nobody outside knows of yet, and is for another number, is made anew."""
    if (past.kind, past.supplier, past.product_id) != (order.kind, order.supplier, order.product_id):
        return False
    is_queued = past.kind is ProcurementKind.BACKORDER
    return is_queued or past.quantity == order.quantity or past.may_be_placed


async def _as_many(tx: AsyncConnection, past: ProcurementFacts, order: Order, at: datetime) -> Sequence[NewChange]:
    """A place in the queue is for as many units as are still wanted."""
    if past.kind is not ProcurementKind.BACKORDER or past.quantity == order.quantity:
        return ()
    changed = update(procurement).where(procurement.c.id == past.id)
    await tx.execute(changed.values(quantity=order.quantity, updated_at=at))
    fields = {"quantity": (past.quantity, order.quantity)}
    return (NewChange(EntityKind.PROCUREMENT, past.id, "updated", fields),)


def _reason(decision: Decision) -> str:
    if decision.outcome is Outcome.NOT_NEEDED:
        return NOT_NEEDED
    return SERVED if decision.picks else REPLACED


async def _inserted(
    tx: AsyncConnection, facts: SourcingFacts, decision: Decision, decision_id: int, order: Order, at: datetime
) -> tuple[int, NewChange]:
    """A backorder waits as requested; what needs no approval is approved at once, for whoever places the order."""
    is_queued = order.kind is ProcurementKind.BACKORDER
    waits = decision.approval if not is_queued else None
    values: dict[str, Any] = {
        "kind": order.kind,
        "state": ProcurementState.REQUESTED if is_queued or waits else ProcurementState.APPROVED,
        "ticket_id": facts.ticket.id,
        "decision_id": decision_id,
        "product_id": order.product_id,
        "quantity": order.quantity,
        "revision": order.revision,
        "supplier": order.supplier,
        "contact": order.contact or None,
        "via": order.via,
        "hub_id": order.hub_id,
        "site_id": facts.site.id if facts.site and order.hub_id is None and not is_queued else None,
        "cost_cents": order.cost_cents,
        "currency": order.currency,
        "expected_at": order.expected_at,
        "approval_name": waits,
        "is_wanted": True,
        "created_at": at,
        "updated_at": at,
    }
    number = int((await tx.execute(insert(procurement).values(**values).returning(procurement.c.id))).scalar_one())
    fields = {name: (None, json_value(value)) for name, value in values.items() if value is not None}
    return number, NewChange(EntityKind.PROCUREMENT, number, "created", fields)


async def _given_up(
    tx: AsyncConnection, past: ProcurementFacts, reason: str, *, is_served: bool, at: datetime
) -> NewChange:
    """What nobody outside knows of ends here; what was placed is marked, for somebody to call it off there.

    An order that may be on its way through a source is marked as well: whoever sends it knows whether it was placed.
    """
    may_be_placed = past.state is ProcurementState.APPROVED and past.via is not None
    values: dict[str, Any] = {"is_wanted": False, "reason": reason}
    if past.kind is ProcurementKind.BACKORDER and is_served:
        values = {"state": ProcurementState.RECEIVED, "received_at": at, "reason": reason}
    elif past.state in PROCUREMENT_UNPLACED and not may_be_placed:
        values["state"] = ProcurementState.CANCELLED
    before = {"is_wanted": True, "state": past.state, "reason": None, "received_at": None}
    await tx.execute(update(procurement).where(procurement.c.id == past.id).values(**values, updated_at=at))
    fields = {name: (json_value(before[name]), json_value(value)) for name, value in values.items()}
    return NewChange(EntityKind.PROCUREMENT, past.id, "updated", fields)
