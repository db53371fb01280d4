"""Asking for the approval that freshly claimed units wait for."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.refs import EntityKind
from connector.rules.facts.facts import SourcingFacts
from connector.rules.policy.reading import Policy
from connector.rules.sourcing.decision import Decision
from connector.storage.approvals.approvals import Ask, request_approval
from connector.storage.stock.reservations import Reserved
from connector.storage.tickets.decisions import cause_of


async def ask_for_claims(
    tx: AsyncConnection,
    facts: SourcingFacts,
    decision: Decision,
    reserved: Reserved | None,
    policy: Policy,
    *,
    actor: str,
    at: datetime,
) -> None:
    """Ask for what a decision waits for, once for everything that it claimed; nothing when it waits for nothing.

    The transaction has locked the ticket.
    """
    if decision.approval is None or reserved is None:
        return
    chosen = decision.chosen
    if chosen is None:
        return
    what = facts.product.label if facts.product else "a device"
    count = f"{decision.quantity} × {what}" if decision.quantity > 1 else what
    cost = sum(candidate.cost_cents for candidate in decision.candidates[:1])
    worth = (facts.product.unit_cost_cents or 0) * decision.quantity if facts.product else 0
    lane = "" if chosen.lane.value == "normal" else f" ({chosen.lane.value.replace('_', '-')} stock)"
    due = "" if decision.due_at is None else f" Due {decision.due_at:%Y-%m-%d %H:%M}Z."
    currency = policy.sourcing.currency
    ask = Ask(
        name=decision.approval,
        subject_kind=EntityKind.RESERVATION,
        subject_id=reserved.reservation.id,
        ticket_id=facts.ticket.id,
        title=f"Approve {count} from {chosen.hub}{lane} for ticket {facts.ticket.number}",
        details=(
            f"{decision.text}{due} Rule {decision.rule!r} asks for it. "
            f"Transport {cost / 100:,.2f} {currency}, value {worth / 100:,.2f} {currency}."
        ),
        requested_by=actor,
        cost_cents=cost + worth,
    )
    await request_approval(tx, ask, policy, actor=actor, at=at, cause=cause_of(decision))
