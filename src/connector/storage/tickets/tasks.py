"""Tasks: pieces of work for people, each made once per key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.kinds import TaskKind
from connector.model.lifecycle import TASK_MOVES, TaskState, require_move
from connector.model.refs import EntityKind
from connector.storage.database.bulk import among_given, update_rows
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.rows import insert_all_logged, insert_logged, json_value, locked_row, update_logged
from connector.storage.tables import task

UNFINISHED = (TaskState.OPEN, TaskState.IN_PROGRESS)
_ROUND = "~"
"""Separates a key from the number of the round in which the same work came up again."""


_OF_TICKETS = select(task).where(among_given(task.c.ticket_id, "ticket_ids")).order_by(task.c.id)


@dataclass(frozen=True, slots=True)
class NewTask:
    """Work for a person. key: makes asking for it twice one task. packing_list: lines as JSON objects.

    assignee: who does it, where that is known beforehand: a role, or a name.
    """

    key: str
    kind: TaskKind
    title: str
    instructions: str | None = None
    packing_list: list[dict[str, Any]] | None = None
    ticket_id: int | None = None
    reservation_id: int | None = None
    shipment_id: int | None = None
    hub_id: int | None = None
    rollout_id: int | None = None
    wave: int | None = None
    approval_id: int | None = None
    assignee: str | None = None
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task as commands and workflows look at it."""

    id: int
    key: str
    kind: TaskKind
    state: TaskState
    title: str
    ticket_id: int | None
    reservation_id: int | None
    shipment_id: int | None


async def require_task(tx: AsyncConnection, new: NewTask, *, actor: str, cause: str | None, at: datetime) -> int:
    """The unfinished task with that key, made when there is none; returns its id.

    Work that was finished and comes up again becomes a new task, its key numbered.
    """
    rounds = list(
        await tx.execute(
            select(task.c.id, task.c.state)
            .where(or_(task.c.key == new.key, task.c.key.startswith(new.key + _ROUND, autoescape=True)))
            .order_by(task.c.id)
        )
    )
    for task_id, state in rounds:
        if state in UNFINISHED:
            return int(task_id)
    key = f"{new.key}{_ROUND}{len(rounds) + 1}" if rounds else new.key
    values = {name: getattr(new, name) for name in NewTask.__slots__}
    return await insert_logged(
        tx,
        task,
        EntityKind.TASK,
        {**values, "key": key, "state": TaskState.OPEN},
        actor=actor,
        cause=cause,
        at=at,
    )


async def require_tasks(
    tx: AsyncConnection, new: Sequence[NewTask], *, actor: str, cause: str | None, at: datetime
) -> None:
    """The same for tasks of tickets, each of another key, by as many statements as for one."""
    if not new:
        return
    wanted = {item.key: item for item in new}
    rounds: Counter[str] = Counter()
    for item in await tasks_about(tx, [item.ticket_id for item in new if item.ticket_id is not None]):
        key = item.key.partition(_ROUND)[0]
        rounds[key] += 1
        if item.state in UNFINISHED:
            wanted.pop(key, None)
    rows = [
        {
            **{name: getattr(item, name) for name in NewTask.__slots__},
            "key": f"{key}{_ROUND}{rounds[key] + 1}" if rounds[key] else key,
            "state": TaskState.OPEN,
        }
        for key, item in wanted.items()
    ]
    await insert_all_logged(tx, task, EntityKind.TASK, rows, actor=actor, cause=cause, at=at)


async def move_task(
    tx: AsyncConnection, task_id: int, target: TaskState, *, actor: str, cause: str | None = None, at: datetime
) -> bool:
    """Move a task to a state; False when it is there already.

    Raises NotKnown, and IllegalTransition naming the legal states.
    """
    row = await locked_row(tx, task, EntityKind.TASK, task_id)
    require_move(TASK_MOVES, row["state"], target, what=f"task {row['title']!r}")
    finished = at if target is TaskState.DONE else None
    return await update_logged(
        tx,
        task,
        EntityKind.TASK,
        task_id,
        {"state": target, "completed_at": row["completed_at"] or finished},
        actor=actor,
        cause=cause,
        at=at,
    )


async def move_tasks(
    tx: AsyncConnection, moves: Mapping[int, tuple[TaskState, str]], *, actor: str, at: datetime
) -> None:
    """Move tasks to states, each with its cause, by as many statements as one.

    Raises IllegalTransition naming the legal states; nothing has changed then.
    """
    if not moves:
        return
    locked = select(task).where(among_given(task.c.id, "ids")).order_by(task.c.id).with_for_update()
    rows, changes = [], []
    for row in (await tx.execute(locked, {"ids": list(moves)})).mappings():
        target, cause = moves[row["id"]]
        require_move(TASK_MOVES, row["state"], target, what=f"task {row['title']!r}")
        completed = row["completed_at"] or (at if target is TaskState.DONE else None)
        fields = {"state": (row["state"], target), "completed_at": (row["completed_at"], completed)}
        logged = {
            name: (json_value(before), json_value(after)) for name, (before, after) in fields.items() if before != after
        }
        if logged:
            rows.append({"id": row["id"], "state": target, "completed_at": completed, "updated_at": at})
            changes.append(NewChange(EntityKind.TASK, row["id"], "updated", logged, cause))
    await update_rows(tx, task, rows)
    await log_changes(tx, changes, actor=actor, at=at)


async def tasks_about(tx: AsyncConnection, ticket_ids: Collection[int]) -> list[TaskRow]:
    """All tasks of these tickets, whatever their state, by id."""
    return [_row(row) for row in (await tx.execute(_OF_TICKETS, {"ticket_ids": list(ticket_ids)})).mappings()]


async def task_row(tx: AsyncConnection, task_id: int) -> TaskRow:
    """The task, locked until the transaction ends. Raises NotKnown."""
    return _row(await locked_row(tx, task, EntityKind.TASK, task_id))


async def unfinished_tasks(
    tx: AsyncConnection,
    *,
    ticket_id: int | None = None,
    reservation_id: int | None = None,
    shipment_id: int | None = None,
    approval_id: int | None = None,
    kind: TaskKind | None = None,
    key_prefixes: Sequence[str] = (),
) -> list[TaskRow]:
    """Open and begun tasks that match everything that is given, by id."""
    statement = select(task).where(task.c.state.in_(UNFINISHED)).order_by(task.c.id)
    wanted = {
        "ticket_id": ticket_id,
        "reservation_id": reservation_id,
        "shipment_id": shipment_id,
        "approval_id": approval_id,
        "kind": kind,
    }
    for name, value in wanted.items():
        if value is not None:
            statement = statement.where(task.c[name] == value)
    if key_prefixes:
        statement = statement.where(or_(*(task.c.key.startswith(prefix, autoescape=True) for prefix in key_prefixes)))
    return [_row(row) for row in (await tx.execute(statement)).mappings()]


def _row(row: Any) -> TaskRow:
    return TaskRow(**{name: row[name] for name in TaskRow.__slots__})
