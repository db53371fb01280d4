"""The facts of sourcing decisions: as many statements for many tickets as for one, however large the fleet is.

The tickets with everything that hangs on them (`connector.storage.facts.ticket_row`); the substitutes of what they
need; the shelves that have free units of all that, of one product in one row; what is on its way to the same devices.
Each is one statement, left out when no ticket asks for it. The hubs themselves are remembered (see
`connector.storage.facts.fleet`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Text, and_, case, cast, func, not_, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import NotKnown
from connector.model.kinds import Lane
from connector.rules.arrival.lanes import NO_LANES
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.protection import Kept
from connector.rules.facts.shelves import Holding, SubstituteFacts
from connector.rules.facts.standing import NO_LINKS, ProcurementFacts, Relief
from connector.storage.approvals.channels import open_channels
from connector.storage.database.bulk import among_given
from connector.storage.database.constants import with_constants
from connector.storage.facts.fleet import fleet_stamp, read_fleet
from connector.storage.facts.kits import read_kits, with_shelves
from connector.storage.facts.lanes import lanes_stamp, read_lanes
from connector.storage.facts.linked_tickets import read_links
from connector.storage.facts.protection import protections
from connector.storage.facts.ticket_row import (
    TICKETS_STATEMENT,
    asset_of,
    loan_of,
    product_of,
    refusals_of,
    service_class_of,
    site_of,
    ticket_of,
)
from connector.storage.tables import compatibility, hub, procurement, product, reservation, stock, ticket

_SUBSTITUTES = (
    select(
        compatibility.c.product_id,
        compatibility.c.substitute_id,
        product.c.manufacturer,
        product.c.model,
        compatibility.c.preference,
        compatibility.c.condition,
    )
    .join(product, product.c.id == compatibility.c.substitute_id)
    .where(
        among_given(compatibility.c.product_id, "product_ids"),
        compatibility.c.retired_at.is_(None),
        product.c.retired_at.is_(None),
    )
    .order_by(compatibility.c.product_id, compatibility.c.preference, compatibility.c.substitute_id)
)

_is_plain = and_(
    stock.c.lane == Lane.NORMAL,
    func.coalesce(stock.c.safety_stock, 0) == 0,
    func.coalesce(stock.c.emergency_buffer, 0) == 0,
)
_shelf: ColumnElement[str] = cast(stock.c.hub_id, Text)
for _column in (type_coerce(stock.c.lane, Text), stock.c.on_hand - stock.c.reserved, *protections(stock)):
    _shelf = _shelf + ":" + cast(_column, Text)
"""A shelf as text: hub, lane, free units, safety stock, emergency buffer."""

_HOLDINGS = with_constants(
    select(
        stock.c.product_id,
        func.aggregate_strings(case((_is_plain, cast(stock.c.hub_id, Text))), ","),
        func.aggregate_strings(case((_is_plain, cast(stock.c.on_hand - stock.c.reserved, Text))), ","),
        func.aggregate_strings(case((not_(_is_plain), _shelf)), ","),
    )
    .where(among_given(stock.c.product_id, "product_ids"), stock.c.on_hand > stock.c.reserved)
    .group_by(stock.c.product_id)
)
"""One row per product, its shelves as lists: a row per shelf costs more than everything that is done with it.

Most shelves are of the normal lane and keep nothing, so these are told by two numbers; the others as text.
"""

_RELIEFS = (
    select(
        reservation.c.id, ticket.c.number, reservation.c.id, reservation.c.state, func.coalesce(hub.c.code, hub.c.name)
    )
    .join(ticket, ticket.c.id == reservation.c.ticket_id)
    .join(hub, hub.c.id == reservation.c.hub_id)
    .where(among_given(reservation.c.id, "reservation_ids"))
)


_PROCUREMENTS = (
    select(
        procurement.c.ticket_id,
        procurement.c.id,
        procurement.c.product_id,
        procurement.c.kind,
        procurement.c.supplier,
        procurement.c.state,
        procurement.c.quantity,
        procurement.c.expected_at,
        procurement.c.via,
    )
    .where(among_given(procurement.c.ticket_id, "ticket_ids"))
    .order_by(procurement.c.ticket_id, procurement.c.id)
)


async def facts_of_tickets(tx: AsyncConnection, ticket_ids: Collection[int]) -> dict[int, SourcingFacts]:
    """The same of many tickets by their ids; those that do not exist are left out."""
    rows = await _ticket_rows(tx, ticket_ids, line=1)
    return {row["id"]: facts for row, facts in zip(rows, await facts_of(tx, rows), strict=True)}


@dataclass(frozen=True, slots=True)
class FactsToReserve:
    """The facts, and the activation of the policy that was active when they were read; None when none was.

    line: the first one that its claims take.
    """

    facts: SourcingFacts
    activation_id: int | None
    line: int


async def sourcing_facts(tx: AsyncConnection, ticket_id: int) -> SourcingFacts:
    """Everything that the rules look at for a ticket, as it is now.

    The needed product is the affected asset's, else the one that the ticket names; the site is the ticket's, else
    the asset's. Raises NotKnown when there is no such ticket.
    """
    rows = await _ticket_rows(tx, (ticket_id,), line=1)
    if not rows:
        raise _unknown(ticket_id)
    return (await facts_of(tx, rows))[0]


async def facts_to_reserve(tx: AsyncConnection, ticket_id: int, line: int) -> FactsToReserve | None:
    """The same, or None when the line has a live reservation already. Raises NotKnown."""
    read = await facts_to_reserve_many(tx, (ticket_id,), line)
    if ticket_id not in read:
        raise _unknown(ticket_id)
    return read[ticket_id]


async def facts_to_reserve_many(
    tx: AsyncConnection, ticket_ids: Collection[int], line: int, *, with_rest: bool = True
) -> dict[int, FactsToReserve | None]:
    """The same of many tickets by their ids; those that do not exist are left out.

    with_rest: of tickets that wait for the rest of their units, those facts, whatever is on the line.
    """
    rows = await _ticket_rows(tx, ticket_ids, line=line)
    undecided = [row for row in rows if not row["is_reserved"] or (with_rest and row["waits_for_rest"])]
    read: dict[int, FactsToReserve | None] = {row["id"]: None for row in rows}
    for row, facts in zip(undecided, await facts_of(tx, undecided), strict=True):
        first = row["next_line"] if with_rest and row["waits_for_rest"] else line
        read[row["id"]] = FactsToReserve(facts, row["activation_id"], first)
    return read


async def _ticket_rows(tx: AsyncConnection, ticket_ids: Collection[int], *, line: int) -> Sequence[Any]:
    given = {"ticket_ids": list(ticket_ids), "line": line}
    return (await tx.execute(TICKETS_STATEMENT, given)).mappings().all()


async def facts_of(tx: AsyncConnection, rows: Sequence[Any]) -> list[SourcingFacts]:
    """The facts around rows of `TICKETS_STATEMENT`, in their order."""
    if not rows:
        return []
    fleet = await read_fleet(tx, tuple(rows[0][f"fleet_{column.name}"] for column in fleet_stamp.c))
    replaceable = {row["p_id"] for row in rows if row["has_substitutes"] and row["p_id"] is not None}
    substitutes = await _substitutes(tx, replaceable)
    wanted = {row["p_id"] for row in rows if row["p_id"] is not None}
    kits = await read_kits(tx, {row["p_id"] for row in rows if row["has_kit"] and row["p_id"] is not None})
    wanted.update(part.product_id for found in kits.values() for part in found.parts)
    holdings = await _holdings(tx, wanted.union(*({s.product_id for s in found} for found in substitutes.values())))
    links = await read_links(tx, rows)
    lanes = await read_lanes(tx, {lanes_stamp(row) for row in rows if row["s_id"] is not None})
    reliefs = await _reliefs(tx, {row["relief"] for row in rows if row["relief"] is not None})
    channels = await open_channels(tx) if rows[0]["open_channel"] is not None else ()
    procurements = await _procurements(tx, [row["id"] for row in rows if row["has_procurements"]])
    found = []
    for row in rows:
        needed = product_of(row)
        standing_in = substitutes.get(needed.id, ()) if needed else ()
        products = [] if needed is None else [needed.id, *(s.product_id for s in standing_in)]
        found.append(
            SourcingFacts(
                ticket=ticket_of(row),
                asset=asset_of(row),
                product=needed,
                site=site_of(row),
                service_class=service_class_of(row),
                substitutes=standing_in,
                holdings=tuple(holding for product_id in products for holding in holdings.get(product_id, ())),
                fleet=fleet,
                relief=reliefs.get(row["relief"]),
                links=links.get(row["id"], NO_LINKS),
                refusals=refusals_of(row),
                lanes=lanes.get(row["s_id"], NO_LANES),
                channels=channels,
                procurements=procurements.get(row["id"], ()),
                quantity=row["quantity"] - row["units_had"] if row["waits_for_rest"] else row["quantity"],
                had=row["units_had"] if row["waits_for_rest"] else 0,
                kit=with_shelves(kits.get(row["p_id"]), holdings),
                loan=loan_of(row),
            )
        )
    return found


async def _substitutes(tx: AsyncConnection, product_ids: Collection[int]) -> Mapping[int, tuple[SubstituteFacts, ...]]:
    """What can stand in for each of the products, the preferred first."""
    if not product_ids:
        return {}
    found: defaultdict[int, list[SubstituteFacts]] = defaultdict(list)
    for row in await tx.execute(_SUBSTITUTES, {"product_ids": sorted(product_ids)}):
        found[row[0]].append(SubstituteFacts(row[1], f"{row[2]} {row[3]}", row[4], row[5]))
    return {product_id: tuple(substitutes) for product_id, substitutes in found.items()}


async def _holdings(tx: AsyncConnection, product_ids: Collection[int]) -> Mapping[int, tuple[Holding, ...]]:
    """The shelves with free units of each of the products, one holding per lane."""
    if not product_ids:
        return {}
    found = {}
    for product_id, hubs, free, others in await tx.execute(_HOLDINGS, {"product_ids": sorted(product_ids)}):
        plain = dict(zip(orjson.loads(f"[{hubs or ''}]"), orjson.loads(f"[{free or ''}]"), strict=True))
        by_lane: dict[Lane, dict[int, int]] = {Lane.NORMAL: plain} if plain else {}
        keeping = _add_others(others, by_lane)
        found[product_id] = tuple(
            Holding(product_id, lane, by_hub, keeping.get(lane, {})) for lane, by_hub in by_lane.items()
        )
    return found


def _add_others(others: str | None, by_lane: dict[Lane, dict[int, int]]) -> dict[Lane, dict[int, Kept]]:
    """Add the shelves of other lanes, and what may be used of those that keep something, which are returned."""
    keeping: dict[Lane, dict[int, Kept]] = {}
    for entry in others.split(",") if others else ():
        hub, name, *units = entry.split(":")
        lane, shelf = Lane(name), Kept(*map(int, units))
        usable = shelf.usable()
        by_hub = by_lane.setdefault(lane, {})
        if usable:
            by_hub[int(hub)] = usable
        if shelf.safety_stock or shelf.emergency_buffer:
            keeping.setdefault(lane, {})[int(hub)] = shelf
    return keeping


async def _procurements(tx: AsyncConnection, ticket_ids: Collection[int]) -> Mapping[int, tuple[ProcurementFacts, ...]]:
    """What was ordered for each of the tickets, open or not, the oldest first."""
    if not ticket_ids:
        return {}
    found: defaultdict[int, list[ProcurementFacts]] = defaultdict(list)
    for ticket_id, *ordered in await tx.execute(_PROCUREMENTS, {"ticket_ids": sorted(ticket_ids)}):
        found[ticket_id].append(ProcurementFacts(*ordered))
    return {ticket_id: tuple(items) for ticket_id, items in found.items()}


async def _reliefs(tx: AsyncConnection, reservation_ids: Collection[int]) -> Mapping[int, Relief]:
    if not reservation_ids:
        return {}
    rows = await tx.execute(_RELIEFS, {"reservation_ids": sorted(reservation_ids)})
    return {number: Relief(*relief) for number, *relief in rows}


def _unknown(ticket_id: int) -> NotKnown:
    return NotKnown(f"there is no ticket with id {ticket_id}")
