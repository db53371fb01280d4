"""From a ticket to a held unit in one transaction: facts, decision, claim, and the record of why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import OutOfStock, StaleWrite
from connector.rules.decision import Candidate, Decision
from connector.rules.sourcing import decide
from connector.storage.active_policy import PolicySource, policy_at, policy_now
from connector.storage.changes import log_changes
from connector.storage.decisions import RULES, cause_of, insert_decision
from connector.storage.facts import facts_to_reserve, sourcing_facts
from connector.storage.reserve import Claim, Reserved, insert_reservations, live_reservations, lock_device, lock_ticket
from connector.storage.units import ShelfKey, Taken, take_units

READINGS = 3
"""How often the facts are read anew when one shelf after the other is emptied by others."""
TRIES_PER_READING = 20


@dataclass(frozen=True, slots=True)
class Sourced:
    """decision: None when the line had its reservation already. reserved: None unless the outcome is RESERVE."""

    decision: Decision | None
    decision_id: int | None
    reserved: Reserved | None


async def decide_and_reserve(
    tx: AsyncConnection, ticket_id: int, policy: PolicySource, *, now: datetime, actor: str = RULES, line: int = 1
) -> Sourced:
    """Decide about a ticket, claim what was chosen, and record the decision; asked again, nothing happens twice.

    A shelf that somebody else empties between reading and claiming is noted as lost, and the rules decide anew.
    Raises NotKnown when there is no such ticket, StaleWrite when stock is claimed faster than it can be decided on.
    """
    if tx.dialect.name != "sqlite":  # which has one writer, and this is it
        await lock_device(tx, ticket_id)
        await lock_ticket(tx, ticket_id)
    emptied: set[ShelfKey] = set()
    for _ in range(READINGS):
        read = await facts_to_reserve(tx, ticket_id, line)
        if read is None:
            existing = await live_reservations(tx, ticket_id, line)
            return Sourced(None, existing[0].decision_id, Reserved(existing, is_new=False))
        current = await policy_at(tx, policy, read.activation_id)
        for _ in range(TRIES_PER_READING):
            decision = decide(read.facts, current, now, emptied=emptied)
            if decision.chosen is None:
                decision_id, change = await insert_decision(tx, ticket_id, decision, now)
                await log_changes(tx, [change], actor=actor, cause=cause_of(decision), at=now)
                return Sourced(decision, decision_id, None)
            shelf = ShelfKey(decision.chosen.hub_id, decision.chosen.product_id, decision.chosen.lane)
            try:
                taken = await take_units(tx, shelf, decision.quantity, now)
            except OutOfStock:
                emptied.add(shelf)
                continue
            claim = _claim(ticket_id, decision, decision.chosen, line=line, now=now)
            return await _record(tx, claim, decision, taken, actor=actor, now=now)
        emptied.clear()
    raise StaleWrite(
        f"stock for ticket {ticket_id} is claimed by others faster than it can be decided on",
        hint="Nothing was changed; try again.",
    )


async def explain_ticket(tx: AsyncConnection, ticket_id: int, policy: PolicySource, now: datetime) -> Decision:
    """What would be decided now; writes nothing. Raises NotKnown when there is no such ticket."""
    return decide(await sourcing_facts(tx, ticket_id), await policy_now(tx, policy), now)


def _claim(ticket_id: int, decision: Decision, chosen: Candidate, *, line: int, now: datetime) -> Claim:
    return Claim(
        ticket_id=ticket_id,
        hub_id=chosen.hub_id,
        product_id=chosen.product_id,
        requested_product_id=chosen.product_id if decision.product_id is None else decision.product_id,
        lane=chosen.lane,
        quantity=decision.quantity,
        line=line,
        estimated_arrival_at=chosen.arrives_at,
        expires_at=now + timedelta(minutes=decision.hold_minutes),
    )


async def _record(
    tx: AsyncConnection, claim: Claim, decision: Decision, taken: Taken, *, actor: str, now: datetime
) -> Sourced:
    decision_id, decided = await insert_decision(tx, claim.ticket_id, decision, now)
    reservations, created = await insert_reservations(tx, claim, taken, decision_id=decision_id, at=now)
    changes = [decided, *created, *taken.changes]
    await log_changes(tx, changes, actor=actor, cause=cause_of(decision), at=now)
    return Sourced(decision, decision_id, Reserved(reservations, is_new=True))
