"""Each way in which a pull of PagerDuty loses or repeats something, one test."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime

import httpx
import pytest

from connector.sdk import Batch, TicketRecord, TicketState, Tombstone, Transient, UnexpectedResponse
from connector.sdk.testing import Between, MovableClock
from connector_pagerduty import PagerDuty, pulling
from connector_pagerduty.adapter import INCIDENTS
from connector_pagerduty.sandbox import PagerDutySandbox
from connector_pagerduty.sandbox.account import LogEntry

from .conftest import NOON, Opened

HOUR, DAY, MINUTE, SECOND = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1), timedelta(seconds=1)


async def pull(adapter: PagerDuty, since: str | None = None) -> tuple[dict[str, TicketRecord | Tombstone], str]:
    """The records by id, the last of each, and the cursor."""
    batches: list[Batch] = [batch async for batch in adapter.pull(INCIDENTS, since)]
    records = {record.ref.external_id: record for batch in batches for record in batch.records}
    assert not [item for batch in batches for item in batch.rejected]
    assert batches[-1].resume is not None
    return records, batches[-1].resume  # type: ignore[return-value]


async def pulled_again(
    adapter: PagerDuty, clock: MovableClock, since: str
) -> tuple[dict[str, TicketRecord | Tombstone], str]:
    """The same an hour later."""
    clock.at += HOUR
    return await pull(adapter, since)


@pytest.fixture
def small(clock: MovableClock, monkeypatch: pytest.MonkeyPatch) -> PagerDutySandbox:
    """An account whose lists give 20 rows at most, and an adapter that knows it."""
    monkeypatch.setattr(pulling, "CAP", 20)
    return PagerDutySandbox(clock, cap=20)


async def test_more_incidents_than_a_list_gives_are_read_in_windows_that_are_split(
    small: PagerDutySandbox, clock: MovableClock, opened: Opened
):
    made = [small.account.open(NOON - DAY + MINUTE * number).id for number in range(97)]

    async with opened(small) as adapter:
        found, _ = await pull(adapter)

    assert set(found) == set(made)


async def test_more_open_incidents_than_a_list_gives_are_looked_at_again(
    small: PagerDutySandbox, clock: MovableClock, opened: Opened, wire: Between
):
    made = [small.account.open(NOON - DAY * (200 - number)) for number in range(97)]
    async with opened(small) as adapter:
        _, since = await pull(adapter)
        small.account.change(made[90], NOON + MINUTE, is_logged=False, title="moved")
        wire.requests.clear()
        found, _ = await pulled_again(adapter, clock, since)

    assert found[made[90].id].title == "moved"  # type: ignore[union-attr]
    offsets = [int(request.url.params["offset"]) for request in wire.requests if request.url.path == "/incidents"]
    assert max(offsets) == 15  # and 5 rows: never beyond the 20


async def test_incidents_of_one_second_that_no_window_tells_apart_are_a_clear_failure(
    small: PagerDutySandbox, clock: MovableClock, opened: Opened
):
    for _ in range(60):
        small.account.open(NOON - HOUR)

    async with opened(small) as adapter:
        with pytest.raises(UnexpectedResponse, match="more than 20 incidents cannot be told apart by when they were"):
            await pull(adapter)


async def test_a_log_of_more_entries_than_a_list_gives_is_halved(
    small: PagerDutySandbox, clock: MovableClock, opened: Opened
):
    made = [small.account.open(NOON - DAY) for _ in range(12)]
    async with opened(small) as adapter:
        _, since = await pull(adapter)
        for number, incident in enumerate(made):
            for minute in range(8):
                small.account.log.append(
                    LogEntry(f"N{number}-{minute}", "notify_log_entry", incident.id, NOON + MINUTE * minute)
                )
            small.account.set_status(incident, "resolved", NOON + MINUTE * (10 + number))
        found, _ = await pulled_again(adapter, clock, since)

    states = {key: record.state for key, record in found.items() if isinstance(record, TicketRecord)}
    assert states == dict.fromkeys((each.id for each in made), TicketState.RESOLVED)


async def test_an_incident_that_was_resolved_long_after_it_was_made_is_seen(
    sandbox: PagerDutySandbox, clock: MovableClock, pagerduty: PagerDuty
):
    old = sandbox.account.open(NOON - DAY * 60)
    _, since = await pull(pagerduty)
    sandbox.account.set_status(old, "resolved", NOON + MINUTE)

    found, since = await pulled_again(pagerduty, clock, since)

    record = found[old.id]
    assert isinstance(record, TicketRecord)
    assert (record.state, record.resolved_at) == (TicketState.RESOLVED, NOON + MINUTE)


async def test_a_change_of_an_open_incident_that_the_log_does_not_tell_is_seen(
    sandbox: PagerDutySandbox, clock: MovableClock, pagerduty: PagerDuty
):
    incident = sandbox.account.open(NOON - DAY)
    _, since = await pull(pagerduty)
    sandbox.account.change(incident, NOON + MINUTE, is_logged=False, priority=("PP1", "P1"))

    found, _ = await pulled_again(pagerduty, clock, since)

    assert found[incident.id].priority == "P1"  # type: ignore[union-attr]


async def test_open_incidents_are_read_whatever_their_age_and_resolved_ones_as_far_back_as_is_asked(
    sandbox: PagerDutySandbox, opened: Opened
):
    ancient = sandbox.account.open(NOON - DAY * 900)
    done = sandbox.account.open(NOON - DAY * 900)
    sandbox.account.set_status(done, "resolved", NOON - DAY * 899)
    young = sandbox.account.open(NOON - DAY * 300)
    sandbox.account.set_status(young, "resolved", NOON - DAY * 299)

    async with opened(history="P365D") as adapter:
        found, _ = await pull(adapter)

    assert set(found) == {ancient.id, young.id}


async def test_what_is_resolved_during_the_first_pull_is_seen_by_the_next(
    sandbox: PagerDutySandbox, clock: MovableClock, pagerduty: PagerDuty
):
    made = [sandbox.account.open(NOON - DAY + MINUTE * number) for number in range(20)]
    batches = pagerduty.pull(INCIDENTS, None)
    await anext(batches)
    clock.at += HOUR
    sandbox.account.set_status(made[0], "resolved", NOON + MINUTE)
    sandbox.account.change(made[19], NOON + MINUTE * 50, title="newest of all that is seen")
    since = [batch.resume async for batch in batches][-1]

    found, _ = await pulled_again(pagerduty, clock, since or "")

    assert found[made[0].id].state is TicketState.RESOLVED  # type: ignore[union-attr]


async def test_our_clock_may_be_ahead_of_pagerdutys(
    sandbox: PagerDutySandbox, clock: MovableClock, pagerduty: PagerDuty, wire: Between
):
    """The server's Date is what counts then: what happens during a pull is earlier than our beginning of it."""
    made = [sandbox.account.open(NOON - HOUR * 3 + SECOND * number) for number in range(20)]
    clock.at = NOON + HOUR * 2  # theirs is noon
    theirs = NOON
    inner = wire.handle_async_request

    async def dated(request: httpx.Request) -> httpx.Response:
        response = await inner(request)
        response.headers["date"] = format_datetime(theirs, usegmt=True)
        return response

    wire.handle_async_request = dated  # type: ignore[method-assign]
    batches = pagerduty.pull(INCIDENTS, None)
    await anext(batches)
    sandbox.account.set_status(made[0], "resolved", NOON + MINUTE)
    sandbox.account.change(made[19], NOON + MINUTE * 50, title="newest of all that is seen")
    since = [batch.resume async for batch in batches][-1]
    theirs += HOUR

    found, _ = await pulled_again(pagerduty, clock, since or "")

    assert found[made[0].id].state is TicketState.RESOLVED  # type: ignore[union-attr]


async def test_rows_that_leave_a_list_between_two_pages_take_none_with_them(
    sandbox: PagerDutySandbox, opened: Opened, wire: Between
):
    made = [sandbox.account.open(NOON - HOUR + SECOND * number) for number in range(60)]
    moved = iter(made[:40:2])

    def move(request: httpx.Request) -> None:
        """Between two pages, two incidents of the first go to a service that is not read."""
        if request.url.path == "/incidents" and int(request.url.params["offset"]) in (5, 10):
            for _ in range(2):
                next(moved).service = ("PSTORES", "Stores")

    wire.change = move  # type: ignore[assignment]
    async with opened(services=["PIJ90N7"], page_size=10) as adapter:
        found, _ = await pull(adapter)

    stay = {each.id for each in made if each.service[0] == "PIJ90N7"}
    assert stay <= {key for key, record in found.items() if isinstance(record, TicketRecord)}
    assert len(stay) == 52


async def test_a_list_that_moves_faster_than_it_is_read_is_a_failure_that_passes(
    sandbox: PagerDutySandbox, pagerduty: PagerDuty, wire: Between
):
    for number in range(20):
        sandbox.account.open(NOON - HOUR + SECOND * number)

    def nothing_there(request: httpx.Request) -> httpx.Response | None:
        is_later_page = request.url.path == "/incidents" and request.url.params["offset"] != "0"
        return httpx.Response(200, json={"incidents": [], "more": False}) if is_later_page else None

    wire.change = nothing_there
    with pytest.raises(Transient, match="incidents leave the list faster than it can be read, 4 times now"):
        await pull(pagerduty)


@pytest.mark.parametrize(("path", "said"), [("/incidents", "incidents"), ("/log_entries", "log entries")])
async def test_a_list_that_shows_the_same_page_again_and_again_ends_soon(
    sandbox: PagerDutySandbox, clock: MovableClock, pagerduty: PagerDuty, wire: Between, path: str, said: str
):
    """As of a proxy that passes over `offset`: else 10,000 rows would be read, of which most are the same."""
    made = [sandbox.account.open(NOON - HOUR + SECOND * number) for number in range(20)]
    _, since = await pull(pagerduty)
    for incident in made:
        sandbox.account.set_status(incident, "acknowledged", NOON + MINUTE)

    def always_the_first(request: httpx.Request) -> None:
        if request.url.path == path:
            request.url = request.url.copy_set_param("offset", "0")

    wire.change = always_the_first  # type: ignore[assignment]
    wire.requests.clear()
    with pytest.raises(UnexpectedResponse, match=f"list of {said} does not go on: the page at offset .* is the page"):
        await pulled_again(pagerduty, clock, since)

    assert wire.count(path) == 7  # the first, and six that are the same


async def test_a_page_that_comes_twice_since_entries_came_meanwhile_is_read_on(
    sandbox: PagerDutySandbox, clock: MovableClock, pagerduty: PagerDuty, wire: Between
):
    made = [sandbox.account.open(NOON - HOUR + SECOND * number) for number in range(20)]
    _, since = await pull(pagerduty)
    for incident in made:
        sandbox.account.set_status(incident, "resolved", NOON + MINUTE)

    def moved(request: httpx.Request) -> None:
        """After the first page, five pages of entries come to be before it, one at a time."""
        if request.url.path == "/log_entries":
            size, offset = int(request.url.params["limit"]), int(request.url.params["offset"])
            request.url = request.url.copy_set_param("offset", str(max(0, offset - 5 * size)))

    wire.requests.clear()
    wire.change = moved  # type: ignore[assignment]
    found, _ = await pulled_again(pagerduty, clock, since)

    assert wire.count("/log_entries") == 13  # eight pages, and the first of them five times more
    states = {key: record.state for key, record in found.items() if isinstance(record, TicketRecord)}
    assert states == dict.fromkeys((each.id for each in made), TicketState.RESOLVED)


async def test_a_late_entry_of_the_log_is_seen_and_an_idle_account_costs_two_requests(
    sandbox: PagerDutySandbox, clock: MovableClock, pagerduty: PagerDuty, wire: Between
):
    first = sandbox.account.open(NOON - DAY)
    other = sandbox.account.open(NOON - DAY)
    _, since = await pull(pagerduty)
    sandbox.account.set_status(first, "resolved", NOON + MINUTE * 10)
    found, since = await pulled_again(pagerduty, clock, since)
    assert found[first.id].state is TicketState.RESOLVED  # type: ignore[union-attr]

    sandbox.account.set_status(other, "resolved", NOON + MINUTE * 6)  # stamped before, seen after
    found, since = await pulled_again(pagerduty, clock, since)
    assert found[other.id].state is TicketState.RESOLVED  # type: ignore[union-attr]

    wire.requests.clear()
    found, since = await pulled_again(pagerduty, clock, since)
    assert (set(found), [request.url.path for request in wire.requests]) == (set(), ["/incidents", "/log_entries"])


async def test_what_goes_to_another_service_becomes_a_tombstone(
    sandbox: PagerDutySandbox, clock: MovableClock, opened: Opened
):
    incident = sandbox.account.open(NOON - DAY)
    async with opened(services=["PIJ90N7"]) as adapter:
        found, since = await pull(adapter)
        assert isinstance(found[incident.id], TicketRecord)
        sandbox.account.change(incident, NOON + MINUTE, service=("PSTORES", "Stores"))
        found, _ = await pulled_again(adapter, clock, since)

    assert found[incident.id] == Tombstone(ref=found[incident.id].ref, updated_at=NOON + MINUTE)


async def test_times_are_sent_with_their_zone(pagerduty: PagerDuty, wire: Between):
    """PagerDuty reads a time without one in the account's zone."""
    await pull(pagerduty)

    first = wire.requests[0].url.params
    assert (first["since"], first["until"]) == ("2025-11-25T11:59:59Z", "2026-05-24T12:00:01Z")
    assert {request.url.params["time_zone"] for request in wire.requests} == {"UTC"}


async def test_without_details_an_incident_is_what_the_list_says(
    sandbox: PagerDutySandbox, opened: Opened, wire: Between
):
    incident = sandbox.account.open(NOON - DAY, fields={"PFASSET": "AT-7"})
    async with opened(read_details=False) as adapter:
        found, _ = await pull(adapter)
        fetched = await adapter.fetch(found[incident.id].ref)

    assert found[incident.id] == fetched
    assert wire.count(f"/incidents/{incident.id}") == 1  # the fetch


async def test_an_incident_that_was_hidden_once_it_was_resolved_is_kept_and_the_others_arrive(
    sandbox: PagerDutySandbox, clock: MovableClock, pagerduty: PagerDuty, wire: Between
):
    hidden, other = sandbox.account.open(NOON - DAY), sandbox.account.open(NOON - DAY)
    _, since = await pull(pagerduty)
    for each in (hidden, other):
        sandbox.account.set_status(each, "resolved", NOON + MINUTE)
    refusal = {"error": {"message": "Access Denied", "code": 2018}}
    wire.change = lambda request: httpx.Response(403, json=refusal) if hidden.id in request.url.path else None
    clock.at += HOUR

    batches = [batch async for batch in pagerduty.pull(INCIDENTS, since)]

    assert {record.ref.external_id for batch in batches for record in batch.records} == {other.id}
    [kept] = [item for batch in batches for item in batch.rejected]
    assert (str(kept.ref), "hidden from the key's user" in kept.reason) == (f"ticket:{hidden.id}", True)
