"""Returns of failed units from when they were begun: sent, received, called off, given more time, overdue.

What is looked at once a minute, and what people record; each command is once per key. How a return begins is in
`connector.fulfilment.rmas`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connector.fulfilment.keys import ACTOR
from connector.fulfilment.once import Do, once_in
from connector.fulfilment.overdue import tell_of_overdue
from connector.fulfilment.rmas import call_off, close_tasks, keep_in_use
from connector.model.errors import IllegalTransition, InvalidInput
from connector.model.kinds import Lane, TaskKind, Tracking
from connector.model.lifecycle import ASSET_MOVES, AssetState, RmaState, TaskState
from connector.model.naming import serial_key, tag_key
from connector.model.refs import EntityKind
from connector.sdk import Clock
from connector.storage.database.engine import Database, Transaction
from connector.storage.database.rows import insert_logged, locked_row, update_logged
from connector.storage.stock.book import Shelf
from connector.storage.stock.goods_in import take_back
from connector.storage.tables import asset, hub, rma, task
from connector.storage.tickets.rmas import (
    MarkedDevice,
    RmaRow,
    device_with_mark,
    lock_rma,
    move_rma,
    open_rma_of_device,
    rma_number,
    rmas_of_ticket,
    rmas_to_tell,
    sent_unit,
)
from connector.storage.tickets.tasks import NewTask, require_task, unfinished_tasks


@dataclass(frozen=True, slots=True)
class Returned:
    """How a return stands after a command. hub_id, asset_id: of one that was received, else None.

    is_different: whether another unit was received than the one that was expected.
    """

    rma_id: int
    state: RmaState
    due_back_at: datetime
    hub_id: int | None = None
    asset_id: int | None = None
    is_different: bool = False


@dataclass(frozen=True, slots=True)
class _Unit:
    """A unit that came back. id: None for counted ones."""

    id: int | None
    is_different: bool = False


class Returns:
    """What is looked at once a minute, and the commands."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def tend(self) -> int:
        """Have people told, once for each due date, of every return that is overdue; returns how many those were."""
        return await tell_of_overdue(self._database, self._clock, rmas_to_tell, self._tell)

    async def _tell(self, tx: Transaction, rma_id: int) -> bool:
        found, at = await lock_rma(tx, rma_id), self._clock.now()
        if not found.is_open or found.overdue_since is not None or found.due_back_at > at:
            return False
        values = {"overdue_since": found.due_back_at}
        await update_logged(tx, rma, EntityKind.RMA, rma_id, values, actor=ACTOR, at=at)
        new = NewTask(
            key=f"rma:{found.id}:overdue",
            kind=TaskKind.REVIEW,
            title=f"Overdue: {found.number}, {found.goods} of ticket {found.ticket_number}",
            instructions=(
                f"It was due at {found.hub or 'a hub'} by {found.due_back_at:%Y-%m-%d %H:%M}Z, and is expected from "
                f"{found.site or 'the site of the ticket'}. Ask for it; give it more time with `connector rma extend "
                f"{found.id}`, or record with `connector rma cancel {found.id}` that it does not come back."
            ),
            ticket_id=found.ticket_id,
            hub_id=found.hub_id,
        )
        await require_task(tx, new, actor=ACTOR, cause=None, at=at)
        return True

    async def send(
        self, rma_id: int, *, key: str, actor: str, carrier: str | None = None, tracking_number: str | None = None
    ) -> Returned:
        """The unit has left its site. carrier, tracking_number: of the parcel, where there is one.

        Raises NotKnown, IllegalTransition for one that has left already, or that is not expected any more.
        """

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            found = await lock_rma(tx, rma_id)
            _require_open(found, "sent")
            if found.state is RmaState.IN_TRANSIT:
                raise IllegalTransition(f"{found.number} is in transit: its unit has left the site already")
            values = {"sent_at": at, "carrier": _said(carrier), "tracking_number": _said(tracking_number)}
            await move_rma(tx, found, RmaState.IN_TRANSIT, values, actor=actor, at=at)
            if found.asset_id is not None:
                current = await locked_row(tx, asset, EntityKind.ASSET, found.asset_id)
                if current["state"] is AssetState.RETURN_PENDING:
                    state = {"state": AssetState.IN_TRANSIT}
                    await update_logged(tx, asset, EntityKind.ASSET, found.asset_id, state, actor=actor, at=at)
            return {"due": found.due_back_at.isoformat()}

        result = await self._once("send", key, rma_id, do)
        return Returned(rma_id, RmaState.IN_TRANSIT, datetime.fromisoformat(result["due"]))

    async def receive(
        self,
        rma_id: int,
        *,
        key: str,
        actor: str,
        serial: str | None = None,
        hub_id: int | None = None,
        condition: str | None = None,
        accept_different: bool = False,
    ) -> Returned:
        """The unit is back at a hub: it is in quarantine there, and in no book.

        serial: its serial or asset tag, as it stands on it; left out for counted units. hub_id: which hub, when it is
        not the one that it was due at. accept_different: take it although it is not the unit that was expected, which
        is kept; the expected one is in use at its site again.
        Raises NotKnown, InvalidInput for another unit than the expected one, or none, IllegalTransition for a return
        that is over, or a unit that cannot be put into quarantine from where it is.
        """

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            found = await lock_rma(tx, rma_id)
            _require_open(found, "received")
            where = hub_id if hub_id is not None else found.hub_id
            if where is None:
                raise InvalidInput(f"nobody knows which hub takes {found.number}", hint="Say which one took it in.")
            await locked_row(tx, hub, EntityKind.HUB, where)
            unit = await _identified(tx, found, serial, accept_different=accept_different, actor=actor, at=at)
            values: dict[str, Any] = {
                "received_at": at,
                "received_hub_id": where,
                "received_asset_id": unit.id,
                "condition": _said(condition),
            }
            if unit.id is not None:
                await _set_aside(tx, unit.id, where, found, actor=actor, at=at)
                if found.asset_id is None:
                    values["asset_id"] = unit.id
                elif unit.is_different:
                    values["reason"] = f"{_said(serial)} came in place of {found.marks or 'the device of the ticket'}"
                    await keep_in_use(tx, found.asset_id, actor=actor, cause=found.number, at=at)
            await move_rma(tx, found, RmaState.RECEIVED, values, actor=actor, at=at)
            await close_tasks(tx, found, ("",), TaskState.DONE, actor=actor, cause="it is back", at=at)
            due = found.due_back_at.isoformat()
            return {"hub_id": where, "asset_id": unit.id, "is_different": unit.is_different, "due": due}

        result = await self._once("receive", key, rma_id, do)
        due = datetime.fromisoformat(result["due"])
        return Returned(
            rma_id, RmaState.RECEIVED, due, result["hub_id"], result["asset_id"], is_different=result["is_different"]
        )

    async def cancel(self, rma_id: int, *, reason: str, key: str, actor: str) -> Returned:
        """Nothing comes back; a device that never left its site is in use there again.

        Raises NotKnown, InvalidInput without a reason, IllegalTransition for a return that is over.
        """
        why = _given(reason)

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            found = await lock_rma(tx, rma_id)
            _require_open(found, "cancelled")
            await call_off(tx, found, reason=why, cancelled_by=actor, actor=actor, at=at)
            return {"due": found.due_back_at.isoformat()}

        result = await self._once("cancel", key, rma_id, do)
        return Returned(rma_id, RmaState.CANCELLED, datetime.fromisoformat(result["due"]))

    async def extend(self, rma_id: int, *, until: datetime, reason: str, key: str, actor: str) -> Returned:
        """Give a unit until then to come back; one that was overdue is not any more.

        Raises NotKnown, InvalidInput for a moment that is over or without a reason, IllegalTransition for a return
        that is over.
        """
        why = _given(reason)

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            found = await lock_rma(tx, rma_id)
            _require_open(found, "extended")
            if until <= at:
                raise InvalidInput(f"{until:%Y-%m-%d %H:%M}Z is over: give a time to come")
            values = {"due_back_at": until, "reason": why, "overdue_since": None}
            await update_logged(tx, rma, EntityKind.RMA, rma_id, values, actor=actor, cause=why, at=at)
            await close_tasks(tx, found, ("overdue",), TaskState.DONE, actor=actor, cause="it has more time", at=at)
            prefixes = [f"rma:{rma_id}:return"]
            for item in await unfinished_tasks(tx, ticket_id=found.ticket_id, key_prefixes=prefixes):
                await update_logged(tx, task, EntityKind.TASK, item.id, {"due_at": until}, actor=actor, at=at)
            return {"state": found.state.value}

        result = await self._once("extend", key, rma_id, do)
        return Returned(rma_id, RmaState(result["state"]), until)

    async def _once(self, name: str, key: str, target: int, do: Do) -> dict[str, Any]:
        return await once_in(self._database, self._clock.now(), f"rma-{name}", key, target, do)


async def _identified(
    tx: Transaction, found: RmaRow, serial: str | None, *, accept_different: bool, actor: str, at: datetime
) -> _Unit:
    """The unit that came back, by what stands on it."""
    if found.asset_id is None and (found.tracking is Tracking.COUNTED or found.quantity > 1):
        if _said(serial) is not None:
            raise InvalidInput(
                f"{found.number} is {found.goods}, which is counted and not known by serial",
                hint="Leave the serial out.",
            )
        return _Unit(None)
    mark = serial_key(serial)
    if mark is None:
        raise InvalidInput(
            f"{found.number} is {found.goods}: nobody knows yet which unit came back",
            hint="Give the serial or the asset tag, as it stands on the device.",
        )
    if found.asset_id is not None and mark in (serial_key(found.serial), tag_key(found.asset_tag)):
        return _Unit(found.asset_id)
    other = await device_with_mark(tx, mark, found.product_id)
    if other is not None:
        await _require_free(tx, found, other, mark)
    is_from_there = other is not None and found.asset_id is None and _may_be_it(other, found)
    if not is_from_there and not accept_different:
        raise InvalidInput(
            f"{found.number} expects {_expected(found)}, not {mark}: that is {_known(other)}",
            hint="Look at the device again. If it is this one that came back, receive it as a different one "
            "(acceptDifferent, --accept-different): that is kept, and the expected one counts as in use.",
        )
    if other is not None:
        return _Unit(other.id, is_different=not is_from_there)
    row = {
        "serial": mark,
        "product_id": found.product_id,
        "site_id": found.site_id,
        "state": AssetState.RETURN_PENDING,
        "lane": Lane.NORMAL,
    }
    made = await insert_logged(tx, asset, EntityKind.ASSET, row, actor=actor, cause=found.number, at=at)
    return _Unit(made, is_different=True)


async def _require_free(tx: Transaction, found: RmaRow, other: MarkedDevice, mark: str) -> None:
    """Refuse a unit that comes back for another reason, or is the replacement itself."""
    if other.id == await sent_unit(tx, found.reservation_id):
        raise InvalidInput(
            f"{mark} is the unit that was sent for ticket {found.ticket_number}, not the one that it replaces",
            hint=f"{found.number} is for the device that has failed.",
        )
    returning = await open_rma_of_device(tx, other.id)
    others = [item for item in await rmas_of_ticket(tx, found.ticket_id) if item.counts and item.id != found.id]
    named = [returning.id] if returning is not None else [item.id for item in others if item.asset_id == other.id]
    if named:
        number = rma_number(named[0])
        raise InvalidInput(
            f"{mark} is the device of {number}, not of {found.number}", hint=f"Receive {number} instead."
        )


def _may_be_it(other: MarkedDevice, found: RmaRow) -> bool:
    """Whether a device can be the one that nobody had named: of that product, and in use at that site."""
    in_use = (AssetState.DEPLOYED, AssetState.RETURN_PENDING, AssetState.IN_TRANSIT)
    is_there = found.site_id is not None and other.site_id == found.site_id
    return other.product_id == found.product_id and is_there and other.state in in_use


async def _set_aside(tx: Transaction, asset_id: int, hub_id: int, found: RmaRow, *, actor: str, at: datetime) -> None:
    """Into quarantine at the hub, whatever shelf or site it was at; one that is lost has been found."""
    current = await locked_row(tx, asset, EntityKind.ASSET, asset_id)
    if current["state"] is AssetState.QUARANTINED and current["hub_id"] == hub_id:
        return
    if AssetState.QUARANTINED not in ASSET_MOVES[current["state"]] and current["state"] is not AssetState.QUARANTINED:
        raise IllegalTransition(
            f"{current['serial'] or current['asset_tag'] or asset_id} is {current['state'].value}: it cannot be put "
            "into quarantine from there",
            hint=f"Look at the device again; if it is right, correct its state at its source before {found.number} is "
            "received.",
        )
    shelf = Shelf(hub_id, current["product_id"] or found.product_id, current["lane"])
    await take_back(tx, asset_id, shelf, is_usable=False, actor=actor, cause=found.number, at=at)


def _expected(found: RmaRow) -> str:
    return f"{found.goods} from {found.site or 'the site of the ticket'}"


def _known(other: MarkedDevice | None) -> str:
    if other is None:
        return "no device that the hub knows"
    name, at = other.product or "a device", f" at {other.place}" if other.place else ""
    return f"{name}, {other.state.value.replace('_', ' ')}{at}"


def _said(text: str | None) -> str | None:
    return (text or "").strip() or None


def _given(reason: str) -> str:
    if not reason.strip():
        raise InvalidInput("a reason is needed: it is told to the ticket and kept", hint="Write why.")
    return reason.strip()


def _require_open(found: RmaRow, verb: str) -> None:
    if found.is_open:
        return
    why = "its unit is back already" if found.state is RmaState.RECEIVED else f"it was called off ({found.reason})"
    raise IllegalTransition(f"{found.number} is {found.state.value}: {why}, so it cannot be {verb}")
