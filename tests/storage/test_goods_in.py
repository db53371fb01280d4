"""Goods that come from outside onto a shelf, or in use at a site."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.factories import BERLIN, NOW, make_asset, make_hub, make_product, make_site, make_spares

from connector.model.errors import ConnectorError, IllegalTransition, InvalidInput
from connector.model.kinds import Lane, Tracking
from connector.storage import tables
from connector.storage.database.engine import reading, transaction
from connector.storage.stock.book import Shelf
from connector.storage.stock.goods_in import put_into_use, take_into_stock


async def books(engine: AsyncEngine) -> list[tuple[int, int]]:
    async with reading(engine) as tx:
        return [tuple(row) for row in await tx.execute(select(tables.stock.c.on_hand, tables.stock.c.reserved))]


async def taken(engine: AsyncEngine, quantity: int, serials: Sequence[str], tracking: Tracking, *, spares: int = 0):
    async with transaction(engine) as tx:
        hub = await make_hub(tx, code="BER", **BERLIN)
        product = await make_product(tx, tracking=tracking)
        if spares:
            await make_spares(tx, hub_id=hub, product_id=product, count=spares)
        shelf = Shelf(hub, product, Lane.NORMAL)
        await take_into_stock(tx, shelf, quantity, serials, tracking, actor="ada", cause="order", at=NOW)
        return shelf


async def test_serialised_units_come_to_the_shelf_by_their_serials(engine: AsyncEngine):
    shelf = await taken(engine, 2, ["N-1", " N-2 "], Tracking.SERIALISED, spares=1)

    assert await books(engine) == [(3, 0)]
    async with reading(engine) as tx:
        found = select(tables.asset.c.serial).where(tables.asset.c.hub_id == shelf.hub_id)
        serials = set((await tx.execute(found)).scalars())
    assert {"N-1", "N-2"} <= serials


async def test_counted_units_are_added_to_the_book_which_is_opened_when_there_is_none(engine: AsyncEngine):
    shelf = await taken(engine, 5, [], Tracking.COUNTED)
    async with transaction(engine) as tx:
        await take_into_stock(tx, shelf, 2, [], Tracking.COUNTED, actor="ada", cause="order", at=NOW)

    assert await books(engine) == [(7, 0)]


@pytest.mark.parametrize(
    ("quantity", "serials", "tracking", "error", "text"),
    [
        (2, ["N-1"], Tracking.SERIALISED, InvalidInput, "2 units were ordered, 1 serials are given"),
        (1, [" "], Tracking.SERIALISED, InvalidInput, "' ' is no serial"),
        (1, ["N-1"], Tracking.COUNTED, InvalidInput, "1 serials are given for a product that is counted"),
        (2, ["N-1", "N-1"], Tracking.SERIALISED, IllegalTransition, "asset 'N-1' is in_stock at a hub already"),
    ],
)
async def test_what_does_not_fit_is_refused_and_nothing_is_taken_in(
    engine: AsyncEngine, quantity: int, serials: list[str], tracking: Tracking, error: type[ConnectorError], text: str
):
    with pytest.raises(error) as refused:
        await taken(engine, quantity, serials, tracking)

    assert refused.value.message.startswith(text)
    assert await books(engine) == []


async def test_a_device_that_is_known_as_ordered_is_in_use_where_it_was_delivered(engine: AsyncEngine):
    async with transaction(engine) as tx:
        site, product = await make_site(tx), await make_product(tx)
        known = await make_asset(tx, product_id=product, serial="N-1", state="ordered")
        await put_into_use(tx, site, product, 1, ["N-1"], actor="ada", cause="order", at=NOW)

    async with reading(engine) as tx:
        row = (await tx.execute(select(tables.asset).where(tables.asset.c.id == known))).mappings().one()
    assert (row["state"].value, row["site_id"], row["hub_id"]) == ("deployed", site, None)
