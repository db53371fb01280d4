"""Who does a task: taken by one person, so that nobody else begins it, and handed back by them.

What finishes a task is the command of its kind, whoever has taken it. Each command is once per key.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from connector.fulfilment.once import Do, once_in
from connector.model.errors import IllegalTransition, InvalidInput, StaleWrite
from connector.model.kinds import TaskKind
from connector.model.lifecycle import TASK_MOVES, TaskState, require_move
from connector.model.refs import EntityKind
from connector.sdk import Clock
from connector.storage.database.engine import Database, Transaction
from connector.storage.database.rows import locked_row, update_logged
from connector.storage.tables import task


class Taking:
    """The commands."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def accept(self, task_id: int, *, key: str, actor: str) -> None:
        """The task is begun, by whoever asks; nothing happens where they have it already.

        Raises NotKnown, InvalidInput for a request for approval, StaleWrite when somebody else has it,
        IllegalTransition when it is finished.
        """

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            row = await locked_row(tx, task, EntityKind.TASK, task_id)
            if row["kind"] is TaskKind.APPROVAL:
                raise InvalidInput(
                    f"task {row['title']!r} asks for a yes or no, and all who may answer are asked",
                    hint="Answer the request with approve or reject.",
                )
            require_move(TASK_MOVES, row["state"], TaskState.IN_PROGRESS, what=f"task {row['title']!r}")
            if row["assignee"] not in (None, actor):
                raise StaleWrite(
                    f"task {row['title']!r} is done by {row['assignee']!r} already",
                    hint="Take another one, or have it handed back.",
                )
            values = {"state": TaskState.IN_PROGRESS, "assignee": actor}
            await update_logged(tx, task, EntityKind.TASK, task_id, values, actor=actor, at=at)
            return {}

        await self._once("accept", key, task_id, do)

    async def hand_back(self, task_id: int, *, reason: str, key: str, actor: str, may_take_away: bool) -> None:
        """The task is nobody's again, and open. may_take_away: whoever asks may do so with what others have taken.

        Raises NotKnown, InvalidInput without a reason, StaleWrite when somebody else has it, IllegalTransition when
        nobody has begun it or it is finished.
        """
        why = reason.strip()
        if not why:
            raise InvalidInput("a reason is needed: it is kept with the change", hint="Write why.")

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            row = await locked_row(tx, task, EntityKind.TASK, task_id)
            if row["state"] is not TaskState.IN_PROGRESS:
                raise IllegalTransition(
                    f"task {row['title']!r} is {row['state'].value}: only what somebody has begun can be handed back"
                )
            if row["assignee"] != actor and not may_take_away:
                raise StaleWrite(
                    f"task {row['title']!r} is done by {row['assignee']!r}",
                    hint="Have them hand it back, or ask a dispatcher.",
                )
            values = {"state": TaskState.OPEN, "assignee": None}
            await update_logged(tx, task, EntityKind.TASK, task_id, values, actor=actor, cause=why, at=at)
            return {}

        await self._once("hand-back", key, task_id, do)

    async def _once(self, name: str, key: str, target: int, do: Do) -> None:
        await once_in(self._database, self._clock.now(), f"task-{name}", key, target, do)
