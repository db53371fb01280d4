"""The workflows of orders that go out through a source: send, call off, follow the parcel, tell of a delay."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol

from connector.fulfilment.durable import Durable, Run, StepResult
from connector.fulfilment.keys import (
    CALL_OFF,
    FOLLOW,
    LATE,
    ORDER,
    call_off_id,
    effect_key,
    follow_id,
    late_id,
    order_id,
)
from connector.fulfilment.ordering import Ordering
from connector.fulfilment.ordering_notes import late_note
from connector.fulfilment.outcomes import Attempt
from connector.fulfilment.work import Work, naming, ref_of
from connector.model.errors import NotKnown
from connector.model.lifecycle import ProcurementState
from connector.sdk import AddNote, TrackShipment
from connector.storage.database.changes import change_at
from connector.storage.database.engine import reading, transaction
from connector.storage.database.receipts import find_receipt, record_receipt
from connector.storage.shipments.consignments import ticket_side
from connector.storage.tickets.procurements import ProcurementRow, procurement_row


class Insist(Protocol):
    """Tries a step until it is done, stopped or failed, pausing ever longer between attempts."""

    async def __call__(
        self,
        run: Run,
        name: str,
        work: Callable[[], Awaitable[StepResult]],
        *,
        tell: Callable[[str], Awaitable[None]] | None = None,
    ) -> Attempt:
        """Try it. tell: shows a person once that it does not get on."""


class OrderWorkflows:
    """Registers them; starts them by their ids, so that starting twice is once."""

    def __init__(self, durable: Durable, work: Work, insist: Insist) -> None:
        self._durable = durable
        self._work = work
        self._insist = insist
        self._ordering = Ordering(work)
        durable.workflow(ORDER, self._order)
        durable.workflow(CALL_OFF, self._call_off)
        durable.workflow(FOLLOW, self._follow)
        durable.workflow(LATE, self._late)

    async def see_to(self, row: ProcurementRow) -> None:
        """Begin what an order needs that goes out through a source."""
        if row.via is not None and row.state is ProcurementState.APPROVED:
            if not row.is_wanted:
                await self._durable.wake(order_id(row.id))
            await self._durable.start(ORDER, order_id(row.id), row.id)
        if (
            row.is_at_source
            and not row.is_wanted
            and row.state in (ProcurementState.ORDERED, ProcurementState.CONFIRMED)
        ):
            await self._durable.start(CALL_OFF, call_off_id(row.id), row.id)
        if row.shipment_id is not None and row.is_open:
            await self._durable.start(FOLLOW, follow_id(row.id), row.id)

    async def start_late(self, position: int) -> None:
        """Begin to tell the ticket that something comes later, as the change at a position of the log says."""
        await self._durable.start(LATE, late_id(position), position)

    async def _order(self, run: Run, procurement_id: int) -> str:
        async def tell(reason: str) -> None:
            await self._step(run, "tell", lambda: self._ordering.tell_stalled(procurement_id, reason))

        attempt = await self._try(run, "send", order_id(procurement_id), self._ordering.send, procurement_id, tell)
        if attempt.status == "failed":
            await self._step(run, "hand-over", lambda: self._ordering.hand_over(procurement_id, attempt.reason))
        return attempt.status

    async def _call_off(self, run: Run, procurement_id: int) -> str:
        async def tell(reason: str) -> None:
            await self._step(run, "tell", lambda: self._ordering.hand_over_call_off(procurement_id, reason))

        name = call_off_id(procurement_id)
        attempt = await self._try(run, "cancel", name, self._ordering.call_off, procurement_id, tell)
        if attempt.status == "failed":
            await tell(attempt.reason)
        return attempt.status

    async def _follow(self, run: Run, procurement_id: int) -> str:
        """Without the courier's reports the supplier's own are left: a refusal is nothing to ask a person about."""
        return (await self._try(run, "track", follow_id(procurement_id), self._track, procurement_id)).status

    async def _late(self, run: Run, position: int) -> str:
        return (await self._try(run, "note", late_id(position), self._tell_late, position)).status

    async def _try(
        self,
        run: Run,
        step: str,
        name: str,
        do: Callable[[int], Awaitable[None]],
        number: int,
        tell: Callable[[str], Awaitable[None]] | None = None,
    ) -> Attempt:
        async def work() -> StepResult:
            return (await self._work.attempt(name, do(number))).to_json()

        return await self._insist(run, step, work, tell=tell)

    async def _step(self, run: Run, name: str, do: Callable[[], Awaitable[None]]) -> None:
        async def work() -> StepResult:
            await do()
            return {}

        await run.step(name, work)

    async def _track(self, procurement_id: int) -> None:
        key = f"{follow_id(procurement_id)}:track"
        async with reading(self._work.database) as tx:
            row = await procurement_row(tx, procurement_id)
            is_done = await find_receipt(tx, key) is not None
        tracker = self._work.tracker()
        if is_done or not row.is_open or row.tracking_number is None or tracker is None:
            return
        connection, courier = tracker
        with naming(connection):
            receipt = await courier.track(
                TrackShipment(effect_key(key, row.created_at), row.tracking_number, row.carrier or "")
            )
        async with transaction(self._work.database) as tx:
            await record_receipt(tx, key, {"external_id": receipt.external_id}, at=self._work.clock.now())

    async def _tell_late(self, position: int) -> None:
        key = f"{late_id(position)}:note"
        async with reading(self._work.database) as tx:
            change = await change_at(tx, position)
            if change is None:
                raise NotKnown(f"there is no change at position {position}")
            row = await procurement_row(tx, change.entity_id)
            if not row.is_open or not row.is_wanted or await find_receipt(tx, key) is not None:
                return
            ticket = await ticket_side(tx, row.ticket_id)
        before = datetime.fromisoformat(change.fields["expected_at"][0])
        note = AddNote(
            effect_key(key, row.created_at),
            ref_of(ticket),
            late_note(row, before),
            is_public=self._work.options.notes_are_public,
        )
        written = await self._work.write_note(ticket, note)
        async with transaction(self._work.database) as tx:
            await record_receipt(tx, key, written, at=self._work.clock.now())
