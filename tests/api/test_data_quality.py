"""Data quality over GraphQL: as it stands, broken down, the records behind it, day by day, and who is told of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.access import ApiKey
from connector.api.field_names import rights_of
from connector.api.schema import build_schema
from connector.api.schema.nodes import global_id
from connector.model.principals import Principal
from connector.model.quality import DEFINITIONS, QualityMeasure
from connector.storage import tables
from connector.storage.database.engine import transaction
from connector.storage.quality.days import Measuring
from tests.api.conftest import TOKEN, Hub, OpenHub
from tests.conftest import MovableClock
from tests.factories import NOW, insert_row, make_asset, make_product, make_site, make_source
from tests.storage.test_quality import ADDRESS, quarantined, refer

PUBLISHED = Path(__file__).parents[2] / "graphql" / "operations"
TOKENS = {name: f"the-token-of-{name}-12345" for name in ("europe", "viewer", "dispatcher")}
KEYS = (
    ApiKey.of(TOKENS["europe"], Principal("europe", frozenset({"dispatcher"}), frozenset({"EU"}))),
    ApiKey.of(TOKENS["viewer"], Principal("viewer", frozenset({"viewer"}))),
    ApiKey.of(TOKENS["dispatcher"], Principal("dispatcher", frozenset({"dispatcher"}))),
)
CMDB, BARE, GOOD = global_id("Source", 1), global_id("Site", 1), global_id("Site", 2)
KNOWN, NAMED = global_id("Product", 1), global_id("Product", 2)
COUNTS = "counts { measure defects records percent }"
MEASURE = """mutation { measureDataQuality(input: {idempotencyKey: "k"}) {
  measuredOn rescored errors { code message } } }"""


async def made(engine: AsyncEngine) -> None:
    """A bare site in the US with three devices, one in the EU with one; a product that nobody confirms."""
    async with transaction(engine) as tx:
        cmdb = await make_source(tx, "cmdb", last_success_at=NOW)
        bare = await make_site(tx, name="Plant", code="P1", region="US", latitude=None, address=ADDRESS)
        good = await make_site(tx, name="Office", code="O1", region="EU", address=ADDRESS)
        known = await make_product(tx, manufacturer="Acme", model="X1")
        named = await make_product(tx, manufacturer="ACME", model="Xi", manufacturer_key="acme")
        await refer(tx, cmdb, "product", known)
        devices = (("S1", known, bare), (None, known, bare), ("S2", named, bare), ("S1", known, good))
        for number, (serial, product, site) in enumerate(devices, 1):
            device = await make_asset(tx, serial=serial, product_id=product, site_id=site, name=f"sw-{number}")
            await refer(tx, cmdb, "asset", device)


async def ask(hub: Hub, who: str | None, query: str, **variables: Any) -> Any:
    headers = {"authorization": f"Bearer {TOKENS.get(who or '', TOKEN)}"}
    return (await hub.client.post("/graphql", json={"query": query, "variables": variables}, headers=headers)).json()


def flawed(found: Any) -> dict[str, tuple[int, int]]:
    """The measures that found something."""
    return {one["measure"]: (one["defects"], one["records"]) for one in found["counts"] if one["defects"]}


async def test_measures_of_the_hub_of_a_site_a_product_a_source_and_a_maker(hub: Hub):
    await made(hub.engine)

    data = await hub.query(
        f"""query ($site: ID!, $product: ID!, $source: ID!) {{
          hub: dataQuality {{ {COUNTS} score {{ percent }} lastMeasuredOn }}
          site: dataQuality(siteId: $site) {{ {COUNTS} score {{ defects records percent }} }}
          product: dataQuality(productId: $product) {{ {COUNTS} score {{ defects records percent }} }}
          source: dataQuality(sourceId: $source) {{ {COUNTS} score {{ percent }} }}
          maker: dataQuality(manufacturer: "acme") {{ {COUNTS} }}
          both: dataQuality(siteId: $site, productId: $product) {{ score {{ percent }} {COUNTS} }}
          few: dataQuality {{ counts(measures: [SITE_WITHOUT_ADDRESS]) {{ measure defects records percent
            definition {{ title counts of without recordType scores mend }} }} }}
        }}""",
        site=BARE,
        product=KNOWN,
        source=CMDB,
    )

    everywhere = {"ASSET_WITHOUT_SERIAL": (1, 4), "ASSET_OF_UNKNOWN_MODEL": (1, 4), "DUPLICATE_SERIAL": (2, 3)}
    own = {"PRODUCT_NOT_CONFIRMED": (1, 2), "SITE_WITHOUT_COORDINATES": (1, 2)}
    assert flawed(data["hub"]) == everywhere | own
    assert [one["measure"] for one in data["hub"]["counts"]] == [measure.name for measure in QualityMeasure]
    assert (data["hub"]["score"], data["hub"]["lastMeasuredOn"]) == (None, None)
    assert flawed(data["site"]) == {
        "ASSET_WITHOUT_SERIAL": (1, 3), "ASSET_OF_UNKNOWN_MODEL": (1, 3), "DUPLICATE_SERIAL": (1, 2),
        "SITE_WITHOUT_COORDINATES": (1, 1),
    }  # fmt: skip
    assert data["site"]["score"] == {"defects": 4, "records": 4, "percent": 0}
    assert {one["measure"] for one in data["site"]["counts"]}.isdisjoint({"STOCK_DISAGREES", "RECORD_IN_QUARANTINE"})
    assert flawed(data["product"]) == {"ASSET_WITHOUT_SERIAL": (1, 3), "DUPLICATE_SERIAL": (2, 2)}
    assert data["product"]["score"] == {"defects": 3, "records": 4, "percent": 25}
    assert flawed(data["source"]) == everywhere
    assert flawed(data["maker"]) == everywhere | {"PRODUCT_NOT_CONFIRMED": (1, 2)}
    assert (data["both"]["score"], flawed(data["both"])) == (
        None, {"ASSET_WITHOUT_SERIAL": (1, 2), "DUPLICATE_SERIAL": (1, 1)},
    )  # fmt: skip
    told = DEFINITIONS[QualityMeasure.SITE_WITHOUT_ADDRESS]
    assert data["few"]["counts"] == [
        {"measure": "SITE_WITHOUT_ADDRESS", "defects": 0, "records": 2, "percent": 100, "definition": {
            "title": "sites without address", "counts": told.counts, "of": told.of, "without": "Nothing.",
            "recordType": "Site", "scores": True, "mend": told.mend}},
    ]  # fmt: skip


PARTS = """query ($by: DataQualityDimension!, $first: Int! = 50, $after: String) { dataQuality {
  parts(by: $by, first: $first, after: $after) { totalCount pageInfo { hasNextPage hasPreviousPage endCursor }
    edges { cursor } nodes { id name defects score { percent } counts { measure defects } } } } }"""


async def parts(hub: Hub, by: str, **page: Any) -> Any:
    return (await hub.query(PARTS, by=by, **page))["dataQuality"]["parts"]


async def test_parts_are_the_worst_first_with_ids_that_lead_on_and_pages_that_join(hub: Hub):
    await made(hub.engine)
    async with transaction(hub.engine) as tx:
        await make_asset(tx, serial="S9", asset_tag="T9", name="lost")

    found = {by: await parts(hub, by) for by in ("SITE", "PRODUCT", "SOURCE", "MANUFACTURER")}
    pages, after = [], None
    while True:
        page = await parts(hub, "SITE", first=1, after=after)
        pages += page["nodes"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    beyond = await parts(hub, "SITE", after=after)

    told = {
        by: [
            (one["id"], one["name"], one["score"] and one["score"]["percent"], one["defects"]) for one in page["nodes"]
        ]
        for by, page in found.items()
    }
    assert told == {
        "SITE": [(BARE, "P1", 0, 4), (GOOD, "O1", 50, 1), (None, None, None, 3)],
        "PRODUCT": [(NAMED, "ACME Xi", 0, 2), (KNOWN, "Acme X1", 25, 3), (None, None, None, 3)],
        "SOURCE": [(CMDB, "cmdb", None, 4), (None, None, None, 5)][::-1],
        "MANUFACTURER": [(None, "Acme", None, 5), (None, None, None, 3)],
    }
    assert pages == found["SITE"]["nodes"]
    assert found["SITE"]["totalCount"] == 3
    assert (beyond["nodes"], beyond["pageInfo"]) == (
        [], {"hasNextPage": False, "hasPreviousPage": True, "endCursor": None},
    )  # fmt: skip
    nodes = await hub.query("query ($ids: [ID!]!) { nodes(ids: $ids) { __typename } }", ids=[BARE, NAMED, CMDB])
    assert [one["__typename"] for one in nodes["nodes"]] == ["Site", "Product", "Source"]


RECORDS = """query ($measure: DataQualityMeasure!, $site: ID, $first: Int! = 50, $after: String) {
  dataQuality(siteId: $site) { records(measure: $measure, first: $first, after: $after) {
    totalCount pageInfo { hasNextPage endCursor } nodes { id name detail } edges { cursor } } } }"""


async def test_the_records_behind_a_measure_page_by_page_as_things_that_can_be_asked_for(hub: Hub):
    await made(hub.engine)
    async with transaction(hub.engine) as tx:
        await quarantined(tx, 1, "f", external_ref="a/9")

    whole = (await hub.query(RECORDS, measure="DUPLICATE_SERIAL"))["dataQuality"]["records"]
    first = (await hub.query(RECORDS, measure="DUPLICATE_SERIAL", first=1))["dataQuality"]["records"]
    cursor = first["pageInfo"]["endCursor"]
    second = (await hub.query(RECORDS, measure="DUPLICATE_SERIAL", first=1, after=cursor))["dataQuality"]["records"]
    at_site = (await hub.query(RECORDS, measure="DUPLICATE_SERIAL", site=GOOD))["dataQuality"]["records"]
    waiting = (await hub.query(RECORDS, measure="RECORD_IN_QUARANTINE"))["dataQuality"]["records"]
    none = (await hub.query(RECORDS, measure="SITE_WITHOUT_ADDRESS"))["dataQuality"]["records"]
    ids = [one["id"] for one in (*whole["nodes"], *waiting["nodes"])]
    read = await hub.query(
        "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Asset { serial } ... on QuarantinedRecord { reason } } }",
        ids=ids,
    )

    assert [(one["name"], one["detail"]) for one in whole["nodes"]] == [("sw-1", "S1"), ("sw-4", "S1")]
    assert whole["totalCount"] == 2
    assert (first["nodes"] + second["nodes"], first["totalCount"]) == (whole["nodes"], 2)
    assert (first["pageInfo"]["hasNextPage"], second["pageInfo"]["hasNextPage"]) == (True, False)
    assert [one["id"] for one in at_site["nodes"]] == [global_id("Asset", 4)]
    assert [(one["name"], one["detail"]) for one in waiting["nodes"]] == [("a/9", "no name")]
    assert (none["nodes"], none["totalCount"], none["pageInfo"]["endCursor"]) == ([], 0, None)
    assert read["nodes"] == [{"serial": "S1"}, {"serial": "S1"}, {"reason": "no name"}]


TREND = """query ($site: ID, $source: ID, $measures: [DataQualityMeasure!], $days: Int! = 30, $until: Date) {
  dataQualityTrend(siteId: $site, sourceId: $source, measures: $measures, days: $days, until: $until) {
    measure days { measuredOn defects records } } }"""


async def trend(hub: Hub, **asked: Any) -> dict[str | None, Any]:
    found = (await hub.query(TREND, **asked))["dataQualityTrend"]
    return {one["measure"]: [tuple(day.values()) for day in one["days"]] for one in found}


async def test_measuring_now_keeps_the_day_for_trends_and_for_the_scores_of_things(hub: Hub, clock: MovableClock):
    await made(hub.engine)
    before = await trend(hub)

    first = (await hub.query(MEASURE))["measureDataQuality"]
    clock.advance(timedelta(days=1))
    async with transaction(hub.engine) as tx:
        await tx.execute(update(tables.site).values(latitude=52.0))
        await tx.execute(update(tables.source).values(last_success_at=clock.now()))
    second = (await hub.query(MEASURE))["measureDataQuality"]

    measures = ["SITE_WITHOUT_COORDINATES"]
    shown = await hub.query("{ dataQuality { lastMeasuredOn } sites { nodes { code dataQuality } } }")
    whole, of_site = await trend(hub, measures=measures), await trend(hub, site=BARE)
    past = await trend(hub, measures=measures, days=1, until="2026-11-25")
    of_source = await trend(hub, source=CMDB, measures=["DUPLICATE_SERIAL"])

    assert set(before) == {measure.name for measure in QualityMeasure}
    assert all(days == [] for days in before.values())
    assert first == {"measuredOn": "2026-11-25", "rescored": 4, "errors": []}
    assert second == {"measuredOn": "2026-11-26", "rescored": 1, "errors": []}
    assert shown["dataQuality"] == {"lastMeasuredOn": "2026-11-26"}
    assert {one["code"]: one["dataQuality"] for one in shown["sites"]["nodes"]} == {"P1": 25, "O1": 50}
    assert whole == {"SITE_WITHOUT_COORDINATES": [("2026-11-25", 1, 2), ("2026-11-26", 0, 2)]}
    assert past == {"SITE_WITHOUT_COORDINATES": [("2026-11-25", 1, 2)]}
    assert of_site[None] == [("2026-11-25", 4, 4), ("2026-11-26", 3, 4)]
    assert of_site["SITE_WITHOUT_COORDINATES"] == [("2026-11-25", 1, 1), ("2026-11-26", 0, None)]
    assert "STOCK_DISAGREES" not in of_site
    assert of_source == {"DUPLICATE_SERIAL": [("2026-11-25", 2, 3), ("2026-11-26", 2, 3)]}


async def test_an_empty_hub_has_nothing_to_measure_and_says_so(hub: Hub):
    data = await hub.query(f"{{ dataQuality {{ {COUNTS} score {{ percent }} lastMeasuredOn }} }}")
    listed = await parts(hub, "SITE")
    done = await hub.query(MEASURE)

    assert len(data["dataQuality"]["counts"]) == len(QualityMeasure)
    assert {(one["defects"], one["records"], one["percent"]) for one in data["dataQuality"]["counts"]} == {(0, 0, None)}
    assert (listed["nodes"], listed["totalCount"]) == ([], 0)
    assert done["measureDataQuality"] == {"measuredOn": "2026-11-25", "rescored": 0, "errors": []}


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ('{ dataQuality(siteId: "U2l0ZTo5") { score { percent } } }', "NOT_FOUND",
         "there is no Site with the id 'U2l0ZTo5'"),
        ('{ dataQuality(siteId: "UHJvZHVjdDox") { score { percent } } }', "INVALID_INPUT",
         "id 'UHJvZHVjdDox' is the id of a Product, not of a Site"),
        ('{ dataQuality(manufacturer: "Nobody") { score { percent } } }', "NOT_FOUND",
         "there is no product of manufacturer 'Nobody'"),
        ('{ dataQuality(productId: "UHJvZHVjdDox") { records(measure: SITE_WITHOUT_ADDRESS) { totalCount } } }',
         "INVALID_INPUT", "site_without_address cannot be narrowed to a product: its records belong to none"),
        ('{ dataQuality(siteId: "U2l0ZTox") { counts(measures: [STOCK_DISAGREES]) { defects } } }',
         "INVALID_INPUT", "stock_disagrees cannot be narrowed to a site: its records belong to none"),
        ("{ dataQuality { records(measure: DUPLICATE_SERIAL, first: 0) { totalCount } } }", "INVALID_INPUT",
         "`first` is 0, 1 to 500 is allowed"),
        ('{ dataQuality { records(measure: DUPLICATE_SERIAL, after: "U2l0ZTox") { totalCount } } }', "INVALID_INPUT",
         "cursor 'U2l0ZTox' is not one of ours"),
        ('{ dataQuality { parts(by: SITE, after: "x") { totalCount } } }', "INVALID_INPUT",
         "cursor 'x' is not one of ours"),
        ('{ dataQuality { parts(by: SITE, first: 501) { totalCount } } }', "INVALID_INPUT",
         "`first` is 501, 1 to 500 is allowed"),
        ("{ dataQualityTrend(days: 401) { measure } }", "INVALID_INPUT",
         "`days` of dataQualityTrend is 401, 1 to 400 is allowed"),
        ('{ dataQualityTrend(siteId: "U2l0ZTox", productId: "UHJvZHVjdDox") { measure } }', "INVALID_INPUT",
         "a trend is kept of the hub, of a source, of a site or of a product"),
        ('{ dataQualityTrend(siteId: "U2l0ZTox", measures: [STOCK_DISAGREES]) { measure } }', "INVALID_INPUT",
         "stock_disagrees cannot be narrowed to a site: its records belong to none"),
    ],
)  # fmt: skip
async def test_what_cannot_be_answered_is_refused_with_the_reason(hub: Hub, query: str, code: str, message: str):
    await made(hub.engine)

    error = await hub.error(query)

    assert (error["extensions"]["code"], error["message"]) == (code, message)


async def test_days_before_there_were_any_are_none(hub: Hub):
    await hub.query(MEASURE)

    assert await trend(hub, measures=["DUPLICATE_SERIAL"], days=400, until="0001-01-01") == {"DUPLICATE_SERIAL": []}


async def test_who_is_limited_to_regions_is_told_of_those_alone(open_hub: OpenHub, engine: AsyncEngine):
    await made(engine)
    async with transaction(engine) as tx:
        await quarantined(tx, 1, "f")

    async with open_hub(token=TOKEN, keys=KEYS) as hub:
        mine = (await ask(hub, "europe", f"{{ dataQuality {{ {COUNTS} }} }}"))["data"]["dataQuality"]
        listed = (await ask(hub, "europe", PARTS, by="SITE"))["data"]["dataQuality"]["parts"]["nodes"]
        outside = await ask(hub, "europe", f"query ($id: ID!) {{ dataQuality(siteId: $id) {{ {COUNTS} }} }}", id=BARE)
        missing = await ask(hub, "europe", f'{{ dataQuality(siteId: "{global_id("Site", 9)}") {{ {COUNTS} }} }}')
        waiting = await ask(hub, "europe", RECORDS, measure="RECORD_IN_QUARANTINE")
        days, measured = await ask(hub, "europe", TREND), await ask(hub, "europe", MEASURE)

    assert flawed(mine) == {"PRODUCT_NOT_CONFIRMED": (1, 2)}  # a double outside is none
    assert len(mine["counts"]) == len(QualityMeasure) - 3
    assert [(one["id"], one["score"]["percent"]) for one in listed] == [(GOOD, 100)]
    for answer, id_ in ((outside, BARE), (missing, global_id("Site", 9))):
        assert [error["message"] for error in answer["errors"]] == [f"there is no Site with the id {id_!r}"]
    assert waiting["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert waiting["errors"][0]["message"] == (
        "'europe' may not read record_in_quarantine: it looks at what lies outside of its regions, or at fields that "
        "its roles do not read"
    )
    assert days["errors"][0]["message"] == (
        "'europe' may not dataQualityTrend: that is about all regions, and it is limited to 'EU'"
    )
    assert measured["data"]["measureDataQuality"]["errors"][0]["code"] == "FORBIDDEN"


async def test_measuring_is_for_those_who_operate_sources(open_hub: OpenHub, engine: AsyncEngine):
    async with open_hub(token=TOKEN, keys=KEYS) as hub:
        refused, done = await ask(hub, "viewer", MEASURE), await ask(hub, "dispatcher", MEASURE)

    assert refused["data"]["measureDataQuality"]["measuredOn"] is None
    assert refused["data"]["measureDataQuality"]["errors"][0]["code"] == "FORBIDDEN"
    assert done["data"]["measureDataQuality"]["measuredOn"] == "2026-11-25"


FIELDS = {"Asset.serial": ["chief"], "Site.dataQuality": ["chief"], "Asset.holder": ["chief"]}


async def test_what_is_for_other_roles_is_told_by_no_measure_no_score_and_no_list(
    open_hub: OpenHub, engine: AsyncEngine
):
    await made(engine)
    async with transaction(engine) as tx:
        other = await make_source(tx, "other", last_success_at=NOW)
        for device, field in ((1, "holder"), (2, "revision"), (2, "holder")):
            if field == "holder":
                await refer(tx, other, "asset", device)
            await insert_row(
                tx, tables.field_conflict,
                {"kind": "asset", "entity_id": device, "asset_id": device, "field": field, "reason": "last_said",
                 "statements": [], "created_at": NOW, "updated_at": NOW},
            )  # fmt: skip
        await insert_row(
            tx, tables.identity_review,
            {"source_id": other, "external_id": "9", "quarantine_id": await quarantined(tx, other, "f"),
             "state": "open", "reason": "two fit", "stated": {}, "attempts": [], "evidence": "", "created_at": NOW,
             "updated_at": NOW},
        )  # fmt: skip
    schema = build_schema()._schema
    fields, holder = rights_of(FIELDS, schema), rights_of({"Asset.holder": ["chief"]}, schema)

    async with open_hub(token=TOKEN, keys=KEYS, fields=fields) as hub:
        await ask(hub, None, MEASURE)
        told = (await ask(hub, "viewer", f"{{ dataQuality {{ {COUNTS} }} }}"))["data"]["dataQuality"]
        scores = "query ($site: ID!, $product: ID!) { " + "".join(
            f"{name}: dataQuality({name}Id: ${name}) {{ score {{ defects records }} }} " for name in ("site", "product")
        )
        score = (await ask(hub, "viewer", scores + "}", site=BARE, product=NAMED))["data"]
        listed = await ask(hub, "viewer", PARTS, by="SITE")
        days = await ask(hub, "viewer", TREND, site=BARE)
        refused = await ask(hub, "viewer", RECORDS, measure="DUPLICATE_SERIAL")
        whole = (await ask(hub, None, f"{{ dataQuality {{ {COUNTS} }} }}"))["data"]["dataQuality"]
    async with open_hub(token=TOKEN, keys=KEYS, fields=holder) as hub:
        seen = await ask(hub, "viewer", RECORDS, measure="ASSET_IN_CONFLICT")
        everything = await ask(hub, None, RECORDS, measure="ASSET_IN_CONFLICT")

    kept = {one["measure"] for one in whole["counts"]} - {one["measure"] for one in told["counts"]}
    assert kept == {
        measure.name for measure, definition in DEFINITIONS.items()
        if definition.entity in ("asset", "quarantine", "identity_review")
    }  # fmt: skip
    assert score == {"site": {"score": None}, "product": {"score": {"defects": 1, "records": 1}}}  # no devices
    assert {one["score"] for one in listed["data"]["dataQuality"]["parts"]["nodes"]} == {None}
    assert {one["measure"] for one in days["data"]["dataQualityTrend"]}.isdisjoint(kept | {None})
    assert refused["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    found = [one["data"]["dataQuality"]["records"]["nodes"] for one in (seen, everything)]
    assert [[(one["name"], {*one["detail"].split(", ")}) for one in nodes] for nodes in found] == [
        [("sw-2", {"revision"})], [("sw-1", {"holder"}), ("sw-2", {"revision", "holder"})],
    ]  # fmt: skip


async def test_how_long_a_read_source_confirms_is_as_configured(open_hub: OpenHub, engine: AsyncEngine):
    await made(engine)
    async with transaction(engine) as tx:
        await tx.execute(update(tables.source).values(last_success_at=NOW - timedelta(days=5)))
    query = "{ dataQuality { counts(measures: [ASSET_NOT_CONFIRMED]) { defects } } }"

    found = []
    for days in (4, 6):
        async with open_hub(measuring=replace(Measuring(), confirmed_for=timedelta(days=days))) as hub:
            found.append((await hub.query(query))["dataQuality"]["counts"][0]["defects"])

    assert found == [4, 0]
