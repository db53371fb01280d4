"""Relationships between assets."""

from __future__ import annotations

from itertools import pairwise

import pytest
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from connector.sdk import AssetRecord, AssetRelation, ConfigError, Record, RelationKind
from connector_freshservice import FreshserviceConfig, client
from connector_freshservice.assets import asset_ref
from connector_freshservice.pulling import FEW
from connector_freshservice.sandbox.account import SOFTWARE, Row

from .conftest import MINUTE, NOON, Hub

DEPENDS_ON, USES, IN_RACK, CONTAINS, CONNECTED_TO = 21, 22, 23, 24, 25


def to(kind: RelationKind, row: Row) -> AssetRelation:
    return AssetRelation.to(kind, str(row["display_id"]))


def stated(records: list[Record]) -> dict[int, tuple[AssetRelation, ...] | None]:
    return {int(each.ref.external_id): each.relations for each in records if isinstance(each, AssetRecord)}


def of_relationships(hub: Hub) -> list[str]:
    return [path for path in hub.paths() if "relationship" in path]


async def test_each_relation_is_of_the_asset_that_has_it(hub: Hub) -> None:
    laptop, dock, rack, screen, other = [hub.sandbox.asset(NOON) for _ in range(5)]
    software = hub.sandbox.asset(NOON, asset_type_id=SOFTWARE)
    hub.account.relate(DEPENDS_ON, laptop, dock)
    hub.account.relate(IN_RACK, dock, rack)
    hub.account.relate(CONTAINS, rack, screen)
    hub.account.relate(CONNECTED_TO, screen, laptop)
    hub.account.relate(USES, laptop, other)
    hub.account.relate(DEPENDS_ON, other, other)
    hub.account.relate(DEPENDS_ON, laptop, other, secondary_type="department")
    hub.account.relate(DEPENDS_ON, software, other)

    records, _ = await hub.pull(stream="hardware")

    assert stated(records) == {
        laptop["display_id"]: (to(RelationKind.DEPENDS_ON, dock),),
        dock["display_id"]: (to(RelationKind.PART_OF, rack),),
        rack["display_id"]: (),
        screen["display_id"]: (to(RelationKind.CONNECTED_TO, laptop), to(RelationKind.PART_OF, rack)),
        other["display_id"]: (),
    }
    assert await hub.adapter().fetch(asset_ref(screen["display_id"])) in records


async def test_few_changed_assets_are_asked_one_by_one_and_many_by_the_list_of_the_account(hub: Hub) -> None:
    assets = [hub.sandbox.asset(NOON - 60 * MINUTE) for _ in range(45)]
    hub.sandbox.asset(NOON)
    for first, second in pairwise(assets):
        hub.account.relate(CONNECTED_TO, first, second)
    records, since = await hub.pull(stream="hardware")

    assert of_relationships(hub) == ["relationship_types", "relationships"]
    assert stated(records)[assets[7]["display_id"]] == (to(RelationKind.CONNECTED_TO, assets[8]),)

    hub.clock.advance(60 * MINUTE)
    _, since = await hub.pull(since, stream="hardware")
    for asset in assets[:FEW]:
        asset["updated_at"] = hub.clock.now()
    hub.asked.clear()
    records, since = await hub.pull(since, stream="hardware")
    one_by_one = [f"assets/{each['display_id']}/relationships" for each in assets[:FEW]]

    assert of_relationships(hub)[0] == "relationship_types"
    assert sorted(of_relationships(hub)[1:]) == sorted(one_by_one)
    assert stated(records)[assets[7]["display_id"]] == (to(RelationKind.CONNECTED_TO, assets[8]),)

    hub.clock.advance(60 * MINUTE)
    _, since = await hub.pull(since, stream="hardware")
    hub.asked.clear()

    assert (await hub.pull(since, stream="hardware"))[0] == []
    assert of_relationships(hub) == []


async def test_a_long_list_of_relationships_is_read_whole(hub: Hub) -> None:
    hubs = [hub.sandbox.asset(NOON) for _ in range(15)]
    for first in hubs:
        for second in hubs:
            hub.account.relate(CONNECTED_TO, first, second)
    records, _ = await hub.pull(stream="hardware")

    assert {len(found or ()) for found in stated(records).values()} == {14}
    assert of_relationships(hub).count("relationships") == 3


async def test_more_than_anybody_wants_to_read_again_is_said(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MOST_RELATIONSHIPS", 20)
    assets = [hub.sandbox.asset(NOON) for _ in range(22)]
    for first, second in pairwise(assets):
        hub.account.relate(CONNECTED_TO, first, second)

    with pytest.raises(ConfigError, match=r"more than 20 relationships.*read_relations = false"):
        await hub.pull(stream="hardware")


async def test_what_is_not_read_says_nothing_and_costs_nothing(hub: Hub) -> None:
    asset = hub.sandbox.asset(NOON)
    records, _ = await hub.pull(stream="hardware", read_relations=False)
    fetched = await hub.adapter(read_relations=False).fetch(asset_ref(asset["display_id"]))

    assert stated([*records, fetched]) == {asset["display_id"]: None}
    assert of_relationships(hub) == []


async def test_an_asset_that_goes_while_it_is_read_has_no_relations(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    asset = hub.sandbox.asset(NOON)
    shown = hub.server._page

    def page_after_which_it_goes(request: Request, name: str, rows: list[Row]) -> Response:
        asset["trashed"] = name == "relationship_types"
        return shown(request, name, rows)

    monkeypatch.setattr(hub.server, "_page", page_after_which_it_goes)
    records, _ = await hub.pull(stream="hardware")

    assert stated(records) == {asset["display_id"]: ()}


async def test_types_are_named_by_the_settings_and_one_that_is_not_there_is_said(hub: Hub) -> None:
    laptop, dock = hub.sandbox.asset(NOON), hub.sandbox.asset(NOON)
    hub.account.relate(USES, laptop, dock)
    hub.account.relate(DEPENDS_ON, dock, laptop)
    records, _ = await hub.pull(stream="hardware", relations={"uses::used by": "needed_by"})

    assert stated(records)[dock["display_id"]] == (to(RelationKind.DEPENDS_ON, laptop),)
    assert stated(records)[laptop["display_id"]] == ()
    with pytest.raises(ConfigError, match=r"relations names 'Powers::Powered by'.*Downstream::Upstream"):
        await hub.adapter(relations={"Powers::Powered by": "needed_by"}).check()
    assert (await hub.adapter().check()).detail == "reads cmdb and itsm"


@pytest.mark.parametrize("name", ["Depends On", "Depends On::", "a::b::c"])
def test_a_type_has_two_names(name: str) -> None:
    settings = {"base_url": "https://example.freshservice.com", "api_key": "key", "relations": {name: "depends_on"}}
    with pytest.raises(ValidationError, match="write both its names"):
        FreshserviceConfig.model_validate(settings)
