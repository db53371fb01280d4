"""What is to be done about tickets that are decided together, and the units that are drawn for that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import OutOfStock
from connector.rules.sourcing.decision import Decision
from connector.rules.sourcing.picks import PartPick, Pick
from connector.rules.sourcing.together import Case
from connector.storage.stock.draws import Wanted, draw_units
from connector.storage.stock.kit_lines import Devices, Pool, spread
from connector.storage.stock.reservations import Reservation, Reserved
from connector.storage.stock.units import ShelfKey, Taken, take_units


@dataclass(frozen=True, slots=True)
class Share:
    """Units that a pick was given. replaces_id: the reservation of another ticket that ended for them.

    part: the component of the pick's kits that they are; None for the devices.
    """

    pick: Pick
    taken: Taken
    quantity: int
    replaces_id: int | None = None
    part: PartPick | None = None

    @property
    def pool(self) -> Pool:
        """The same as units to be shared out over devices."""
        thing = self.part or self.pick
        return Pool(
            self.pick.hub_id, thing.product_id, thing.lane, self.quantity, self.taken.asset_ids, self.replaces_id
        )


@dataclass(slots=True)
class Plan:
    """What is to be done about a ticket, or about a part of its units.

    secured: claims to take over, locked. shares: its units, once drawn; parts: the components of its kits; loan: the
    unit that is lent. line: the first one that they take; reserved, ordered, lent: what it has, once that is recorded.
    """

    case: Case
    decision: Decision
    secured: dict[int, Reservation] = field(default_factory=dict)
    shares: list[Share] = field(default_factory=list)
    parts: list[Share] = field(default_factory=list)
    loan: Share | None = None
    line: int = 1
    reserved: Reserved | None = None
    ordered: tuple[int, ...] = ()
    lent: Reservation | None = None

    @property
    def ticket_id(self) -> int:
        """The ticket."""
        return self.case.facts.ticket.id

    @property
    def lines(self) -> int:
        """How many lines of the ticket its units take: one for each serialised unit and each counted quantity."""
        return sum(len(share.taken.asset_ids) or 1 for share in self.shares)

    @property
    def lines_with_kits(self) -> int:
        """The same with the components of kits."""
        if not self.parts:
            return self.lines
        devices = [
            Devices(share.pick.hub_id, quantity)
            for share in self.shares
            for quantity in ([1] * len(share.taken.asset_ids) or [share.quantity])
        ]
        return self.lines + sum(piece.lines for piece in spread(devices, [share.pool for share in self.parts]))


async def draw(tx: AsyncConnection, plans: Sequence[Plan], now: datetime) -> list[tuple[int, ShelfKey]]:
    """Take the free units of all plans; when that fails, none are taken, and the answer is whom which shelf refused."""
    picking = [(plan, pick, part) for plan in plans for pick, part in _free_units(plan.decision.claims)]
    for plan in plans:
        plan.shares, plan.parts, plan.loan = [], [], None
    if len(picking) <= 1:
        return [refused for plan, pick, part in picking for refused in await _draw_one(tx, plan, pick, part, now)]
    async with tx.begin_nested() as savepoint:
        wanted = [
            Wanted(_shelf(pick, part), (part or pick).quantity, pick.releases, _revision(pick, part))
            for _, pick, part in picking
        ]
        given = zip(picking, await draw_units(tx, wanted, now), strict=True)
        refused = []
        for plan, items in groupby(given, key=lambda item: item[0][0]):
            shares = [(pick, part, taken) for (_, pick, part), taken in items]
            missing = [(plan.ticket_id, _shelf(pick, part)) for pick, part, taken in shares if taken is None]
            for pick, part, taken in shares:
                if taken is not None:
                    _keep_share(plan, pick, part, taken)
            refused += missing
            if missing and (plan.shares or plan.parts or plan.loan):
                break  # what it was given for nothing may be what the next ones miss
        if refused:
            await savepoint.rollback()
    return refused


async def _draw_one(
    tx: AsyncConnection, plan: Plan, pick: Pick, part: PartPick | None, now: datetime
) -> list[tuple[int, ShelfKey]]:
    shelf = _shelf(pick, part)
    try:
        taken = await take_units(
            tx, shelf, (part or pick).quantity, now, releases=pick.releases, revision=_revision(pick, part)
        )
    except OutOfStock:
        return [(plan.ticket_id, shelf)]
    _keep_share(plan, pick, part, taken)
    return []


def _keep_share(plan: Plan, pick: Pick, part: PartPick | None, taken: Taken) -> None:
    share, loan = Share(pick, taken, (part or pick).quantity, part=part), plan.decision.loan
    if loan is not None and pick is loan.pick:
        plan.loan = share
    else:
        (plan.shares if part is None else plan.parts).append(share)


def _free_units(picks: Sequence[Pick]) -> Iterator[tuple[Pick, PartPick | None]]:
    """What is to be taken from shelves: devices, and each component of their kits."""
    for pick in picks:
        if not pick.takes:
            yield pick, None
        for part in pick.parts:
            if part.takes is None:
                yield pick, part


def taken_over(picks: Sequence[Pick]) -> Iterator[tuple[Pick, int]]:
    """The reservations of other tickets that picks end, of each the devices first."""
    for pick in picks:
        yield from ((pick, number) for number in pick.takes)
        yield from ((pick, part.takes) for part in pick.parts if part.takes is not None)


def _shelf(pick: Pick, part: PartPick | None) -> ShelfKey:
    thing = part or pick
    return ShelfKey(pick.hub_id, thing.product_id, thing.lane)


def _revision(pick: Pick, part: PartPick | None) -> str | None:
    """The revision that units must have; of components any will do."""
    return pick.revision if part is None else None
