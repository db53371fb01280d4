"""What holds of what several sources state of one thing: precedence, freshness, overrides, what is left of the rest."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.api.test_queries import statements
from tests.conftest import MovableClock
from tests.factories import NOW
from tests.ingest.conftest import Intake
from tests.ingest.records import asset, gone, hub, product, ref, site
from tests.ingest.test_assets import claim

from connector.ingest.overriding import override_field, release_override
from connector.ingest.tending import tend_golden_record
from connector.model.errors import IllegalTransition, InvalidInput, NotKnown
from connector.model.kinds import HubTier, SourceState
from connector.model.lifecycle import AssetState
from connector.model.refs import EntityKind
from connector.sdk import ProductKey
from connector.storage import tables
from connector.storage.database.engine import open_engine, reading, transaction
from connector.storage.database.rows import update_logged
from connector.storage.sources.sources import set_condition, source_ids

SAME = {"serial": "SN-A1"}


@pytest.fixture
def intake(engine: AsyncEngine, clock: MovableClock) -> Intake:
    return Intake(engine, clock)


async def prefer(intake: Intake, orders: Mapping[str, Sequence[str]], **fresh_days: int) -> int:
    return await tend_golden_record(intake.engine, intake.clock, orders, fresh_days)


async def conflicts(intake: Intake) -> dict[str, tuple[str | None, str, dict[str, Any]]]:
    """Field -> (whose value holds, why, source -> what it states)."""
    async with reading(intake.engine) as tx:
        rows = (await tx.execute(select(tables.field_conflict))).all()
    return {row.field: (row.source, row.reason.value, {one[0]: one[2][0] for one in row.statements}) for row in rows}


def monitored(v: int = 1, **values: Any) -> Any:
    """The device `a1`, as a second system calls it; it says nothing but its serial and what is given."""
    silent = {"name": None, "asset_tag": None, "product": None, "place": None, "state": None}
    return asset("77", v=v, **{**silent, **SAME, **values})


async def test_the_first_source_of_the_precedence_that_states_a_field_gives_its_value(intake: Intake):
    await prefer(intake, {"asset": ["cmdb", "mdm"], "asset.holder": ["mdm", "cmdb"]})
    await intake(site(), asset(holder="grace", revision=None))

    await intake(monitored(name="laptop-7", holder="ada", revision="V02"), source="mdm")

    row = await intake.row("asset")
    assert (row["name"], row["holder"], row["revision"]) == ("sw-a1", "ada", "V02")
    assert await conflicts(intake) == {
        "holder": ("mdm", "precedence", {"cmdb": "grace", "mdm": "ada"}),
        "name": ("cmdb", "precedence", {"cmdb": "sw-a1", "mdm": "laptop-7"}),
    }


async def test_without_a_precedence_whoever_said_something_else_last_is_believed_not_who_repeats_it(intake: Intake):
    await intake(site(), asset(holder="grace"))
    await intake(monitored(holder="ada"), source="mdm")
    said_last = (await intake.row("asset"))["holder"]

    await intake(asset(v=2, holder="grace", revision="V09"))

    row = await intake.row("asset")
    assert (said_last, row["holder"], row["revision"]) == ("ada", "ada", "V09")
    assert (await conflicts(intake))["holder"] == ("mdm", "last_said", {"cmdb": "grace", "mdm": "ada"})


async def test_a_listed_source_goes_before_one_that_is_not(intake: Intake):
    await prefer(intake, {"default": ["cmdb"]})
    await intake(site(), asset(holder="grace"))

    await intake(monitored(holder="ada"), source="mdm")

    assert (await intake.row("asset"))["holder"] == "grace"


async def test_a_value_that_its_source_erases_falls_back_to_what_another_states_and_the_conflict_is_over(
    intake: Intake,
):
    await prefer(intake, {"asset": ["cmdb", "mdm"]})
    await intake(site(), asset(holder="grace", url="https://cmdb.example.com/1"))
    await intake(monitored(holder="ada"), source="mdm")

    await intake(asset(v=2, holder=None, url=None))

    row = await intake.row("asset")
    assert (row["holder"], row["url"]) == ("ada", None)
    assert await conflicts(intake) == {}


async def test_what_a_deleted_reference_stated_counts_no_longer_but_is_not_forgotten(intake: Intake):
    await prefer(intake, {"asset": ["cmdb", "mdm"]})
    await intake(site(), asset(holder="grace", revision="V01"))
    await intake(monitored(holder="ada"), source="mdm")

    await intake(gone("asset", "a1"))

    row = await intake.row("asset")
    assert (row["holder"], row["revision"], row["retired_at"]) == ("ada", "V01", None)
    assert await conflicts(intake) == {}
    assert [one["stated"] is None for one in await intake.refs() if one["kind"] is EntityKind.ASSET] == [True, False]


async def test_what_the_hub_or_a_person_changed_stays_until_a_source_says_something_else(intake: Intake):
    await intake(site(), asset(holder="grace"))
    async with transaction(intake.engine) as tx:
        await update_logged(
            tx, tables.asset, EntityKind.ASSET, 1, {"holder": "ada"}, actor="ada", at=intake.clock.now()
        )

    await intake(asset(v=2, holder="grace", revision="V02"))
    repeated = (await intake.row("asset"))["holder"]
    await intake(asset(v=3, holder="linus", revision="V02"))

    assert (repeated, (await intake.row("asset"))["holder"]) == ("ada", "linus")


async def test_a_position_comes_from_one_source_as_a_whole(intake: Intake):
    await prefer(intake, {"site": ["cmdb", "maps"], "site.position": ["maps", "cmdb"]})
    await intake(site(code="BER"))

    await intake(site("m1", name="Berlin", code="BER", point={"latitude": 52.6, "longitude": 13.5}), source="maps")

    row = await intake.row("site")
    assert (row["latitude"], row["longitude"], row["name"]) == (52.6, 13.5, "Site s1")


async def test_a_hub_and_a_product_have_golden_values_too(intake: Intake):
    await prefer(intake, {"hub": ["wms", "cmdb"], "product": ["erp", "cmdb"]})
    await intake(hub(tier=HubTier.LOCAL, handling_minutes=20), product(sku="S1", unit_cost_cents=100, currency="EUR"))

    await intake(
        hub("w1", code="H1", tier=HubTier.REGIONAL, courier_cut_offs=("12:00",)),
        product("e1", sku="S1", unit_cost_cents=120, currency="USD", criticality=None),
        source="wms",
    )
    await intake(product("e1", sku="S1", unit_cost_cents=130, currency="USD"), source="erp")

    one, other = await intake.row("hub"), await intake.row("product")
    assert (one["tier"], one["courier_cut_offs"], one["handling_minutes"]) == (HubTier.REGIONAL, ["12:00"], 20)
    assert (other["unit_cost_cents"], other["currency"]) == (130, "USD")
    assert {"tier", "name", "unit_cost"} <= (await conflicts(intake)).keys()


async def test_news_of_state_and_place_count_by_precedence_and_are_not_undone_by_a_repetition(intake: Intake):
    await prefer(intake, {"asset.place": ["cmdb", "mdm"], "asset.state": ["mdm", "cmdb"]})
    await intake(site(), site("s2"), asset(state=AssetState.DEPLOYED))
    await intake(site("x2", name="Site s2", code=None), source="mdm")

    await intake(monitored(place=ref("site", "x2"), state=AssetState.LOST), source="mdm")

    row = await intake.row("asset")
    assert (row["site_id"], row["state"]) == (1, AssetState.LOST)
    assert (await conflicts(intake))["place"] == ("cmdb", "precedence", {"cmdb": 1, "mdm": 2})


async def test_the_name_of_a_product_is_that_of_the_source_that_goes_first(intake: Intake):
    await prefer(intake, {"product": ["catalogue"]})
    await intake(product(sku="S1"), source="catalogue")

    other = ProductKey(manufacturer="Cisco", model="C9300-48P-A")
    await intake(product("e1", sku="S1", key=other), source="erp")

    assert (await intake.row("product"))["model"] == "C9300-48P"


async def test_a_fall_back_never_takes_a_code_that_another_thing_has(intake: Intake):
    await prefer(intake, {"product": ["erp", "cmdb"]})
    await intake(product(sku="OLD"))
    await intake(product("e1", sku="NEW"), source="erp")
    await intake(product("e2", key=ProductKey(manufacturer="Dell", model="R660"), sku="OLD"), source="erp")

    await intake(product("e1", v=2, sku=None), source="erp")

    assert [row["sku"] for row in await intake.rows("product")] == ["NEW", "OLD"]


async def test_another_precedence_takes_hold_of_what_is_there_already(intake: Intake):
    await intake(site(), asset(holder="grace"), asset("a2", holder="only"))
    await intake(monitored(holder="ada"), source="mdm")

    done = await prefer(intake, {"asset": ["cmdb", "mdm"]})
    again = await prefer(intake, {"asset": ["cmdb", "mdm"]})

    assert [row["holder"] for row in await intake.rows("asset")] == ["grace", "only"]
    assert (done, again) == (1, 0)
    last = (await intake.changes("asset"))[-1]
    assert (last["actor"], last["fields"]) == ("golden-record", {"holder": ["ada", "grace"]})
    assert (await conflicts(intake))["holder"][:2] == ("cmdb", "precedence")


async def test_a_source_that_is_not_heard_of_yields_until_it_is_back(intake: Intake):
    orders = {"asset": ["mdm", "cmdb"]}
    await prefer(intake, orders, mdm=30)
    await intake(site(), asset(holder="grace"))
    await intake(monitored(holder="ada"), source="mdm")
    await worked(intake, "mdm")
    intake.clock.advance(timedelta(days=31))
    await worked(intake, "cmdb")

    await prefer(intake, orders, mdm=30)
    while_away = ((await intake.row("asset"))["holder"], (await conflicts(intake))["holder"][:2])
    await worked(intake, "mdm")
    await prefer(intake, orders, mdm=30)

    assert while_away == ("grace", ("cmdb", "freshness"))
    assert (await intake.row("asset"))["holder"] == "ada"


async def test_records_that_say_nothing_new_cost_what_they_did(intake: Intake):
    await intake(site(), asset(holder="grace"))
    await intake(monitored(holder="ada"), source="mdm")
    before = await intake.refs()

    with statements(intake.engine) as seen:
        await intake(monitored(holder="ada"), source="mdm")

    assert await intake.refs() == before
    assert not [text for text in seen if "stated" in text]


async def worked(intake: Intake, name: str) -> None:
    async with transaction(intake.engine) as tx:
        source_id = (await source_ids(tx))[name]
        await set_condition(tx, source_id, state=SourceState.OK, at=intake.clock.now())


SOURCES = ("cmdb", "mdm", "erp")
PEOPLE = st.none() | st.sampled_from(["ada", "grace", "linus"])
SAYINGS = st.lists(st.tuples(st.sampled_from(SOURCES), PEOPLE, PEOPLE), min_size=1, max_size=7)
OVERRIDES = st.none() | st.tuples(st.integers(0, 7), st.booleans())
"""Before which saying somebody overrides the holder, and whether that is released in the end."""


def test_in_whatever_order_things_are_said_the_same_holds_an_override_wins_and_a_release_restores(database: str):
    """What holds is what the first of the order said last, by hand: whoever spoke when."""

    examples = 20 if database.startswith("sqlite") else 6

    @given(sayings=SAYINGS, order=st.permutations(SOURCES), override=OVERRIDES)
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def holds(sayings: list[tuple[str, str | None, str | None]], order: list[str], override: Any) -> None:
        asyncio.run(check(database, sayings, order, override))

    holds()


async def check(
    database: str, sayings: list[tuple[str, str | None, str | None]], order: list[str], override: Any
) -> None:
    engine = open_engine(database, pool_size=1)
    intake = Intake(engine, MovableClock(NOW))
    try:
        await prefer(intake, {"asset": order})
        number = len(await intake.rows("asset")) + 1
        serial, last = f"SN-{number}", {}
        await intake(asset(f"first-{number}", serial=serial, asset_tag=None, place=None), source="first")
        (mine,) = [row["id"] for row in await intake.rows("asset") if row["serial"] == serial]
        override_id = None
        for place, (source, holder, revision) in enumerate(sayings):
            if override is not None and place == override[0]:
                override_id = await overridden(intake, mine, "holder", "somebody")
            said = {"name": None, "asset_tag": None, "product": None, "place": None, "state": None}
            values = {**said, "serial": serial, "holder": holder, "revision": revision}
            await intake(asset(f"{source}-{number}", v=place, **values), source=source)
            last[source] = (holder, revision)
        expected = [next((last[s][i] for s in order if s in last and last[s][i] is not None), None) for i in (0, 1)]
        row = next(row for row in await intake.rows("asset") if row["id"] == mine)
        if override_id is not None:
            assert row["holder"] == "somebody"
            if override[1]:
                async with transaction(engine) as tx:
                    await release_override(tx, override_id, by="ada", at=intake.clock.now(), reason=None)
                row = next(row for row in await intake.rows("asset") if row["id"] == mine)
            else:
                expected[0] = "somebody"
        assert [row["holder"], row["revision"]] == expected
    finally:
        await engine.dispose()


async def overridden(intake: Intake, row_id: int, name: str, value: Any, *, kind: str = "asset", **more: Any) -> int:
    async with transaction(intake.engine) as tx:
        return await override_field(
            tx, EntityKind(kind), row_id, name, value, reason="as seen", by="ada", at=intake.clock.now(), **more
        )


async def test_an_override_stands_against_sources_until_its_time_is_over(intake: Intake):
    await intake(site(), asset(holder="grace"))
    await overridden(intake, 1, "holder", "ada", until=intake.clock.now() + timedelta(days=1))
    await intake(asset(v=2, holder="linus"))
    while_it_stands = (await intake.row("asset"))["holder"]
    intake.clock.advance(timedelta(days=2))

    done = await prefer(intake, {})

    assert (while_it_stands, done, (await intake.row("asset"))["holder"]) == ("ada", 1, "linus")
    told = [
        (row["actor"], row["cause"], row["fields"])
        for row in await intake.changes("asset")
        if row["actor"] != "source:cmdb"
    ]
    assert told == [
        ("ada", "override: as seen", {"holder": ["grace", "ada"], "overridden": [None, ["holder"]]}),
        ("its end", "release of override 1", {"holder": ["ada", "linus"], "overridden": [["holder"], None]}),
    ]


async def test_what_no_source_states_is_after_the_override_what_it_was_before_the_first_one(intake: Intake):
    await intake(site(), asset(holder=None))
    await overridden(intake, 1, "holder", "ada")
    second = await overridden(intake, 1, "holder", "linus")

    async with transaction(intake.engine) as tx:
        released = await release_override(tx, second, by="ada", at=intake.clock.now(), reason="was wrong")
        again = await release_override(tx, second, by="ada", at=intake.clock.now(), reason=None)

    assert (released, again, (await intake.row("asset"))["holder"]) == (True, False, None)


REFUSED = (
    ("asset", "holdr", "ada", InvalidInput, "asset has no field 'holdr'"),
    ("asset", "state", "deployed", InvalidInput, "'state' is not overridden"),
    ("asset", "warranty_ends_on", "soon", InvalidInput, "'warranty_ends_on' of this asset cannot be 'soon'"),
    ("asset", "product", 99, NotKnown, "there is no product with id 99"),
    ("site", "name", None, InvalidInput, "'name' of this site cannot be empty"),
    ("site", "time_zone", "Berlin", InvalidInput, "'time_zone' of this site cannot be 'Berlin'"),
    ("site", "position", {"latitude": 91, "longitude": 0}, InvalidInput, "'position' of this site cannot be"),
    ("hub", "code", "H2", InvalidInput, "another hub has the code 'H2' already"),
    ("hub", "opening_hours", "always", InvalidInput, "'opening_hours' of this hub cannot be 'always'"),
    ("product", "size", {"length": 3}, InvalidInput, "'size' needs an object"),
    ("product", "size", {}, InvalidInput, "{} says nothing of 'size'"),
)


async def test_what_cannot_be_overridden_is_said(intake: Intake):
    await intake(site(), asset(), hub(), hub("h2", code="H2"))

    for kind, name, value, error, message in REFUSED:
        with pytest.raises(error, match=re.escape(message)):
            await overridden(intake, 1, name, value, kind=kind)


async def test_a_unit_that_is_promised_stays_the_product_that_it_was_promised_as(intake: Intake):
    other = ProductKey(manufacturer="Cisco", model="C9300-24P")
    await intake(hub(), product("p2", key=other), asset(place=ref("hub", "h1"), state=AssetState.IN_STOCK))
    await prefer(intake, {"asset.product": ["cmdb", "mdm"]})
    await intake(product("p9", key=other), monitored(product=ref("product", "p9")), source="mdm")
    was = (await intake.row("asset"))["product_id"]
    await claim(intake.engine, intake)

    with pytest.raises(IllegalTransition, match="asset 1 is promised to a ticket"):
        await overridden(intake, 1, "product", 3 - was)
    await prefer(intake, {"asset.product": ["mdm", "cmdb"]})

    assert (await intake.row("asset"))["product_id"] == was
    assert (await conflicts(intake))["product"][:2] == ("mdm", "precedence")


async def test_a_unit_on_a_shelf_that_becomes_another_product_is_on_the_shelf_of_that(intake: Intake):
    other = ProductKey(manufacturer="Cisco", model="C9300-24P")
    await intake(hub(), product("p2", key=other), asset(place=ref("hub", "h1"), state=AssetState.IN_STOCK))
    was = (await intake.row("asset"))["product_id"]

    override_id = await overridden(intake, 1, "product", 3 - was)
    shelves = {row["product_id"]: row["on_hand"] for row in await intake.rows("stock")}
    async with transaction(intake.engine) as tx:
        await release_override(tx, override_id, by="ada", at=intake.clock.now(), reason=None)

    assert shelves == {was: 0, 3 - was: 1}
    assert {row["product_id"]: row["on_hand"] for row in await intake.rows("stock")} == {was: 1, 3 - was: 0}


async def test_all_that_can_be_overridden_can_be_overridden(intake: Intake):
    await intake(site(), asset(), hub())
    address = {"line1": "2 Road", "country": "FR"}
    given: dict[str, dict[str, Any]] = {
        "asset": {"serial": " sn-9", "warranty_ends_on": "2027-01-31", "product": 1, "holder": None},
        "site": {"position": {"latitude": 1, "longitude": 2}, "address": address, "region": "US"},
        "hub": {"courier_cut_offs": ["17:00"], "handling_time": 5, "tier": "local", "is_mobile": True},
        "product": {"unit_cost": {"unit_cost_cents": 5, "currency": "EUR"}, "criticality": "tier_1", "sku": "S"},
    }

    for kind, fields in given.items():
        for name, value in fields.items():
            await overridden(intake, 1, name, value, kind=kind)

    rows = {kind: await intake.row(kind) for kind in given}
    assert (rows["asset"]["serial"], rows["asset"]["warranty_ends_on"]) == ("SN-9", date(2027, 1, 31))
    assert (rows["site"]["latitude"], rows["site"]["address"], rows["site"]["country"]) == (1.0, address, "FR")
    assert (rows["hub"]["courier_cut_offs"], rows["hub"]["handling_minutes"]) == (["17:00"], 5)
    assert (rows["hub"]["tier"], rows["hub"]["is_mobile"]) == (HubTier.LOCAL, True)
    assert (rows["product"]["unit_cost_cents"], rows["product"]["criticality"]) == (5, "tier_1")
