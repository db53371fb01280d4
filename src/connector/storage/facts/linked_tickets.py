"""The tickets that tickets are linked to: all duplicates of each other, and parents. One statement for many tickets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import and_, case, func, literal, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.kinds import LinkKind
from connector.model.lifecycle import RESERVATION_LIVE, TICKET_OPEN, ReservationState
from connector.rules.facts.standing import LinkedTicket, Links, Relief
from connector.storage.database.bulk import among, among_given
from connector.storage.tables import LOAN_LINE, hub, reservation, ticket, ticket_link

_STANDING = (*RESERVATION_LIVE, ReservationState.FULFILLED)

_duplicate = and_(ticket_link.c.kind == LinkKind.DUPLICATE_OF, ticket_link.c.other_id.is_not(None))
_start = select(ticket.c.id.label("start"), ticket.c.id.label("id")).where(among_given(ticket.c.id, "ticket_ids"))
_family = _start.cte("family", recursive=True)
_family = _family.union(
    select(
        _family.c.start,
        case((ticket_link.c.ticket_id == _family.c.id, ticket_link.c.other_id), else_=ticket_link.c.ticket_id),
    ).join(
        ticket_link,
        and_(_duplicate, or_(ticket_link.c.ticket_id == _family.c.id, ticket_link.c.other_id == _family.c.id)),
    )
)
"""Each ticket with all that are duplicates of it or that it is one of, however far; circles end by themselves."""

_link = ticket_link.alias("link")
_duplicate_of = (
    select(func.min(_link.c.other_id))
    .where(_link.c.ticket_id == ticket.c.id, _link.c.kind == LinkKind.DUPLICATE_OF)
    .correlate(ticket)
    .scalar_subquery()
)
_newest = (
    select(func.max(reservation.c.id))
    .where(
        reservation.c.ticket_id == ticket.c.id,
        reservation.c.state.in_(_STANDING),
        reservation.c.ships_with_id.is_(None),
        reservation.c.line != LOAN_LINE,
    )
    .correlate(ticket)
    .scalar_subquery()
)
_MEMBERS = union_all(
    select(_family.c.start, _family.c.id, literal(False).label("is_parent")),
    select(ticket_link.c.ticket_id, func.min(ticket_link.c.other_id), literal(True))
    .where(
        among_given(ticket_link.c.ticket_id, "child_ids"),
        ticket_link.c.kind == LinkKind.PARENT,
        ticket_link.c.other_id.is_not(None),
    )
    .group_by(ticket_link.c.ticket_id),
).subquery("member")
_LINKED = (
    select(
        _MEMBERS.c.start,
        _MEMBERS.c.is_parent,
        ticket.c.id,
        ticket.c.number,
        ticket.c.state,
        ticket.c.retired_at,
        _duplicate_of.label("duplicate_of"),
        reservation.c.id.label("reservation_id"),
        reservation.c.state.label("reservation_state"),
        reservation.c.updated_at,
        func.coalesce(hub.c.code, hub.c.name).label("hub"),
    )
    .join(ticket, ticket.c.id == _MEMBERS.c.id)
    .outerjoin(reservation, reservation.c.id == _newest)
    .outerjoin(hub, hub.c.id == reservation.c.hub_id)
    .order_by(_MEMBERS.c.start, ticket.c.id)
)


async def read_links(tx: AsyncConnection, rows: Sequence[Any]) -> dict[int, Links]:
    """What is linked to tickets, by their id: those rows of `TICKETS_STATEMENT` whose flags say that something is."""
    since = {row["id"]: row["opened_at"] or row["created_at"] for row in rows if row["has_family"] or row["parent_id"]}
    if not since:
        return {}
    families: dict[int, list[LinkedTicket]] = defaultdict(list)
    parents: dict[int, LinkedTicket] = {}
    given = {
        "ticket_ids": [row["id"] for row in rows if row["has_family"]],
        "child_ids": [row["id"] for row in rows if row["parent_id"]],
    }
    for row in (await tx.execute(_LINKED, given)).mappings():
        found = _linked(row, since[row["start"]])
        if row["is_parent"]:
            parents[row["start"]] = found
        else:
            families[row["start"]].append(found)
    return {key: Links(tuple(families.get(key, ())), parents.get(key)) for key in since}


async def tickets_linked(tx: AsyncConnection, ticket_ids: Collection[int]) -> list[int]:
    """Open tickets without a unit that are duplicates of these, however far, or children of them; not these."""
    children = select(ticket_link.c.ticket_id).where(
        among(tx, ticket_link.c.other_id, ticket_ids), ticket_link.c.kind == LinkKind.PARENT
    )
    has_something = (
        select(reservation.c.id)
        .where(
            reservation.c.ticket_id == ticket.c.id, reservation.c.state.in_(_STANDING), reservation.c.line != LOAN_LINE
        )
        .exists()
    )
    statement = (
        select(ticket.c.id)
        .where(
            ticket.c.id.in_(select(_family.c.id).where(_family.c.id != _family.c.start).union(children)),
            ticket.c.state.in_(TICKET_OPEN),
            ticket.c.retired_at.is_(None),
            ~has_something,
        )
        .order_by(ticket.c.id)
    )
    return list((await tx.execute(statement, {"ticket_ids": list(ticket_ids)})).scalars())


def _linked(row: Any, since: Any) -> LinkedTicket:
    relief: Relief | None = None
    state = row["reservation_state"]
    if state in RESERVATION_LIVE or (state is ReservationState.FULFILLED and row["updated_at"] >= since):
        relief = Relief(row["number"], row["reservation_id"], state, row["hub"])
    return LinkedTicket(
        id=row["id"],
        number=row["number"],
        state=row["state"],
        is_deleted=row["retired_at"] is not None,
        duplicate_of=row["duplicate_of"],
        relief=relief,
    )
