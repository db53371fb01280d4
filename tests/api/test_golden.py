"""The golden record over GraphQL: conflicts and overrides as they are read, and fields as people override them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.access import ApiKey
from connector.api.field_names import rights_of
from connector.api.schema import build_schema
from connector.api.schema.nodes import global_id
from connector.ingest.tending import tend_golden_record
from connector.model.kinds import HubTier
from connector.model.principals import Principal
from tests.api.conftest import TOKEN, Hub, OpenHub
from tests.api.test_queries import statements
from tests.conftest import MovableClock
from tests.ingest.conftest import Intake
from tests.ingest.records import asset, product, ref, site
from tests.ingest.records import hub as hub_record

PUBLISHED = Path(__file__).parents[2] / "graphql" / "operations"
OPERATIONS = "".join((PUBLISHED / f"{name}.graphql").read_text() for name in ("FieldConflicts", "FieldOverrides"))
DEVICE, OVERRIDE = global_id("Asset", 1), global_id("FieldOverride", 1)
WHY = {"reason": "looked at it"}


@pytest.fixture
def intake(engine: AsyncEngine, clock: MovableClock) -> Intake:
    return Intake(engine, clock)


@pytest.fixture
async def contested(intake: Intake) -> Intake:
    """A device of which two sources say that it has another name, holder and place; the CMDB goes first."""
    await tend_golden_record(intake.engine, intake.clock, {"asset": ["cmdb", "mdm"]}, {})
    await intake(site(), product(), asset("a1", holder="grace"))
    await intake(site("x2", name="Site s2", region="US"), source="mdm")
    said = {"asset_tag": None, "state": None, "product": None, "place": ref("site", "x2")}
    await intake(asset("77", v=3, serial="SN-A1", name="laptop-7", holder="ada", **said), source="mdm")
    return intake


async def ask(hub: Hub, name: str, token: str | None = None, **variables: Any) -> Any:
    body = {"query": OPERATIONS, "operationName": name, "variables": variables}
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    answer = (await hub.client.post("/graphql", json=body, headers=headers)).json()
    assert "errors" not in answer, answer
    (found,) = answer["data"].values()
    return found


async def override(hub: Hub, field: str, value: Any, *, of: str = DEVICE, key: str | None = None, **more: Any) -> Any:
    key = key or f"key-{field}-{of.rstrip('=')}"
    return await ask(hub, "OverrideField", **{"id": of, "field": field, "value": value, "key": key, **WHY, **more})


async def test_a_conflict_shows_every_statement_whose_value_holds_and_why(hub: Hub, contested: Intake):
    found = await ask(hub, "FieldConflicts", first=10)

    by_field = {node["field"]: node for node in found["nodes"]}
    assert (found["totalCount"], by_field.keys()) == (3, {"holder", "name", "place"})
    holder = by_field["holder"]
    assert (holder["kind"], holder["asset"]["serial"], holder["source"], holder["reason"]) == (
        "ASSET", "SN-A1", "cmdb", "PRECEDENCE",
    )  # fmt: skip
    assert [list(one.values()) for one in holder["statements"]] == [
        ["cmdb", "a1", "grace", "2026-11-25T09:00:01Z", "2026-11-24T09:01:00Z", True],
        ["mdm", "77", "ada", "2026-11-25T09:00:03Z", "2026-11-24T09:03:00Z", False],
    ]
    assert [one["value"] for one in by_field["place"]["statements"]] == [
        {"site": global_id("Site", 1), "hub": None}, {"site": global_id("Site", 2), "hub": None},
    ]  # fmt: skip


async def test_conflicts_are_filtered_sorted_counted_and_paged_like_other_data_in_one_statement(
    open_hub: OpenHub, contested: Intake
):
    query = """{
      fieldConflicts(filter: {field: {in: ["holder", "name"]}, asset: {serial: {eq: "SN-A1"}}},
          orderBy: [{field: FIELD, direction: DESC}], first: 1) { totalCount nodes { field } pageInfo { hasNextPage } }
      assets(filter: {fieldConflicts: {some: {source: {eq: "cmdb"}}}}) {
        nodes { fieldConflicts(filter: {field: {eq: "holder"}}) { nodes { statements { value } } }
                fieldOverrides { totalCount } } }
      fieldConflictAggregate(groupBy: [{field: REASON}]) { groups { key { reason } count } }
      fieldOverrideAggregate(groupBy: [{field: FIELD}]) { groups { count } } }"""

    async with open_hub(poll=timedelta(hours=1)) as hub:
        await hub.feed.now()
        with statements(hub.engine) as seen:
            found = await hub.query(query)

    assert len([text for text in seen if "pg_advisory" not in text]) == 1
    assert found == {
        "fieldConflicts": {"totalCount": 2, "nodes": [{"field": "name"}], "pageInfo": {"hasNextPage": True}},
        "assets": {
            "nodes": [
                {
                    "fieldConflicts": {"nodes": [{"statements": [{"value": "grace"}, {"value": "ada"}]}]},
                    "fieldOverrides": {"totalCount": 0},
                }
            ]
        },
        "fieldConflictAggregate": {"groups": [{"key": {"reason": "PRECEDENCE"}, "count": 3}]},
        "fieldOverrideAggregate": {"groups": []},
    }


async def test_a_person_overrides_a_field_once_per_key_and_releases_it_again(
    hub: Hub, contested: Intake, clock: MovableClock
):
    until = clock.now() + timedelta(days=30)
    first = await override(hub, "holder", "linus", key="k1", until=until.isoformat())
    again = await override(hub, "holder", "linus", key="k1", until=until.isoformat())
    other = await override(hub, "holder", "ada", key="k1")
    conflicts = await ask(hub, "FieldConflicts", first=10, filter={"field": {"eq": "holder"}})
    [shown] = (await ask(hub, "FieldOverrides", first=5))["nodes"]
    overridden = (await contested.row("asset"))["holder"]
    released = await ask(hub, "ReleaseOverride", override=OVERRIDE, reason="over", key="k2")
    twice = await ask(hub, "ReleaseOverride", override=OVERRIDE, key="k3")

    assert (first, first["errors"]) == (again, [])
    assert other["errors"][0]["code"] == "INVALID_INPUT"
    assert {name: shown[name] for name in ("kind", "field", "value", "replaced", "reason", "createdBy", "endsAt")} == {
        "kind": "ASSET", "field": "holder", "value": "linus", "replaced": "grace", "reason": "looked at it",
        "createdBy": "api", "endsAt": f"{until:%Y-%m-%dT%H:%M:%SZ}",
    }  # fmt: skip
    assert shown["asset"]["serial"] == "SN-A1"
    assert [(node["source"], node["reason"]) for node in conflicts["nodes"]] == [(None, "OVERRIDE")]
    assert not any(one["isHolding"] for one in conflicts["nodes"][0]["statements"])
    assert (overridden, (await contested.row("asset"))["holder"]) == ("linus", "grace")
    assert (released["isNew"], released["override"]["releasedBy"], twice["isNew"], twice["errors"]) == (
        True, "api", False, [],
    )  # fmt: skip
    assert (await ask(hub, "FieldOverrides", first=5))["nodes"] == []


@pytest.mark.parametrize(
    ("type_", "field", "value", "columns"),
    [
        ("Asset", "assetTag", "t9", {"asset_tag": "T9"}),
        ("Asset", "warranty_ends_on", "2027-03-01", {"warranty_ends_on": "2027-03-01"}),
        ("Asset", "holder", None, {"holder": None}),
        ("Asset", "product", global_id("Product", 1), {"product_id": 1}),
        ("Hub", "tier", "LOCAL", {"tier": HubTier.LOCAL}),
        ("Hub", "handlingTime", "PT45M", {"handling_minutes": 45}),
        ("Hub", "courier_cut_offs", ["12:00"], {"courier_cut_offs": ["12:00"]}),
        ("Hub", "is_mobile", True, {"is_mobile": True}),
        ("Site", "position", {"latitude": 48.1, "longitude": 11.5}, {"latitude": 48.1, "longitude": 11.5}),
        (
            "Site",
            "address",
            {"line1": "Kai 1", "postalCode": "20457", "country": "DE"},
            {"address": {"line1": "Kai 1", "postal_code": "20457", "country": "DE"}, "country": "DE"},
        ),
        ("Product", "unitCost", {"unitCostCents": 900, "currency": "EUR"}, {"unit_cost_cents": 900, "currency": "EUR"}),
        ("Product", "size", {"lengthMm": 1, "widthMm": 2, "heightMm": 3}, {"length_mm": 1, "height_mm": 3}),
        ("Product", "criticality", "TIER_1", {"criticality": "tier_1"}),
    ],
)
async def test_values_are_written_as_the_schema_has_them_and_shown_so(
    hub: Hub, intake: Intake, type_: str, field: str, value: Any, columns: dict[str, Any]
):
    await intake(site(), hub_record(), product(), asset("a1"))

    done = await override(hub, field, value, of=global_id(type_, 1))

    row = await intake.row(type_.lower())
    assert done["errors"] == []
    assert {name: str(row[name]) if name == "warranty_ends_on" else row[name] for name in columns} == columns
    shown = "T9" if field == "assetTag" else value
    assert done["override"]["value"] == shown


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        ({"field": "hodler"}, "INVALID_INPUT", "asset has no field 'hodler'"),
        ({"field": "state", "value": "RETIRED"}, "INVALID_INPUT", "'state' is not overridden: what is said of it"),
        ({"reason": " "}, "INVALID_INPUT", "reason is empty"),
        ({"until": "2020-01-01T00:00:00Z"}, "INVALID_INPUT", "until 2020-01-01T00:00:00+00:00 is past"),
        ({"field": "product", "value": 1}, "INVALID_INPUT", "'product' needs an id, not 1"),
        ({"field": "product", "value": global_id("Product", 99)}, "NOT_FOUND", "there is no product with id 99"),
        ({"id": global_id("Asset", 99)}, "NOT_FOUND", "there is no asset with id 99"),
        ({"id": global_id("Ticket", 1)}, "INVALID_INPUT", "fields of a Ticket are not overridden"),
        ({"id": global_id("Hub", 1), "field": "tier", "value": "local"}, "INVALID_INPUT", "'local' is none of CENTRAL"),
        ({"id": global_id("Hub", 1), "field": "name", "value": None}, "INVALID_INPUT", "'name' of this hub cannot be"),
        ({"id": global_id("Hub", 1), "field": "pick_time", "value": "PT30S"}, "INVALID_INPUT", "'PT30S' is no whole"),
        ({"id": global_id("Site", 1), "field": "position", "value": 5}, "INVALID_INPUT", "'position' needs an object"),
        ({"key": ""}, "INVALID_INPUT", "idempotencyKey '' cannot be used"),
    ],
)
async def test_what_cannot_be_overridden_is_refused_and_changes_nothing(
    hub: Hub, intake: Intake, given: dict[str, Any], code: str, message: str
):
    await intake(site(), hub_record(), asset("a1"))

    refused = await ask(
        hub, "OverrideField", **{"id": DEVICE, "field": "holder", "value": "ada", "key": "k1", **WHY, **given}
    )

    assert refused["override"] is None
    assert [(one["code"], one["message"].startswith(message)) for one in refused["errors"]] == [(code, True)], refused
    assert (await ask(hub, "FieldOverrides", first=5))["totalCount"] == 0


async def test_a_value_that_is_left_out_is_no_empty_one(hub: Hub, intake: Intake):
    await intake(site(), asset("a1", holder="grace"))
    query = """mutation { overrideField(input: {id: "%s", field: "holder", reason: "x", idempotencyKey: "k"}) {
        errors { message } } }"""

    refused = await hub.query(query % DEVICE)
    missing = await ask(hub, "ReleaseOverride", override=global_id("FieldOverride", 7), key="k2")
    other = await ask(hub, "ReleaseOverride", override=DEVICE, key="k3")

    assert refused["overrideField"]["errors"] == [{"message": "no value is given"}]
    assert missing["errors"][0]["code"] == "NOT_FOUND"
    assert other["errors"][0]["message"] == f"id {DEVICE!r} is the id of a Asset, not of a FieldOverride"
    assert (await intake.row("asset"))["holder"] == "grace"


async def test_who_is_limited_to_regions_sees_and_overrides_what_lies_in_them_alone(
    open_hub: OpenHub, contested: Intake
):
    keys = {
        region: ApiKey.of(f"the-token-of-{region}", Principal(region, frozenset({"planner"}), frozenset({region})))
        for region in ("EU", "US")
    }
    asked = {"field": "holder", "value": "linus", **WHY}

    async with open_hub(token=TOKEN, keys=tuple(keys.values())) as hub:
        refused = await ask(hub, "OverrideField", "the-token-of-US", id=DEVICE, key="k1", **asked)
        done = await ask(hub, "OverrideField", "the-token-of-EU", id=DEVICE, key="k2", **asked)
        priced = {"id": global_id("Product", 1), "field": "sku", "value": "S1", "key": "k3", **WHY}
        everywhere = await ask(hub, "OverrideField", "the-token-of-EU", **priced)
        unseen = await ask(hub, "ReleaseOverride", "the-token-of-US", override=OVERRIDE, key="k4")
        await ask(hub, "OverrideField", TOKEN, **priced)
        of_all = await ask(hub, "ReleaseOverride", "the-token-of-EU", override=global_id("FieldOverride", 2), key="k5")
        seen = {
            token: [await ask(hub, name, token, first=9) for name in ("FieldConflicts", "FieldOverrides")]
            for token in (TOKEN, "the-token-of-EU", "the-token-of-US")
        }

    assert [one["code"] for one in refused["errors"]] == ["NOT_FOUND"]
    assert done["errors"] == []
    assert [one["code"] for one in (*everywhere["errors"], *of_all["errors"])] == ["FORBIDDEN", "FORBIDDEN"]
    assert [one["code"] for one in unseen["errors"]] == ["NOT_FOUND"]
    fields = {token: [[node["field"] for node in page["nodes"]] for page in pages] for token, pages in seen.items()}
    assert fields == {
        TOKEN: [["holder", "name", "place"], ["holder", "sku"]],
        "the-token-of-EU": [["holder", "name", "place"], ["holder", "sku"]],
        "the-token-of-US": [[], ["sku"]],
    }
    # that the device may be at a site in another region is not told
    assert [node["statements"] is None for node in seen["the-token-of-EU"][0]["nodes"]] == [False, False, True]
    assert all(node["statements"] for node in seen[TOKEN][0]["nodes"])


async def test_who_does_not_read_a_field_is_told_neither_statements_nor_overrides_of_it(
    open_hub: OpenHub, contested: Intake
):
    fields = rights_of({"Asset.holder": ("chief",)}, build_schema()._schema)  # type: ignore[attr-defined]
    keys = [ApiKey.of(f"the-token-of-{name}", Principal(name, frozenset({name}))) for name in ("chief", "planner")]
    asked = {"id": DEVICE, "field": "holder", "value": "linus", **WHY}

    async with open_hub(token=TOKEN, keys=keys, fields=fields) as hub:
        refused = await ask(hub, "OverrideField", "the-token-of-planner", key="k1", **asked)
        await ask(hub, "OverrideField", TOKEN, key="k2", **asked)
        kept = await ask(hub, "ReleaseOverride", "the-token-of-planner", override=OVERRIDE, key="k3")
        seen = {
            name: [
                (await ask(hub, query, f"the-token-of-{name}", first=1))["nodes"][0][shown]
                for query, shown in (("FieldConflicts", "statements"), ("FieldOverrides", "value"))
            ]
            for name in ("chief", "planner")
        }

    assert [one["code"] for one in (*refused["errors"], *kept["errors"])] == ["FORBIDDEN", "FORBIDDEN"]
    assert seen["planner"] == [None, None]
    assert (len(seen["chief"][0]), seen["chief"][1]) == (2, "linus")


async def test_dispatchers_and_planners_override_and_others_do_not(open_hub: OpenHub, contested: Intake):
    roles = ("viewer", "technician", "machine", "dispatcher", "planner")
    keys = [ApiKey.of(f"the-token-of-{role}", Principal(role, frozenset({role}))) for role in roles]
    asked = {"id": DEVICE, "field": "holder", "value": "linus", **WHY}

    async with open_hub(token=TOKEN, keys=keys) as hub:
        answers = {role: await ask(hub, "OverrideField", f"the-token-of-{role}", key=role, **asked) for role in roles}

    assert {role: [one["code"] for one in answer["errors"]] for role, answer in answers.items()} == {
        "viewer": ["FORBIDDEN"], "technician": ["FORBIDDEN"], "machine": ["FORBIDDEN"], "dispatcher": [], "planner": [],
    }  # fmt: skip
