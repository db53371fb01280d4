"""Data quality: what each measure counts, the records behind it, and what is kept of a day."""

from __future__ import annotations

import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.factories import (
    NOW,
    insert_row,
    make_asset,
    make_counted_stock,
    make_hub,
    make_product,
    make_site,
    make_source,
    make_spares,
    make_ticket,
)

from connector.model.quality import DEFINITIONS, QualityMeasure, QualityScope, percent_of
from connector.storage import tables
from connector.storage.database.engine import reading, transaction
from connector.storage.quality.days import Day, TrendOf, last_day, measure_day, measure_if_due, trends_of
from connector.storage.quality.measuring import (
    Count,
    Within,
    breaks_down,
    count_of,
    groups_of,
    records_behind,
    scores_of,
)
from connector.storage.quality.populations import Probes, Terms
from connector.storage.query import Sight

M, S = QualityMeasure, QualityScope
TERMS = Terms(NOW)
YEAR = timedelta(days=365)
ADDRESS = {"line1": "1 Road", "city": "Berlin", "postal_code": "10115", "country": "DE"}


async def refer(tx: AsyncConnection, source_id: int, kind: str, entity_id: int, **values: Any) -> None:
    defaults = {"external_id": f"{kind}-{entity_id}-{source_id}", "content_hash": b""}
    row = {"source_id": source_id, "kind": kind, "entity_id": entity_id, **defaults, **values}
    await tx.execute(insert(tables.source_ref).values(row))


async def quarantined(tx: AsyncConnection, source_id: int, fingerprint: str, **values: Any) -> int:
    defaults = {"stream": "assets", "reason": "no name", "raw": b"{}", "first_seen_at": NOW, "last_seen_at": NOW}
    return await insert_row(
        tx, tables.quarantine, {"source_id": source_id, "fingerprint": fingerprint, "attempts": 1, **defaults, **values}
    )


async def whole(engine: AsyncEngine, measure: M, within: Within | None = None, sight: Sight | None = None) -> Count:
    async with reading(engine) as tx:
        probes = Probes(TERMS) if sight is None else Probes(TERMS, sight)
        return await count_of(tx, probes, measure, within or Within())


async def behind(engine: AsyncEngine, measure: M, **asked: Any) -> list[int]:
    async with reading(engine) as tx:
        return [found.id for found in await records_behind(tx, Probes(TERMS), measure, **asked)]


async def test_each_measure_counts_what_its_definition_says(engine: AsyncEngine):
    async with transaction(engine) as tx:
        cmdb = await make_source(tx, "cmdb", last_success_at=NOW)
        silent = await make_source(tx, "silent", last_success_at=NOW - timedelta(days=31))
        bare = await make_site(tx, latitude=None, time_zone=None, address={"line1": "1 Road"})
        good = await make_site(tx, address=ADDRESS)
        hub = await make_hub(tx)
        known, named = await make_product(tx), await make_product(tx, manufacturer="Other", model="X")
        counted = await make_product(tx, tracking="counted")
        for product in (known, counted):
            await refer(tx, cmdb, "product", product)
        fine = await make_asset(tx, product_id=known, site_id=good, serial="A")
        twin = await make_asset(tx, product_id=known, site_id=good, serial="A", asset_tag="T")
        other_maker = await make_asset(tx, product_id=named, site_id=good, serial="A", asset_tag="T")
        nameless = await make_asset(tx, product_id=known, serial=None)
        await make_asset(tx, product_id=known, state="ordered", serial=None)
        await make_asset(tx, product_id=counted, site_id=good, serial="")
        modelless = await make_asset(tx, site_id=good)
        gone = await make_asset(tx, product_id=known, state="disposed", serial=None)
        for device in (fine, twin, other_maker, nameless, gone):
            await refer(tx, cmdb, "asset", device)
        await refer(tx, silent, "asset", modelless)
        await make_spares(tx, hub_id=hub, product_id=known, count=2)
        short = await insert_row(
            tx, tables.stock,
            {"hub_id": hub, "product_id": named, "lane": "normal", "tracking": "serialised", "on_hand": 3,
             "updated_at": NOW},
        )  # fmt: skip
        await make_counted_stock(tx, hub_id=hub, product_id=counted, on_hand=9)
        hint = await make_ticket(tx, source_id=cmdb, asset_hint="sw-9", site_hint="Depot")
        await make_ticket(tx, source_id=cmdb, asset_id=fine, site_hint="Depot")
        await make_ticket(tx, source_id=cmdb)
        await make_ticket(tx, source_id=cmdb, asset_hint="sw-9", state="closed")
        waits = await quarantined(tx, cmdb, "1")
        await quarantined(tx, cmdb, "2", resolved_at=NOW)
        review = await insert_row(
            tx, tables.identity_review,
            {"source_id": cmdb, "external_id": "9", "quarantine_id": waits, "state": "open", "reason": "two fit",
             "stated": {}, "attempts": [], "evidence": "", "created_at": NOW, "updated_at": NOW},
        )  # fmt: skip

        await refer(tx, silent, "asset", fine)
        await refer(tx, silent, "asset", twin)
        for device, reason in ((fine, "last_said"), (twin, "override")):
            await insert_row(
                tx, tables.field_conflict,
                {"kind": "asset", "entity_id": device, "asset_id": device, "field": "serial", "reason": reason,
                 "statements": [], "created_at": NOW, "updated_at": NOW},
            )  # fmt: skip
        suggestion = await insert_row(
            tx, tables.alias_suggestion,
            {"pair": "a b", "kind": "model", "state": "open", "score": 90, "evidence": "alike", "name": "Y",
             "alias_key": "y", "manufacturer_key": "acme", "product_id": known, "created_at": NOW, "updated_at": NOW},
        )  # fmt: skip

    found = {measure: await whole(engine, measure) for measure in M}
    lists = {measure: await behind(engine, measure) for measure in M}

    assert {measure: (count.defects, count.records) for measure, count in found.items()} == {
        M.ASSET_WITHOUT_SERIAL: (1, 7),
        M.ASSET_OF_UNKNOWN_MODEL: (2, 9),
        M.ASSET_WITHOUT_PLACE: (1, 8),
        M.ASSET_NOT_CONFIRMED: (5, 9),
        M.ASSET_IN_CONFLICT: (1, 2),
        M.DUPLICATE_SERIAL: (2, 6),
        M.DUPLICATE_ASSET_TAG: (2, 9),
        M.PRODUCT_NOT_CONFIRMED: (1, 3),
        M.SITE_WITHOUT_COORDINATES: (1, 2),
        M.SITE_WITHOUT_TIME_ZONE: (1, 2),
        M.SITE_WITHOUT_ADDRESS: (1, 2),
        M.SITE_IN_CONFLICT: (0, 0),
        M.STOCK_DISAGREES: (1, 2),
        M.TICKET_DEVICE_AS_TEXT: (1, 2),
        M.TICKET_SITE_AS_TEXT: (1, 2),
        M.RECORD_IN_QUARANTINE: (1, 11),
        M.IDENTITY_IN_REVIEW: (1, 9),
        M.NAME_IN_QUESTION: (1, 6),
    }
    assert lists[M.ASSET_WITHOUT_SERIAL] == [nameless] == lists[M.ASSET_WITHOUT_PLACE]
    assert lists[M.ASSET_OF_UNKNOWN_MODEL] == [other_maker, modelless]
    assert lists[M.DUPLICATE_SERIAL] == [fine, twin]
    assert lists[M.DUPLICATE_ASSET_TAG] == [twin, other_maker]
    assert lists[M.PRODUCT_NOT_CONFIRMED] == [named]
    assert lists[M.SITE_WITHOUT_ADDRESS] == [bare]
    assert lists[M.STOCK_DISAGREES] == [short]
    assert lists[M.TICKET_DEVICE_AS_TEXT] == [hint] == lists[M.TICKET_SITE_AS_TEXT]
    assert (lists[M.ASSET_IN_CONFLICT], lists[M.NAME_IN_QUESTION]) == ([fine], [suggestion])
    assert (lists[M.RECORD_IN_QUARANTINE], lists[M.IDENTITY_IN_REVIEW]) == ([waits], [review])


async def drawn(engine: AsyncEngine) -> tuple[list[int], list[int], list[int], list[int]]:
    """Records with and without any defects, as chance has it."""
    pick = random.choice
    async with transaction(engine) as tx:
        sources = [await make_source(tx, name, last_success_at=NOW - pick([0, 40]) * timedelta(days=1))
                   for name in ("a", "b")]  # fmt: skip
        sites = [
            await make_site(
                tx, latitude=pick([52.0, None]), time_zone=pick(["UTC", "", None]), region=pick(["EU", "US"]),
                address=pick([ADDRESS, {"city": "Bonn"}, None]),
            )
            for _ in range(4)
        ]  # fmt: skip
        hubs = [await make_hub(tx, region=pick(["EU", "US"])) for _ in range(2)]
        products = [await make_product(tx, manufacturer=pick(["Acme", "Other"]), model=f"M{n}") for n in range(4)]
        for product in products:
            for hub in hubs:
                await insert_row(
                    tx, tables.stock,
                    {"hub_id": hub, "product_id": product, "lane": "normal", "on_hand": pick([0, 1, 2]),
                     "tracking": pick(["serialised", "counted"]), "updated_at": NOW},
                )  # fmt: skip
        assets = [
            await make_asset(
                tx, serial=pick(["S1", "S2", "S3", None, ""]), asset_tag=pick(["T1", "T2", None]),
                product_id=pick([*products, None]), site_id=pick([*sites, None]), hub_id=pick([*hubs, None, None]),
                state=pick(["deployed", "in_stock", "reserved", "ordered", "in_transit", "retired", "lost"]),
                retired_at=pick([None, None, NOW]),
            )
            for _ in range(30)
        ]  # fmt: skip
        for kind, things in (("asset", assets), ("product", products), ("site", sites)):
            for thing in things:
                for source in random.sample(sources, pick([0, 1, 2])):
                    await refer(tx, source, kind, thing, deleted_at=pick([None, None, NOW]))
        for _ in range(12):
            await make_ticket(
                tx, source_id=pick(sources), asset_id=pick([*assets, None, None]), site_id=pick([*sites, None]),
                asset_hint=pick(["x", None, ""]), site_hint=pick(["y", None]), state=pick(["new", "closed", "on_hold"]),
                product_id=pick([*products, None]),
            )  # fmt: skip
        for n in range(5):
            await quarantined(tx, pick(sources), f"f{n}", resolved_at=pick([None, NOW]))
    return sources, sites, products, assets


@pytest.mark.parametrize("limit", [None, frozenset({"EU"})])
async def test_the_records_behind_a_measure_are_exactly_its_count_in_every_scope(
    engine: AsyncEngine, limit: frozenset[str] | None
):
    sources, sites, products, _ = await drawn(engine)
    probes = Probes(TERMS, Sight(limit))
    scopes = [Within(), *(Within(source_id=n) for n in sources), *(Within(site_id=n) for n in sites)]
    scopes += [*(Within(product_id=n) for n in products), Within(manufacturer="acme")]

    async with reading(engine) as tx:
        for measure in probes.seen:
            for within in scopes:
                count = await count_of(tx, probes, measure, within)
                found = await records_behind(tx, probes, measure, within=within, limit=1000)
                pages, after = [], 0
                while page := await records_behind(tx, probes, measure, within=within, after=after, limit=3):
                    pages, after = [*pages, *page], page[-1].id
                assert 0 <= count.defects <= count.records, (measure, within)
                assert len({item.id for item in found}) == len(found) == count.defects, (measure, within)
                assert pages == found
            for by in S:
                if by is S.SOURCE and not breaks_down(measure, by):
                    continue
                groups = await groups_of(tx, probes, measure, by)
                total = await count_of(tx, probes, measure)
                if not breaks_down(measure, by):
                    assert all(group.id is None for group in groups)
                    continue
                assert all(0 <= group.count.defects <= group.count.records for group in groups)
                if by is not S.SOURCE:  # what two sources have counts for both
                    assert sum(group.count.defects for group in groups) == total.defects
                    assert sum(group.count.records for group in groups) == total.records
                for group in groups:
                    name = {S.SOURCE: "source_id", S.SITE: "site_id", S.PRODUCT: "product_id"}.get(by)
                    if name and group.id is not None:
                        assert group.count == await count_of(tx, probes, measure, Within(**{name: group.id}))


async def test_a_score_counts_records_with_any_of_the_defects_once(engine: AsyncEngine):
    _, sites, products, _ = await drawn(engine)
    probes = Probes(TERMS)

    async with reading(engine) as tx:
        scores = {by: await scores_of(tx, probes, by) for by in (S.PRODUCT, S.SITE)}
        for by, name, ids in ((S.PRODUCT, "product_id", products), (S.SITE, "site_id", sites)):
            for key in ids:
                flawed = {
                    (DEFINITIONS[m].entity, item.id)
                    for m in M
                    if DEFINITIONS[m].scores and not (by is S.SITE and DEFINITIONS[m].entity == "product")
                    for item in await records_behind(tx, probes, m, within=Within(**{name: key}), limit=1000)
                }
                assert scores[by][key].defects == len(flawed), (by, key)

    assert set(scores[S.SITE]) == set(sites)
    assert set(scores[S.PRODUCT]) == set(products)


async def test_who_is_limited_to_regions_is_told_nothing_of_others(engine: AsyncEngine):
    async with transaction(engine) as tx:
        source = await make_source(tx)
        await make_site(tx, region="US", latitude=None)
        here = await make_site(tx, region="EU", latitude=None)
        there = await make_asset(tx, site_id=await make_site(tx, region="US"), serial="S")
        await make_asset(tx, site_id=here, serial="S")
        await quarantined(tx, source, "1")
    limited = Sight(frozenset({"EU"}))

    assert await whole(engine, M.SITE_WITHOUT_COORDINATES, sight=limited) == Count(1, 1)
    assert await whole(engine, M.DUPLICATE_SERIAL, sight=limited) == Count(0, 1)
    assert await whole(engine, M.DUPLICATE_SERIAL) == Count(2, 2)
    assert there in await behind(engine, M.DUPLICATE_SERIAL)
    assert {M.RECORD_IN_QUARANTINE, M.IDENTITY_IN_REVIEW, M.NAME_IN_QUESTION} == set(M) - set(
        Probes(TERMS, limited).seen
    )
    hidden = Sight(None, frozenset({("asset", "serial")}))
    assert M.DUPLICATE_SERIAL not in Probes(TERMS, hidden).seen


async def test_a_day_is_measured_once_and_again_on_demand_and_old_ones_are_forgotten(engine: AsyncEngine):
    async with transaction(engine) as tx:
        bare = await make_site(tx, latitude=None, address=ADDRESS)
        product = await make_product(tx)
        await make_asset(tx, product_id=product, site_id=bare)
    kept = timedelta(days=2)
    days = [NOW - timedelta(days=3), NOW - timedelta(days=1), NOW]
    for at in days:
        await measure_day(engine, Terms(at), kept=kept)

    again = await measure_day(engine, TERMS, kept=kept)
    skipped = await measure_if_due(engine, TERMS, kept=kept)
    async with transaction(engine) as tx:
        await tx.execute(update(tables.site).where(tables.site.c.id == bare).values(latitude=52.0))
    mended = await measure_day(engine, TERMS, kept=kept)

    assert skipped is None
    assert again.rescored == 0
    assert (mended.day, mended.rescored) == (date(2026, 11, 25), 1)
    async with reading(engine) as tx:
        assert await last_day(tx) == NOW.date()
        measure, today = M.SITE_WITHOUT_COORDINATES, NOW.date()
        trend = (await trends_of(tx, [measure], days=30, until=today))[measure]
        trends = await trends_of(tx, [measure, None], days=30, until=today, of=TrendOf(S.SITE, bare))
        before = (await trends_of(tx, [measure], days=1, until=today - timedelta(days=1)))[measure]
        row = (await tx.execute(select(tables.site).where(tables.site.c.id == bare))).mappings().one()
        log = (await tx.execute(select(tables.change.c.fields).order_by(tables.change.c.id))).scalars().all()
    yesterday, of_site, score = today - timedelta(days=1), trends[measure], trends[None]
    assert before == [Day(yesterday, 1, 1)]
    assert trend == [Day(yesterday, 1, 1), Day(today, 0, 1)]
    assert of_site == [Day(yesterday, 1, 1), Day(today, 0, None)]
    assert score == [Day(yesterday, 2, 2), Day(today, 1, 2)]
    assert row["data_quality"] == 50
    assert row["data_defects"] == {"asset_not_confirmed": 1, "asset_of_unknown_model": 1}
    assert log[-1] == {
        "data_quality": [0, 50],
        "data_defects": [
            {"asset_not_confirmed": 1, "asset_of_unknown_model": 1, "site_without_coordinates": 1},
            {"asset_not_confirmed": 1, "asset_of_unknown_model": 1},
        ],
    }


async def test_a_day_takes_as_many_statements_whatever_the_number_of_records(engine: AsyncEngine):
    statements: list[str] = []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    counts = []
    for _ in range(2):
        await drawn_more(engine)
        statements.clear()
        await measure_day(engine, TERMS, kept=YEAR)
        counts.append(len([text for text in statements if "SELECT" in text]))

    assert counts[0] == counts[1]


async def drawn_more(engine: AsyncEngine) -> None:
    async with transaction(engine) as tx:
        product, site = await make_product(tx), await make_site(tx)
        for _ in range(3):
            await make_asset(tx, product_id=product, site_id=site, serial=None)


def test_whole_percent_are_rounded_down_so_that_all_means_all():
    assert (percent_of(1, 1000), percent_of(0, 7), percent_of(7, 7), percent_of(0, 0)) == (99, 100, 0, None)


def test_the_documentation_has_every_definition_word_by_word():
    page = (Path(__file__).parents[2] / "docs" / "data-quality.md").read_text()

    for measure, told in DEFINITIONS.items():
        row = f"| `{measure.value}` | {told.counts} | {told.of} | {told.without} | {'yes' if told.scores else 'no'} |"
        assert row in page
