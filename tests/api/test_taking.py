"""A technician's tasks over GraphQL: found, taken by one person, handed back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.access import ApiKey
from connector.model.kinds import TaskKind
from connector.model.lifecycle import TaskState
from connector.model.principals import Principal
from connector.storage.database.engine import reading, transaction
from connector.storage.tables import change, task
from tests.api.conftest import TOKEN, Hub, OpenHub
from tests.api.seed import Seeded, seed

OPERATIONS = (Path(__file__).parents[2] / "graphql" / "operations" / "TechnicianTasks.graphql").read_text()
TOKENS = {name: f"the-token-of-{name}-1234567" for name in ("ada", "bob", "dora", "eve")}
ROLES = {"ada": "technician", "bob": "technician", "dora": "dispatcher", "eve": "viewer"}
KEYS = tuple(ApiKey.of(TOKENS[name], Principal(name, frozenset({role}))) for name, role in ROLES.items())


@pytest.fixture
async def seeded(engine: AsyncEngine) -> Seeded:
    return await seed(engine)


@pytest.fixture
async def desk(open_hub: OpenHub) -> AsyncIterator[Hub]:
    async with open_hub(token=TOKEN, keys=KEYS) as hub:
        yield hub


async def ask(hub: Hub, who: str, operation: str, /, **variables: Any) -> Any:
    body = {"query": OPERATIONS, "operationName": operation, "variables": variables}
    headers = {"authorization": f"Bearer {TOKENS[who]}"}
    answer = (await hub.client.post("/graphql", json=body, headers=headers)).json()
    assert "errors" not in answer, answer
    return answer["data"]


async def take(hub: Hub, seeded: Seeded, who: str, key: str) -> Any:
    return (await ask(hub, who, "AcceptTask", task=seeded.id("Task"), key=key))["acceptTask"]


async def hand_back(hub: Hub, seeded: Seeded, who: str, key: str, reason: str = "my car broke down") -> Any:
    given = {"task": seeded.id("Task"), "reason": reason, "key": key}
    return (await ask(hub, who, "HandBackTask", **given))["handBackTask"]


async def test_a_task_that_is_taken_is_theirs_and_nobody_elses(desk: Hub, seeded: Seeded):
    taken = await take(desk, seeded, "ada", "k1")
    again = await take(desk, seeded, "ada", "k2")
    late = await take(desk, seeded, "bob", "k3")
    hers = await ask(desk, "ada", "TechnicianTasks", me="ada", hub=seeded.id("Hub"))
    his = await ask(desk, "bob", "TechnicianTasks", me="bob", hub=seeded.id("Hub"))

    assert taken["task"] == {"id": seeded.id("Task"), "state": "IN_PROGRESS", "assignee": "ada"}
    assert again == taken
    assert late["task"] is None
    assert [(error["code"], error["message"]) for error in late["errors"]] == [
        ("CONFLICT", "task 'Pick up' is done by 'ada' already")
    ]
    [mine] = hers["mine"]["nodes"]
    assert (mine["title"], [line["serial"] for line in mine["packingList"]]) == ("Pick up", ["SN1"])
    assert (hers["free"]["totalCount"], his["mine"]["totalCount"], his["free"]["totalCount"]) == (0, 0, 0)


async def test_of_two_who_take_a_task_at_the_same_time_one_has_it(desk: Hub, seeded: Seeded, engine: AsyncEngine):
    answers = await asyncio.gather(take(desk, seeded, "ada", "a"), take(desk, seeded, "bob", "b"))

    assert sorted(error["code"] for answer in answers for error in answer["errors"]) == ["CONFLICT"]
    [winner] = [answer["task"]["assignee"] for answer in answers if answer["task"]]
    async with reading(engine) as tx:
        logged = list(await tx.scalars(select(change.c.fields).where(change.c.actor.in_(("ada", "bob")))))
    assert logged == [{"state": ["open", "in_progress"], "assignee": [None, winner]}]


async def test_a_task_is_handed_back_by_whoever_has_it_or_a_dispatcher(desk: Hub, seeded: Seeded):
    await take(desk, seeded, "ada", "1")

    by_another = await hand_back(desk, seeded, "bob", "2")
    by_her = await hand_back(desk, seeded, "ada", "3")
    twice = await hand_back(desk, seeded, "ada", "4")
    await take(desk, seeded, "bob", "5")
    by_a_dispatcher = await hand_back(desk, seeded, "dora", "6")

    assert [error["message"] for error in by_another["errors"]] == ["task 'Pick up' is done by 'ada'"]
    assert (by_her["task"]["state"], by_her["task"]["assignee"]) == ("OPEN", None)
    assert [(error["code"], error["message"]) for error in twice["errors"]] == [
        ("ILLEGAL_TRANSITION", "task 'Pick up' is open: only what somebody has begun can be handed back")
    ]
    assert (by_a_dispatcher["task"]["state"], by_a_dispatcher["errors"]) == ("OPEN", [])


async def test_what_is_finished_asks_for_an_answer_or_has_no_reason_is_refused(
    desk: Hub, seeded: Seeded, engine: AsyncEngine
):
    without = await hand_back(desk, seeded, "ada", "1", reason="  ")
    async with transaction(engine) as tx:
        await tx.execute(task.update().values(state=TaskState.DONE))
    done = await take(desk, seeded, "ada", "2")
    async with transaction(engine) as tx:
        await tx.execute(task.update().values(state=TaskState.OPEN, kind=TaskKind.APPROVAL))
    question = await take(desk, seeded, "ada", "3")
    viewer = await take(desk, seeded, "eve", "4")

    refused = [answer["errors"][0] for answer in (without, done, question, viewer)]
    assert [error["code"] for error in refused] == ["INVALID_INPUT", "ILLEGAL_TRANSITION", "INVALID_INPUT", "FORBIDDEN"]
    assert refused[2]["hint"] == "Answer the request with approve or reject."
