"""A decision's picks are claimed on consecutive lines, all of them or none."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.factories import (
    BERLIN,
    MUNICH,
    NOW,
    make_asset,
    make_counted_stock,
    make_hub,
    make_product,
    make_site,
    make_source,
    make_spares,
    make_ticket,
)

from connector.model.errors import InvalidInput
from connector.model.kinds import Lane
from connector.rules.facts.facts import SourcingFacts
from connector.rules.policy.document import Policy
from connector.rules.policy.reading import default_policy, read_policy
from connector.rules.sourcing import together
from connector.rules.sourcing.decide import decide
from connector.rules.sourcing.decision import Decision
from connector.rules.sourcing.picks import Pick
from connector.storage import tables
from connector.storage.database.engine import reading, transaction
from connector.storage.stock.reservations import Claim
from connector.storage.stock.reserve import reserve
from connector.storage.tickets.decide import decide_and_reserve

POLICY = default_policy()


class Case:
    """Two hubs with two switches each and a box of cables in Munich; a ticket that wants switches and cables."""

    near: int
    far: int
    switch: int
    cable: int
    ticket: int

    def pick(self, hub: int, product: int, quantity: int) -> Pick:
        return Pick(hub, product, product, Lane.NORMAL, quantity, NOW + timedelta(hours=hub))


@pytest.fixture
async def case(engine: AsyncEngine) -> Case:
    made = Case()
    async with transaction(engine) as tx:
        made.far, made.near = await make_hub(tx, code="FAR", **MUNICH), await make_hub(tx, code="NEAR", **BERLIN)
        made.switch, made.cable = await make_product(tx), await make_product(tx, tracking="counted")
        for hub in (made.far, made.near):
            await make_spares(tx, hub_id=hub, product_id=made.switch, count=2)
        await make_counted_stock(tx, hub_id=made.far, product_id=made.cable, on_hand=9)
        failed = await make_asset(tx, product_id=made.switch, site_id=await make_site(tx))
        made.ticket = await make_ticket(tx, source_id=await make_source(tx), asset_id=failed)
    return made


def deciding(monkeypatch: pytest.MonkeyPatch, *choices: list[Pick]) -> list[set[tuple[int, int, Lane]]]:
    """Let the rules pick these, one choice after the other; returns what they are told about emptied shelves."""
    told: list[set[tuple[int, int, Lane]]] = []

    def instead(
        facts: SourcingFacts, policy: Policy, now: datetime, *, emptied: Collection[tuple[int, int, Lane]] = ()
    ) -> Decision:
        told.append(set(emptied))
        return replace(decide(facts, policy, now), picks=tuple(choices[len(told) - 1]))

    monkeypatch.setattr(together, "decide", instead)
    return told


async def reserved(engine: AsyncEngine) -> dict[tuple[int, int], tuple[int, int]]:
    """What is reserved by the book and by its units, for each shelf of which something is."""
    stock, asset = tables.stock, tables.asset
    async with reading(engine) as tx:
        books = await tx.execute(select(stock.c.hub_id, stock.c.product_id, stock.c.reserved))
        units = list(await tx.execute(select(asset.c.hub_id, asset.c.product_id).where(asset.c.state == "reserved")))
    return {(hub, product): (count, units.count((hub, product))) for hub, product, count in books if count}


async def test_units_of_several_shelves_take_a_line_each(
    engine: AsyncEngine, case: Case, monkeypatch: pytest.MonkeyPatch
):
    deciding(monkeypatch, [case.pick(case.near, case.switch, 2), case.pick(case.far, case.cable, 5)])

    async with transaction(engine) as tx:
        sourced = await decide_and_reserve(tx, case.ticket, POLICY, now=NOW)

    assert sourced.reserved is not None
    assert [
        (item.line, item.hub_id, item.product_id, item.quantity, item.estimated_arrival_at, item.decision_id)
        for item in sourced.reserved.reservations
    ] == [
        (1, case.near, case.switch, 1, NOW + timedelta(hours=case.near), sourced.decision_id),
        (2, case.near, case.switch, 1, NOW + timedelta(hours=case.near), sourced.decision_id),
        (3, case.far, case.cable, 5, NOW + timedelta(hours=case.far), sourced.decision_id),
    ]
    assert await reserved(engine) == {(case.near, case.switch): (2, 2), (case.far, case.cable): (5, 0)}


async def test_when_one_shelf_is_empty_nothing_of_the_others_stays_claimed(
    engine: AsyncEngine, case: Case, monkeypatch: pytest.MonkeyPatch
):
    split = [case.pick(case.near, case.switch, 1), case.pick(case.far, case.switch, 1)]
    told = deciding(monkeypatch, split, [case.pick(case.near, case.switch, 2)])
    async with transaction(engine) as tx:
        far = tables.asset.c.hub_id == case.far
        await tx.execute(update(tables.asset).values(state="quarantined").where(far))

    async with transaction(engine) as tx:
        sourced = await decide_and_reserve(tx, case.ticket, POLICY, now=NOW)

    assert told == [set(), {(case.far, case.switch, Lane.NORMAL)}]
    assert sourced.reserved is not None
    assert [(item.line, item.hub_id) for item in sourced.reserved.reservations] == [(1, case.near), (2, case.near)]
    assert await reserved(engine) == {(case.near, case.switch): (2, 2)}


async def test_a_line_that_is_taken_refuses_the_whole(engine: AsyncEngine, case: Case, monkeypatch: pytest.MonkeyPatch):
    deciding(monkeypatch, [case.pick(case.near, case.switch, 2)])
    async with transaction(engine) as tx:
        claim = Claim(case.ticket, case.far, case.switch, case.switch, line=2)
        await reserve(tx, claim, actor="test", at=NOW)
    before = await reserved(engine)

    with pytest.raises(InvalidInput, match=f"ticket {case.ticket} has a reservation on line 2 already"):
        async with transaction(engine) as tx:
            await decide_and_reserve(tx, case.ticket, POLICY, now=NOW)

    assert await reserved(engine) == before


async def test_a_ticket_for_three_is_split_over_two_hubs_where_its_rule_allows(engine: AsyncEngine, case: Case):
    document = """
    name: test
    rules: [{name: any, when: "true", hardware: replace, split: SPLIT}]
    sourcing: {courier: {transit: [{hours: 24}]}}
    """
    async with transaction(engine) as tx:
        await tx.execute(update(tables.ticket).where(tables.ticket.c.id == case.ticket).values(quantity=3))
        whole = await decide_and_reserve(tx, case.ticket, read_policy(document.replace("SPLIT", "never")), now=NOW)
        split = await decide_and_reserve(tx, case.ticket, read_policy(document.replace("SPLIT", "allowed")), now=NOW)

    assert (whole.reserved, whole.decision.reason.value) == (None, "nothing_reachable")
    lines = [(item.line, item.hub_id, item.quantity) for item in split.reserved.reservations]
    assert [line for line, _, _ in lines] == [1, 2, 3]
    assert sorted(hub for _, hub, _ in lines) == sorted([case.near, case.near, case.far])
    assert await reserved(engine) == {(case.near, case.switch): (2, 2), (case.far, case.switch): (1, 1)}
