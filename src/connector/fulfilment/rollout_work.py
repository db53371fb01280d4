"""What people do for the lines of a rollout: stage units, hand parcels over, say what became of them.

Each command is one transaction and may be repeated under its key.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from connector.fulfilment.once import Do, once_in
from connector.fulfilment.rollout_course import advance_locked
from connector.fulfilment.rollout_draft import require_line_ticket
from connector.fulfilment.rollout_lines import fail_line, install_line
from connector.fulfilment.rollout_tasks import require_handover
from connector.model.errors import IllegalTransition, InvalidInput
from connector.model.kinds import RolloutOutcome, TaskKind
from connector.model.lifecycle import ROLLOUT_LINE_AT_HUB, RolloutLineState, RolloutState, TaskState
from connector.sdk import Clock
from connector.storage.database.engine import Database, Transaction
from connector.storage.policies.active import PolicySource
from connector.storage.rollouts.facts import rollout_ticket
from connector.storage.rollouts.lines import (
    line_row,
    lines_at,
    lines_in,
    rollout_of_line,
    write_lines,
)
from connector.storage.rollouts.rollouts import lock_rollout
from connector.storage.rollouts.tasks import RolloutTask, rollout_task
from connector.storage.rollouts.units import hand_over
from connector.storage.tickets.tasks import move_task


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What a task of a wave came to. lines: how many it was done for; left: how many it is still to be done for."""

    task_id: int
    lines: int
    left: int


@dataclass(frozen=True, slots=True)
class LineResult:
    """What a report came to. state: of the rollout afterwards."""

    line_id: int
    rollout_id: int
    state: RolloutState


@dataclass(frozen=True, slots=True)
class RolloutWork:
    """The commands, on the hub's database."""

    database: Database
    clock: Clock
    policy: PolicySource = field(repr=False)

    async def report(
        self, line_id: int, outcome: RolloutOutcome, *, reason: str | None, key: str, actor: str
    ) -> LineResult:
        """Say what became of a line. A failed one whose unit has not left its hub gives it back.

        Raises NotKnown, InvalidInput when it failed without a reason, IllegalTransition when it cannot have.
        """
        text = None if outcome is RolloutOutcome.INSTALLED else (reason or "").strip()
        if text == "":
            raise InvalidInput(
                f"a reason is needed when a line has {outcome.value}: it is told and kept", hint="Write why."
            )
        if text is not None and outcome is RolloutOutcome.REFUSED:
            text = f"{outcome.value}: {text}"

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            rollout = await lock_rollout(tx, await rollout_of_line(tx, line_id))
            line = await line_row(tx, line_id)
            if text is not None:
                await fail_line(tx, rollout, line, reason=text, actor=actor, at=at)
            else:
                await install_line(tx, line, actor=actor, cause=f"rollout {rollout.name}", at=at)
            rollout = await advance_locked(tx, rollout, policy=self.policy, now=at, actor=actor)
            return {"rollout_id": rollout.id, "state": rollout.state.value}

        result = await self._once("report-rollout-line", key, line_id, do)
        return LineResult(line_id, result["rollout_id"], RolloutState(result["state"]))

    async def assign_ticket(self, rollout_id: int, site_id: int, ticket_id: int | None, *, key: str, actor: str) -> int:
        """Let the end of a ticket say what became of a site's lines; None: of no ticket. Returns how many lines.

        One that has ended says so at once. Raises NotKnown, InvalidInput when the rollout does not go there or the
        ticket cannot be one of a line, IllegalTransition when the rollout is over.
        """

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            rollout = await lock_rollout(tx, rollout_id)
            if rollout.is_over:
                raise IllegalTransition(f"rollout {rollout.name!r} is {rollout.state.value}: its lines have ended")
            lines = await lines_at(tx, rollout_id, site_id)
            if not lines:
                raise InvalidInput(f"rollout {rollout.name!r} does not go to site {site_id}")
            if ticket_id is not None:
                require_line_ticket(await rollout_ticket(tx, ticket_id), rollout.ticket_id)
            pairs = [(line, replace(line, ticket_id=ticket_id)) for line in lines]
            await write_lines(tx, pairs, actor=actor, cause=f"rollout {rollout.name}", at=at)
            return {"lines": len(lines)}

        return int((await self._once("assign-rollout-ticket", key, rollout_id, do))["lines"])

    async def confirm_staging(self, task_id: int, *, key: str, actor: str) -> TaskResult:
        """The units of a staging task are picked, prepared and checked: labels are bought, hand-over follows.

        Raises NotKnown, InvalidInput for another kind of task, IllegalTransition when it is over.
        """

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            task = await self._wave_task(tx, task_id, TaskKind.STAGING)
            rollout = await lock_rollout(tx, task.rollout_id)
            ready = [RolloutLineState.RESERVED]
            lines = await lines_in(tx, rollout.id, ready, wave=task.wave, hub_id=task.hub_id)
            staged = [(line, replace(line, state=RolloutLineState.STAGED)) for line in lines]
            cause = f"task {task_id}"
            await move_task(tx, task_id, TaskState.DONE, actor=actor, cause=cause, at=at)
            if staged:
                packing = [item for item in task.packing_list if item["is_device"]]
                await require_handover(
                    tx, rollout, wave=task.wave, hub_id=task.hub_id, packing=packing, actor=actor, at=at
                )
            await write_lines(tx, staged, actor=actor, cause=cause, at=at)
            await advance_locked(tx, rollout, policy=self.policy, now=at, actor=actor)
            return {"lines": len(staged), "left": 0}

        result = await self._once("confirm-staging", key, task_id, do)
        return TaskResult(task_id, result["lines"], result["left"])

    async def confirm_handover(self, task_id: int, *, key: str, actor: str) -> TaskResult:
        """The parcels of a hand-over task that have a label were given to the courier.

        Raises NotKnown, InvalidInput for another kind of task, IllegalTransition when it is over or nothing has a
        label yet.
        """

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            task = await self._wave_task(tx, task_id, TaskKind.HANDOVER)
            rollout = await lock_rollout(tx, task.rollout_id)
            lines = await lines_in(tx, rollout.id, ROLLOUT_LINE_AT_HUB, wave=task.wave, hub_id=task.hub_id)
            cause = f"task {task_id}"
            sent = await hand_over(tx, [line.id for line in lines], actor=actor, cause=cause, at=at)
            if not sent:
                raise IllegalTransition(
                    f"none of the {len(lines)} parcels of task {task.title!r} has a label yet",
                    hint="Labels are bought once the units are staged; wait for them, or see the tasks about failures.",
                )
            pairs = [
                (line, replace(line, state=RolloutLineState.DISPATCHED, reason=None))
                for line in lines
                if line.id in sent
            ]
            await write_lines(tx, pairs, actor=actor, cause=cause, at=at)
            await advance_locked(tx, rollout, policy=self.policy, now=at, actor=actor)
            return {"lines": len(sent), "left": len(lines) - len(sent)}

        result = await self._once("confirm-handover", key, task_id, do)
        return TaskResult(task_id, result["lines"], result["left"])

    async def _wave_task(self, tx: Transaction, task_id: int, kind: TaskKind) -> RolloutTask:
        task = await rollout_task(tx, task_id)
        if task is None or task.kind is not kind:
            raise InvalidInput(f"task {task_id} is no {kind.value} task of a rollout")
        rollout = await lock_rollout(tx, task.rollout_id)
        task = await rollout_task(tx, task_id)
        if task is None or task.state in (TaskState.DONE, TaskState.CANCELLED):
            state = task.state.value if task else "gone"
            raise IllegalTransition(
                f"the {kind.value} task of rollout {rollout.name!r} is {state}",
                hint="The rollout was stopped, or went on without it: put units that are no longer needed back.",
            )
        return task

    async def _once(self, name: str, key: str, target: int, do: Do) -> dict[str, Any]:
        return await once_in(self.database, self.clock.now(), name, key, target, do)
