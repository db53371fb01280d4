"""What a decision says of a loan, made so: a unit that is lent is recorded as a loan, one not needed is given back.

Steps of the transaction that keeps the decision. A ticket without a loan, old or new, costs nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from connector.rules.facts.facts import SourcingFacts
from connector.rules.sourcing.decision import Decision
from connector.rules.sourcing.loan import LoanOutcome
from connector.storage.database.changes import NewChange
from connector.storage.stock.loans import NewLoan, begin_loan
from connector.storage.stock.reservations import Claim, Drawn, Reservation, insert_reservations
from connector.storage.stock.stopping import order_stop
from connector.storage.tables import LOAN_LINE
from connector.storage.tickets.decisions import cause_of
from connector.storage.tickets.plans import Plan


async def claim_loans(
    tx: AsyncConnection, plans: Sequence[Plan], decision_ids: Sequence[int], *, at: datetime
) -> dict[int, tuple[Reservation, tuple[NewChange, ...]]]:
    """Reserve the units that were drawn to be lent, on the line of loans and waiting for no approval.

    Returns the reservation of each ticket that gets one, with the changes, which are for the caller to log.
    """
    lending = [(plan, number) for plan, number in zip(plans, decision_ids, strict=True) if plan.loan is not None]
    if not lending:
        return {}
    drawn = [Drawn(_claim(plan), plan.loan.taken, number) for plan, number in lending if plan.loan is not None]
    made = await insert_reservations(tx, drawn, at=at)
    return {
        plan.ticket_id: (reservation, (*created, *item.taken.changes))
        for (plan, _), item, ((reservation, *_), created) in zip(lending, drawn, made, strict=True)
    }


def _claim(plan: Plan) -> Claim:
    loan = plan.decision.loan
    if loan is None or loan.pick is None:
        raise AssertionError("asked only about units that were drawn to be lent")
    return Claim(
        ticket_id=plan.ticket_id,
        hub_id=loan.pick.hub_id,
        product_id=loan.pick.product_id,
        requested_product_id=loan.pick.requested_product_id,
        lane=loan.pick.lane,
        quantity=loan.pick.quantity,
        line=LOAN_LINE,
        estimated_arrival_at=loan.pick.arrives_at,
        expires_at=loan.held_until,
    )


async def keep_loan(
    tx: AsyncConnection,
    facts: SourcingFacts,
    decision: Decision,
    claimed: Reservation | None,
    *,
    actor: str,
    at: datetime,
) -> None:
    """Record the loan that a decision begins, or order that one is given back. claimed: the unit that is lent."""
    loan = decision.loan
    if loan is None:
        return
    if loan.outcome is LoanOutcome.GIVEN_BACK and facts.loan is not None:
        await order_stop(tx, facts.loan.reservation_id, reason=loan.text, actor=actor, at=at)
    if claimed is None or loan.due_back_at is None:
        return
    new = NewLoan(
        ticket_id=facts.ticket.id,
        reservation_id=claimed.id,
        asset_id=claimed.asset_id,
        product_id=claimed.product_id,
        hub_id=claimed.hub_id,
        site_id=facts.site.id if facts.site else None,
        lane=claimed.lane,
        holder=facts.ticket.requester or (facts.asset.holder if facts.asset else None),
        due_back_at=loan.due_back_at,
        return_days=loan.return_days,
    )
    await begin_loan(tx, new, actor=actor, cause=cause_of(decision), at=at)
