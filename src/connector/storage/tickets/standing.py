"""How a ticket stands: whether it still wants its hardware, what it has, and which tickets wait for a change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import and_, exists, false, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import NotKnown
from connector.model.kinds import ProcurementKind, TaskKind
from connector.model.lifecycle import (
    PROCUREMENT_OPEN,
    RESERVATION_LIVE,
    TICKET_OPEN,
    ProcurementState,
    ReservationState,
    ShipmentStatus,
    TicketState,
)
from connector.rules.policy.competition import Waiting
from connector.storage.database.bulk import among, among_given
from connector.storage.facts.outstanding import waits_for_rest
from connector.storage.shipments.shipments import FROM_HUBS, ON_ITS_WAY
from connector.storage.stock.losses import has_lost
from connector.storage.stock.succession import LEFT_BEFORE
from connector.storage.tables import (
    LOAN_LINE,
    approval,
    asset,
    compatibility,
    kit,
    kit_component,
    procurement,
    replenishment,
    reservation,
    rollout,
    rollout_line,
    shipment,
    site,
    task,
    ticket,
)
from connector.storage.tickets.tasks import UNFINISHED


@dataclass(frozen=True, slots=True)
class Holding:
    """A reservation that a ticket has. shipment_status: of the parcel that brings it, None before there is one."""

    reservation_id: int
    state: ReservationState
    requested_product_id: int
    shipment_status: ShipmentStatus | None

    @property
    def is_live(self) -> bool:
        """Whether it holds stock."""
        return self.state in RESERVATION_LIVE

    @property
    def is_under_way(self) -> bool:
        """Whether it has left the hub and has not arrived."""
        return self.shipment_status in ON_ITS_WAY - {ShipmentStatus.DELIVERED}


@dataclass(frozen=True, slots=True)
class Standing:
    """A ticket as the reactor looks at it. holdings: reservations that are live or were fulfilled, by id.

    loan: that of the unit that is lent to it, which is not among its holdings. has_rollout: whether something is rolled
    out under it, or it is the ticket of a line; the claims of that are not among its holdings. fills_shelf: a shelf is
    filled up under it. is_supplied: what was ordered outside has come to its site. waits_for_rest: it has some of its
    units, and something is left to be done.
    """

    ticket_id: int
    number: str
    state: TicketState
    is_deleted: bool
    product_id: int | None
    holdings: tuple[Holding, ...]
    has_rollout: bool = False
    fills_shelf: bool = False
    is_supplied: bool = False
    loan: Holding | None = None
    waits_for_rest: bool = False

    @property
    def is_planned_elsewhere(self) -> bool:
        """Whether what it gets is not for the rules about tickets to say."""
        return self.has_rollout or self.fills_shelf

    @property
    def lacks_hardware(self) -> bool:
        """Whether it is still to be decided what it gets."""
        has_nothing = not self.holdings and not self.is_supplied
        return self.wants_hardware and (has_nothing or self.waits_for_rest)

    @property
    def wants_hardware(self) -> bool:
        """Whether the ticket is still open at its source."""
        return not self.is_deleted and self.state in TICKET_OPEN

    @property
    def withdrawn(self) -> tuple[int, ...]:
        """Reservations to undo because the ticket is over.

        A resolved ticket lets a parcel that is under way arrive; a cancelled or deleted one does not want it.
        """
        if self.wants_hardware:
            return ()
        calls_back = self.is_deleted or self.state is TicketState.CANCELLED
        held = self.holdings if self.loan is None or not self.loan.is_live else (*self.holdings, self.loan)
        return tuple(item.reservation_id for item in held if item.is_live or (calls_back and item.is_under_way))

    @property
    def is_lent(self) -> bool:
        """Whether a unit that was lent to it has left its hub; it may be back since."""
        return self.loan is not None and not self.loan.is_live


_status = (
    select(shipment.c.status)
    .where(shipment.c.reservation_id == reservation.c.id, shipment.c.direction.in_(FROM_HUBS))
    .order_by(shipment.c.id.desc())
    .limit(1)
    .scalar_subquery()
)
_HOLDINGS = (
    select(
        reservation.c.ticket_id,
        reservation.c.line,
        reservation.c.id,
        reservation.c.state,
        reservation.c.requested_product_id,
        _status,
    )
    .where(
        among_given(reservation.c.ticket_id, "ticket_ids"),
        reservation.c.rollout_line_id.is_(None),
        reservation.c.ships_with_id.is_(None),
        reservation.c.state.in_((*RESERVATION_LIVE, ReservationState.FULFILLED)),
    )
    .order_by(reservation.c.id)
)
_TICKETS = (
    select(
        ticket.c.id,
        ticket.c.number,
        ticket.c.state,
        ticket.c.retired_at,
        func.coalesce(asset.c.product_id, ticket.c.product_id).label("product_id"),
        or_(
            exists().where(rollout.c.ticket_id == ticket.c.id), exists().where(rollout_line.c.ticket_id == ticket.c.id)
        ).label("has_rollout"),
        exists().where(replenishment.c.ticket_id == ticket.c.id).label("fills_shelf"),
        exists()
        .where(
            procurement.c.ticket_id == ticket.c.id,
            procurement.c.state == ProcurementState.RECEIVED,
            procurement.c.site_id.is_not(None),
            procurement.c.hub_id.is_(None),
            procurement.c.is_wanted,
        )
        .label("is_supplied"),
        waits_for_rest.label("waits_for_rest"),
    )
    .outerjoin(asset, asset.c.id == ticket.c.asset_id)
    .where(among_given(ticket.c.id, "ticket_ids"))
)
_held = reservation.alias("held")
_LINE = (
    select(
        ticket.c.id,
        ticket.c.priority,
        func.coalesce(ticket.c.opened_at, ticket.c.created_at),
        has_lost,
        site.c.region,
    )
    .outerjoin(asset, asset.c.id == ticket.c.asset_id)
    .outerjoin(site, site.c.id == func.coalesce(ticket.c.site_id, asset.c.site_id))
    .where(among_given(ticket.c.id, "ticket_ids"), ticket.c.state.in_(TICKET_OPEN), ticket.c.retired_at.is_(None))
)


async def ticket_standing(tx: AsyncConnection, ticket_id: int) -> Standing:
    """How a ticket stands. product_id: what its device is, if that is known. Raises NotKnown."""
    found = await tickets_standing(tx, (ticket_id,))
    if not found:
        raise NotKnown(f"there is no ticket with id {ticket_id}")
    return found[ticket_id]


async def tickets_standing(tx: AsyncConnection, ticket_ids: Collection[int]) -> dict[int, Standing]:
    """The same of many tickets, in two statements; those that do not exist are left out."""
    given = {"ticket_ids": list(ticket_ids)}
    holdings: defaultdict[int, list[Holding]] = defaultdict(list)
    loans: dict[int, Holding] = {}
    for ticket_id, line, *values in await tx.execute(_HOLDINGS, given):
        if line == LOAN_LINE:
            loans[ticket_id] = Holding(*values)
        else:
            holdings[ticket_id].append(Holding(*values))
    return {
        row.id: Standing(
            ticket_id=row.id,
            number=row.number,
            state=row.state,
            is_deleted=row.retired_at is not None,
            product_id=row.product_id,
            holdings=tuple(holdings.get(row.id, ())),
            has_rollout=row.has_rollout,
            fills_shelf=row.fills_shelf,
            is_supplied=row.is_supplied,
            loan=loans.get(row.id),
            waits_for_rest=row.waits_for_rest,
        )
        for row in await tx.execute(_TICKETS, given)
    }


async def waiting_line(tx: AsyncConnection, ticket_ids: Collection[int]) -> list[tuple[Waiting, str | None]]:
    """Those of the tickets that are open, as fairness looks at them, with the region of their site; in no order."""
    rows = await tx.execute(_LINE, {"ticket_ids": list(ticket_ids)})
    return [(Waiting(number, priority, since, int(lost)), region) for number, priority, since, lost, region in rows]


async def waiting_tickets(
    tx: AsyncConnection,
    *,
    asset_ids: Collection[int] = (),
    site_ids: Collection[int] = (),
    product_ids: Collection[int] = (),
    is_ruled_anew: bool = False,
) -> list[int]:
    """Open tickets that wait, and whose device, site or stock has changed: for a person, or for what is on order.

    product_ids: what came on a shelf: concerns those who need it, something that it can stand in for, or that it is in
    the swap kit of. is_ruled_anew: all whose decision a person was asked for, and those on backorder, for other rules
    may do without.
    """
    needed = func.coalesce(asset.c.product_id, ticket.c.product_id)
    stands_in = exists().where(
        compatibility.c.product_id == needed,
        compatibility.c.retired_at.is_(None),
        among(tx, compatibility.c.substitute_id, product_ids),
    )
    is_in_kit = (
        exists()
        .where(
            kit.c.product_id == needed,
            kit.c.retired_at.is_(None),
            kit_component.c.kit_id == kit.c.id,
            among(tx, kit_component.c.product_id, product_ids),
        )
        .correlate(ticket, asset)
    )
    is_on_order = exists().where(
        procurement.c.ticket_id == ticket.c.id, procurement.c.state.in_(PROCUREMENT_OPEN), procurement.c.is_wanted
    )
    waits = is_on_order | exists().where(
        task.c.ticket_id == ticket.c.id,
        task.c.kind == TaskKind.REVIEW,
        task.c.state.in_(UNFINISHED),
    )
    is_held = exists().where(
        reservation.c.ticket_id == ticket.c.id,
        reservation.c.state.in_(RESERVATION_LIVE),
        reservation.c.line != LOAN_LINE,
    )
    is_asked_about = exists().where(
        task.c.ticket_id == ticket.c.id,
        task.c.state.in_(UNFINISHED),
        task.c.key.startswith("review:"),
    )
    is_queued = exists().where(
        procurement.c.ticket_id == ticket.c.id,
        procurement.c.kind == ProcurementKind.BACKORDER,
        procurement.c.state.in_(PROCUREMENT_OPEN),
        procurement.c.is_wanted,
    )
    no_stock = is_on_order | is_asked_about
    statement = (
        select(ticket.c.id)
        .outerjoin(asset, asset.c.id == ticket.c.asset_id)
        .where(
            ticket.c.state.in_(TICKET_OPEN),
            ticket.c.retired_at.is_(None),
            waits,
            or_(~is_held, waits_for_rest),
            or_(
                among(tx, ticket.c.asset_id, asset_ids),
                among(tx, func.coalesce(ticket.c.site_id, asset.c.site_id), site_ids),
                (among(tx, needed, product_ids) | stands_in | is_in_kit) & no_stock,
                is_asked_about | is_queued if is_ruled_anew else false(),
            ),
        )
        .order_by(ticket.c.id)
    )
    return list((await tx.execute(statement)).scalars())


async def tickets_relieved(tx: AsyncConnection, reservation_ids: Collection[int]) -> list[int]:
    """Other open tickets about the devices that these reservations were for, which have nothing themselves."""
    other = ticket.alias("other")
    devices = (
        select(other.c.id, other.c.asset_id)
        .join(reservation, reservation.c.ticket_id == other.c.id)
        .where(among(tx, reservation.c.id, reservation_ids))
        .subquery()
    )
    has_something = exists().where(
        reservation.c.ticket_id == ticket.c.id,
        reservation.c.state.in_((*RESERVATION_LIVE, ReservationState.FULFILLED)),
        reservation.c.line != LOAN_LINE,
    )
    statement = (
        select(ticket.c.id)
        .join(devices, and_(devices.c.asset_id == ticket.c.asset_id, devices.c.id != ticket.c.id))
        .where(ticket.c.state.in_(TICKET_OPEN), ticket.c.retired_at.is_(None), ~has_something)
        .distinct()
        .order_by(ticket.c.id)
    )
    return list((await tx.execute(statement)).scalars())


async def tickets_of(tx: AsyncConnection, reservation_ids: Collection[int]) -> set[int]:
    """The tickets that these reservations were for."""
    statement = select(reservation.c.ticket_id).where(among(tx, reservation.c.id, reservation_ids))
    return set((await tx.execute(statement)).scalars())


async def tickets_behind(
    tx: AsyncConnection,
    *,
    approval_ids: Collection[int],
    procurement_ids: Collection[int],
    reservation_ids: Collection[int],
) -> set[int]:
    """The tickets that these requests and orders were for, and those whose units these reservations took over."""
    found: set[int] = set()
    for table, ids in ((approval, approval_ids), (procurement, procurement_ids)):
        if ids:
            statement = select(table.c.ticket_id).where(among(tx, table.c.id, ids), table.c.ticket_id.is_not(None))
            found |= set((await tx.execute(statement)).scalars())
    if reservation_ids:
        old = reservation.alias("old")
        lost = (
            select(old.c.ticket_id)
            .join(reservation, and_(old.c.id == reservation.c.replaces_id, old.c.ticket_id != reservation.c.ticket_id))
            .where(among(tx, reservation.c.id, reservation_ids), old.c.rollout_line_id.is_(None))
        )
        found |= set((await tx.execute(lost)).scalars())
    return found


async def ticket_that_lost(tx: AsyncConnection, reservation_id: int) -> int | None:
    """The other ticket whose units a reservation has taken over; None when there is none, or it was for a rollout."""
    old = reservation.alias("old")
    statement = (
        select(old.c.ticket_id)
        .join(reservation, and_(old.c.id == reservation.c.replaces_id, old.c.ticket_id != reservation.c.ticket_id))
        .where(reservation.c.id == reservation_id, old.c.rollout_line_id.is_(None))
    )
    found: int | None = (await tx.execute(statement)).scalar_one_or_none()
    return found


async def tickets_forfeited(tx: AsyncConnection, reservation_ids: Collection[int]) -> list[int]:
    """Open tickets whose claims among these ended since the unit had left for the ticket that had it before."""
    has_something = exists().where(
        _held.c.ticket_id == ticket.c.id,
        _held.c.state.in_((*RESERVATION_LIVE, ReservationState.FULFILLED)),
        _held.c.line != LOAN_LINE,
    )
    statement = (
        select(ticket.c.id)
        .join(reservation, reservation.c.ticket_id == ticket.c.id)
        .where(
            among(tx, reservation.c.id, reservation_ids),
            reservation.c.reason.startswith(LEFT_BEFORE),
            ticket.c.state.in_(TICKET_OPEN),
            ticket.c.retired_at.is_(None),
            ~has_something,
        )
        .distinct()
        .order_by(ticket.c.id)
    )
    return list((await tx.execute(statement)).scalars())
