"""What locations, labels and assignments mean."""

from __future__ import annotations

from typing import Any

import pytest

from connector.sdk import AssetRelation, AssetState, ConfigError, EntityKind, NotFound, RelationKind, SourceRef
from connector.sdk.testing import by_ref
from connector_snipe_it.config import SnipeItConfig
from connector_snipe_it.mapping import asset_record, state_of
from connector_snipe_it.places import places_of
from connector_snipe_it.sandbox import SnipeItSandbox

from .conftest import Opened


def config(**settings: Any) -> SnipeItConfig:
    return SnipeItConfig.model_validate({"base_url": "https://a.test", "token": "t"} | settings)


def location(number: int, parent: int | None = None, name: str = "") -> dict[str, Any]:
    above = {"id": parent, "name": "above"} if parent else None
    return {"id": number, "name": name or f"L{number}", "parent": above}


@pytest.mark.parametrize(
    ("name", "kind", "assigned", "state"),
    [
        ("Ready to Deploy", "deployable", False, AssetState.IN_STOCK),
        ("Ready to Deploy", "deployable", True, AssetState.DEPLOYED),
        ("Pending", "pending", False, AssetState.INSPECTION),
        ("Out for Diagnostics", "undeployable", True, AssetState.INSPECTION),
        ("lost/stolen", "undeployable", False, AssetState.LOST),
        ("Defekt", "undeployable", False, AssetState.QUARANTINED),
        ("Verschrottet", "archived", False, AssetState.DISPOSED),
        ("K&#246;nnte gehen", "undeployable", False, AssetState.REPAIR),
    ],
)
def test_a_label_means_what_settings_name_and_type_say(name: str, kind: str, assigned: bool, state: AssetState):
    row = {
        "status_label": {"name": name, "status_type": kind},
        "assigned_to": {"id": 1, "name": "x", "type": "user"} if assigned else None,
    }

    assert state_of(row, config(states={" verschrottet": "disposed", "Könnte gehen": "repair"})) is state
    assert state_of({"status": row["status_label"], "assigned_to": row["assigned_to"]},
                    config(states={"Verschrottet": "disposed", "könnte gehen": "repair"})) is state  # fmt: skip


def test_what_lies_below_a_hub_belongs_to_it_and_below_a_site_where_only_tops_are_sites():
    rows = [location(1), location(2, 1), location(3, 2, "Depot"), location(4, 3), location(5, 6), location(6, 5)]
    every = places_of(rows, config(hub_locations=["depot"]))
    tops = places_of(rows, config(hub_locations=["3"], sites="top"))

    assert [str(every.of_location(number)) for number in range(1, 7)] == [
        "site:1", "site:2", "hub:3", "hub:3", "site:5", "site:6"
    ]  # fmt: skip
    assert [str(tops.of_location(number)) for number in range(1, 5)] == ["site:1", "site:1", "hub:3", "hub:3"]
    with pytest.raises(ConfigError, match="hub_locations names 'Depoo', and Snipe-IT has no such location"):
        places_of(rows, config(hub_locations=["Depoo"]))


async def test_places_and_what_is_fetched_are_the_same(sandbox: SnipeItSandbox, opened: Opened):
    top = sandbox.new_location()
    depot = sandbox.new_location(name="Depot", parent_id=top.id)
    shelf = sandbox.new_location(parent_id=depot.id)
    model = sandbox.new_model()
    asset = sandbox.new_asset(location_id=shelf.id)
    async with opened(hub_locations=["Depot"], points={"Depot": [53.5, 10.0]}) as source:
        places = by_ref(await source.pull("places"))
        fetched = {ref: await source.adapter.fetch(ref) for ref in places}
        of_asset = await source.adapter.fetch(SourceRef(kind=EntityKind.ASSET, external_id=str(asset.id)))
        of_model = await source.adapter.fetch(SourceRef(kind=EntityKind.PRODUCT, external_id=str(model.id)))
        gone = [
            SourceRef(kind=EntityKind.SITE, external_id=str(shelf.id)),
            SourceRef(kind=EntityKind.ASSET, external_id="999"),
            SourceRef(kind=EntityKind.ASSET, external_id="../users"),
            SourceRef(kind=EntityKind.TICKET, external_id="1"),
        ]
        for ref in gone:
            with pytest.raises(NotFound):
                await source.adapter.fetch(ref)
        sandbox.inventory.delete("hardware", asset.id, source.clock.now())
        with pytest.raises(NotFound, match="was deleted"):
            await source.adapter.fetch(of_asset.ref)

    assert fetched == places
    assert {str(ref): record.name for ref, record in places.items()} == {
        f"site:{top.id}": "Hall 0 & yard", f"hub:{depot.id}": "Depot",
    }  # fmt: skip
    assert str(of_asset.place) == f"hub:{depot.id}"
    assert (of_model.key.manufacturer, of_model.key.model) == ("Cisco", "Catalyst 9300-48P")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"time_zone": "Mars/Base"}, "not in the IANA database"),
        ({"points": {"x": [100.0, 10.0]}}, "latitude and longitude are wanted"),
        ({"write_back": True, "failed_status": "Lost/Stolen"}, "means lost by `states`"),
        ({"page_size": 501}, "less than or equal to 500"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], said: str):
    with pytest.raises(ValueError, match=said):
        config(**settings)


def test_what_is_checked_out_to_another_asset_is_part_of_it():
    row = {
        "id": 2, "name": "dock", "status_label": {"name": "Ready", "status_type": "deployable"},
        "updated_at": {"datetime": "2026-02-01 12:00:00"},
        "assigned_to": {"id": 1, "name": "notebook", "type": "asset"},
    }  # fmt: skip

    relations = [asset_record(each, places_of([], config()), config()).relations for each in (row, row | {
        "assigned_to": {"id": 1, "name": "Kim", "type": "user"}})]  # fmt: skip

    assert relations == [(AssetRelation.to(RelationKind.PART_OF, "1"),), ()]
