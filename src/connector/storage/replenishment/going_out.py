"""What a replenishment becomes: claims on the shelves of the hubs that give, and an order to a supplier.

Both hang on a ticket of the hub's own, and are fulfilled, ordered, followed and called off as those of any ticket.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.kinds import Lane, ProcurementKind
from connector.model.lifecycle import ProcurementState
from connector.model.refs import EntityKind
from connector.rules.policy.document import Policy
from connector.rules.replenishment.plan import Giver, Proposal
from connector.rules.replenishment.told import text_of
from connector.storage.approvals.approvals import Ask, request_approval
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.rows import insert_logged
from connector.storage.stock.reservations import Claim, Drawn, insert_reservations
from connector.storage.stock.units import ShelfKey, Taken, take_units
from connector.storage.tables import procurement
from connector.storage.tickets.own_tickets import own_ticket

SERIES = "REPLENISH"
"""What the numbers of the hub's own tickets for this begin with."""


async def send_for(tx: AsyncConnection, proposal: Proposal, policy: Policy, *, actor: str, at: datetime) -> int:
    """Claim and order everything that a proposal says; returns the id of the ticket that it hangs on.

    The shelves are locked by the caller. Raises OutOfStock when a unit is being worked on; nothing may be kept then.
    """
    shelf, cause = proposal.shelf, f"shelf {proposal.shelf.hub.label} is low"
    what = f"{proposal.quantity} × {shelf.product.label}"
    ticket_id = await own_ticket(
        tx,
        series=SERIES,
        title=f"Fill up hub {shelf.hub.label}: {what}",
        description=text_of(proposal),
        author=actor,
        at=at,
    )
    line = 1
    for giver in proposal.transfers:
        line = await _claim(tx, proposal, giver, ticket_id, line, actor=actor, cause=cause, at=at)
    await _order(tx, proposal, policy, ticket_id, actor=actor, cause=cause, at=at)
    return ticket_id


async def _claim(
    tx: AsyncConnection,
    proposal: Proposal,
    giver: Giver,
    ticket_id: int,
    line: int,
    *,
    actor: str,
    cause: str,
    at: datetime,
) -> int:
    """Claim what one hub gives, for one parcel: further units ship with the first one. Returns the next free line."""
    product_id = proposal.shelf.product.id
    taken = await take_units(tx, ShelfKey(giver.shelf.hub.id, product_id, Lane.NORMAL), giver.takes, at)
    first = Claim(
        ticket_id=ticket_id,
        hub_id=giver.shelf.hub.id,
        product_id=product_id,
        requested_product_id=product_id,
        quantity=giver.takes,
        line=line,
        to_hub_id=proposal.shelf.hub.id,
    )
    ids = taken.asset_ids
    [((leader, *_), created)] = await insert_reservations(tx, [Drawn(first, Taken(ids[:1], ()))], at=at)
    changes: list[NewChange] = [*created]
    if len(ids) > 1:
        further = replace(first, line=line + 1, ships_with_id=leader.id)
        [(_, more)] = await insert_reservations(tx, [Drawn(further, Taken(ids[1:], ()))], at=at)
        changes += more
    await log_changes(tx, [*changes, *taken.changes], actor=actor, cause=cause, at=at)
    return line + (len(ids) or 1)


async def _order(
    tx: AsyncConnection, proposal: Proposal, policy: Policy, ticket_id: int, *, actor: str, cause: str, at: datetime
) -> None:
    """Order the rest, once the approval that it needs is given."""
    seller, shelf = proposal.purchase, proposal.shelf
    if seller is None:
        return
    values: dict[str, Any] = {
        "kind": ProcurementKind.PURCHASE,
        "state": ProcurementState.REQUESTED if proposal.approval else ProcurementState.APPROVED,
        "ticket_id": ticket_id,
        "product_id": shelf.product.id,
        "quantity": seller.takes,
        "supplier": seller.name,
        "contact": seller.contact or None,
        "via": seller.via,
        "hub_id": shelf.hub.id,
        "lane": shelf.lane,
        "cost_cents": seller.cost_cents,
        "currency": proposal.currency,
        "expected_at": seller.expected_at,
        "approval_name": proposal.approval,
        "is_wanted": True,
    }
    order_id = await insert_logged(tx, procurement, EntityKind.PROCUREMENT, values, actor=actor, cause=cause, at=at)
    if proposal.approval is not None:
        cost = (seller.cost_cents or 0) / 100
        ask = Ask(
            name=proposal.approval,
            subject_kind=EntityKind.PROCUREMENT,
            subject_id=order_id,
            ticket_id=ticket_id,
            title=f"Approve the order of {seller.takes} × {shelf.product.label} from {seller.name} for hub "
            f"{shelf.hub.label}",
            details=f"{text_of(proposal)} Rule {proposal.rule.name!r} asks for it. Cost {cost:,.2f} "
            f"{proposal.currency}.",
            requested_by=actor,
            cost_cents=seller.cost_cents,
        )
        await request_approval(tx, ask, policy, actor=actor, at=at, cause=cause)
