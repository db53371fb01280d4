"""What follows when a parcel that was in trouble turns up: of its two units one stays, and nobody counts two."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from connector.fulfilment.keys import ACTOR
from connector.fulfilment.rmas import Rmas
from connector.fulfilment.work import Work
from connector.model.kinds import Direction, TaskKind
from connector.model.lifecycle import (
    ASSET_MOVES,
    RESERVATION_LIVE,
    AssetState,
    RecoveryState,
    ReservationState,
    ShipmentStatus,
    TaskState,
)
from connector.model.refs import EntityKind
from connector.storage.database.engine import Transaction
from connector.storage.database.rows import locked_row, update_logged
from connector.storage.policies.active import PolicySource, policy_now
from connector.storage.shipments.consignments import consignment, lock_reservation
from connector.storage.shipments.recoveries import RecoveryRow, move_recovery, recovery_about
from connector.storage.shipments.shipments import ShipmentRow, shipment_row
from connector.storage.stock.stopping import order_stop
from connector.storage.tables import asset, shipment
from connector.storage.tickets.tasks import NewTask, move_task, require_task, unfinished_tasks


@dataclass(frozen=True, slots=True)
class Tracked:
    """A parcel as a task names it."""

    shipment_id: int
    name: str
    ticket_id: int | None
    reservation_id: int | None
    hub_id: int | None


def trouble_task(parcel: Tracked, what: str, why: str) -> NewTask:
    """The task that asks a person about a parcel in trouble. what: stable name of the trouble."""
    return NewTask(
        key=f"shipment:{parcel.shipment_id}:{what}",
        kind=TaskKind.REVIEW,
        title=f"{parcel.name[0].upper()}{parcel.name[1:]}: {what.replace('_', ' ')}",
        instructions=f"{why} Ask the courier; send a replacement if it does not come in time.",
        ticket_id=parcel.ticket_id,
        reservation_id=parcel.reservation_id,
        shipment_id=parcel.shipment_id,
        hub_id=parcel.hub_id,
    )


class TurningUp:
    """Settles recoveries when one of their two parcels arrives, or comes back."""

    def __init__(self, work: Work, policy: PolicySource) -> None:
        self._work = work
        self._policy = policy
        self._rmas = Rmas(work, policy)

    async def turned_up(self, tx: Transaction, shipment_id: int, status: ShipmentStatus) -> None:
        """A parcel was delivered or returned: settle what was done because it, or the first one, was in trouble."""
        parcel = await shipment_row(tx, shipment_id)
        row = await recovery_about(tx, shipment_id=shipment_id, reservation_id=parcel.reservation_id)
        now = self._work.clock.now()
        if status is ShipmentStatus.DELIVERED and (row is None or row.shipment_id != shipment_id):
            await self._stop_asking(tx, shipment_id, now)
        if row is None:
            return
        if row.shipment_id != shipment_id:
            if status is ShipmentStatus.DELIVERED and row.state is RecoveryState.SOURCED:
                await move_recovery(tx, row, RecoveryState.SETTLED, actor=ACTOR, at=now)
            return
        if row.reservation_id is None:
            if status is ShipmentStatus.DELIVERED and row.state is RecoveryState.ASKED:
                await self._stop_asking(tx, shipment_id, now)
                await move_recovery(tx, row, RecoveryState.SETTLED, actor=ACTOR, at=now)
            return
        if row.state not in (RecoveryState.SOURCED, RecoveryState.SETTLED):
            return
        if status is ShipmentStatus.RETURNED:
            await self._bring_back(tx, row, parcel, now, is_returned=True)
            return
        second = await lock_reservation(tx, row.reservation_id)
        policy = await policy_now(tx, self._policy)
        takes_back = policy.watching is None or policy.watching.take_back
        if second in RESERVATION_LIVE and takes_back:
            reason = f"the first unit has arrived ({parcel.name})"
            await order_stop(tx, row.reservation_id, reason=reason, actor=ACTOR, at=now)
            await move_recovery(tx, row, RecoveryState.RECALLED, actor=ACTOR, at=now)
        elif second in RESERVATION_LIVE or second is ReservationState.FULFILLED:
            await self._bring_back(tx, row, parcel, now, is_returned=False)
        elif row.state is RecoveryState.SOURCED:
            await move_recovery(tx, row, RecoveryState.SETTLED, actor=ACTOR, at=now)

    async def _bring_back(
        self, tx: Transaction, row: RecoveryRow, parcel: ShipmentRow, at: datetime, *, is_returned: bool
    ) -> None:
        """The first unit is one too many: it is a return, at its site or on its way back, and counts nowhere."""
        if parcel.reservation_id is None:
            return
        goods = await consignment(tx, parcel.reservation_id)
        how = "has come back" if is_returned else "has arrived after all"
        reason = f"{parcel.name} {how}, and a second unit was sent in its place (reservation {row.reservation_id})"
        has_return = False
        for unit in (goods.goods.asset_id, *(line.asset_id for line in goods.kit)):
            if unit is not None:
                await self._mark_return(tx, unit, at)
                has_return |= await self._rmas.surplus(tx, goods, unit, reason=reason)
        if is_returned:
            values = {"direction": Direction.RETURN}
            await update_logged(tx, shipment, EntityKind.SHIPMENT, parcel.id, values, actor=ACTOR, at=at)
        await self._stop_asking(tx, parcel.id, at)
        await move_recovery(tx, row, RecoveryState.RETURNING, actor=ACTOR, at=at)
        if has_return:
            return
        where = (
            f"comes back to {goods.hub.label}: take it in" if is_returned else "has arrived after all: bring it back"
        )
        new = NewTask(
            key=f"bring-back:{parcel.id}",
            kind=TaskKind.REVIEW,
            title=f"Bring back {parcel.name} of ticket {goods.ticket.number}",
            instructions=(
                f"{goods.goods.label} from {goods.hub.label} {where}. A second unit was sent instead "
                f"(reservation {row.reservation_id}); record this one as received only if it is used."
            ),
            ticket_id=goods.ticket.id,
            reservation_id=parcel.reservation_id,
            shipment_id=parcel.id,
            hub_id=goods.hub.id,
        )
        await require_task(tx, new, actor=ACTOR, cause=None, at=at)

    async def _mark_return(self, tx: Transaction, asset_id: int, at: datetime) -> None:
        current = await locked_row(tx, asset, EntityKind.ASSET, asset_id)
        if AssetState.RETURN_PENDING in ASSET_MOVES[current["state"]]:
            values = {"state": AssetState.RETURN_PENDING}
            await update_logged(tx, asset, EntityKind.ASSET, asset_id, values, actor=ACTOR, at=at)

    async def _stop_asking(self, tx: Transaction, shipment_id: int, at: datetime) -> None:
        for item in await unfinished_tasks(tx, shipment_id=shipment_id, key_prefixes=[f"shipment:{shipment_id}:"]):
            await move_task(tx, item.id, TaskState.DONE, actor=ACTOR, cause="it has turned up", at=at)
