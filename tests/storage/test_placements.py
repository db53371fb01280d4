"""Where spares stand and belong, from what the database holds."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.factories import (
    BERLIN,
    MUNICH,
    NEW_YORK,
    NOW,
    insert_row,
    make_asset,
    make_counted_stock,
    make_hub,
    make_product,
    make_service_class,
    make_site,
    make_source,
    make_ticket,
)

from connector.model.errors import InvalidInput
from connector.model.kinds import HubTier
from connector.rules.placement.belonging import Place
from connector.rules.placement.verdict import PlacementVerdict
from connector.rules.policy.reading import default_policy
from connector.storage import tables
from connector.storage.database.engine import reading, transaction
from connector.storage.facts.placement import read_placed
from connector.storage.stock.placements import Placement, list_placements

YEAR = timedelta(days=365)


class Region:
    """A region with a critical site, an office, a central, a regional and a local hub."""

    source: int
    critical: int
    office: int
    central: int
    regional: int
    local: int


@pytest.fixture
async def eu(engine: AsyncEngine) -> Region:
    eu = Region()
    async with transaction(engine) as tx:
        eu.source = await make_source(tx)
        slow = await make_service_class(
            tx, "next-business-day", maximum_outage_minutes=1080, calendar="business",
            business_hours="Mon-Fri 08:00-17:00",
        )  # fmt: skip
        eu.critical = await make_site(tx, service_class_id=await make_service_class(tx))
        eu.office = await make_site(tx, service_class_id=slow)
        eu.central = await make_hub(tx, tier="central", region=None, **MUNICH)
        eu.regional = await make_hub(tx)
        eu.local = await make_hub(tx, tier="local")
    return eu


async def used(tx: AsyncConnection, eu: Region, product: int, site: int | None, **values: Any) -> int:
    """A claim that was fulfilled a year ago."""
    ticket = await make_ticket(tx, source_id=eu.source, site_id=site)
    at = NOW - YEAR + timedelta(minutes=1)
    defaults = {
        "ticket_id": ticket, "hub_id": eu.regional, "product_id": product, "requested_product_id": product,
        "state": "fulfilled", "created_at": at, "updated_at": at,
    }  # fmt: skip
    return await insert_row(tx, tables.reservation, {**defaults, **values})


async def placements(engine: AsyncEngine, at: datetime = NOW, **asked: Any) -> list[Placement]:
    async with reading(engine) as tx:
        page = await list_placements(tx, default_policy(), at, **{"first": 50, **asked})
    return list(page.placements)


async def test_use_stock_and_devices_are_counted_by_region_and_product(engine: AsyncEngine, eu: Region):
    async with transaction(engine) as tx:
        switch, other = await make_product(tx), await make_product(tx)
        abroad = await make_site(tx, region="US", **NEW_YORK)
        nowhere = await make_site(tx, region=None)
        await used(tx, eu, switch, eu.office, quantity=2)
        await used(tx, eu, switch, eu.office, product_id=other)
        await used(tx, eu, switch, eu.critical, site_id=abroad)
        await used(tx, eu, switch, None)
        for ignored in (
            {"state": "released"}, {"state": "held"}, {"line": 0}, {"created_at": NOW - YEAR - timedelta(minutes=1)},
        ):  # fmt: skip
            await used(tx, eu, switch, eu.office, **ignored)
        await make_counted_stock(tx, hub_id=eu.regional, product_id=switch, on_hand=3)
        await make_counted_stock(tx, hub_id=eu.regional, product_id=switch, on_hand=1, lane="break_glass")
        await make_counted_stock(tx, hub_id=eu.regional, product_id=switch, on_hand=9, lane="loaner")
        await make_counted_stock(tx, hub_id=eu.local, product_id=switch, on_hand=2)
        await make_counted_stock(tx, hub_id=eu.central, product_id=switch, on_hand=7)
        closed = await make_hub(tx, retired_at=NOW)
        await make_counted_stock(tx, hub_id=closed, product_id=switch, on_hand=5)
        await make_asset(tx, product_id=switch, site_id=eu.critical)
        await make_asset(tx, product_id=switch, site_id=nowhere)
        await make_asset(tx, product_id=switch, site_id=eu.critical, state="return_pending")
        await make_counted_stock(tx, hub_id=eu.central, product_id=other, on_hand=4)

    async with reading(engine) as tx:
        rows = await read_placed(tx, since=NOW - YEAR, limit=10)

    assert [(row.region, row.product_id, row.used, row.in_use, row.units) for row in rows] == [
        ("", switch, 0, 1, {HubTier.LOCAL: 0, HubTier.REGIONAL: 0, HubTier.CENTRAL: 7}),
        ("EU", switch, 4, 1, {HubTier.LOCAL: 2, HubTier.REGIONAL: 4, HubTier.CENTRAL: 7}),
        ("US", switch, 1, 0, {HubTier.LOCAL: 0, HubTier.REGIONAL: 0, HubTier.CENTRAL: 7}),
    ]
    assert {len(row.classes) for row in rows} == {1, 3}


async def test_what_is_needed_seldom_and_comes_the_next_day_does_not_belong_in_a_regional_hub(
    engine: AsyncEngine, eu: Region
):
    async with transaction(engine) as tx:
        switch = await make_product(tx)
        for _ in range(4):
            await used(tx, eu, switch, eu.office)
        await make_counted_stock(tx, hub_id=eu.regional, product_id=switch, on_hand=1)

    (found,) = await placements(engine)

    assert found.judged.belongs.place is Place.CENTRAL
    assert found.judged.verdict is PlacementVerdict.TOO_NEAR
    assert (round(found.judged.per_quarter, 2), found.judged.is_measured, round(found.days)) == (1.0, True, 365)
    assert found.judged.belongs.reason == (
        "impact high, complexity low; needed 1.0 times a quarter, seldom (up to 1.5), and next-day delivery is in time "
        "for 100% of tickets of service class 'next-business-day'"
    )


async def test_the_same_stays_near_where_a_service_cannot_wait_for_the_next_day(engine: AsyncEngine, eu: Region):
    async with transaction(engine) as tx:
        switch = await make_product(tx)
        for site in (eu.office, eu.office, eu.office, eu.critical):
            await used(tx, eu, switch, site)
        await make_counted_stock(tx, hub_id=eu.central, product_id=switch, on_hand=5)

    (found,) = await placements(engine)

    assert (found.judged.belongs.place, found.judged.verdict) == (Place.REGIONAL, PlacementVerdict.TOO_FAR)
    assert found.judged.belongs.reason == (
        "impact high, complexity low; needed 1.0 times a quarter, but next-day delivery is in time for 0% of tickets "
        "of service class 'critical' (90 % are wanted)"
    )


async def test_before_enough_use_is_recorded_the_failures_of_the_class_say_what_is_needed(
    engine: AsyncEngine, eu: Region
):
    async with transaction(engine) as tx:
        laptop = await make_product(tx, asset_class="laptop")
        await tx.execute(
            insert(tables.asset),
            [{"product_id": laptop, "site_id": eu.office, "state": "deployed", "created_at": NOW, "updated_at": NOW}]
            * 200,
        )

    (found,) = await placements(engine)

    assert (found.placed.in_use, found.judged.per_quarter, found.judged.is_measured) == (200, 2.5, False)
    assert (found.judged.belongs.place, found.judged.verdict) == (Place.REGIONAL, PlacementVerdict.TOO_FAR)
    assert found.judged.cover == "7-14 days"


async def test_pages_follow_each_other_and_can_be_narrowed(engine: AsyncEngine, eu: Region):
    async with transaction(engine) as tx:
        hubs = [eu.regional, await make_hub(tx, region="US"), await make_hub(tx, region=None)]
        products = [await make_product(tx, asset_class="badge reader") for _ in range(3)]
        for hub_id in hubs:
            for number, product in enumerate(products):
                await make_counted_stock(tx, hub_id=hub_id, product_id=product, on_hand=number)
                await make_asset(tx, product_id=product, site_id=eu.critical)
    wanted = [(region, product) for region in ("", "EU", "US") for product in products[1:]]
    wanted.insert(2, ("EU", products[0]))

    seen: list[tuple[str, int]] = []
    after: str | None = None
    async with reading(engine) as tx:
        for _ in range(4):
            page = await list_placements(tx, default_policy(), NOW, first=2, after=after)
            seen += [item.placed.pair for item in page.placements]
            after = page.end_cursor
            assert page.has_more == (len(seen) < 7)
        narrowed = await list_placements(tx, default_policy(), NOW, first=9, region="EU", product_id=products[1])
        unknown = await list_placements(tx, default_policy(), NOW, first=9, region="")
        beyond = await list_placements(tx, default_policy(), NOW, first=9, after=after)

    assert seen == wanted
    assert [item.placed.pair for item in narrowed.placements] == [("EU", products[1])]
    assert [item.placed.pair for item in unknown.placements] == [("", product) for product in products[1:]]
    assert (beyond.placements, beyond.has_more, beyond.end_cursor) == ((), False, None)


async def test_only_what_is_misplaced_or_only_what_is_not(
    engine: AsyncEngine, eu: Region, monkeypatch: pytest.MonkeyPatch
):
    async with transaction(engine) as tx:
        products = [await make_product(tx) for _ in range(6)]
        for number, product in enumerate(products):
            await make_asset(tx, product_id=product, site_id=eu.critical)
            if number % 3:
                await make_counted_stock(tx, hub_id=eu.regional, product_id=product, on_hand=1)

    wrong = await placements(engine, misplaced=True)
    right = await placements(engine, misplaced=False)
    monkeypatch.setattr("connector.storage.stock.placements.LARGEST_LOOK", 2)
    async with reading(engine) as tx:
        first = await list_placements(tx, default_policy(), NOW, first=9, misplaced=True)
        second = await list_placements(tx, default_policy(), NOW, first=9, misplaced=True, after=first.end_cursor)

    assert [item.placed.product_id for item in wrong] == [products[0], products[3]]
    assert {item.judged.verdict for item in wrong} == {PlacementVerdict.TOO_FAR}
    assert [item.placed.product_id for item in right] == [products[number] for number in (1, 2, 4, 5)]
    assert ([item.placed.product_id for item in first.placements], first.has_more) == ([products[0]], True)
    assert ([item.placed.product_id for item in second.placements], second.has_more) == ([products[3]], True)


async def test_an_empty_hub_has_nothing_to_place(engine: AsyncEngine):
    assert await placements(engine) == []


@pytest.mark.parametrize("cursor", ["", "nonsense", "WyJwbGFjZW1lbnQiLCAxXQ", "🙂"])
async def test_a_cursor_of_something_else_is_refused(engine: AsyncEngine, cursor: str):
    async with reading(engine) as tx:
        with pytest.raises(InvalidInput, match="is not one of ours"):
            await list_placements(tx, default_policy(), NOW, first=2, after=cursor)


async def test_a_page_costs_as_many_statements_whatever_its_length(engine: AsyncEngine, eu: Region):
    async with transaction(engine) as tx:
        for number in range(12):
            site = await make_site(tx, region=f"R{number:02}", **BERLIN)
            await make_asset(tx, product_id=await make_product(tx), site_id=site)
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_others: Any) -> None:
        statements.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    counts = []
    for first in (1, 12):
        async with reading(engine) as tx:
            await list_placements(tx, default_policy(), NOW, first=first)
            statements.clear()
            await list_placements(tx, default_policy(), NOW, first=first)
            counts.append(len(statements))
    event.remove(engine.sync_engine, "before_cursor_execute", note)

    assert counts == [3, 3]
