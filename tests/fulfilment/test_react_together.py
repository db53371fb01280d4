"""Tickets that come in together are decided together; nothing that is promised of one by one is lost by that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.factories import NOW, make_asset, make_ticket
from tests.fulfilment.scene import Scene, make_engine, make_scene
from tests.fulfilment.world import World

from connector.fulfilment import react
from connector.fulfilment.engine import FulfilmentEngine
from connector.fulfilment.react import READER, TOGETHER, runs
from connector.model.refs import EntityKind
from connector.rules.facts.facts import SourcingFacts
from connector.rules.sourcing import together
from connector.rules.sourcing.decide import decide
from connector.rules.sourcing.decision import Decision
from connector.sdk import Clock
from connector.storage import tables
from connector.storage.database.bulk import insert_numbered, insert_rows
from connector.storage.database.changes import (
    LoggedChange,
    NewChange,
    last_position,
    log_changes,
    move_reader,
    publish_changes,
    reader_position,
)
from connector.storage.database.engine import reading, transaction


@pytest.fixture
def hub(engine: AsyncEngine, database: str, world: World, clock: Clock) -> FulfilmentEngine:
    """Not launched: its reactor reads the log when a test says so, and nothing follows in the background."""
    return make_engine(engine, database, world.connections(clock), clock)


async def open_tickets(scene: Scene, count: int, **values: Any) -> list[int]:
    """As ingest writes a page: all in one transaction, each about a switch of its own."""
    numbers = []
    async with transaction(scene.database) as tx:
        for index in range(count):
            number = f"INC-{index}"
            asset = await make_asset(tx, site_id=scene.site_id, product_id=scene.product_id)
            numbers.append(
                await make_ticket(
                    tx, source_id=scene.source_id, number=number, asset_id=asset, **{"title": "dead", **values}
                )
            )
        changes = [NewChange(EntityKind.TICKET, number, "created", {"state": (None, "new")}) for number in numbers]
        await log_changes(tx, changes, actor="itsm", at=NOW)
    return numbers


def count_statements(engine: AsyncEngine) -> list[str]:
    statements: list[str] = []

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    return statements


async def pass_over(engine: AsyncEngine) -> None:
    """Let the reactor begin after what is in the log, so that no workflow is to be started for it."""
    async with transaction(engine) as tx:
        await publish_changes(tx)
    async with transaction(engine) as tx:
        await move_reader(tx, READER, await last_position(tx))


async def decided(engine: AsyncEngine) -> Counter[tuple[int, str]]:
    c = tables.decision.c
    async with reading(engine) as tx:
        return Counter((row[0], row[1]) for row in await tx.execute(select(c.ticket_id, c.reason)))


async def test_a_page_of_tickets_takes_as_many_statements_as_two(engine: AsyncEngine, hub: FulfilmentEngine):
    scene = await make_scene(engine, spares=30)
    statements = count_statements(engine)
    counts = []
    for count in (2, 40):
        await pass_over(engine)
        tickets = await open_tickets(scene, count)
        statements.clear()
        await hub.reactor.catch_up()
        counts.append(len([text for text in statements if text.lstrip().startswith(("SELECT", "INSERT", "UPDATE"))]))
        reasons = Counter(reason for (ticket, reason), _ in (await decided(engine)).items() if ticket in tickets)
        served = min(count, 28) if count > 2 else 2
        assert reasons == Counter({"sourced": served, "no_compatible_stock": count - served})

    assert counts[1] - counts[0] <= 6  # tasks for those that wait, and a look at so many of one product at once
    async with reading(engine) as tx:
        keys = (await tx.execute(select(tables.task.c.key).order_by(tables.task.c.id))).scalars().all()
    assert len(keys) == 12
    assert keys[0] == f"review:{tickets[28]}:no_compatible_stock"


async def test_one_that_cannot_be_decided_is_shown_and_the_others_are_served(
    engine: AsyncEngine, hub: FulfilmentEngine, monkeypatch: pytest.MonkeyPatch
):
    scene = await make_scene(engine, spares=5)
    tickets = await open_tickets(scene, 4)

    def broken(facts: SourcingFacts, *args: Any, **kwargs: Any) -> Decision:
        if facts.ticket.id == tickets[1]:
            raise ZeroDivisionError("a rule that nobody has tried")
        return decide(facts, *args, **kwargs)

    monkeypatch.setattr(together, "decide", broken)

    await hub.reactor.catch_up()

    assert await decided(engine) == {(number, "sourced"): 1 for number in tickets if number != tickets[1]}
    assert await scene.shelf() == (5, 3)
    [task] = await scene.rows(tables.task)
    assert (task["key"], task["ticket_id"]) == (f"error:ticket:{tickets[1]}", tickets[1])
    async with reading(engine) as tx:
        position = await reader_position(tx, READER)
    assert position == 4


async def test_a_crash_before_the_commit_leaves_nothing_and_the_next_look_does_it_once(
    engine: AsyncEngine, hub: FulfilmentEngine, monkeypatch: pytest.MonkeyPatch
):
    scene = await make_scene(engine, spares=5)
    tickets = await open_tickets(scene, 3)

    class Killed(BaseException):
        pass

    async def die(*_args: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(react, "move_reader", die)
        with pytest.raises(Killed):
            await hub.reactor.catch_up()
    assert await decided(engine) == {}
    assert await scene.shelf() == (5, 0)

    await hub.reactor.catch_up()

    assert await decided(engine) == {(number, "sourced"): 1 for number in tickets}
    assert await scene.shelf() == (5, 3)


async def test_another_process_that_was_quicker_leaves_only_the_rest(engine: AsyncEngine, hub: FulfilmentEngine):
    scene = await make_scene(engine, spares=5)
    tickets = await open_tickets(scene, 3)
    async with transaction(engine) as tx:
        await move_reader(tx, READER, 2)

    changes = [LoggedChange(n, EntityKind.TICKET, ticket, "created", {"state": [None, "new"]}, "itsm", None, NOW)
               for n, ticket in enumerate(tickets, start=1)]  # fmt: skip
    assert await hub.reactor._together(changes, set())

    assert await decided(engine) == {(tickets[2], "sourced"): 1}


async def test_many_that_wait_for_one_unit_cost_a_few_statements_and_the_most_urgent_one_gets_it(
    engine: AsyncEngine, hub: FulfilmentEngine
):
    scene = await make_scene(engine, spares=0)
    await open_tickets(scene, 40, priority="P3")
    urgent = (await open_tickets(scene, 1, priority="P1"))[0]
    await hub.reactor.catch_up()
    async with transaction(engine) as tx:
        await more_waiting(tx, scene, 460)
        await make_asset(tx, hub_id=scene.hub_id, product_id=scene.product_id, state="in_stock")
    stock = await scene.row(tables.stock, product_id=scene.product_id)
    await scene.change(tables.stock, EntityKind.STOCK, stock["id"], on_hand=1)
    statements = count_statements(engine)

    await hub.reactor.catch_up()

    [held] = await scene.rows(tables.reservation)
    assert held["ticket_id"] == urgent
    kept: dict[int, list[Any]] = {}
    for row in await scene.rows(tables.decision):
        kept.setdefault(row["ticket_id"], []).append(row["explanation"]["group"])
    assert len(kept) == 41 + 460
    anew = {number: groups for number, groups in kept.items() if number != urgent and len(groups) > 1}
    # those that still wait keep the decision they had, unless there are so many by now that they are an event
    assert all(len(groups) == 2 and groups[0] is None and groups[1] is not None for groups in anew.values())
    assert len(kept[urgent]) == 2
    batches = -(-501 // TOGETHER)
    assert len(statements) <= 30 * batches


async def more_waiting(tx: AsyncConnection, scene: Scene, count: int) -> None:
    """Tickets, each about a switch of its own, with a task that asks about it."""
    times = {"created_at": NOW, "updated_at": NOW}
    failed = {"site_id": scene.site_id, "product_id": scene.product_id, "state": "deployed", "lane": "normal", **times}
    assets = await insert_numbered(tx, tables.asset, [failed] * count)
    incident = {
        "source_id": scene.source_id,
        "type": "incident",
        "priority": "P3",
        "state": "new",
        "title": "dead",
        "quantity": 1,
    }
    rows = [{**incident, "external_id": f"M{n}", "number": f"M{n}", "asset_id": n, **times} for n in assets]
    asked = {"kind": "review", "state": "open", "title": "?", **times}
    tasks = [
        {**asked, "key": f"review:{number}:no_compatible_stock", "ticket_id": number}
        for number in await insert_numbered(tx, tables.ticket, rows)
    ]
    await insert_rows(tx, tables.task, tasks)


def change(position: int, kind: EntityKind, entity_id: int, operation: str = "created", **fields: Any) -> LoggedChange:
    at: datetime = NOW
    return LoggedChange(position, kind, entity_id, operation, fields or {"state": [None, "new"]}, "x", None, at)  # type: ignore[arg-type]


def positions(changes: Sequence[LoggedChange]) -> list[list[int]]:
    return [[item.position for item in run] for run in runs(changes)]


def test_changes_are_dealt_with_together_up_to_the_next_one_that_something_else_follows_from():
    ticket, stock, reservation = EntityKind.TICKET, EntityKind.STOCK, EntityKind.RESERVATION
    assert positions([
        change(1, ticket, 1), change(2, stock, 7, "updated", on_hand=[1, 0]), change(3, ticket, 2),
        change(4, ticket, 3, "updated", url=[None, "x"]), change(5, reservation, 1), change(6, ticket, 4),
        change(7, ticket, 4, "updated", title=["a", "b"]), change(8, ticket, 5),
        change(9, ticket, 6, "updated", state=["new", "teleported"]), change(10, ticket, 7),
    ]) == [[1, 3], [5], [6], [7, 8], [9], [10]]  # fmt: skip


def test_no_more_than_a_batch_is_dealt_with_together():
    found = positions([change(number, EntityKind.TICKET, number) for number in range(1, 2 * TOGETHER + 2)])

    assert [len(run) for run in found] == [TOGETHER, TOGETHER, 1]
