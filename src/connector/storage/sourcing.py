"""From a ticket to a held unit in one transaction: facts, decision, claim, and the record of why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import OutOfStock, StaleWrite
from connector.rules.decision import Decision, Pick
from connector.rules.sourcing import decide
from connector.storage.active_policy import PolicySource, policy_at, policy_now
from connector.storage.changes import log_changes
from connector.storage.decisions import RULES, cause_of, insert_decision
from connector.storage.facts import facts_to_reserve, sourcing_facts
from connector.storage.reserve import (
    Claim,
    Reservation,
    Reserved,
    insert_reservations,
    live_reservations,
    lock_device,
    lock_ticket,
)
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
    """Decide about a ticket, claim what was picked, and record the decision; asked again, nothing happens twice.

    Several picks are claimed on consecutive lines, all or none. A shelf that somebody else empties between reading and
    claiming is noted as lost, and the rules decide anew.
    Raises NotKnown when there is no such ticket, StaleWrite when stock is claimed faster than it can be decided on,
    InvalidInput when one of the lines is taken.
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
            if not decision.picks:
                decision_id, change = await insert_decision(tx, ticket_id, decision, now)
                await log_changes(tx, [change], actor=actor, cause=cause_of(decision), at=now)
                return Sourced(decision, decision_id, None)
            try:
                taken = await _take(tx, decision.picks, now)
            except _Emptied as error:
                emptied.add(error.shelf)
                continue
            return await _record(tx, ticket_id, decision, taken, line=line, actor=actor, now=now)
        emptied.clear()
    raise StaleWrite(
        f"stock for ticket {ticket_id} is claimed by others faster than it can be decided on",
        hint="Nothing was changed; try again.",
    )


async def explain_ticket(tx: AsyncConnection, ticket_id: int, policy: PolicySource, now: datetime) -> Decision:
    """What would be decided now; writes nothing. Raises NotKnown when there is no such ticket."""
    return decide(await sourcing_facts(tx, ticket_id), await policy_now(tx, policy), now)


class _Emptied(Exception):  # noqa: N818 - not an error: the next decision is the answer
    """A shelf has fewer units than the facts said."""

    def __init__(self, shelf: ShelfKey) -> None:
        super().__init__(shelf)
        self.shelf = shelf


async def _take(tx: AsyncConnection, picks: Sequence[Pick], now: datetime) -> list[tuple[Pick, Taken]]:
    """The units of every pick, or none of any. Raises _Emptied; nothing has changed then."""
    if len(picks) == 1:
        return [(picks[0], await _take_one(tx, picks[0], now))]
    taken = {}
    async with tx.begin_nested():
        for number, pick in sorted(enumerate(picks), key=lambda entry: _shelf(entry[1])):
            taken[number] = await _take_one(tx, pick, now)
    return [(pick, taken[number]) for number, pick in enumerate(picks)]


async def _take_one(tx: AsyncConnection, pick: Pick, now: datetime) -> Taken:
    try:
        return await take_units(tx, _shelf(pick), pick.quantity, now)
    except OutOfStock as error:
        raise _Emptied(_shelf(pick)) from error


def _shelf(pick: Pick) -> ShelfKey:
    return ShelfKey(pick.hub_id, pick.product_id, pick.lane)


async def _record(
    tx: AsyncConnection,
    ticket_id: int,
    decision: Decision,
    taken: Sequence[tuple[Pick, Taken]],
    *,
    line: int,
    actor: str,
    now: datetime,
) -> Sourced:
    """Keep the decision and a reservation per line: one for each serialised unit, one for a counted quantity."""
    lines = sum(len(units.asset_ids) or 1 for _, units in taken)
    if lines > 1:
        await live_reservations(tx, ticket_id, line, lines)  # raises when one of them is taken
    decision_id, decided = await insert_decision(tx, ticket_id, decision, now)
    reservations: list[Reservation] = []
    changes = [decided]
    for pick, units in taken:
        claim = _claim(ticket_id, decision, pick, line=line + len(reservations), now=now)
        made, created = await insert_reservations(tx, claim, units, decision_id=decision_id, at=now)
        reservations += made
        changes += [*created, *units.changes]
    await log_changes(tx, changes, actor=actor, cause=cause_of(decision), at=now)
    return Sourced(decision, decision_id, Reserved(tuple(reservations), is_new=True))


def _claim(ticket_id: int, decision: Decision, pick: Pick, *, line: int, now: datetime) -> Claim:
    return Claim(
        ticket_id=ticket_id,
        hub_id=pick.hub_id,
        product_id=pick.product_id,
        requested_product_id=pick.requested_product_id,
        lane=pick.lane,
        quantity=pick.quantity,
        line=line,
        estimated_arrival_at=pick.arrives_at,
        expires_at=now + timedelta(minutes=decision.hold_minutes),
    )
