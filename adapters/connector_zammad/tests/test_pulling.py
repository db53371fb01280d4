"""How tickets could be lost, one test each."""

from __future__ import annotations

import json
from datetime import timedelta

import httpx
import pytest

from connector.sdk import AuthError, ConfigError, NotFound, TicketRecord, Tombstone, Transient, UnexpectedResponse
from connector_zammad.mapping import ticket_ref

from .conftest import MINUTE, NOON, Hub, ids

SEARCH = "/api/v1/tickets/search"


def page(request: httpx.Request) -> tuple[int, int]:
    return int(request.url.params["page"]), int(request.url.params["per_page"])


async def test_the_database_is_asked_not_the_search_engine(hub: Hub) -> None:
    hub.desk.open(NOON)
    await hub.pull()

    [search] = [request for request in hub.asked if request.url.path == SEARCH]
    assert "query" not in search.url.params
    assert json.loads(search.content) == {
        "condition": {"ticket.updated_at": {"operator": "after (absolute)", "value": "1970-01-01T00:00:00.000Z"}}
    }
    assert search.url.params["sort_by"] == "updated_at,id"
    assert search.url.params["order_by"] == "asc,asc"


async def test_a_ticket_that_leaves_an_instant_of_many_takes_none_with_it(hub: Hub) -> None:
    """Pages by number begin one later than they did, and the sixth ticket would be on none."""
    tickets = [hub.desk.open(NOON) for _ in range(12)]

    def first_one_changes(request: httpx.Request) -> None:
        if request.url.path == SEARCH and page(request) == (2, 5) and tickets[0]["updated_at"] == NOON:
            hub.desk.change(tickets[0], NOON + MINUTE, title="changed meanwhile")

    hub.wire.change = first_one_changes
    records, _ = await hub.pull()

    assert sorted(set(ids(records))) == list(range(1, 13))


async def test_tickets_of_an_instant_in_no_order_are_not_read_for_ever(hub: Hub) -> None:
    """As from a version that does not sort by a second column."""
    hub.sandbox.server.is_in_order = False
    for _ in range(12):
        hub.desk.open(NOON)

    with pytest.raises(UnexpectedResponse, match=r"the tickets that changed at .* come in another order each time"):
        await hub.pull(read_links=False, read_descriptions=False)


async def test_what_changes_while_it_is_read_is_read_again_in_the_same_pull(hub: Hub) -> None:
    tickets = [hub.desk.open(NOON + MINUTE * number) for number in range(6)]
    hub.wire.change = lambda request: (
        hub.desk.change(tickets[0], NOON + MINUTE * 30, title="newer")
        if request.url.path == "/api/v1/ticket_articles/5"
        else None
    )
    records, _ = await hub.pull()

    assert [record.title for record in records if ids([record]) == [1] and isinstance(record, TicketRecord)] == [
        "Switch is dead", "newer",
    ]  # fmt: skip


@pytest.mark.parametrize("count", [19, 20, 21, 45])
async def test_a_version_that_gives_fewer_rows_than_asked_for_loses_none(hub: Hub, count: int) -> None:
    hub.sandbox.server.cap = 20
    for number in range(count):
        hub.desk.open(NOON + MINUTE * (number // 2))

    records, _ = await hub.pull(page_size=100, read_links=False, read_descriptions=False)

    assert sorted(set(ids(records))) == list(range(1, count + 1))


async def test_a_low_cap_within_one_instant_loses_none(hub: Hub) -> None:
    hub.sandbox.server.cap = 20
    for _ in range(45):
        hub.desk.open(NOON)

    records, _ = await hub.pull(page_size=100, read_links=False, read_descriptions=False)

    assert ids(records) == list(range(1, 46))


async def test_a_change_that_is_shown_late_is_read_and_an_idle_zammad_costs_two_requests(hub: Hub) -> None:
    hub.desk.open(NOON)
    _, since = await hub.pull()
    hub.desk.open(NOON - 4 * MINUTE)
    hub.clock.advance(MINUTE)
    late, since = await hub.pull(since)
    hub.clock.advance(5 * MINUTE)
    _, since = await hub.pull(since)
    hub.asked.clear()
    nothing, again = await hub.pull(since)

    assert 2 in ids(late)
    assert nothing == []
    assert [request.url.path for request in hub.asked] == ["/api/v1/ticket_states", SEARCH]
    assert json.loads(again or "")["at"] == NOON.isoformat()


async def test_a_ticket_of_another_group_is_gone_and_not_asked_about(hub: Hub) -> None:
    ticket = hub.desk.open(NOON)
    _, since = await hub.pull(groups=["Service Desk"])
    hub.desk.change(ticket, NOON + MINUTE, group="2nd Level")
    hub.asked.clear()

    records, _ = await hub.pull(since, groups=["Service Desk"])

    assert records == [Tombstone(ref=ticket_ref(1), updated_at=NOON + MINUTE)]
    assert hub.wire.count("/api/v1/links") == 0


async def test_a_ticket_that_is_hidden_meanwhile_is_gone(hub: Hub) -> None:
    ticket = hub.desk.open(NOON)
    hub.wire.change = lambda request: (
        ticket.update(group="Secret") if request.url.path.startswith("/api/v1/ticket_articles/") else None
    )
    records, _ = await hub.pull()

    assert records == [Tombstone(ref=ticket_ref(1), updated_at=NOON)]


async def test_a_hidden_ticket_is_not_found_but_for_a_token_without_permission_all_are_refused(hub: Hub) -> None:
    hub.desk.open(NOON, group="Secret")
    with pytest.raises(NotFound, match="Zammad does not allow it for ticket 1"):
        await hub.adapter().fetch(ticket_ref(1))

    hub.sandbox.server.may_see_tickets = False
    with pytest.raises(AuthError):
        await hub.adapter().fetch(ticket_ref(1))
    with pytest.raises(AuthError):  # its search would find nothing, without a word
        await hub.pull()


async def test_maintenance_passes(hub: Hub) -> None:
    hub.sandbox.server.is_in_maintenance = True

    with pytest.raises(Transient, match="Zammad is in maintenance mode"):
        await hub.adapter().check()


async def test_links_and_the_first_article_come_with_the_ticket(hub: Hub) -> None:
    parent, child, other = hub.desk.open(NOON), hub.desk.open(NOON, body="<p>Dead &amp; cold</p>"), hub.desk.open(NOON)
    hub.desk.link("parent", parent["id"], child["id"], NOON + MINUTE)
    hub.desk.link("normal", child["id"], other["id"], NOON + 2 * MINUTE)

    records = {ids([record])[0]: record for record in (await hub.pull())[0]}

    found = records[2]
    assert isinstance(found, TicketRecord)
    assert (found.parent, found.related, found.description) == (ticket_ref(1), (ticket_ref(3),), "Dead & cold")
    assert [(record.parent, record.related) for record in (records[1], records[3])] == [  # type: ignore[union-attr]
        (None, None), (None, (ticket_ref(2),)),
    ]  # fmt: skip


async def test_a_merged_ticket_is_a_duplicate(hub: Hub) -> None:
    target, merged = hub.desk.open(NOON), hub.desk.open(NOON)
    hub.desk.merge(merged, target, NOON + MINUTE)

    record = await hub.adapter().fetch(ticket_ref(2))

    assert isinstance(record, TicketRecord)
    assert (record.duplicate_of, record.parent, record.state.value) == (ticket_ref(1), None, "closed")


async def test_an_attribute_that_the_settings_name_and_tickets_lack_is_told(hub: Hub) -> None:
    hub.desk.open(NOON)
    assert (await hub.adapter(site_field="site").check()).detail == "reads and writes as connector"

    with pytest.raises(ConfigError, match=r"attributes that tickets do not have: site_field = 'location'"):
        await hub.adapter(site_field="location").check()


async def test_a_state_to_write_that_is_not_in_use_is_told(hub: Hub) -> None:
    with pytest.raises(ConfigError, match="`statuses` names states that are not in use: resolved = 'removed'"):
        await hub.adapter(statuses={"resolved": "removed"}).check()


async def test_a_cursor_of_another_adapter_is_refused(hub: Hub) -> None:
    with pytest.raises(ConfigError, match="is not one of the Zammad adapter"):
        await hub.pull('{"offset": 5}')


async def test_a_pull_that_was_cut_off_goes_on_exactly(hub: Hub) -> None:
    for number in range(7):
        hub.desk.open(NOON + timedelta(seconds=number))
    pulling = hub.adapter().pull(hub.adapter().streams()[0], None)
    first = await anext(aiter(pulling))
    await pulling.aclose()  # type: ignore[attr-defined]

    rest, _ = await hub.pull(first.resume)

    assert ids(rest) == [6, 7]
