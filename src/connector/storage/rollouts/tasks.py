"""Tasks of rollouts, many at once, and which lines they are still about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import NotKnown
from connector.model.kinds import TaskKind
from connector.model.lifecycle import ROLLOUT_LINE_AT_HUB, RolloutLineState, TaskState
from connector.model.refs import EntityKind
from connector.storage.database.bulk import insert_rows, new_ids
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.rows import json_value
from connector.storage.tables import kit, kit_component, product, rollout_line, task
from connector.storage.tickets.tasks import UNFINISHED, NewTask


@dataclass(frozen=True, slots=True)
class WaveTask:
    """An unfinished task of a rollout that is about a hub's part of a wave."""

    id: int
    kind: TaskKind
    wave: int
    hub_id: int


@dataclass(frozen=True, slots=True)
class RolloutTask:
    """A task that is about a hub's part of a wave."""

    id: int
    kind: TaskKind
    state: TaskState
    title: str
    rollout_id: int
    wave: int
    hub_id: int
    packing_list: list[dict[str, Any]]


class KitPart(NamedTuple):
    """Something that is packed along with each device."""

    product: str
    part_number: str | None
    quantity: int


async def insert_tasks(
    tx: AsyncConnection, new: Sequence[NewTask], *, actor: str, cause: str | None, at: datetime
) -> None:
    """Make tasks whose keys are new, in a few statements whatever their number."""
    ids = await new_ids(tx, task, len(new))
    rows: list[dict[str, Any]] = [
        {
            "id": task_id,
            **{name: getattr(item, name) for name in NewTask.__slots__},
            "state": TaskState.OPEN,
            "created_at": at,
            "updated_at": at,
        }
        for task_id, item in zip(ids, new, strict=True)
    ]
    await insert_rows(tx, task, rows)
    changes = [
        NewChange(
            EntityKind.TASK,
            row["id"],
            "created",
            {name: (None, json_value(value)) for name, value in row.items() if value is not None and name != "id"},
        )
        for row in rows
    ]
    await log_changes(tx, changes, actor=actor, cause=cause, at=at)


async def wave_tasks(tx: AsyncConnection, rollout_id: int) -> list[WaveTask]:
    """The unfinished staging and hand-over tasks of a rollout, by id."""
    c = task.c
    statement = select(c.id, c.kind, c.wave, c.hub_id).where(
        c.rollout_id == rollout_id, c.state.in_(UNFINISHED), c.kind.in_((TaskKind.STAGING, TaskKind.HANDOVER))
    )
    return [WaveTask(*row) for row in await tx.execute(statement.order_by(c.id))]


async def rollout_task(tx: AsyncConnection, task_id: int) -> RolloutTask | None:
    """The task; None when it is not about a wave of a rollout. Raises NotKnown when there is no such task."""
    c = task.c
    statement = select(c.id, c.kind, c.state, c.title, c.rollout_id, c.wave, c.hub_id, c.packing_list)
    row = (await tx.execute(statement.where(c.id == task_id))).one_or_none()
    if row is None:
        raise NotKnown(f"there is no task with id {task_id}")
    if None in (row.rollout_id, row.wave, row.hub_id):
        return None
    return RolloutTask(*row[:7], packing_list=list(row.packing_list or ()))


async def hubs_at_work(tx: AsyncConnection, rollout_id: int) -> dict[tuple[int, int], frozenset[RolloutLineState]]:
    """By wave and hub, the states of the lines whose units are there."""
    c = rollout_line.c
    statement = (
        select(c.wave, c.hub_id, c.state).where(c.rollout_id == rollout_id, c.state.in_(ROLLOUT_LINE_AT_HUB)).distinct()
    )
    found: dict[tuple[int, int], frozenset[RolloutLineState]] = {}
    for wave, hub_id, state in await tx.execute(statement):
        found[wave, hub_id] = found.get((wave, hub_id), frozenset()) | {state}
    return found


async def kit_parts(tx: AsyncConnection, product_id: int) -> list[KitPart]:
    """What the product's kit brings beside the device itself."""
    statement = (
        select(product.c.manufacturer, product.c.model, product.c.part_number, kit_component.c.quantity)
        .select_from(kit)
        .join(kit_component, kit_component.c.kit_id == kit.c.id)
        .join(product, product.c.id == kit_component.c.product_id)
        .where(kit.c.product_id == product_id, product.c.id != product_id)
        .order_by(kit_component.c.id)
    )
    return [KitPart(f"{row[0]} {row[1]}", row[2], row[3]) for row in await tx.execute(statement)]
