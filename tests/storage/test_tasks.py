from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.factories import NOW, make_source, make_ticket

from connector.model.errors import IllegalTransition, NotKnown
from connector.model.kinds import TaskKind
from connector.model.lifecycle import TaskState
from connector.storage.database.changes import publish_changes, read_changes
from connector.storage.database.engine import reading, transaction
from connector.storage.tables import task
from connector.storage.tickets.tasks import NewTask, move_task, require_task, task_row, unfinished_tasks

REVIEW = NewTask(key="review:1:no-stock", kind=TaskKind.REVIEW, title="No stock for INC-1")


async def test_the_same_work_asked_for_twice_is_one_task(engine: AsyncEngine):
    async with transaction(engine) as tx:
        first = await require_task(tx, REVIEW, actor="rules", cause=None, at=NOW)
        second = await require_task(tx, REVIEW, actor="rules", cause=None, at=NOW)

    assert first == second
    async with transaction(engine) as tx:
        await publish_changes(tx)
        changes = await read_changes(tx, 0)
    assert [(c.operation, c.actor, c.fields["title"]) for c in changes] == [
        ("created", "rules", [None, "No stock for INC-1"])
    ]


async def test_work_that_comes_up_again_after_it_was_done_is_a_new_task(engine: AsyncEngine):
    async with transaction(engine) as tx:
        first = await require_task(tx, REVIEW, actor="rules", cause=None, at=NOW)
        await move_task(tx, first, TaskState.DONE, actor="ada", at=NOW)
        second = await require_task(tx, REVIEW, actor="rules", cause=None, at=NOW)
        again = await require_task(tx, REVIEW, actor="rules", cause=None, at=NOW)

        assert second == again
        assert second != first
        assert (await task_row(tx, second)).key == "review:1:no-stock~2"


async def test_a_finished_task_keeps_the_time_and_refuses_to_be_cancelled(engine: AsyncEngine):
    later = NOW + timedelta(hours=1)
    async with transaction(engine) as tx:
        task_id = await require_task(tx, REVIEW, actor="rules", cause=None, at=NOW)
        assert await move_task(tx, task_id, TaskState.DONE, actor="ada", at=later) is True
        assert await move_task(tx, task_id, TaskState.DONE, actor="ada", at=later + timedelta(hours=1)) is False

        with pytest.raises(IllegalTransition) as refused:
            await move_task(tx, task_id, TaskState.CANCELLED, actor="ada", at=later)

        done_at = (await tx.execute(select(task.c.completed_at).where(task.c.id == task_id))).scalar_one()
    assert str(refused.value) == (
        "task 'No stock for INC-1' cannot go from done to cancelled: legal next states are none, it is final."
    )
    assert done_at == later


async def test_a_task_that_nobody_made_is_not_known(engine: AsyncEngine):
    async with transaction(engine) as tx:
        with pytest.raises(NotKnown, match="there is no task with id 99"):
            await move_task(tx, 99, TaskState.DONE, actor="ada", at=NOW)


async def test_unfinished_tasks_are_found_by_ticket_and_key(engine: AsyncEngine):
    async with transaction(engine) as tx:
        source_id = await make_source(tx)
        mine, other = [await make_ticket(tx, source_id=source_id) for _ in range(2)]
        for key, ticket_id in (("review:a", mine), ("failed:b", mine), ("review:c", other), ("review:d", mine)):
            new = NewTask(key=key, kind=TaskKind.REVIEW, title=key, ticket_id=ticket_id)
            task_id = await require_task(tx, new, actor="rules", cause=None, at=NOW)
            if key == "review:d":
                await move_task(tx, task_id, TaskState.CANCELLED, actor="ada", at=NOW)

    async with reading(engine) as tx:
        found = await unfinished_tasks(tx, ticket_id=mine, kind=TaskKind.REVIEW, key_prefixes=["review:", "x"])
        assert [row.key for row in found] == ["review:a"]
        assert [row.key for row in await unfinished_tasks(tx, ticket_id=mine)] == ["review:a", "failed:b"]
