"""Returns of failed units as they begin: once per delivered replacement, and once per device.

Steps of the transaction in which the reader of the change log deals with a delivery. What people record of a return
later is in `connector.fulfilment.returns`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from connector.fulfilment.keys import ACTOR
from connector.fulfilment.work import Work
from connector.model.kinds import TaskKind, Tracking
from connector.model.lifecycle import AssetState, RmaState, TaskState, TicketState
from connector.model.refs import EntityKind
from connector.rules.events.returning import return_terms
from connector.storage.database.engine import Transaction
from connector.storage.database.rows import locked_row, update_logged
from connector.storage.facts.facts import sourcing_facts
from connector.storage.policies.active import PolicySource, policy_now
from connector.storage.shipments.consignments import Consignment
from connector.storage.shipments.shipments import ShipmentRow
from connector.storage.stock.stopping import stop_reason
from connector.storage.tables import asset, rma
from connector.storage.tickets.procurements import ProcurementRow
from connector.storage.tickets.rmas import (
    Failed,
    NewRma,
    Replacement,
    RmaRow,
    lock_failed,
    lock_rma,
    move_rma,
    open_rma,
    open_rma_of_device,
    other_replacement,
    replacement_of,
    rma_of_reservation,
    rma_row,
    rmas_of_ticket,
    sent_unit,
    unnamed_rmas,
)
from connector.storage.tickets.tasks import NewTask, move_task, require_task, unfinished_tasks


class Rmas:
    """What deliveries mean for the units that have failed."""

    def __init__(self, work: Work, policy: PolicySource) -> None:
        self._work = work
        self._policy = policy

    async def delivered(self, tx: Transaction, shipment_id: int) -> None:
        """A parcel is at its site: what it replaces comes back, unless it brings no replacement or is unwanted."""
        found = await replacement_of(tx, shipment_id)
        if found is None or found.reservation_id is None or await stop_reason(tx, found.reservation_id) is not None:
            return
        await self._open(tx, found)

    async def supplied(self, tx: Transaction, row: ProcurementRow) -> None:
        """What a supplier sent is at its site."""
        found = Replacement(
            row.ticket_id, row.product_id, row.tracking, row.quantity, row.site_id, procurement_id=row.id
        )
        await self._open(tx, found)

    async def not_delivered(self, tx: Transaction, parcel: ShipmentRow) -> None:
        """A parcel came back that had been reported delivered: what it was to replace stays, if nothing else came."""
        found = None if parcel.reservation_id is None else await rma_of_reservation(tx, parcel.reservation_id)
        if found is None or found.state is not RmaState.EXPECTED:
            return
        at, cause = self._work.clock.now(), f"{parcel.name} came back"
        other = await other_replacement(tx, found.ticket_id)
        if other is None:
            reason = f"its replacement came back ({parcel.name})"
            await call_off(tx, found, reason=reason, cancelled_by=None, actor=ACTOR, at=at)
            return
        values = {"reservation_id": other.reservation_id, "line": other.line}
        await update_logged(tx, rma, EntityKind.RMA, found.id, values, actor=ACTOR, cause=cause, at=at)

    async def surplus(self, tx: Transaction, goods: Consignment, asset_id: int, *, reason: str) -> bool:
        """A unit that was sent is not needed: it comes back; False where the policy has nothing come back.

        The transaction has locked the ticket, and the unit is `return_pending`.
        """
        policy, at = await policy_now(tx, self._policy), self._work.clock.now()
        facts = await sourcing_facts(tx, goods.ticket.id)
        terms = return_terms(facts, policy, origin_hub_id=goods.hub.id, now=at)
        unit = await locked_row(tx, asset, EntityKind.ASSET, asset_id)
        if terms is None or unit["state"] is not AssetState.RETURN_PENDING:
            return False
        new = NewRma(
            ticket_id=goods.ticket.id,
            line=1,
            asset_id=asset_id,
            product_id=unit["product_id"] or goods.goods.product_id,
            quantity=1,
            reservation_id=None,
            procurement_id=None,
            hub_id=terms.hub_id,
            site_id=goods.site.id if goods.site is not None else None,
            due_back_at=terms.due_back_at,
            reason="; ".join(filter(None, (reason, terms.remark))),
        )
        rma_id = await open_rma(tx, new, actor=ACTOR, cause=f"reservation {goods.reservation_id}", at=at)
        if rma_id is None:
            return await open_rma_of_device(tx, asset_id) is not None
        row = await rma_row(tx, rma_id)
        task = NewTask(
            key=f"rma:{rma_id}:return",
            kind=TaskKind.RETURN,
            title=f"{row.number}: take back {row.goods} of ticket {row.ticket_number}",
            instructions=(
                f"{reason[0].upper()}{reason[1:]}. It is due at {row.hub or 'a hub'} by "
                f"{row.due_back_at:%Y-%m-%d %H:%M}Z. Put it into quarantine and record it with "
                f"`connector rma receive {rma_id} SERIAL`; record it as received at its site only if it is used there "
                "after all."
            ),
            ticket_id=row.ticket_id,
            hub_id=row.hub_id,
            due_at=row.due_back_at,
        )
        await require_task(tx, task, actor=ACTOR, cause=None, at=at)
        return True

    async def named(self, tx: Transaction, ticket_ids: list[int]) -> None:
        """The device of these tickets has become known, or another one: returns without a device get it."""
        at = self._work.clock.now()
        for rma_id in await unnamed_rmas(tx, ticket_ids):
            found = await lock_rma(tx, rma_id)
            failed = await lock_failed(tx, found.ticket_id)
            device = _device(failed, found.product_id, await sent_unit(tx, found.reservation_id))
            known = [item for item in await rmas_of_ticket(tx, found.ticket_id) if item.counts]
            if device is None or any(item.asset_id == device for item in known):
                continue
            if await open_rma_of_device(tx, device) is not None:
                continue
            remark = await _remark(tx, device)
            if not remark:
                await _mark_return(tx, device, at)
            reason = "; ".join(filter(None, (found.reason, remark))) or None
            values = {"asset_id": device, "site_id": failed.asset_site_id or found.site_id, "reason": reason}
            await update_logged(tx, rma, EntityKind.RMA, rma_id, values, actor=ACTOR, cause="its ticket", at=at)
            await close_tasks(tx, found, ("device",), TaskState.DONE, actor=ACTOR, cause="it is known", at=at)

    async def _open(self, tx: Transaction, replacement: Replacement) -> None:
        """Begin what the ticket still lacks: a return for its device, or by product for as many as it needs in all."""
        policy = await policy_now(tx, self._policy)
        if policy.returns is None:
            return
        failed = await lock_failed(tx, replacement.ticket_id)
        if failed.is_deleted or failed.state is TicketState.CANCELLED:
            return
        at = self._work.clock.now()
        facts = await sourcing_facts(tx, replacement.ticket_id)
        terms = return_terms(facts, policy, origin_hub_id=replacement.hub_id, now=at)
        if terms is None:
            return
        for unit in _units(replacement):
            known = [item for item in await rmas_of_ticket(tx, failed.ticket_id) if item.counts and not item.is_surplus]
            device = _device(failed, unit.product_id, unit.asset_id) if unit.quantity == 1 else None
            if any(item.asset_id == device for item in known):
                device = None
            quantity = 1 if device is not None else _lacking(failed, known, unit)
            if quantity < 1:
                return
            remark = "" if device is None else await _remark(tx, device)
            new = NewRma(
                ticket_id=failed.ticket_id,
                line=unit.line,
                asset_id=device,
                product_id=unit.product_id,
                quantity=quantity,
                reservation_id=unit.reservation_id,
                procurement_id=unit.procurement_id,
                hub_id=terms.hub_id,
                site_id=failed.asset_site_id if device is not None and failed.asset_site_id else unit.site_id,
                due_back_at=terms.due_back_at,
                reason="; ".join(filter(None, (terms.remark, remark))) or None,
            )
            rma_id = await open_rma(tx, new, actor=ACTOR, cause=_cause(unit), at=at)
            if rma_id is None:
                continue
            if device is not None and not remark:
                await _mark_return(tx, device, at)
            await self._ask(tx, await rma_row(tx, rma_id), at)

    async def _ask(self, tx: Transaction, row: RmaRow, at: datetime) -> None:
        """Have the hub expect it; where nobody knows which device it is, have a person say so."""
        where = row.site or "the site of the ticket"
        to = row.hub or "a hub (none is known that takes it: say which one when it is received)"
        serial = "" if row.tracking is Tracking.COUNTED and row.asset_id is None else " SERIAL"
        new = NewTask(
            key=f"rma:{row.id}:return",
            kind=TaskKind.RETURN,
            title=f"{row.number}: take back {row.goods} of ticket {row.ticket_number}",
            instructions=(
                f"It is at {where}, its replacement was delivered. It is due at {to} by "
                f"{row.due_back_at:%Y-%m-%d %H:%M}Z. Put it into quarantine and record it with "
                f"`connector rma receive {row.id}{serial}`."
            ),
            ticket_id=row.ticket_id,
            hub_id=row.hub_id,
            due_at=row.due_back_at,
        )
        await require_task(tx, new, actor=ACTOR, cause=None, at=at)
        if row.asset_id is not None or row.tracking is Tracking.COUNTED:
            return
        unnamed = NewTask(
            key=f"rma:{row.id}:device",
            kind=TaskKind.REVIEW,
            title=f"{row.number}: which device of ticket {row.ticket_number} goes back?",
            instructions=(
                f"A {row.product} at {where} was replaced, and nobody knows which one. Set the device of ticket "
                f"{row.ticket_number} at its source; else whoever receives it says so by its serial."
            ),
            ticket_id=row.ticket_id,
            hub_id=row.hub_id,
            due_at=row.due_back_at,
        )
        await require_task(tx, unnamed, actor=ACTOR, cause=None, at=at)


async def call_off(
    tx: Transaction, found: RmaRow, *, reason: str, cancelled_by: str | None, actor: str, at: datetime
) -> None:
    """Nothing comes back by a locked return: a device that never left its site is in use there again.

    cancelled_by: who said so; None when the hub did. Raises IllegalTransition when it has come, or was called off.
    """
    values = {"reason": reason, "cancelled_by": cancelled_by}
    await move_rma(tx, found, RmaState.CANCELLED, values, actor=actor, cause=reason, at=at)
    if found.asset_id is not None and found.state is RmaState.EXPECTED:
        await keep_in_use(tx, found.asset_id, actor=actor, cause=found.number, at=at)
    await close_tasks(tx, found, ("",), TaskState.CANCELLED, actor=actor, cause=reason, at=at)


async def keep_in_use(tx: Transaction, asset_id: int, *, actor: str, cause: str, at: datetime) -> None:
    """A device that was to come back does not; one that has moved on since stays as it is."""
    current = await locked_row(tx, asset, EntityKind.ASSET, asset_id)
    if current["state"] is AssetState.RETURN_PENDING:
        values = {"state": AssetState.DEPLOYED}
        await update_logged(tx, asset, EntityKind.ASSET, asset_id, values, actor=actor, cause=cause, at=at)


async def close_tasks(
    tx: Transaction, found: RmaRow, what: tuple[str, ...], target: TaskState, *, actor: str, cause: str, at: datetime
) -> None:
    """Finish the tasks of a return. what: `return`, `device`, `overdue`; "" for all of them."""
    prefixes = [f"rma:{found.id}:{name}" for name in what]
    for item in await unfinished_tasks(tx, ticket_id=found.ticket_id, key_prefixes=prefixes):
        await move_task(tx, item.id, target, actor=actor, cause=cause, at=at)


def _units(replacement: Replacement) -> list[Replacement]:
    """What a return of its own is for: each device by itself, counted units together."""
    if replacement.tracking is Tracking.COUNTED or replacement.quantity == 1:
        return [replacement]
    return [replace(replacement, quantity=1, line=number + 1) for number in range(replacement.quantity)]


def _device(failed: Failed, product_id: int, sent: int | None) -> int | None:
    """The device that was replaced, if it is the one that the ticket is about. sent: the unit that was sent."""
    is_other = failed.asset_product_id not in (None, product_id)
    return None if is_other or failed.asset_id == sent else failed.asset_id


def _lacking(failed: Failed, known: list[RmaRow], unit: Replacement) -> int:
    """How many units come back by product: no more than the ticket is about, none twice for a line."""
    if unit.reservation_id is not None and any(
        item.line == unit.line for item in known if item.reservation_id is not None
    ):
        return 0
    return min(unit.quantity, failed.quantity - sum(item.quantity for item in known))


async def _remark(tx: Transaction, asset_id: int) -> str:
    """What stands against a device being on its way back; "" when nothing does. The device is locked."""
    current = await locked_row(tx, asset, EntityKind.ASSET, asset_id)
    if current["retired_at"] is not None:
        return "its source has deleted the device"
    if current["state"] in (AssetState.DEPLOYED, AssetState.RETURN_PENDING):
        return ""
    return f"the device is {current['state'].value.replace('_', ' ')} already, and stays so"


async def _mark_return(tx: Transaction, asset_id: int, at: datetime) -> None:
    """A device in use is to come back."""
    values = {"state": AssetState.RETURN_PENDING}
    await update_logged(tx, asset, EntityKind.ASSET, asset_id, values, actor=ACTOR, at=at)


def _cause(unit: Replacement) -> str:
    if unit.procurement_id is not None:
        return f"procurement {unit.procurement_id}"
    return f"reservation {unit.reservation_id}"
