"""Who gets what has arrived: one line over everybody who waits, whatever was written first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock
from tests.factories import NOW, make_asset
from tests.fulfilment.scene import Scene, make_engine, make_scene
from tests.fulfilment.test_react_together import more_waiting, open_tickets, pass_over
from tests.fulfilment.world import World

from connector.fulfilment import reactions
from connector.fulfilment.engine import FulfilmentEngine
from connector.fulfilment.procurement import Report
from connector.fulfilment.react import READER
from connector.model.lifecycle import ProcurementState
from connector.model.principals import Principal
from connector.model.refs import EntityKind
from connector.rules.facts.facts import SourcingFacts
from connector.rules.policy.channels import ScopeKey
from connector.rules.policy.reading import read_policy
from connector.rules.sourcing import together
from connector.rules.sourcing.decide import decide
from connector.rules.sourcing.decision import Decision
from connector.storage import tables
from connector.storage.database.changes import reader_position
from connector.storage.database.engine import Transaction, reading, transaction
from connector.storage.tickets.decide import Sourced, decide_and_reserve_many

POLICY = read_policy("""name: test
red_channels:
  recall: {roles: [duty-manager], max_hours: 24, scope: [regions], when: ticket.title == 'recalled'}
rules:
  - {name: hardware, when: "true", hardware: replace}
sourcing:
  courier: {transit: [{hours: 24}]}
""")
ORDERING = read_policy("""name: test
rules:
  - name: hardware
    when: "true"
    hardware: replace
    ladder: [stock, {kind: vendor_replacement, when: ticket.priority == 'P4'}, person]
sourcing:
  suppliers: {acme: {offers: [vendor_replacement], lead_hours: 24}}
  courier: {transit: [{hours: 24}]}
""")
DUTY = Principal("dan", frozenset({"duty-manager"}))


@pytest.fixture
def hub(engine: AsyncEngine, database: str, world: World, clock: MovableClock) -> FulfilmentEngine:
    """Not launched: its reactor reads the log when a test says so."""
    return make_engine(engine, database, world.connections(clock), clock, policy=POLICY)


async def arrives(scene: Scene, units: int = 1) -> None:
    """So many units more come on the shelf."""
    async with transaction(scene.database) as tx:
        for _ in range(units):
            await make_asset(tx, hub_id=scene.hub_id, product_id=scene.product_id, state="in_stock")
    stock = await scene.row(tables.stock, product_id=scene.product_id)
    await scene.change(tables.stock, EntityKind.STOCK, stock["id"], on_hand=stock["on_hand"] + units)


async def served(scene: Scene) -> list[int]:
    """Tickets in the order in which they were given something."""
    return [row["ticket_id"] for row in await scene.rows(tables.reservation)]


async def test_what_arrives_goes_through_the_line_over_the_whole_queue(engine: AsyncEngine, hub: FulfilmentEngine):
    scene = await make_scene(engine, spares=0)
    async with transaction(engine) as tx:
        await more_waiting(tx, scene, 120)  # P3, opened NOW: more than two transactions' worth
    red = (await open_tickets(scene, 1, priority="P5", title="recalled"))[0]
    urgent = (await open_tickets(scene, 1, priority="P1"))[0]
    [plain] = await open_tickets(scene, 1, priority="P5")
    aged = (await open_tickets(scene, 1, priority="P3", opened_at=NOW - timedelta(hours=25)))[0]
    await hub.reactor.catch_up()
    scope = {ScopeKey.REGIONS: ["EU"]}
    await hub.channels.open("recall", by=DUTY, reason="x", scope=scope, ends_at=NOW + timedelta(hours=1), key="o")
    await hub.reactor.catch_up()

    await arrives(scene, 3)
    await hub.reactor.catch_up()

    assert await served(scene) == [red, urgent, aged]
    assert plain not in await served(scene)


async def test_a_ticket_that_comes_with_the_stock_goes_no_further_ahead_than_its_rank(
    engine: AsyncEngine, hub: FulfilmentEngine
):
    scene = await make_scene(engine, spares=0)
    [waiting] = await open_tickets(scene, 1, priority="P3")
    await hub.reactor.catch_up()

    [weak] = await open_tickets(scene, 1, priority="P4")
    await arrives(scene, 2)
    [strong] = await open_tickets(scene, 1, priority="P1")
    await hub.reactor.catch_up()

    assert await served(scene) == [strong, waiting]
    assert [row["ticket_id"] for row in await scene.rows(tables.task, kind="review", state="open")] == [weak]


async def test_of_a_whole_page_of_new_tickets_the_most_urgent_are_decided_first(
    engine: AsyncEngine, hub: FulfilmentEngine
):
    scene = await make_scene(engine, spares=2)
    first = await open_tickets(scene, 60, priority="P4")
    last = await open_tickets(scene, 1, priority="P2")

    await hub.reactor.catch_up()

    assert await served(scene) == [*last, first[0]]
    assert len(await scene.rows(tables.decision)) == 61


async def test_a_ticket_whose_order_is_refused_while_others_wait_is_decided_about_once(
    engine: AsyncEngine, database: str, world: World, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
):
    hub = make_engine(engine, database, world.connections(clock), clock, policy=ORDERING)
    await hub._durable.launch()  # workflows begin; the log is read when this test says so
    scene = await make_scene(engine, spares=0)
    [ordering] = await open_tickets(scene, 1, priority="P4")
    [waiting] = await open_tickets(scene, 1, priority="P1")
    await hub.reactor.catch_up()
    order = await scene.row(tables.procurement)
    asked: list[int] = []

    async def counted(tx: Transaction, ticket_ids: Iterable[int], *args: Any, **values: Any) -> dict[int, Sourced]:
        asked.extend(numbers := list(ticket_ids))
        return await decide_and_reserve_many(tx, numbers, *args, **values)

    monkeypatch.setattr(reactions, "decide_and_reserve_many", counted)
    refused = Report(ProcurementState.REFUSED, reason="out of warranty")
    await hub.commands.procurements.record(order["id"], refused, key="no", actor="ada")
    await arrives(scene)
    await hub.reactor.catch_up()
    await hub._durable.close()

    assert order["ticket_id"] == ordering
    assert sorted(asked) == sorted([waiting, ordering])
    assert await served(scene) == [waiting]
    assert [row["ticket_id"] for row in await scene.rows(tables.task, kind="review", state="open")] == [ordering]


async def test_a_hub_that_dies_before_it_has_looked_at_the_line_looks_at_it_again(
    engine: AsyncEngine, hub: FulfilmentEngine, monkeypatch: pytest.MonkeyPatch
):
    scene = await make_scene(engine, spares=0)
    [waiting] = await open_tickets(scene, 1, priority="P3")
    await hub.reactor.catch_up()
    await arrives(scene)
    await open_tickets(scene, 1, priority="P4")
    async with reading(engine) as tx:
        before = await reader_position(tx, READER)

    with monkeypatch.context() as dying:
        dying.setattr(hub.reactor, "_decide_waiting", dies)
        with pytest.raises(asyncio.CancelledError):
            await hub.reactor.catch_up()
    async with reading(engine) as tx:
        assert await reader_position(tx, READER) == before
    await hub.reactor.catch_up()

    assert await served(scene) == [waiting]


async def dies(*_args: Any) -> bool:
    raise asyncio.CancelledError


async def test_one_that_waits_and_cannot_be_decided_is_shown_and_the_others_are_served(
    engine: AsyncEngine, hub: FulfilmentEngine, monkeypatch: pytest.MonkeyPatch
):
    scene = await make_scene(engine, spares=0)
    tickets = await open_tickets(scene, 3, priority="P3")
    await hub.reactor.catch_up()

    def broken(facts: SourcingFacts, *args: Any, **kwargs: Any) -> Decision:
        if facts.ticket.id == tickets[0]:
            raise ZeroDivisionError("a rule that nobody has tried")
        return decide(facts, *args, **kwargs)

    monkeypatch.setattr(together, "decide", broken)
    await pass_over(engine)
    await arrives(scene, 3)

    await hub.reactor.catch_up()

    assert await served(scene) == tickets[1:]
    shown = await scene.row(tables.task, key=f"error:ticket:{tickets[0]}")
    assert shown["title"] == f"Ticket {tickets[0]} could not be decided about again"
