"""The workflows: fulfil a reservation, undo what was done for it, tell the ticket of a delivery.

A failed step stops the fulfilment, shows a person why, and has everything undone. A step that cannot reach the
other side is tried again, ever more slowly, as long as it takes. See docs/workflows.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, TypeAlias

from connector.fulfilment.durable import Durable, Run, StepResult
from connector.fulfilment.keys import (
    ACTOR,
    ASKED,
    BACKWARD,
    COSMETIC,
    DELIVERED,
    FORWARD,
    FULFIL,
    RECOVERY,
    REFUSED,
    UNDO,
    WAIVED,
    Step,
    delivered_id,
    delivered_key,
    effect_key,
    fulfil_id,
    procurement_workflow,
    recovery_key,
    recovery_workflow,
    told_id,
    undo_id,
)
from connector.fulfilment.loan_notes import LOAN_NOTE, loan_note_id, tell_ticket_of_loan
from connector.fulfilment.order_workflows import OrderWorkflows
from connector.fulfilment.ordering_notes import procurement_note
from connector.fulfilment.outcomes import Attempt, pause_after
from connector.fulfilment.rma_notes import RETURN_NOTE, return_note_id, tell_ticket_of_return
from connector.fulfilment.rollout_lines import fail_unsendable
from connector.fulfilment.rollout_notes import ROLLOUT_NOTE, note_id, tell_ticket
from connector.fulfilment.steps import Steps
from connector.fulfilment.swap_workflows import SwapWorkflows
from connector.fulfilment.undo import UndoSteps
from connector.fulfilment.wording import TOLD, asked_note, delivered_note, recovery_note, refused_note, waived_note
from connector.fulfilment.work import Work, ref_of, ticket_ref
from connector.model.kinds import TaskKind
from connector.model.lifecycle import ProcurementState, RecoveryState, TaskState
from connector.sdk import AddNote
from connector.storage.approvals.approvals import approval_row
from connector.storage.database.engine import reading, transaction
from connector.storage.database.receipts import find_receipt, record_receipt
from connector.storage.policies.active import PolicySource
from connector.storage.shipments.consignments import Consignment, consignment, consignment_of_shipment, ticket_side
from connector.storage.shipments.recoveries import recovery_row
from connector.storage.shipments.shipments import shipment_row
from connector.storage.stock.stopping import order_stop
from connector.storage.tickets.procurements import procurement_row
from connector.storage.tickets.tasks import NewTask, move_task, require_task, unfinished_tasks

Tell: TypeAlias = Callable[[Work, int], Awaitable[None]]
"""Tells a ticket of the change at a position of the log, unless it was told."""


class Attempting(Protocol):
    """A set of steps of which one can be tried for a reservation."""

    async def attempt(self, step: Step, reservation_id: int) -> Attempt:
        """Try it once."""


class Workflows:
    """Registers the workflows; starts them by their ids, so that starting twice is once."""

    def __init__(self, durable: Durable, work: Work, policy: PolicySource) -> None:
        self._durable = durable
        self._work = work
        self._forward = Steps(work, policy)
        self._backward = UndoSteps(work)
        durable.workflow(FULFIL, self._fulfil)
        durable.workflow(UNDO, self._undo)
        durable.workflow(DELIVERED, self._delivered)
        durable.workflow(ASKED, partial(self._told, ASKED))
        durable.workflow(REFUSED, partial(self._told, REFUSED))
        durable.workflow(WAIVED, partial(self._told, WAIVED))
        durable.workflow(ROLLOUT_NOTE, partial(self._told_change, note_id, tell_ticket))
        durable.workflow(RECOVERY, self._recovery)
        durable.workflow(LOAN_NOTE, partial(self._told_change, loan_note_id, tell_ticket_of_loan))
        durable.workflow(RETURN_NOTE, partial(self._told_change, return_note_id, tell_ticket_of_return))
        for state in ProcurementState:
            durable.workflow(procurement_workflow(state), partial(self._procured, state))
        self.orders = OrderWorkflows(durable, work, self._insist)
        self.swaps = SwapWorkflows(durable, work, self._insist)

    async def start_fulfilment(self, reservation_id: int) -> None:
        """Begin to fulfil a reservation."""
        await self._durable.start(FULFIL, fulfil_id(reservation_id), reservation_id)

    async def start_undo(self, reservation_id: int) -> None:
        """Begin to undo what was done for a reservation that was ordered to stop."""
        await self._durable.wake(fulfil_id(reservation_id))
        await self._durable.start(UNDO, undo_id(reservation_id), reservation_id)

    async def start_delivered(self, shipment_id: int) -> None:
        """Begin to tell the ticket that a parcel was delivered."""
        await self._durable.start(DELIVERED, delivered_id(shipment_id), shipment_id)

    async def start_asked(self, approval_id: int) -> None:
        """Begin to tell the ticket that it waits for an approval."""
        await self._durable.start(ASKED, told_id(ASKED, approval_id), approval_id)

    async def start_refused(self, approval_id: int) -> None:
        """Begin to tell the ticket that an approval was refused."""
        await self._durable.start(REFUSED, told_id(REFUSED, approval_id), approval_id)

    async def start_waived(self, approval_id: int) -> None:
        """Begin to tell the ticket that an approval is not needed any more."""
        await self._durable.start(WAIVED, told_id(WAIVED, approval_id), approval_id)

    async def start_rollout_note(self, position: int) -> None:
        """Begin to tell the ticket of a rollout of the change at a position of the log."""
        await self._durable.start(ROLLOUT_NOTE, note_id(position), position)

    async def start_loan_note(self, position: int) -> None:
        """Begin to tell the ticket of a loan of the change at a position of the log."""
        await self._durable.start(LOAN_NOTE, loan_note_id(position), position)

    async def start_return_note(self, position: int) -> None:
        """Begin to tell the ticket of a return of the change at a position of the log."""
        await self._durable.start(RETURN_NOTE, return_note_id(position), position)

    async def start_recovery(self, recovery_id: int, state: RecoveryState) -> None:
        """Begin to tell the ticket what became of its parcel in trouble."""
        if state in TOLD:
            await self._durable.start(RECOVERY, recovery_workflow(recovery_id, state), recovery_id)

    async def start_procurement(self, procurement_id: int, state: ProcurementState) -> None:
        """Begin to tell the ticket that something that is got for it has come to a state."""
        name = procurement_workflow(state)
        await self._durable.start(name, told_id(name, procurement_id), procurement_id)

    async def _fulfil(self, run: Run, reservation_id: int) -> str:
        for step in FORWARD:
            attempt = await self._finish(run, self._forward, step, reservation_id)
            if attempt.status == "stopped":
                return "stopped"
            if attempt.status == "failed":
                if step in COSMETIC:
                    await self._tell(run, step, reservation_id, attempt.reason)
                    continue
                await self._give_up(run, step, reservation_id, attempt.reason)
                return "failed"
        return "done"

    async def _undo(self, run: Run, reservation_id: int) -> str:
        await run.ended(fulfil_id(reservation_id))
        for step in BACKWARD:
            attempt = await self._finish(run, self._backward, step, reservation_id)
            if attempt.status == "failed":
                await self._tell(run, step, reservation_id, attempt.reason)
        return "done"

    async def _finish(self, run: Run, steps: Attempting, step: Step, reservation_id: int) -> Attempt:
        """Try a step until it is done, stopped or failed, pausing ever longer between attempts."""

        async def work() -> StepResult:
            return (await steps.attempt(step, reservation_id)).to_json()

        return await self._insist(
            run,
            step.value,
            work,
            tell=lambda reason: self._tell(run, step, reservation_id, reason, is_stalled=True),
            untell=lambda: self._untell(run, step, reservation_id),
        )

    async def _insist(
        self,
        run: Run,
        name: str,
        work: Callable[[], Awaitable[StepResult]],
        *,
        tell: Callable[[str], Awaitable[None]] | None = None,
        untell: Callable[[], Awaitable[None]] | None = None,
    ) -> Attempt:
        backoff = self._work.options.backoff
        unexpected = number = 0

        async def once() -> StepResult:
            return await work()

        while True:
            number += 1
            attempt = Attempt(**await run.step(name, once))
            unexpected += attempt.is_unexpected
            if attempt.status != "retry":
                if number > backoff.told_after and untell is not None:
                    await untell()
                return attempt
            if unexpected >= backoff.unexpected:
                return Attempt("failed", attempt.reason)
            if number == backoff.told_after and tell is not None:
                await tell(attempt.reason)
            await run.pause(pause_after(attempt, backoff.wait(number)))

    async def _give_up(self, run: Run, step: Step, reservation_id: int, reason: str) -> None:
        """Order the stop, ask a person to look, and have everything undone."""

        async def work() -> StepResult:
            now = self._work.clock.now()
            async with transaction(self._work.database) as tx:
                goods = await consignment(tx, reservation_id)
                text = f"it could not be sent ({step.value}): {reason}"
                if goods.rollout_line_id is not None:
                    await fail_unsendable(tx, goods.rollout_line_id, reason=text, actor=ACTOR, at=now)
                await order_stop(tx, reservation_id, reason=text, actor=ACTOR, at=now)
                await require_task(
                    tx, _failed(goods, step, reason), actor=ACTOR, cause=fulfil_id(reservation_id), at=now
                )
            return {}

        await run.step("give-up", work)
        await run.start(UNDO, undo_id(reservation_id), reservation_id)

    async def _tell(self, run: Run, step: Step, reservation_id: int, reason: str, *, is_stalled: bool = False) -> None:
        """Ask a person to look at a step that failed or does not get on, while everything else goes on."""

        async def work() -> StepResult:
            now = self._work.clock.now()
            async with transaction(self._work.database) as tx:
                goods = await consignment(tx, reservation_id)
                new = _stalled(goods, step, reason) if is_stalled else _failed(goods, step, reason)
                await require_task(tx, new, actor=ACTOR, cause=fulfil_id(reservation_id), at=now)
            return {}

        await run.step(f"tell-{step.value}", work)

    async def _untell(self, run: Run, step: Step, reservation_id: int) -> None:
        """Close the task about a step that did not get on; it has."""

        async def work() -> StepResult:
            now = self._work.clock.now()
            async with transaction(self._work.database) as tx:
                prefix = _stalled_key(reservation_id, step)
                for item in await unfinished_tasks(tx, reservation_id=reservation_id, key_prefixes=[prefix]):
                    await move_task(tx, item.id, TaskState.DONE, actor=ACTOR, at=now)
            return {}

        await run.step(f"untell-{step.value}", work)

    async def _delivered(self, run: Run, shipment_id: int) -> str:
        async def attempt() -> StepResult:
            done = await self._work.attempt(delivered_id(shipment_id), self._tell_delivered(shipment_id))
            return done.to_json()

        return (await self._insist(run, "note", attempt)).status

    async def _told_change(self, name: Callable[[int], str], tell: Tell, run: Run, position: int) -> str:
        """Tell a ticket of the change at a position of the log. name: of the workflow that does."""

        async def attempt() -> StepResult:
            return (await self._work.attempt(name(position), tell(self._work, position))).to_json()

        return (await self._insist(run, "note", attempt)).status

    async def _tell_delivered(self, shipment_id: int) -> None:
        key = delivered_key(shipment_id)
        async with transaction(self._work.database) as tx:
            shipment = await shipment_row(tx, shipment_id)
        if shipment.reservation_id is None:
            return
        async with reading(self._work.database) as tx:
            goods = await consignment(tx, shipment.reservation_id)
            if await find_receipt(tx, key) is not None or goods.rollout_line_id is not None:
                return
        body = delivered_note(goods, shipment)
        note = AddNote(
            effect_key(key, goods.made_at), ticket_ref(goods), body, is_public=self._work.options.notes_are_public
        )
        written = await self._work.write_to_ticket(goods, note)
        async with transaction(self._work.database) as tx:
            await record_receipt(tx, key, written, at=self._work.clock.now())

    async def _told(self, what: str, run: Run, approval_id: int) -> str:
        async def attempt() -> StepResult:
            name = told_id(what, approval_id)
            return (await self._work.attempt(name, self._tell_of_approval(what, approval_id))).to_json()

        return (await self._insist(run, "note", attempt)).status

    async def _procured(self, state: ProcurementState, run: Run, procurement_id: int) -> str:
        async def attempt() -> StepResult:
            name = told_id(procurement_workflow(state), procurement_id)
            return (await self._work.attempt(name, self._tell_of_procurement(state, procurement_id))).to_json()

        return (await self._insist(run, "note", attempt)).status

    async def _tell_of_procurement(self, state: ProcurementState, procurement_id: int) -> None:
        key = f"{told_id(procurement_workflow(state), procurement_id)}:note"
        async with reading(self._work.database) as tx:
            row = await procurement_row(tx, procurement_id)
            body = procurement_note(row, state)
            if body is None or await find_receipt(tx, key) is not None:
                return
            ticket = await ticket_side(tx, row.ticket_id)
        note = AddNote(
            effect_key(key, row.created_at), ref_of(ticket), body, is_public=self._work.options.notes_are_public
        )
        written = await self._work.write_note(ticket, note)
        async with transaction(self._work.database) as tx:
            await record_receipt(tx, key, written, at=self._work.clock.now())

    async def _tell_of_approval(self, what: str, approval_id: int) -> None:
        key = f"{told_id(what, approval_id)}:note"
        async with reading(self._work.database) as tx:
            row = await approval_row(tx, approval_id)
            if row.ticket_id is None or await find_receipt(tx, key) is not None:
                return
            ticket = await ticket_side(tx, row.ticket_id)
        body = {ASKED: asked_note, REFUSED: refused_note, WAIVED: waived_note}[what](row)
        note = AddNote(
            effect_key(key, row.created_at), ref_of(ticket), body, is_public=self._work.options.notes_are_public
        )
        written = await self._work.write_note(ticket, note)
        async with transaction(self._work.database) as tx:
            await record_receipt(tx, key, written, at=self._work.clock.now())

    async def _recovery(self, run: Run, recovery_id: int) -> str:
        async def attempt() -> StepResult:
            done = await self._work.attempt(f"recovery-{recovery_id}", self._tell_recovery(recovery_id))
            return done.to_json()

        return (await self._insist(run, "note", attempt)).status

    async def _tell_recovery(self, recovery_id: int) -> None:
        """Tell the ticket how the recovery stands now; nothing that it was told already."""
        async with transaction(self._work.database) as tx:
            row = await recovery_row(tx, recovery_id)
        key = recovery_key(recovery_id, row.state)
        async with reading(self._work.database) as tx:
            first = await consignment_of_shipment(tx, row.shipment_id)
            second = None if row.reservation_id is None else await consignment(tx, row.reservation_id)
            if first is None or row.state not in TOLD or await find_receipt(tx, key) is not None:
                return
        body = recovery_note(row, first, second)
        note = AddNote(
            effect_key(key, first.made_at), ticket_ref(first), body, is_public=self._work.options.notes_are_public
        )
        written = await self._work.write_to_ticket(first, note)
        async with transaction(self._work.database) as tx:
            await record_receipt(tx, key, written, at=self._work.clock.now())


def _stalled_key(reservation_id: int, step: Step) -> str:
    return f"stalled:{reservation_id}:{step.value}"


def _stalled(goods: Consignment, step: Step, reason: str) -> NewTask:
    return _review(
        goods,
        key=_stalled_key(goods.reservation_id, step),
        title=f"Sending a spare for ticket {goods.ticket.number} does not get on",
        instructions=f"Step {step.value!r} is tried again and again: {reason}",
    )


def _failed(goods: Consignment, step: Step, reason: str) -> NewTask:
    return _review(
        goods,
        key=f"failed:{goods.reservation_id}:{step.value}",
        title=f"A step for ticket {goods.ticket.number} failed: {step.value}",
        instructions=f"{goods.goods.label} from {goods.hub.label}: {reason}",
    )


def _review(goods: Consignment, *, key: str, title: str, instructions: str) -> NewTask:
    return NewTask(
        key=key,
        kind=TaskKind.REVIEW,
        title=title,
        instructions=instructions,
        ticket_id=goods.ticket.id,
        reservation_id=goods.reservation_id,
        hub_id=goods.hub.id,
    )
