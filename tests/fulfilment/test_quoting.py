"""Couriers are asked beforehand what lanes take and cost, so that the first decision over one knows it already."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock
from tests.factories import HAMBURG, MUNICH, NOW, make_asset, make_hub, make_site, make_spares, make_ticket
from tests.fulfilment.scene import ADDRESS, QUICK, Scene, make_scene
from tests.fulfilment.world import World

from connector.fulfilment.options import FulfilmentOptions
from connector.fulfilment.quoting import Asked, Quoting
from connector.fulfilment.work import Work
from connector.rules.policy.reading import read_policy
from connector.storage import tables
from connector.storage.database.engine import reading, transaction
from connector.storage.tickets.decide import explain_ticket

POLICY = read_policy("""name: test
rules:
  - {name: any, when: "true", hardware: replace, transport: [courier], ranking: [cost, arrival]}
sourcing: {courier: {transit: [{hours: 96, cost_cents: 100}], quote_days: 30}}
""")
DAY = timedelta(days=1)


@pytest.fixture
def world() -> World:
    return World()


def quoting(engine: AsyncEngine, world: World, clock: MovableClock, **options: Any) -> Quoting:
    settings = FulfilmentOptions(**{"courier": "courier", "backoff": QUICK, "lanes_asked_ahead": 100, **options})
    return Quoting(Work(engine, world.connections(clock), clock, settings), POLICY)


async def ticket_at(scene: Scene, site_id: int, count: int = 1, **values: Any) -> int:
    async with transaction(scene.database) as tx:
        for _ in range(count):
            asset = await make_asset(tx, site_id=site_id, product_id=scene.product_id)
            number = await make_ticket(tx, source_id=scene.source_id, asset_id=asset, **values)
    return number


async def test_the_first_decision_over_a_lane_knows_what_the_courier_offers_for_it(
    engine: AsyncEngine, world: World, clock: MovableClock
):
    scene = await make_scene(engine)  # Berlin, from where nothing was ever sent, to Hamburg
    ticket = await ticket_at(scene, scene.site_id)

    assert await quoting(engine, world, clock).ask() == Asked(lanes=1)

    assert world.quoted == [("Berlin Depot", "Hamburg Port")]
    offers = {row["service"]: row for row in await _offers(scene)}
    assert (offers["dhl/express"]["business_days"], offers["dhl/economy"]["amount_cents"]) == (1, 900)
    async with reading(engine) as tx:
        chosen = (await explain_ticket(tx, ticket, POLICY, NOW)).chosen
    assert chosen is not None
    assert (chosen.cost_cents, {step.name: step.text for step in chosen.steps}["transit"]) == (
        4_200, "transit and price as dhl/express offered on 2026-11-25",
    )  # fmt: skip


async def test_the_sites_with_the_most_tickets_come_first_and_of_each_the_hubs_that_could_send_something(
    engine: AsyncEngine, world: World, clock: MovableClock
):
    scene = await make_scene(engine)
    async with transaction(engine) as tx:
        places: dict[str, Any] = {"address": ADDRESS, **MUNICH}
        busy, quiet = await make_site(tx, name="Busy", **places), await make_site(tx, name="Quiet", **places)
        await make_site(tx, name="Without tickets", **places)
        await make_site(tx, name="Nowhere", address=ADDRESS, latitude=None, longitude=None)
        for name, values in (
            ("Hamburg Depot", HAMBURG),
            ("Car", {**MUNICH, "is_mobile": True}),
            ("No van", {**MUNICH, "courier_cut_offs": []}),
            ("No country", {**MUNICH, "country": None}),
        ):
            hub = await make_hub(tx, name=name, **values)
            await make_spares(tx, hub_id=hub, product_id=scene.product_id, count=1)
        await make_hub(tx, name="Empty", **MUNICH)
    await ticket_at(scene, quiet, opened_at=NOW - 89 * DAY)
    await ticket_at(scene, busy, count=2, state="closed")
    await ticket_at(scene, scene.site_id, opened_at=NOW - 91 * DAY)

    first = await quoting(engine, world, clock, lanes_asked_ahead=3).ask()
    second = await quoting(engine, world, clock, lanes_asked_ahead=3).ask()

    assert (first, second) == (Asked(lanes=3), Asked(lanes=1))
    assert world.quoted == [
        ("Berlin Depot", "Busy"), ("Hamburg Depot", "Busy"), ("Berlin Depot", "Quiet"), ("Hamburg Depot", "Quiet"),
    ]  # fmt: skip


async def test_what_was_offered_is_asked_again_before_it_counts_no_more(
    engine: AsyncEngine, world: World, clock: MovableClock
):
    scene = await make_scene(engine)
    asking = quoting(engine, world, clock)
    await ticket_at(scene, scene.site_id)
    assert await asking.ask() == Asked(lanes=1)

    clock.advance(14 * DAY)
    assert await asking.ask() == Asked()
    clock.advance(DAY)
    assert await asking.ask() == Asked(lanes=1)


async def test_a_lane_that_the_courier_does_not_serve_is_left_alone_for_a_while_and_keeps_nobody_else_back(
    engine: AsyncEngine, world: World, clock: MovableClock
):
    scene = await make_scene(engine)
    async with transaction(engine) as tx:
        other = await make_site(tx, name="Other", address=ADDRESS, **MUNICH)
    await ticket_at(scene, scene.site_id, count=2)
    await ticket_at(scene, other)
    asking = quoting(engine, world, clock)
    world.refuse = {"POST quotes": (422, 1)}

    assert await asking.ask() == Asked(lanes=1, unserved=1)
    assert world.quoted == [("Berlin Depot", "Other")]
    assert await asking.ask() == Asked()
    clock.advance(15 * DAY)
    assert await asking.ask() == Asked(lanes=2)


async def test_a_courier_that_is_down_ends_the_round_and_the_next_one_goes_on(
    engine: AsyncEngine, world: World, clock: MovableClock, caplog: pytest.LogCaptureFixture
):
    scene = await make_scene(engine)
    await ticket_at(scene, scene.site_id)
    asking = quoting(engine, world, clock)
    world.refuse = {"POST quotes": (401, 1)}

    failed = await asking.ask()
    again = await asking.ask()

    assert failed.failed is not None
    assert (failed.lanes, failed.unserved, again) == (0, 0, Asked(lanes=1))
    assert "couriers cannot be asked, decisions use what is known" in caplog.text


@pytest.mark.parametrize("options", [{"lanes_asked_ahead": 0}, {"courier": None}])
async def test_nobody_is_asked_where_that_is_not_wanted(
    engine: AsyncEngine, world: World, clock: MovableClock, options: dict[str, Any]
):
    scene = await make_scene(engine)
    await ticket_at(scene, scene.site_id)

    assert await quoting(engine, world, clock, **options).ask() == Asked()
    assert world.quoted == []


async def _offers(scene: Scene) -> list[Any]:
    async with reading(scene.database) as tx:
        return list((await tx.execute(tables.lane_quote.select())).mappings())
