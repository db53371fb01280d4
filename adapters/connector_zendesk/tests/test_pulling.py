"""The export: what it holds back, what comes along, and where it goes on."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import httpx
import pytest

from connector.sdk import ConfigError, NotFound, RateLimited, TicketRecord, Tombstone, UnexpectedResponse
from connector_zendesk.mapping import ticket_ref

from .conftest import MINUTE, NOON, Hub, ids

EXPORT = "/api/v2/incremental/tickets/cursor"


async def test_the_last_minute_is_held_back_and_read_next_time(hub: Hub) -> None:
    hub.account.open(NOON)
    hub.account.open(hub.clock.now() - timedelta(seconds=59))
    first, since = await hub.pull()
    hub.clock.advance(MINUTE)
    then, _ = await hub.pull(since)

    assert (ids(first), ids(then)) == ([1], [2])


async def test_a_pull_is_a_request_a_page_whatever_comes_along(hub: Hub) -> None:
    for _ in range(6):
        hub.account.open(NOON)
    await hub.pull(asset_tag_field="101")

    assert [request.url.path for request in hub.asked] == [EXPORT, EXPORT]
    assert dict(hub.asked[0].url.params) == {
        "start_time": "0", "per_page": "5", "include": "users,groups,organizations,slas,dates",
    }  # fmt: skip
    assert base64.b64decode(hub.asked[1].url.params["cursor"]).endswith(b"||5|")
    assert "start_time" not in hub.asked[1].url.params


async def test_the_first_pull_begins_where_the_settings_say(hub: Hub) -> None:
    hub.account.open(NOON - MINUTE)
    hub.account.open(NOON)

    records, _ = await hub.pull(start=NOON.isoformat())

    assert ids(records) == [2]


async def test_an_idle_account_costs_one_request_and_yields_nothing(hub: Hub) -> None:
    hub.account.open(NOON)
    _, since = await hub.pull(asset_tag_field="101")
    hub.asked.clear()
    nothing, again = await hub.pull(since, asset_tag_field="101")

    assert (nothing, again, len(hub.asked)) == ([], since, 1)


async def test_an_account_without_tickets_is_read_from_its_beginning_again(hub: Hub) -> None:
    nothing, since = await hub.pull()
    hub.account.open(NOON)

    assert nothing == []
    assert ids((await hub.pull(since))[0]) == [1]


async def test_a_change_that_does_not_date_the_ticket_is_read_all_the_same(hub: Hub) -> None:
    """`updated_at` moves with events only, the export goes by `generated_timestamp`."""
    ticket = hub.account.open(NOON)
    _, since = await hub.pull()
    hub.account.system_change(ticket, NOON + MINUTE)

    [record], _ = await hub.pull(since)

    assert (record.ref, record.updated_at) == (ticket_ref(1), NOON)


async def test_the_rate_limit_of_the_export_is_waited_for_and_nothing_is_lost(hub: Hub) -> None:
    for _ in range(6):
        hub.account.open(NOON)
    hub.sandbox.server.exports_left = 1
    pulling = hub.adapter().pull(hub.adapter().streams()[0], None)
    first = await anext(aiter(pulling))
    with pytest.raises(RateLimited) as limited:
        await anext(aiter(pulling))
    hub.sandbox.server.exports_left = None

    assert limited.value.retry_after == timedelta(seconds=37)
    assert ids((await hub.pull(first.resume))[0]) == [6]


async def test_a_cursor_that_stands_still_is_not_followed_for_ever(hub: Hub) -> None:
    told = {"tickets": [], "after_cursor": "abc", "end_of_stream": False}
    hub.wire.change = lambda request: httpx.Response(200, json=told) if request.url.path == EXPORT else None

    with pytest.raises(UnexpectedResponse, match="its cursor stands still"):
        await hub.pull('{"after":"abc"}')


@pytest.mark.parametrize("changes", [{"end_of_stream": None}, {"after_cursor": 5}, {"tickets": None}])
async def test_an_export_that_is_otherwise_than_documented_is_told(hub: Hub, changes: dict[str, object]) -> None:
    told = {"tickets": [], "after_cursor": "abc", "end_of_stream": True} | changes
    hub.wire.change = lambda request: httpx.Response(200, json=told) if request.url.path == EXPORT else None

    with pytest.raises(UnexpectedResponse):
        await hub.pull()


async def test_a_deleted_ticket_is_gone_in_the_export_and_not_found_by_itself(hub: Hub) -> None:
    ticket = hub.account.open(NOON)
    _, since = await hub.pull()
    hub.account.delete(ticket, NOON + MINUTE)

    assert (await hub.pull(since))[0] == [Tombstone(ref=ticket_ref(1), updated_at=NOON + MINUTE)]
    with pytest.raises(NotFound):
        await hub.adapter().fetch(ticket_ref(1))


async def test_a_ticket_of_another_group_is_gone(hub: Hub) -> None:
    ticket = hub.account.open(NOON)
    _, since = await hub.pull(groups=["Service Desk"])
    hub.account.change(ticket, NOON + MINUTE, group_id=21)

    records, _ = await hub.pull(since, groups=["Service Desk"])

    assert records == [Tombstone(ref=ticket_ref(1), updated_at=NOON + MINUTE)]


async def test_a_field_is_found_by_its_title_on_whichever_page_and_a_choice_is_shown_by_its_name(hub: Hub) -> None:
    hub.sandbox.server.list_page = 2
    hub.account.open(NOON, fields={104: "core_switch", 109: "Hamburg"})

    [record], _ = await hub.pull(category_field="device class", site_field="109")

    assert isinstance(record, TicketRecord)
    assert (record.category, record.site_name) == ("Core switch", "Hamburg")


async def test_a_custom_status_means_what_the_settings_say_and_else_its_category(hub: Hub) -> None:
    hub.account.open(NOON, status="hold", custom_status_id=70)
    by_label, _ = await hub.pull(states={"waiting for parts": "in_progress"})
    by_id, _ = await hub.pull(states={"70": "in_progress"})
    plain, _ = await hub.pull()

    states = [record.state.value for [record] in (by_label, by_id, plain) if isinstance(record, TicketRecord)]
    assert states == ["in_progress", "in_progress", "on_hold"]


async def test_a_service_level_that_is_not_told_leaves_the_due_date(hub: Hub) -> None:
    metrics = [{"metric": "total_resolution_time", "breach_at": "2026-11-26T08:00:00Z", "stage": "active"}]
    hub.account.open(NOON, due_at="2026-12-01T08:00:00Z", slas={"policy_metrics": metrics})
    [told], _ = await hub.pull()
    hub.sandbox.server.knows_slas = False
    [untold], _ = await hub.pull()

    dues = [record.sla_due_at for record in (told, untold) if isinstance(record, TicketRecord)]
    assert [due.isoformat() for due in dues if due] == ["2026-11-26T08:00:00+00:00", "2026-12-01T08:00:00+00:00"]


async def test_a_cursor_of_another_adapter_is_refused(hub: Hub) -> None:
    for cursor in ('{"offset": 5}', json.dumps({"after": 5})):
        with pytest.raises(ConfigError, match="is not one of the Zendesk adapter"):
            await hub.pull(cursor)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"serial_field": "Serial"}, "name no custom field, or several of one title: serial_field = 'Serial'"),
        ({"serial_field": "Double"}, "or several of one title: serial_field = 'Double'"),
        ({"statuses": {"on_hold": "In repair"}}, "name statuses that are not in use: 'In repair'"),
    ],
)
async def test_what_the_settings_name_and_the_account_lacks_is_told(
    hub: Hub, settings: dict[str, object], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        await hub.adapter(**settings).check()


async def test_an_agent_may_not_export_and_is_told_so(hub: Hub) -> None:
    assert (await hub.adapter().check()).detail == "reads and writes as connector@example.com"
    hub.account.me = {"id": 5, "email": "emma@example.com", "role": "agent"}

    with pytest.raises(ConfigError, match="only administrators may export tickets"):
        await hub.adapter().check()
