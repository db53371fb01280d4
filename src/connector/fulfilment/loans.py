"""Loans from the day that they must end: due back, overdue, received. What goes before is that of any claim.

`call_back` is a step of a transaction of whoever knows that the loan has done its work. Commands are what a person
records; each is once per key.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from connector.fulfilment.keys import ACTOR
from connector.fulfilment.once import Do, once_in
from connector.fulfilment.overdue import tell_of_overdue
from connector.model.errors import IllegalTransition, InvalidInput
from connector.model.kinds import LoanReturn, TaskKind, Tracking
from connector.model.lifecycle import ASSET_MOVES, AssetState, LoanState, TaskState
from connector.model.refs import EntityKind
from connector.sdk import Clock
from connector.storage.database.engine import Database, Transaction
from connector.storage.database.rows import locked_row, update_logged
from connector.storage.stock.book import Shelf
from connector.storage.stock.goods_in import take_back, take_into_stock
from connector.storage.stock.loans import LoanRow, loans_to_tell, lock_loan, move_loan, open_loan
from connector.storage.stock.stopping import order_stop
from connector.storage.tables import asset, hub, task
from connector.storage.tickets.tasks import NewTask, move_task, require_task, unfinished_tasks


async def call_back(tx: Transaction, ticket_id: int, *, reason: str, actor: str, at: datetime) -> LoanRow | None:
    """The unit on loan is not needed any more: it stays where it has not left, and is due back where it has.

    reason: told to people and to the ticket. Returns the loan; None when the ticket has none, or it is due already.
    """
    found = await open_loan(tx, ticket_id)
    if found is None or found.state is LoanState.DUE_BACK:
        return None
    if found.state is LoanState.RESERVED:
        await order_stop(tx, found.reservation_id, reason=reason, actor=actor, at=at)
        return found
    due = (at + timedelta(days=found.return_days)).replace(second=0, microsecond=0)
    await _is_due(tx, found, {"due_back_at": due, "reason": reason}, actor=actor, at=at)
    return found


async def _is_due(tx: Transaction, found: LoanRow, values: dict[str, Any], *, actor: str, at: datetime) -> None:
    await move_loan(tx, found, LoanState.DUE_BACK, values, actor=actor, at=at)
    if found.asset_id is not None:
        current = await locked_row(tx, asset, EntityKind.ASSET, found.asset_id)
        if AssetState.RETURN_PENDING in ASSET_MOVES[current["state"]]:
            state = {"state": AssetState.RETURN_PENDING}
            await update_logged(tx, asset, EntityKind.ASSET, found.asset_id, state, actor=actor, at=at)
    due: datetime = values.get("due_back_at", found.due_back_at)
    whose = f", with {found.holder}" if found.holder else ""
    new = NewTask(
        key=f"loan:{found.id}:return",
        kind=TaskKind.RETURN,
        title=f"Bring back {found.goods}, on loan to ticket {found.ticket_number}",
        instructions=(
            f"It is at {found.site or 'the site of the ticket'}{whose}, and is due at {found.hub} by "
            f"{due:%Y-%m-%d %H:%M}Z: {values.get('reason') or found.reason or 'its time is over'}. "
            f"Record that it is back with `connector loan receive {found.id}`."
        ),
        ticket_id=found.ticket_id,
        reservation_id=found.reservation_id,
        hub_id=found.hub_id,
        due_at=due,
    )
    await require_task(tx, new, actor=actor, cause=None, at=at)


@dataclass(frozen=True, slots=True)
class TakenBack:
    """How a loan stands after a command. hub_id, went_to: of one that was received, else None."""

    loan_id: int
    state: LoanState
    due_back_at: datetime
    hub_id: int | None = None
    went_to: LoanReturn | None = None


class Loans:
    """What is looked at once a minute, and the commands."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def tend(self) -> int:
        """Have people told, once, of every loan whose time is over; returns how many those were."""
        return await tell_of_overdue(self._database, self._clock, loans_to_tell, self._tell)

    async def _tell(self, tx: Transaction, loan_id: int) -> bool:
        found, at = await lock_loan(tx, loan_id), self._clock.now()
        if not found.is_out or found.overdue_since is not None or found.due_back_at > at:
            return False
        await _is_due(tx, found, {"overdue_since": found.due_back_at}, actor=ACTOR, at=at)
        new = NewTask(
            key=f"loan:{found.id}:overdue",
            kind=TaskKind.REVIEW,
            title=f"Overdue: {found.goods}, on loan to ticket {found.ticket_number}",
            instructions=(
                f"It was due at {found.hub} by {found.due_back_at:%Y-%m-%d %H:%M}Z. Ask for it, or let it stay longer "
                f"with `connector loan extend {found.id}`."
            ),
            ticket_id=found.ticket_id,
            reservation_id=found.reservation_id,
            hub_id=found.hub_id,
        )
        await require_task(tx, new, actor=ACTOR, cause=None, at=at)
        return True

    async def receive(
        self,
        loan_id: int,
        *,
        key: str,
        actor: str,
        hub_id: int | None = None,
        went_to: LoanReturn | None = None,
        wipe: str | None = None,
    ) -> TakenBack:
        """The unit is back at a hub: in the pool again, or in quarantine.

        hub_id: which hub, when it is not the one that it came from. went_to: where it was put; without it the pool,
        and quarantine for a unit that bears data and was not wiped. wipe: how its data were removed.
        Raises NotKnown, InvalidInput for a unit with data that is to be lent again as it is, IllegalTransition for a
        unit that has not left, or is back already.
        """
        said = (wipe or "").strip() or None

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            found = await lock_loan(tx, loan_id)
            _require_out(found, "received")
            keeps_data = found.is_data_bearing and said is None
            target = went_to or (LoanReturn.QUARANTINE if keeps_data else LoanReturn.POOL)
            if target is LoanReturn.POOL and keeps_data:
                raise InvalidInput(
                    f"{found.goods} bears data of {found.holder or 'whoever had it'}: it is not lent again as it is",
                    hint="Say how it was wiped, or put it into quarantine.",
                )
            where = found.hub_id if hub_id is None else int((await locked_row(tx, hub, EntityKind.HUB, hub_id))["id"])
            await _take_in(tx, found, where, target, actor=actor, at=at)
            values = {"returned_at": at, "returned_hub_id": where, "wipe": said}
            await move_loan(tx, found, LoanState.RETURNED, values, actor=actor, at=at)
            await _close(tx, found, ("return", "overdue"), actor=actor, cause="it is back", at=at)
            return {"hub_id": where, "went_to": target.value, "due": found.due_back_at.isoformat()}

        result = await self._once("receive", key, loan_id, do)
        due = datetime.fromisoformat(result["due"])
        return TakenBack(loan_id, LoanState.RETURNED, due, result["hub_id"], LoanReturn(result["went_to"]))

    async def extend(self, loan_id: int, *, until: datetime, reason: str, key: str, actor: str) -> TakenBack:
        """Let a unit stay on loan until then; one that was overdue is not any more.

        Raises NotKnown, InvalidInput for a moment that is over, IllegalTransition for a unit that is not out.
        """
        why = reason.strip()
        if not why:
            raise InvalidInput("a reason is needed: it is told to the ticket and kept", hint="Write why.")

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            found = await lock_loan(tx, loan_id)
            _require_out(found, "extended")
            if until <= at:
                raise InvalidInput(f"{until:%Y-%m-%d %H:%M}Z is over: give a time to come")
            values = {"due_back_at": until, "reason": why, "overdue_since": None}
            await move_loan(tx, found, found.state, values, actor=actor, cause=why, at=at)
            await _close(tx, found, ("overdue",), actor=actor, cause="it may stay longer", at=at)
            for item in await unfinished_tasks(tx, reservation_id=found.reservation_id, kind=TaskKind.RETURN):
                await update_logged(tx, task, EntityKind.TASK, item.id, {"due_at": until}, actor=actor, at=at)
            return {"state": found.state.value}

        result = await self._once("extend", key, loan_id, do)
        return TakenBack(loan_id, LoanState(result["state"]), until)

    async def _once(self, name: str, key: str, target: int, do: Do) -> dict[str, Any]:
        return await once_in(self._database, self._clock.now(), f"loan-{name}", key, target, do)


async def _take_in(
    tx: Transaction, found: LoanRow, hub_id: int, target: LoanReturn, *, actor: str, at: datetime
) -> None:
    """Put the unit on its shelf, or aside; counted units that are put aside are in no book."""
    shelf, cause = Shelf(hub_id, found.product_id, found.lane), f"loan {found.id}"
    is_usable = target is LoanReturn.POOL
    if found.asset_id is not None:
        await take_back(tx, found.asset_id, shelf, is_usable=is_usable, actor=actor, cause=cause, at=at)
    elif is_usable:
        await take_into_stock(tx, shelf, 1, (), Tracking.COUNTED, actor=actor, cause=cause, at=at)


async def _close(
    tx: Transaction, found: LoanRow, what: tuple[str, ...], *, actor: str, cause: str, at: datetime
) -> None:
    prefixes = [f"loan:{found.id}:{name}" for name in what]
    for item in await unfinished_tasks(tx, reservation_id=found.reservation_id, key_prefixes=prefixes):
        await move_task(tx, item.id, TaskState.DONE, actor=actor, cause=cause, at=at)


def _require_out(found: LoanRow, verb: str) -> None:
    if found.is_out:
        return
    why = {
        LoanState.RESERVED: "its unit has not left the hub",
        LoanState.WITHDRAWN: "its unit never left the hub",
        LoanState.RETURNED: "its unit is back already",
    }[found.state]
    hint = f"Release reservation {found.reservation_id} instead." if found.state is LoanState.RESERVED else ""
    raise IllegalTransition(f"loan {found.id} is {found.state.value}: {why}, so it cannot be {verb}", hint=hint)
