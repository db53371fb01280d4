"""Each way in which a search by time loses issues for somebody, one test."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import pytest

from connector.sdk import AuthError, ConfigError, NotFound, TicketRecord, Tombstone, UnexpectedResponse
from connector_jira_service_management.adapter import TICKETS
from connector_jira_service_management.cursor import MOST_SEEN, Position, read_cursor, write_cursor
from connector_jira_service_management.jql import times_in
from connector_jira_service_management.links import ticket_ref

from .conftest import NOON, Desk, ids

SECOND = timedelta(seconds=1)
BACK = datetime(2026, 10, 25, 1, tzinfo=UTC)
"""When it is 02:00 in Berlin for the second time."""


def queries(desk: Desk) -> list[str]:
    return [json.loads(each.content)["jql"] for each in desk.asked if each.url.path.endswith("/search/jql")]


async def test_times_are_written_in_the_zone_of_the_accounts_profile_to_the_minute(desk: Desk) -> None:
    desk.sandbox.seed("tickets", 1, at=NOON + timedelta(seconds=42), step=SECOND)
    _, resume = await desk.pull()

    await desk.pull(resume)

    assert queries(desk) == [
        'project in ("ITSM") ORDER BY updated ASC, key ASC',
        'project in ("ITSM") AND updated >= "2026-11-25 22:50" ORDER BY updated ASC, key ASC',
    ]


@pytest.mark.parametrize("fold", [0, 1])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Lord_Howe", "America/New_York", "UTC"])
async def test_no_issue_is_lost_while_the_clock_is_put_back_however_the_hour_is_read(zone: str, fold: int) -> None:
    desk = Desk(user_time_zone=zone, fold=fold)
    changes = {"Europe/Berlin": (10, 25, 1), "Australia/Lord_Howe": (4, 4, 15), "America/New_York": (11, 1, 6)}
    month, day, hour = changes.get(zone, (10, 25, 1))
    back = datetime(2026, month, day, hour, tzinfo=UTC)
    refs = desk.sandbox.seed("tickets", 37, at=back - timedelta(minutes=90), step=timedelta(minutes=5))
    wanted = [ref.external_id for ref in refs]

    records, _ = await desk.pull()
    seen: list[str] = []
    since = None
    while len(seen) < len(wanted):
        async for batch in desk.adapter().pull(TICKETS, since):
            seen += ids(list(batch.records))
            since = batch.resume
            break

    assert ids(records) == wanted
    assert seen == wanted
    for client in desk.sources:
        await client.aclose()


async def test_an_hour_that_comes_twice_is_asked_for_from_the_minute_before_it() -> None:
    desk = Desk(user_time_zone="Europe/Berlin")
    desk.sandbox.seed("tickets", 12, at=BACK - timedelta(minutes=55), step=timedelta(minutes=10))

    records, _ = await desk.pull()

    asked = [query.partition("updated >= ")[2].partition(" ORDER")[0] for query in queries(desk)]
    assert len(records) == 12
    assert asked == ["", *['"2026-10-25 01:59"'] * 6]  # three pages, and once more, as nothing may be lacking
    for client in desk.sources:
        await client.aclose()


@pytest.mark.parametrize("changed", range(5))
@pytest.mark.parametrize("page", [1, 2, 3, 4])
async def test_an_issue_that_moves_up_between_two_pages_of_such_an_hour_is_read(changed: int, page: int) -> None:
    """One of the first page changes, so each page that follows by its token begins an issue later."""
    desk = Desk(user_time_zone="Europe/Berlin")
    refs = desk.sandbox.seed("tickets", 22, at=BACK - timedelta(minutes=55), step=timedelta(minutes=5))
    seen: list[str] = []
    pages = 0

    def between(request: httpx.Request) -> None:
        nonlocal pages
        pages += request.url.path.endswith("/search/jql")
        if pages == 1 + page:
            desk.sandbox.touch(refs[changed], at=BACK + timedelta(minutes=90))

    desk.wire.change = between
    records, since = await desk.pull()
    seen = ids(records)
    again, _ = await desk.pull(since)

    assert set(seen) == {ref.external_id for ref in refs}
    assert refs[changed].external_id in (*seen[22:], *ids(again))
    for client in desk.sources:
        await client.aclose()


async def test_more_issues_in_one_minute_than_fit_a_page_all_arrive_once(desk: Desk) -> None:
    refs = desk.sandbox.seed("tickets", 23, at=NOON, step=SECOND)

    records, _ = await desk.pull()

    assert ids(records) == [ref.external_id for ref in refs]


async def test_an_issue_that_changes_between_two_pages_pushes_no_other_off_the_list(desk: Desk) -> None:
    refs = desk.sandbox.seed("tickets", 16, at=NOON, step=timedelta(minutes=1))
    seen: list[str] = []

    async for batch in desk.adapter().pull(TICKETS, None):
        seen += ids(list(batch.records))
        if len(seen) == 5:
            for ref in refs[:3]:
                desk.sandbox.touch(ref, at=NOON + timedelta(minutes=30))

    assert seen == [ref.external_id for ref in (*refs, *refs[:3])]


async def test_a_pull_goes_on_behind_each_issue_of_a_millisecond_that_it_has_seen(desk: Desk) -> None:
    refs = desk.sandbox.seed("tickets", 12, at=NOON, step=timedelta(0))
    batches = desk.adapter().pull(TICKETS, None)
    first = await anext(batches)
    await batches.aclose()  # type: ignore[attr-defined]

    rest, _ = await desk.pull(first.resume)

    assert ids(list(first.records)) == [ref.external_id for ref in refs[:5]]
    assert ids(rest) == [ref.external_id for ref in refs[5:]]


async def test_a_source_in_which_nothing_happens_is_not_read_again_and_again(desk: Desk) -> None:
    desk.sandbox.seed("tickets", 12, at=NOON, step=timedelta(0))
    counts = []
    resume = None
    for _ in range(4):
        records, resume = await desk.pull(resume)
        counts.append(len(records))
        desk.clock.at += timedelta(minutes=10)
    late = desk.site.create(desk.clock.at)

    records, _ = await desk.pull(resume)

    assert counts == [12, 12, 0, 0]
    assert ids(records) == [late.id]


async def test_issues_of_one_minute_arrive_in_whatever_order_they_are_listed(desk: Desk) -> None:
    refs = desk.sandbox.seed("tickets", 23, at=NOON + timedelta(seconds=50), step=timedelta(seconds=-2))
    seen: list[str] = []
    since = None
    while len(seen) < 23:
        async for batch in desk.adapter().pull(TICKETS, since):
            seen += ids(list(batch.records))
            since = batch.resume
            break

    assert seen == [ref.external_id for ref in refs]


async def test_an_issue_that_changes_again_within_the_minute_is_read_again(desk: Desk) -> None:
    refs = desk.sandbox.seed("tickets", 6, at=NOON, step=SECOND)
    seen: list[str] = []

    async for batch in desk.adapter().pull(TICKETS, None):
        seen += ids(list(batch.records))
        if len(seen) == 5:
            desk.sandbox.touch(refs[5], at=NOON + timedelta(seconds=40))
            desk.sandbox.touch(refs[0], at=NOON + timedelta(seconds=40))
            desk.sandbox.seed("tickets", 5, at=NOON + timedelta(seconds=41), step=SECOND)

    assert seen.count(refs[0].external_id) == 2
    assert len(seen) == 12


def test_a_cursor_stays_small_however_many_issues_share_a_minute() -> None:
    stamps = [(NOON + timedelta(milliseconds=20 * n), str(10**9 + n)) for n in range(2000)]
    many = Position(reached=NOON).after(stamps, times_in(ZoneInfo("UTC")).asked)

    cursor = write_cursor(many)

    assert len(cursor) <= 4096
    assert len(read_cursor(cursor).seen) == MOST_SEEN
    assert all(read_cursor(cursor).has_passed(stamp) for stamp in stamps)
    assert not read_cursor(cursor).has_passed((NOON + timedelta(seconds=45), str(10**9)))


async def test_a_foreign_cursor_is_refused(desk: Desk) -> None:
    with pytest.raises(ConfigError, match="is not one of the Jira Service Management adapter"):
        await desk.pull('{"id": 7}')


async def test_issues_of_other_projects_and_types_are_not_read(desk: Desk) -> None:
    desk.site.create(NOON, project="OPS")
    desk.site.create(NOON, issue_type="Epic")
    ours = desk.site.create(NOON)

    records, _ = await desk.pull(issue_types=["[System] Incident"])

    assert ids(records) == [ours.id]


async def test_a_page_whose_issues_do_not_say_when_they_changed_ends_the_pull_with_the_reason(desk: Desk) -> None:
    desk.sandbox.seed("tickets", 11, at=NOON, step=SECOND)
    whole = desk.sandbox.server.whole
    desk.sandbox.server.whole = lambda issue: {**whole(issue), "updated": None}  # type: ignore[method-assign]

    with pytest.raises(UnexpectedResponse, match="none of 5 issues says when it changed"):
        await desk.pull()


async def test_fetch_tells_moved_deleted_and_readable_issues_apart(desk: Desk) -> None:
    stays, moved, deleted = (desk.site.create(NOON) for _ in range(3))
    later = NOON + timedelta(minutes=20)
    desk.site.move(moved, "OPS", later)
    desk.site.delete(deleted)
    adapter = desk.adapter()

    assert isinstance(await adapter.fetch(ticket_ref(stays.id)), TicketRecord)
    assert await adapter.fetch(ticket_ref(moved.id)) == Tombstone(ref=ticket_ref(moved.id), updated_at=later)
    with pytest.raises(NotFound, match="fetch ticket: the system answered 404"):
        await adapter.fetch(ticket_ref(deleted.id))


async def test_an_issue_that_cannot_be_seen_for_want_of_rights_is_not_gone(desk: Desk) -> None:
    ref = ticket_ref(desk.site.create(NOON).id)

    with pytest.raises(AuthError, match="fetch ticket: the system answered 401"):
        await desk.adapter(api_token="ATATT3x-expired-0000").fetch(ref)
    desk.site.delete(desk.site.issues[ref.external_id])
    desk.site.projects.pop("OPS")
    with pytest.raises(AuthError, match="the token's account does not see project 'OPS' any more"):
        await desk.adapter(projects=["ITSM", "OPS"]).fetch(ref)


async def test_a_search_that_jira_refuses_stops_the_source_with_jiras_reason(desk: Desk) -> None:
    with pytest.raises(ConfigError, match="The value 'GONE' does not exist for the field 'project'"):
        await desk.pull(projects=["GONE"])


async def test_check_names_a_project_and_a_field_that_are_not_there(desk: Desk) -> None:
    health = await desk.adapter().check()

    assert (health.version, health.detail) == ("1001.0.0-SNAPSHOT", "times in queries are read in Australia/Sydney")
    with pytest.raises(ConfigError, match="project 'NOPE' does not exist, or the token's account may not see it"):
        await desk.adapter(projects=["ITSM", "NOPE"]).check()
    with pytest.raises(ConfigError, match="name fields that are not there: sla_field = 'customfield_99'"):
        await desk.adapter(sla_field="customfield_99").check()


async def test_links_are_read_from_both_ends(desk: Desk) -> None:
    first, again, problem, other, parent = (desk.site.create(NOON) for _ in range(5))
    desk.site.link("Duplicate", again, first, NOON)
    desk.site.link("Problem/Incident", problem, again, NOON)
    desk.site.link("Relates", again, other, NOON)
    desk.site.change(other, NOON, parent=parent.id)
    records = {record.ref.external_id: record for record in (await desk.pull())[0]}

    def told(issue_id: str) -> tuple[object, object, object]:
        record = records[issue_id]
        assert isinstance(record, TicketRecord)
        return record.parent, record.duplicate_of, record.related

    assert told(again.id) == (ticket_ref(problem.id), ticket_ref(first.id), (ticket_ref(other.id),))
    assert told(first.id) == (None, None, None)
    assert told(problem.id) == (None, None, None)
    assert told(other.id) == (ticket_ref(parent.id), None, (ticket_ref(again.id),))
