"""Each trap of Request Tracker that lost or doubled something for somebody, one test."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

from connector.sdk import (
    AddNote,
    AuthError,
    ConfigError,
    Conflict,
    Invalid,
    NotFound,
    Record,
    SetTicketFields,
    SetTicketState,
    SourceClient,
    TicketRecord,
    TicketState,
    Tombstone,
    WebhookRequest,
)
from connector.sdk.testing import MovableClock
from connector_request_tracker import RequestTracker, RequestTrackerConfig
from connector_request_tracker.adapter import DELETIONS, TICKETS
from connector_request_tracker.mapping import ticket_ref
from connector_request_tracker.sandbox import RequestTrackerSandbox

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@pytest.fixture
def sandbox() -> RequestTrackerSandbox:
    return RequestTrackerSandbox(MovableClock(NOON))


@pytest.fixture
async def tracker(sandbox: RequestTrackerSandbox) -> AsyncIterator[RequestTracker]:
    async with connected(sandbox) as http:
        yield RequestTracker(config_of(sandbox), http, MovableClock(NOON))


def config_of(sandbox: RequestTrackerSandbox, **changes: object) -> RequestTrackerConfig:
    return RequestTrackerConfig.model_validate({**sandbox.settings(), **changes})


def connected(sandbox: RequestTrackerSandbox) -> SourceClient:
    return SourceClient(
        "http://rt.test",
        headers=config_of(sandbox).headers(),
        attempts=1,
        transport=httpx.ASGITransport(app=sandbox.app()),
    )


async def pull(tracker: RequestTracker, stream: object, since: str | None = None) -> tuple[list[Record], str | None]:
    records: list[Record] = []
    resume = None
    async for batch in tracker.pull(stream, since):  # type: ignore[arg-type]
        records += batch.records
        resume = batch.resume
    return records, resume


def numbers(records: list[Record]) -> list[int]:
    return [int(record.ref.external_id) for record in records]


async def test_a_page_is_never_longer_than_100_whatever_is_asked_for(sandbox: RequestTrackerSandbox) -> None:
    sandbox.seed("tickets", 150, at=NOON, step=timedelta(0))
    async with connected(sandbox) as http:
        answer = await http.request(
            "GET", "REST/2.0/tickets", operation="test", params={"query": "id > 0", "per_page": 200}
        )

    body = answer.json()
    assert (body["per_page"], body["count"], body["total"], body["pages"]) == (100, 100, 150, 2)
    assert body["next_page"] == "http://rt.test/REST/2.0/tickets?query=id+%3E+0&per_page=200&page=2"


async def test_more_tickets_in_one_second_than_fit_a_page_all_arrive_once(
    sandbox: RequestTrackerSandbox, tracker: RequestTracker
) -> None:
    sandbox.seed("tickets", 23, at=NOON, step=timedelta(0))

    records, _ = await pull(tracker, TICKETS)

    assert numbers(records) == list(range(1, 24))


async def test_a_ticket_that_changes_between_two_pages_pushes_no_other_off_the_list(
    sandbox: RequestTrackerSandbox, tracker: RequestTracker
) -> None:
    refs = sandbox.seed("tickets", 11, at=NOON, step=timedelta(seconds=1))
    seen: list[int] = []

    async for batch in tracker.pull(TICKETS, None):
        seen += numbers(list(batch.records))
        if len(seen) == 5:
            sandbox.touch(refs[0], at=NOON + timedelta(minutes=1))

    assert seen == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 1]


async def test_tickets_of_other_queues_are_not_read(sandbox: RequestTrackerSandbox, tracker: RequestTracker) -> None:
    sandbox.open_ticket(NOON, Queue="General")
    ours = sandbox.open_ticket(NOON)

    records, _ = await pull(tracker, TICKETS)

    assert numbers(records) == [ours.id]


async def test_a_user_in_another_time_zone_is_refused_before_tickets_are_lost(
    sandbox: RequestTrackerSandbox,
) -> None:
    for zone in ("America/New_York", "Asia/Tokyo"):
        elsewhere = RequestTrackerSandbox(MovableClock(NOON), user_time_zone=zone)
        elsewhere.seed("tickets", 1, at=NOON, step=timedelta(0))
        async with connected(elsewhere) as http:
            adapter = RequestTracker(config_of(elsewhere), http, MovableClock(NOON))
            _, resume = await pull(adapter, TICKETS)

            with pytest.raises(ConfigError, match="the token's user has a time zone other than UTC") as refused:
                await adapter.check()
            with pytest.raises(ConfigError, match="the token's user has a time zone other than UTC"):
                await pull(adapter, TICKETS, resume)
        assert refused.value.hint == "Set the time zone of the token's user to UTC: Admin, Users, that user, Locale."


@pytest.mark.parametrize(("zone", "month", "day"), [("Atlantic/Azores", 10, 25), ("Europe/London", 3, 29)])
async def test_a_zone_that_parts_from_utc_in_the_year_is_refused_with_the_first_change_and_none_is_lost(
    zone: str, month: int, day: int
) -> None:
    """Clocks there are set at 01:00 UTC: until then they show the time of UTC."""
    clock = MovableClock(datetime(2026, month, day, 0, 30, tzinfo=UTC))
    desk = RequestTrackerSandbox(clock, user_time_zone=zone)
    [before] = desk.seed("tickets", 1, at=clock.now(), step=timedelta(0))
    async with connected(desk) as http:
        adapter = RequestTracker(config_of(desk), http, clock)
        first, resume = await pull(adapter, TICKETS)
        clock.advance(timedelta(minutes=95))
        _, resume = await pull(adapter, TICKETS, resume)
        [after] = desk.seed("tickets", 1, at=clock.now(), step=timedelta(0))

        with pytest.raises(ConfigError, match="the token's user has a time zone other than UTC"):
            await pull(adapter, TICKETS, resume)

    desk.server.zone = ZoneInfo("UTC")
    async with connected(desk) as http:
        third, _ = await pull(RequestTracker(config_of(desk), http, clock), TICKETS, resume)
    assert numbers(first) == [int(before.external_id)]
    assert int(after.external_id) in numbers(third)


async def test_a_queue_that_is_not_there_is_named(sandbox: RequestTrackerSandbox) -> None:
    async with connected(sandbox) as http:
        adapter = RequestTracker(config_of(sandbox, queues=["Hardwear"]), http, MovableClock(NOON))

        with pytest.raises(ConfigError, match="queue 'Hardwear' does not exist, or the token's user may not see it"):
            await adapter.check()


async def test_check_tells_the_version(tracker: RequestTracker) -> None:
    assert (await tracker.check()).version == "5.0.3 (sandbox)"


async def test_deleted_merged_and_moved_tickets_become_tombstones_though_no_search_shows_them(
    sandbox: RequestTrackerSandbox, tracker: RequestTracker
) -> None:
    deleted, merged, target, moved, stays = (sandbox.open_ticket(NOON) for _ in range(5))
    _, resume = await pull(tracker, DELETIONS)
    later = NOON + timedelta(minutes=20)
    sandbox.desk.set_status(deleted, "deleted", "root", at=later)
    sandbox.desk.merge(merged, target, "root", at=later)
    sandbox.desk.update(moved, {"Queue": "General"}, "root", at=later)

    records, _ = await pull(tracker, DELETIONS, resume)

    assert records == [Tombstone(ref=ticket_ref(t.id), updated_at=later) for t in (deleted, merged, moved)]
    assert numbers((await pull(tracker, TICKETS))[0]) == [stays.id, target.id]


async def test_fetch_tells_deleted_merged_foreign_and_unknown_apart(
    sandbox: RequestTrackerSandbox, tracker: RequestTracker
) -> None:
    deleted, merged, target = (sandbox.open_ticket(NOON) for _ in range(3))
    foreign = sandbox.open_ticket(NOON, Queue="General")
    sandbox.desk.set_status(deleted, "deleted", "root", at=NOON)
    sandbox.desk.merge(merged, target, "root", at=NOON)

    assert await tracker.fetch(ticket_ref(deleted.id)) == Tombstone(ref=ticket_ref(deleted.id), updated_at=NOON)
    assert isinstance(await tracker.fetch(ticket_ref(merged.id)), Tombstone)
    assert isinstance(await tracker.fetch(ticket_ref(target.id)), TicketRecord)
    with pytest.raises(NotFound, match=f"ticket {foreign.id} is in none of our queues"):
        await tracker.fetch(ticket_ref(foreign.id))
    with pytest.raises(NotFound, match="the system answered 404"):
        await tracker.fetch(ticket_ref(999))


async def test_a_refused_status_is_an_error_although_the_answer_is_200(
    sandbox: RequestTrackerSandbox, tracker: RequestTracker
) -> None:
    ticket = sandbox.open_ticket(NOON)

    with pytest.raises(Invalid) as refused:
        await tracker.push(SetTicketState("wf-1:1", ticket_ref(ticket.id), TicketState.CLOSED))

    assert refused.value.fields == {
        "Status": f"Ticket {ticket.id}: Status 'archived' isn't a valid status for this ticket."
    }
    assert ticket.status == "new"


async def test_an_unknown_field_is_an_error_although_the_answer_would_be_200_and_empty(
    sandbox: RequestTrackerSandbox, tracker: RequestTracker
) -> None:
    ticket = sandbox.open_ticket(NOON)

    with pytest.raises(Invalid, match="'Trcking': the ticket has no such custom field") as refused:
        await tracker.push(SetTicketFields("wf-1:1", ticket_ref(ticket.id), {"Trcking": "1Z1"}))

    assert refused.value.fields == {"Trcking": "the ticket has no such custom field"}


async def test_a_field_with_many_values_is_set_to_the_one_value(
    sandbox: RequestTrackerSandbox, tracker: RequestTracker
) -> None:
    ticket = sandbox.open_ticket(NOON, CustomFields={"Tracking Number": ["1Z1", "1Z2"]})
    op = SetTicketFields("wf-1:1", ticket_ref(ticket.id), {"Tracking Number": "1Z3"})

    assert await tracker.find(op) is None
    receipt = await tracker.push(op)

    assert ticket.fields["Tracking Number"] == ["1Z3"]
    assert (await tracker.find(op)) == receipt


async def test_an_empty_value_clears_the_field(sandbox: RequestTrackerSandbox, tracker: RequestTracker) -> None:
    ticket = sandbox.open_ticket(NOON, CustomFields={"Asset Tag": "AT-1"})

    await tracker.push(SetTicketFields("wf-1:1", ticket_ref(ticket.id), {"Asset Tag": ""}))

    assert ticket.fields["Asset Tag"] == []


async def test_a_change_between_reading_and_writing_is_a_conflict(sandbox: RequestTrackerSandbox) -> None:
    ticket = sandbox.open_ticket(NOON)

    class Meddling(httpx.ASGITransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.method == "PUT":
                sandbox.desk.write(ticket, "Comment", "me first", "user")
            return await super().handle_async_request(request)

    async with SourceClient(
        "http://rt.test", headers=config_of(sandbox).headers(), attempts=1, transport=Meddling(app=sandbox.app())
    ) as http:
        adapter = RequestTracker(config_of(sandbox), http, MovableClock(NOON))
        with pytest.raises(Conflict, match="set state: the system answered 412"):
            await adapter.push(SetTicketState("wf-1:1", ticket_ref(ticket.id), TicketState.IN_PROGRESS))

    assert ticket.status == "new"


async def test_a_note_is_found_by_its_whole_key_and_behind_a_hundred_others(
    sandbox: RequestTrackerSandbox, tracker: RequestTracker
) -> None:
    ticket = sandbox.open_ticket(NOON)
    ref = ticket_ref(ticket.id)
    for number in range(105):
        sandbox.desk.write(ticket, "Comment", f"chatter {number}", "user", at=NOON)
    receipt = await tracker.push(AddNote("wf-1:10", ref, "Unit reserved."))

    assert await tracker.find(AddNote("wf-1:1", ref, "Unit reserved.")) is None
    assert (await tracker.push(AddNote("wf-1:10", ref, "Unit reserved."))).external_id == receipt.external_id
    notes = [each.content for each in sandbox.desk.attachments if "Unit reserved." in each.content]
    assert notes == ["Unit reserved.\n\n[connector:wf-1:10]"]


async def test_a_public_note_is_correspondence(sandbox: RequestTrackerSandbox, tracker: RequestTracker) -> None:
    ref = ticket_ref(sandbox.open_ticket(NOON).id)

    await tracker.push(AddNote("wf-1:1", ref, "On its way.", is_public=True))
    await tracker.push(AddNote("wf-1:2", ref, "For us only."))

    assert [each.type for each in sandbox.desk.transactions] == ["Create", "Correspond", "Comment"]


async def test_a_note_on_a_ticket_that_is_not_there_is_not_found_rather_than_not_permitted(
    tracker: RequestTracker,
) -> None:
    with pytest.raises(NotFound, match="add note: the system answered 404"):
        await tracker.push(AddNote("wf-1:1", ticket_ref(999), "Hello?"))


async def test_our_own_note_coming_back_as_a_webhook_reads_nothing(
    sandbox: RequestTrackerSandbox, tracker: RequestTracker
) -> None:
    transaction = sandbox.desk.write(sandbox.open_ticket(NOON), "Comment", "ours", "hub", at=NOON)
    request = sandbox._request(sandbox._payload(transaction, NOON), NOON)

    tracker.verify(request)

    assert tracker.parse(request).fetch == ()


async def test_a_webhook_without_time_or_without_configured_secret_is_refused(
    sandbox: RequestTrackerSandbox, tracker: RequestTracker
) -> None:
    without_time = sandbox._request({"ticket": 1, "type": "Create"}, NOON)
    async with connected(sandbox) as http:
        open_door = RequestTracker(config_of(sandbox, webhook_secret=None), http, MovableClock(NOON))

        with pytest.raises(AuthError, match="the webhook does not say when it was sent"):
            tracker.verify(without_time)
        with pytest.raises(AuthError, match="the source has no webhook secret"):
            open_door.verify(without_time)


async def test_a_webhook_that_is_no_json_is_invalid(tracker: RequestTracker) -> None:
    with pytest.raises(Invalid, match="the webhook cannot be read"):
        tracker.parse(WebhookRequest(headers={}, body=b"\xff{", received_at=NOON))


async def test_the_scrip_posts_each_change_signed_and_does_not_mind_a_deaf_hub(tmp_path: Path) -> None:
    path = tmp_path / "desk.json"
    sandbox = RequestTrackerSandbox(MovableClock(NOON), hook_url="http://127.0.0.1:9/nobody", path=path)
    async with connected(sandbox) as http:
        answer = await http.request(
            "POST", "REST/2.0/ticket", operation="test", json={"Queue": "Hardware", "Subject": "Dead", "Content": "x"}
        )

    again = RequestTrackerSandbox(MovableClock(NOON), path=path)
    assert answer.json() == {"id": "1", "type": "ticket", "_url": "http://rt.test/REST/2.0/ticket/1"}
    assert again.desk.tickets == sandbox.desk.tickets
    assert json.loads(path.read_text())["attachments"][0]["content"] == "x"


async def test_a_source_in_which_nothing_happens_is_not_read_again_and_again(sandbox: RequestTrackerSandbox) -> None:
    sandbox.seed("tickets", 12, at=NOON, step=timedelta(0))
    clock = MovableClock(NOON)
    async with connected(sandbox) as http:
        adapter = RequestTracker(config_of(sandbox), http, clock)
        counts = []
        resume = None
        for _ in range(4):
            records, resume = await pull(adapter, TICKETS, resume)
            counts.append(len(records))
            clock.at += timedelta(minutes=5)
        late = sandbox.open_ticket(clock.at)
        records, _ = await pull(adapter, TICKETS, resume)

    assert counts == [12, 12, 0, 0]
    assert numbers(records) == [late.id]


async def test_a_link_that_is_made_or_taken_back_is_read_with_the_ticket_that_has_it(
    sandbox: RequestTrackerSandbox, tracker: RequestTracker
) -> None:
    event, part = sandbox.open_ticket(), sandbox.open_ticket()

    sandbox.desk.link(part, "MemberOf", event, "user")
    linked = await tracker.fetch(ticket_ref(part.id))
    sandbox.desk.unlink(part, "MemberOf", event, "user")
    freed = await tracker.fetch(ticket_ref(part.id))

    assert isinstance(linked, TicketRecord)
    assert isinstance(freed, TicketRecord)
    assert (linked.parent, freed.parent) == (ticket_ref(event.id), None)
    assert (await tracker.fetch(ticket_ref(event.id))).related is None  # type: ignore[union-attr]
