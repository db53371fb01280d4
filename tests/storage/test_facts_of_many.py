"""The facts of many tickets are those of each, read with as many statements."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.factories import (
    BERLIN,
    MUNICH,
    NOW,
    insert_row,
    make_asset,
    make_hub,
    make_product,
    make_service_class,
    make_site,
    make_source,
    make_spares,
    make_ticket,
)

from connector.rules.policy.reading import default_policy
from connector.storage import tables
from connector.storage.database.engine import reading, transaction
from connector.storage.facts.facts import FactsToReserve, facts_to_reserve_many, sourcing_facts
from connector.storage.tickets.decide import decide_and_reserve


@pytest.fixture
async def tickets(engine: AsyncEngine) -> list[int]:
    """Of every kind: with substitutes, without, relieved by the one before, without a product, with nothing."""
    async with transaction(engine) as tx:
        hubs = [await make_hub(tx, **BERLIN), await make_hub(tx, **MUNICH)]
        switch, stand_in, router = [await make_product(tx) for _ in range(3)]
        pair = {"product_id": switch, "substitute_id": stand_in, "preference": 1}
        await insert_row(tx, tables.compatibility, pair)
        for number, product in enumerate((switch, stand_in, router)):
            for hub in hubs[: number + 1]:
                await make_spares(tx, hub_id=hub, product_id=product, count=2 + number)
        source, site = await make_source(tx), await make_site(tx, service_class_id=await make_service_class(tx))
        failed = [await make_asset(tx, product_id=product, site_id=site) for product in (switch, switch, router, None)]
        found = [await make_ticket(tx, source_id=source, asset_id=asset) for asset in failed]
        found.append(await make_ticket(tx, source_id=source, asset_id=failed[0]))
        found.append(await make_ticket(tx, source_id=source, product_id=stand_in, site_id=site))
        found.append(await make_ticket(tx, source_id=source))
        await decide_and_reserve(tx, found[0], default_policy(), now=NOW)
    return found


async def test_the_facts_of_many_tickets_are_those_of_each(engine: AsyncEngine, tickets: list[int]):
    async with reading(engine) as tx:
        each = {ticket: FactsToReserve(await sourcing_facts(tx, ticket), None, 1) for ticket in tickets}
        many = await facts_to_reserve_many(tx, [*tickets, 404], 1)

    assert many == {**each, tickets[0]: None}  # it has its reservation
    relieved = many[tickets[4]]
    assert relieved is not None
    assert relieved.facts.relief is not None


async def test_many_tickets_take_as_many_statements_as_one(engine: AsyncEngine, tickets: list[int]):
    statements: list[str] = []

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    counts = []
    async with reading(engine) as tx:
        for some in ([tickets[4]], tickets):
            statements.clear()
            await facts_to_reserve_many(tx, some, 1)
            counts.append(len([text for text in statements if text.lstrip().startswith(("SELECT", "WITH"))]))

    assert counts == [4, 4]
