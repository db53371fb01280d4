"""What other tickets hold of a product and may lose: read where a decision could need it, and secured to be taken."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias

from sqlalchemy import and_, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import IllegalTransition
from connector.model.frozen import but
from connector.model.kinds import Priority
from connector.model.lifecycle import RESERVATION_LIVE
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.shelves import ClaimedPart, Contested
from connector.rules.policy.document import Policy
from connector.rules.sourcing.comparison import duration_text
from connector.rules.sourcing.decide import decide
from connector.rules.sourcing.decision import Decision, TakenFrom
from connector.storage.database.bulk import among_given
from connector.storage.database.constants import with_constants
from connector.storage.database.locks import lock_ticket
from connector.storage.facts.facts import facts_of_tickets
from connector.storage.shipments.shipments import FROM_HUBS, ON_ITS_WAY
from connector.storage.stock.losses import line_losses
from connector.storage.stock.reservations import Reservation
from connector.storage.stock.revisions import with_revisions
from connector.storage.stock.succession import in_the_hub
from connector.storage.tables import LOAN_LINE, asset, decision, red_channel, reservation, shipment, ticket

_has_left = exists().where(
    shipment.c.reservation_id == reservation.c.id,
    shipment.c.direction.in_(FROM_HUBS),
    shipment.c.status.in_(ON_ITS_WAY),
)
_last = decision.alias("last")
_chosen_by_a_person = and_(
    reservation.c.decision_id.is_(None), reservation.c.rollout_line_id.is_(None), reservation.c.to_hub_id.is_(None)
)
_last_decision = (
    select(func.max(_last.c.id))
    .where(_chosen_by_a_person, _last.c.ticket_id == reservation.c.ticket_id)
    .correlate(reservation)
    .scalar_subquery()
)
_red_until = (
    select(red_channel.c.ends_at)
    .join(decision, decision.c.red_channel_id == red_channel.c.id)
    .where(decision.c.id == func.coalesce(reservation.c.decision_id, _last_decision), red_channel.c.closed_at.is_(None))
    .correlate(reservation)
    .scalar_subquery()
)
"""Until when a claim is of a red channel: by its decision; what a person chose, by the last one about its ticket."""
_CONTESTED = with_constants(
    select(
        reservation.c.id,
        reservation.c.ticket_id,
        ticket.c.number,
        reservation.c.hub_id,
        reservation.c.product_id,
        reservation.c.lane,
        reservation.c.quantity,
        ticket.c.priority,
        func.coalesce(ticket.c.opened_at, ticket.c.created_at),
        reservation.c.created_at,
        line_losses,
        reservation.c.rollout_line_id.is_not(None),
        select(asset.c.revision).where(asset.c.id == reservation.c.asset_id).correlate(reservation).scalar_subquery(),
        _red_until,
        reservation.c.to_hub_id.is_not(None),
        reservation.c.kit_id.is_not(None),
    )
    .join(ticket, ticket.c.id == reservation.c.ticket_id)
    .where(
        among_given(reservation.c.product_id, "product_ids"),
        reservation.c.state.in_(RESERVATION_LIVE),
        reservation.c.reason.is_(None),
        reservation.c.ships_with_id.is_(None),
        reservation.c.line != LOAN_LINE,
        or_(ticket.c.priority.is_(None), ticket.c.priority != Priority.P1, reservation.c.rollout_line_id.is_not(None)),
        ~_has_left,
    )
    .order_by(reservation.c.id)
)
"""What nobody has ordered to be withdrawn; loans, and that of P1 tickets, can be taken by none and are left out."""
_PARTS = with_constants(
    select(
        reservation.c.ships_with_id,
        reservation.c.id,
        reservation.c.product_id,
        reservation.c.lane,
        reservation.c.quantity,
    )
    .where(among_given(reservation.c.ships_with_id, "reservation_ids"), reservation.c.state.in_(RESERVATION_LIVE))
    .order_by(reservation.c.id)
)


async def with_contested(
    tx: AsyncConnection, wanting: Collection[SourcingFacts], *, without: Collection[int] = ()
) -> list[SourcingFacts]:
    """The facts of several tickets with what other tickets hold of their products, in one statement for all.

    Kits that go along with that take a second one. without: ids of claims that cannot be taken right now.
    """
    products = {number for facts in wanting for number in _products(facts)}
    rows = await tx.execute(_CONTESTED, {"product_ids": sorted(products)})
    read = [(Contested(*row[:-1]), bool(row[-1])) for row in rows]
    claims = await _with_parts(tx, [(claim, has_kit) for claim, has_kit in read if claim.reservation_id not in without])
    return [but(facts, contested=tuple(_others(claims, facts)) if claims else ()) for facts in wanting]


def _others(claims: Iterable[Contested], facts: SourcingFacts) -> Iterator[Contested]:
    """The claims of other tickets on what a ticket needs, or on what can stand in for it."""
    products, ticket_id = frozenset(_products(facts)), facts.ticket.id
    return (claim for claim in claims if claim.product_id in products and claim.ticket_id != ticket_id)


async def _with_parts(tx: AsyncConnection, claims: Sequence[tuple[Contested, bool]]) -> list[Contested]:
    """The claims, those that have a kit with its components."""
    leaders = [claim.reservation_id for claim, has_kit in claims if has_kit]
    parts: defaultdict[int, list[ClaimedPart]] = defaultdict(list)
    for leader_id, *part in await tx.execute(_PARTS, {"reservation_ids": leaders}) if leaders else ():
        parts[leader_id].append(ClaimedPart(*part))
    return [replace(claim, parts=tuple(parts[claim.reservation_id])) if has_kit else claim for claim, has_kit in claims]


async def dry_run(tx: AsyncConnection, facts: SourcingFacts, policy: Policy, now: datetime) -> Decision:
    """What would be decided, with what other tickets hold where that is needed; nothing is written."""
    decision = decide(facts, policy, now)
    if decision.wants_revisions:
        [facts] = await with_revisions(tx, [facts])
        decision = decide(facts, policy, now)
    if decision.wants_contested:
        [facts] = await with_contested(tx, [facts])
        decision = decide(facts, policy, now) if facts.contested else but(decision, wants_contested=False)
    [decision] = await with_alternatives(tx, [decision], policy, now)
    return decision


async def with_alternatives(
    tx: AsyncConnection, decisions: Sequence[Decision], policy: Policy, now: datetime
) -> list[Decision]:
    """The decisions with what is left to the tickets that lose units by them, as the rules would decide now."""
    losers = [taken for decision in decisions for taken in decision.taken_from]
    if not losers:
        return list(decisions)
    found = await facts_of_tickets(tx, {taken.ticket_id for taken in losers})
    held = await _arrivals(tx, [taken.reservation_id for taken in losers])
    left = {number: decide(facts, policy, now) for number, facts in found.items()}
    wanting = [number for number, decision in left.items() if decision.wants_revisions]
    if wanting:
        read = await with_revisions(tx, [found[number] for number in wanting])
        left |= {number: decide(facts, policy, now) for number, facts in zip(wanting, read, strict=True)}
    instead = {
        taken.reservation_id: _instead(taken, left[taken.ticket_id], held)
        for taken in losers
        if taken.ticket_id in left
    }
    return [decision.with_instead(instead) for decision in decisions]


async def secure(tx: AsyncConnection, reservation_id: int, *, waits: bool) -> Reservation | None:
    """The reservation, its ticket and itself locked, if its units can still be taken; None when they cannot.

    waits: for whoever works on its ticket right now; otherwise that counts as cannot.
    """
    owner = select(reservation.c.ticket_id).where(reservation.c.id == reservation_id)
    ticket_id = (await tx.execute(owner)).scalar_one()
    if not waits and tx.dialect.name == "postgresql":
        quick = select(ticket.c.id).where(ticket.c.id == ticket_id).with_for_update(key_share=True, skip_locked=True)
        if (await tx.execute(quick)).one_or_none() is None:
            return None
    await lock_ticket(tx, ticket_id)
    try:
        return await in_the_hub(tx, reservation_id, "taken over")
    except IllegalTransition:
        return None


def _products(facts: SourcingFacts) -> tuple[int, ...]:
    return (*([facts.product.id] if facts.product else []), *(item.product_id for item in facts.substitutes))


_Expected: TypeAlias = tuple[datetime | None, bool, bool]
"""When reserved units should arrive; whether they are for a rollout, whether for another hub's shelf."""


async def _arrivals(tx: AsyncConnection, reservation_ids: Iterable[int]) -> Mapping[int, _Expected]:
    c = reservation.c
    statement = select(c.id, c.estimated_arrival_at, c.rollout_line_id.is_not(None), c.to_hub_id.is_not(None))
    rows = await tx.execute(statement.where(c.id.in_(reservation_ids)))
    return {row[0]: (row[1], bool(row[2]), bool(row[3])) for row in rows}


def _instead(taken: TakenFrom, decision: Decision, held: Mapping[int, _Expected]) -> str:
    expected, is_rollout, is_transfer = held[taken.reservation_id]
    if is_rollout:
        return "its rollout plans anew"
    if is_transfer:
        return "its shelf is looked at anew"
    chosen = decision.chosen
    if chosen is None:
        return f"it waits: {decision.text}"
    if expected is None or chosen.arrives_at <= expected:
        return f"it is served from {chosen.hub} at {chosen.arrives_at:%Y-%m-%d %H:%M}Z"
    later = duration_text(int((chosen.arrives_at - expected).total_seconds()) // 60)
    return f"it is served {later} later from {chosen.hub}"
