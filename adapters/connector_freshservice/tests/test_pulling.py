"""Lists by numbered pages: what they leave out, where they go on, and what they cost."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connector.sdk import (
    AssetRecord,
    ConfigError,
    EntityKind,
    HubRecord,
    NotFound,
    ProductRecord,
    RateLimited,
    SiteRecord,
    SourceRef,
    TicketRecord,
    Tombstone,
)
from connector_freshservice.assets import asset_ref
from connector_freshservice.sandbox.account import SOFTWARE
from connector_freshservice.tickets import ticket_ref

from .conftest import MINUTE, NOON, Hub, ids

SETTLED = timedelta(hours=1)


async def test_an_idle_pull_is_three_lists_and_yields_nothing(hub: Hub) -> None:
    hub.sandbox.ticket(NOON)
    _, since = await hub.pull()
    hub.clock.advance(SETTLED)
    _, since = await hub.pull(since)
    hub.asked.clear()
    hub.clock.advance(SETTLED)
    nothing, _ = await hub.pull(since)

    assert (nothing, hub.paths()) == ([], ["tickets", "tickets", "tickets"])
    assert [request.url.params.get("filter") for request in hub.asked] == [None, "deleted", "spam"]
    assert dict(hub.asked[0].url.params) == {
        "include": "requester,stats", "updated_since": "2026-11-25T12:00:00Z", "order_type": "asc", "page": "1",
        "per_page": "20",
    }  # fmt: skip


@pytest.mark.parametrize("is_exclusive", [False, True])
async def test_a_change_of_the_second_that_was_read_last_is_read_whatever_since_means(
    hub: Hub, is_exclusive: bool
) -> None:
    hub.server.is_since_exclusive = is_exclusive
    hub.sandbox.ticket(NOON)
    _, since = await hub.pull()
    hub.sandbox.ticket(NOON)

    assert 2 in ids((await hub.pull(since))[0])


async def test_old_tickets_are_read_though_the_list_shows_thirty_days_alone(hub: Hub) -> None:
    hub.sandbox.ticket(NOON - timedelta(days=400))

    assert ids((await hub.pull())[0]) == [1]
    assert ids((await hub.pull(start=NOON.isoformat()))[0]) == []


async def test_a_ticket_that_is_deleted_between_two_pages_makes_no_other_be_passed_over(hub: Hub) -> None:
    for number in range(50):
        hub.sandbox.ticket(NOON + timedelta(seconds=number))
    pull = hub.adapter().pull(hub.adapter().streams()[3], None)
    first = await anext(pull)
    hub.sandbox.delete(ticket_ref(3), at=hub.clock.now())
    rest = [record for batch in [each async for each in pull] for record in batch.records]

    assert set(ids([*first.records, *rest])) == set(range(1, 51))
    assert [record.ref for record in rest if isinstance(record, Tombstone)] == [ticket_ref(3)]


async def test_spam_and_the_trash_are_told(hub: Hub) -> None:
    spam, deleted = hub.sandbox.ticket(NOON), hub.sandbox.ticket(NOON)
    _, since = await hub.pull()
    spam.update(spam=True, updated_at=NOON + MINUTE)
    deleted.update(deleted=True, updated_at=NOON + MINUTE)

    gone = [record for record in (await hub.pull(since))[0] if isinstance(record, Tombstone)]

    assert sorted(ids(list(gone))) == [spam["id"], deleted["id"]]


async def test_assets_and_parents_cost_a_request_for_each_ticket_that_is_open(hub: Hub) -> None:
    software = hub.sandbox.asset(asset_type_id=SOFTWARE)
    laptop = hub.sandbox.asset()
    ticket = hub.sandbox.ticket(NOON, assets=[software["id"], laptop["id"]], parent_id=77)
    hub.sandbox.ticket(NOON, status=5, assets=[laptop["id"]])
    records, _ = await hub.pull(associations="open")
    [opened] = [record for record in records if record.ref == ticket_ref(ticket["id"])]

    assert isinstance(opened, TicketRecord)
    assert (opened.asset, opened.hostname, opened.parent) == (
        asset_ref(laptop["display_id"]), laptop["name"], ticket_ref(77),
    )  # fmt: skip
    assert sum(path.startswith("tickets/") for path in hub.paths()) == 1
    hub.asked.clear()
    await hub.pull(associations="all")
    assert sum(path.startswith("tickets/") for path in hub.paths()) == 2


async def test_an_agent_who_may_not_see_the_fields_reads_tickets_as_long_as_no_name_is_needed(hub: Hub) -> None:
    hub.sandbox.ticket(NOON, responder_id=501)
    hub.server.shows_fields = False
    [record], _ = await hub.pull(serial_field="serial_number", ticket_states={"6": "on_hold"})

    assert isinstance(record, TicketRecord)
    assert (record.state, record.assignee) == ("in_progress", None)
    with pytest.raises(ConfigError, match="may not see the fields of tickets, which groups need"):
        await hub.pull(groups=["Hardware Team"])


async def test_workspaces_are_read_one_by_one_and_a_ticket_that_leaves_them_is_gone(hub: Hub) -> None:
    hub.sandbox.ticket(NOON)
    other, third = hub.sandbox.ticket(NOON, workspace_id=5), hub.sandbox.ticket(NOON, workspace_id=6)

    assert ids((await hub.pull())[0]) == [1]
    assert ids((await hub.pull(workspaces=[2, 5]))[0]) == [1, other["id"]]
    assert isinstance(await hub.adapter(workspaces=[2, 5]).fetch(ticket_ref(third["id"])), Tombstone)


async def test_a_list_that_ends_before_its_last_page_says_what_to_do(hub: Hub) -> None:
    for _ in range(45):
        hub.sandbox.ticket(NOON)
    hub.server.last_page = 2

    with pytest.raises(ConfigError, match=r"shows no page 3 of tickets.*Set `start`"):
        await hub.pull()


async def test_a_limit_says_for_how_long(hub: Hub) -> None:
    hub.server.left = 0

    with pytest.raises(RateLimited) as limited:
        await hub.adapter().check()

    assert limited.value.retry_after == timedelta(seconds=21)


async def test_many_changes_of_one_second_are_read_along_the_ids(hub: Hub) -> None:
    for _ in range(45):
        hub.sandbox.asset(NOON)
    _, since = await hub.pull(stream="hardware")
    hub.clock.advance(SETTLED)
    for asset in hub.account.tables["assets"].values():
        asset["updated_at"] = NOON + MINUTE

    records, _ = await hub.pull(since, stream="hardware")

    assert len({record.ref for record in records}) == 45


async def test_assets_of_other_types_are_passed_over_and_a_type_that_is_not_there_is_said(hub: Hub) -> None:
    hub.sandbox.asset(NOON, asset_type_id=SOFTWARE)
    laptop = hub.sandbox.asset(NOON, location_id=None, revision="B2")
    [record], _ = await hub.pull(stream="hardware")

    assert isinstance(record, AssetRecord)
    assert (record.ref, record.revision, str(record.warranty_ends_on), record.state) == (
        asset_ref(laptop["display_id"]), "B2", "2029-03-31", "deployed",
    )  # fmt: skip
    with pytest.raises(ConfigError, match=r"asset_types names 'Cloud'.*Computer, Hardware"):
        await hub.pull(stream="hardware", asset_types=["Cloud"])


async def test_what_is_below_a_hub_belongs_to_it_and_lists_end_complete(hub: Hub) -> None:
    depot = hub.sandbox.location(NOON, name="Depot")
    shelf = hub.sandbox.location(NOON, name="Shelf", parent_location_id=depot["id"])
    hub.sandbox.location(NOON, name="Office")
    hub.sandbox.asset(NOON, location_id=shelf["id"])
    settings = {"hub_locations": ["depot"], "points": {"Depot": [53.5, 10.0]}}
    batches = await hub.batches("places", **settings)
    [asset], _ = await hub.pull(stream="hardware", **settings)

    depots, sites = [
        [record for batch in batches for record in batch.records if isinstance(record, kind)]
        for kind in (HubRecord, SiteRecord)
    ]
    assert [(each.name, each.point and each.point.latitude) for each in depots] == [("Depot", 53.5)]
    assert [each.name for each in sites] == ["Office"]
    assert batches[-1].complete
    assert isinstance(asset, AssetRecord)
    assert asset.place == depots[0].ref


async def test_single_things_are_fetched_and_what_lies_in_the_trash_is_gone(hub: Hub) -> None:
    product, site = hub.sandbox.product(NOON), hub.sandbox.location(NOON)
    asset, ticket = hub.sandbox.asset(NOON), hub.sandbox.ticket(NOON)
    adapter = hub.adapter()
    for kind, number, record in (
        (EntityKind.SITE, site["id"], SiteRecord), (EntityKind.PRODUCT, product["id"], ProductRecord),
        (EntityKind.ASSET, asset["display_id"], AssetRecord), (EntityKind.TICKET, ticket["id"], TicketRecord),
    ):  # fmt: skip
        ref = SourceRef(kind=kind, external_id=str(number))
        found = await adapter.fetch(ref)
        assert (type(found), found.ref) == (record, ref)
    asset["trashed"] = True
    for ref in (asset_ref(asset["display_id"]), SourceRef(kind=EntityKind.TICKET, external_id="../agents")):
        with pytest.raises(NotFound):
            await adapter.fetch(ref)


async def test_only_the_roles_are_read(hub: Hub) -> None:
    hub.sandbox.ticket(NOON)
    hub.sandbox.asset(NOON)

    assert (await hub.pull(roles=["cmdb"]))[0] == []
    assert (await hub.pull(stream="hardware", roles=["itsm"]))[0] == []
    assert hub.asked == []


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"serial_field": "Mood"}, "serial_field = 'Mood'"),
        ({"ticket_states": {"Haunted": "on_hold"}}, "'Haunted'.*Waiting for parts"),
        ({"written_states": {"on_hold": "Haunted"}}, "'Haunted'"),
    ],
)
async def test_check_names_what_the_settings_name_and_nobody_knows(
    hub: Hub, settings: dict[str, object], why: str
) -> None:
    with pytest.raises(ConfigError, match=why):
        await hub.adapter(**settings).check()
