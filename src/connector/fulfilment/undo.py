"""What undoes a fulfilment: exactly what was done, each part once.

| done by | undone by |
|---|---|
| commit | `undo-stock`: the unit goes back to its shelf, unless it has left the hub |
| label | `undo-label`: voided, or a task: to bring a parcel back, to destroy what no courier takes back |
| task | `undo-task`: the open pickup task is cancelled, first of all, so that nobody picks meanwhile |
| note | `undo-note`: the ticket is told, last of all, so that it can be told what became of it |

A label that was bought, but whose receipt was lost with the process, is found by its key and voided as well; so is a
note, and the ticket told.
"""

from __future__ import annotations

from datetime import datetime

from connector.fulfilment.keys import ACTOR, Step, effect_key, step_key, undo_id
from connector.fulfilment.loans import call_back
from connector.fulfilment.outcomes import Attempt
from connector.fulfilment.wording import given_away_note, sent_note, withdrawn_note
from connector.fulfilment.work import Progress, Work, Written, naming, ticket_ref
from connector.model.kinds import TaskKind
from connector.model.lifecycle import ReservationState, ShipmentStatus, TaskState
from connector.model.refs import EntityKind, SourceRef
from connector.sdk import AddNote, Conflict, NotOffered, VoidLabel
from connector.storage.database.engine import Transaction
from connector.storage.shipments.shipments import ON_ITS_WAY, ShipmentRow, move_shipment, shipment_row
from connector.storage.stock.reserve import fulfil_reservation, release_reservation
from connector.storage.stock.succession import forfeit
from connector.storage.tickets.tasks import NewTask, move_task, require_task, unfinished_tasks

VOIDED, UNDER_WAY, KEPT, NOTHING = "voided", "under way", "kept", "nothing"


class UndoSteps:
    """What undoes the steps of `connector.fulfilment.steps`."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._do = {
            Step.UNDO_TASK: self._task,
            Step.UNDO_LABEL: self._label,
            Step.UNDO_STOCK: self._stock,
            Step.UNDO_NOTE: self._note,
        }

    async def attempt(self, step: Step, reservation_id: int) -> Attempt:
        """Try a step once."""
        return await self._work.attempt(step_key(reservation_id, step), self._try(step, reservation_id))

    async def _try(self, step: Step, reservation_id: int) -> None:
        progress = await self._work.progress(reservation_id)
        if step not in progress.receipts:
            await self._do[step](progress)

    async def _task(self, progress: Progress) -> None:
        reservation_id = progress.goods.reservation_id

        async def write(tx: Transaction, at: datetime) -> Written:
            tasks = await unfinished_tasks(tx, reservation_id=reservation_id, kind=TaskKind.PICKUP)
            for item in tasks:
                cause = undo_id(reservation_id)
                await move_task(tx, item.id, TaskState.CANCELLED, actor=ACTOR, cause=cause, at=at)
            return {"cancelled": [item.id for item in tasks]}

        await self._work.record(reservation_id, Step.UNDO_TASK, write)

    async def _label(self, progress: Progress) -> None:
        reservation_id, shipment = progress.goods.reservation_id, progress.shipment
        outcome = await self._void(progress)

        async def write(tx: Transaction, at: datetime) -> Written:
            if shipment is None or outcome == NOTHING:
                return {"outcome": outcome}
            current = await shipment_row(tx, shipment.id)
            if outcome == UNDER_WAY or current.status in ON_ITS_WAY:
                # a loan is called back as any loan is, once it has left; a transfer arrives, and is taken in
                is_left = progress.goods.loan is not None or progress.goods.to_hub is not None
                task_id = None if is_left else await self._require_return(tx, progress, current, at)
                await forfeit(tx, reservation_id, parcel=current.name, actor=ACTOR, at=at)
                return {"outcome": UNDER_WAY, "task_id": task_id}
            cause = undo_id(reservation_id)
            await move_shipment(tx, current.id, ShipmentStatus.CANCELLED, actor=ACTOR, cause=cause, at=at)
            if outcome == KEPT:
                return {"outcome": outcome, "task_id": await self._require_destroyed(tx, progress, current, at)}
            return {"outcome": outcome}

        await self._work.record(reservation_id, Step.UNDO_LABEL, write)

    async def _void(self, progress: Progress) -> str:
        """Take back the label at the courier, if there is one."""
        shipment = progress.shipment
        if shipment is not None:
            if shipment.status in ON_ITS_WAY:
                return UNDER_WAY
            if shipment.status not in (ShipmentStatus.PENDING, ShipmentStatus.LABEL_CREATED):
                return NOTHING
            if shipment.source_id is None or shipment.external_id is None:
                return VOIDED
            return await self._void_at_courier(progress, shipment.external_id)
        if Step.OFFER not in progress.receipts or not self._work.goes_by_courier(progress.goods):
            return NOTHING
        connection, ships = self._work.courier()
        key = effect_key(step_key(progress.goods.reservation_id, Step.LABEL), progress.goods.made_at)
        with naming(connection):
            label = await ships.find_label(key)
        return NOTHING if label is None else await self._void_at_courier(progress, label.shipment.external_id)

    async def _void_at_courier(self, progress: Progress, external_id: str) -> str:
        connection, ships = self._work.courier()
        operation = VoidLabel(
            key=effect_key(step_key(progress.goods.reservation_id, Step.UNDO_LABEL), progress.goods.made_at),
            shipment=SourceRef(kind=EntityKind.SHIPMENT, external_id=external_id),
        )
        try:
            with naming(connection):
                await ships.void_label(operation)
        except Conflict:
            return UNDER_WAY
        except NotOffered:
            return KEPT
        return VOIDED

    async def _require_return(self, tx: Transaction, progress: Progress, shipment: ShipmentRow, at: datetime) -> int:
        goods = progress.goods
        instructions = (
            f"{goods.goods.label} is under way from {goods.hub.label} and no longer needed: {progress.stop}. "
            "Have the courier return it, or record it as received if it is used after all."
        )
        return await self._require_review(tx, progress, shipment, "bring-back", "Bring back", instructions, at)

    async def _require_destroyed(self, tx: Transaction, progress: Progress, shipment: ShipmentRow, at: datetime) -> int:
        instructions = (
            f"{progress.goods.goods.label} does not leave {progress.goods.hub.label}: {progress.stop}. "
            f"{shipment.carrier} takes no label back: destroy it, so that nobody uses it."
        )
        return await self._require_review(tx, progress, shipment, "destroy", "Destroy the label of", instructions, at)

    async def _require_review(
        self, tx: Transaction, progress: Progress, shipment: ShipmentRow, key: str, what: str, instructions: str,
        at: datetime,
    ) -> int:  # fmt: skip
        goods = progress.goods
        new = NewTask(
            key=f"{key}:{shipment.id}",
            kind=TaskKind.REVIEW,
            title=f"{what} {shipment.name} of ticket {goods.ticket.number}",
            instructions=instructions,
            ticket_id=goods.ticket.id,
            reservation_id=goods.reservation_id,
            shipment_id=shipment.id,
            hub_id=goods.hub.id,
        )
        return await require_task(tx, new, actor=ACTOR, cause=undo_id(goods.reservation_id), at=at)

    async def _stock(self, progress: Progress) -> None:
        goods = progress.goods
        is_under_way = _outcome(progress) == UNDER_WAY

        async def write(tx: Transaction, at: datetime) -> Written:
            cause = undo_id(goods.reservation_id)
            if not is_under_way:
                reason = progress.stop or "withdrawn"
                ended = await release_reservation(
                    tx, goods.reservation_id, reason=reason, actor=ACTOR, cause=cause, at=at
                )
                return {"state": ended.state.value}
            if goods.state is ReservationState.COMMITTED:
                await fulfil_reservation(tx, goods.reservation_id, actor=ACTOR, cause=cause, at=at)
            if goods.loan is not None:
                await call_back(tx, goods.ticket.id, reason=progress.stop or "withdrawn", actor=ACTOR, at=at)
            return {"skipped": "the unit has left the hub"}

        await self._work.record(goods.reservation_id, Step.UNDO_STOCK, write)

    async def _note(self, progress: Progress) -> None:
        goods = progress.goods
        written: Written = {"skipped": "the ticket was told nothing before"}
        if progress.did(Step.NOTE) or goods.given_to or await self._was_told(progress):
            wording = given_away_note if goods.given_to else withdrawn_note
            body = wording(
                goods,
                progress.stop or "withdrawn",
                label_was_voided=_outcome(progress) == VOIDED and self._work.goes_by_courier(goods),
                is_under_way=_outcome(progress) == UNDER_WAY,
            )
            key = effect_key(step_key(goods.reservation_id, Step.UNDO_NOTE), goods.made_at)
            note = AddNote(key, ticket_ref(goods), body, is_public=self._work.options.notes_are_public)
            written = await self._work.write_to_ticket(goods, note)
        await self._work.receipt(goods.reservation_id, Step.UNDO_NOTE, written)

    async def _was_told(self, progress: Progress) -> bool:
        """Whether the ticket has the note of a step whose receipt was lost with the process."""
        goods, receipts = progress.goods, progress.receipts
        if Step.NOTE in receipts or Step.TASK not in receipts:
            return False
        key = effect_key(step_key(goods.reservation_id, Step.NOTE), goods.made_at)
        return await self._work.is_on_ticket(
            goods, AddNote(key, ticket_ref(goods), sent_note(goods, progress.shipment))
        )


def _outcome(progress: Progress) -> str:
    return str(progress.receipts.get(Step.UNDO_LABEL, {}).get("outcome", NOTHING))
