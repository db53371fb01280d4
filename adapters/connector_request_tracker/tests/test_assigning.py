"""Owner and links of tickets, which are written as fields are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from connector.sdk import Invalid, SetTicketFields
from connector.sdk.testing import Connected, MovableClock, by_ref
from connector_request_tracker.mapping import ticket_ref
from connector_request_tracker.sandbox import RequestTrackerSandbox

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
def sandbox() -> RequestTrackerSandbox:
    return RequestTrackerSandbox(MovableClock(NOON))


@pytest.fixture
async def source(sandbox: RequestTrackerSandbox) -> AsyncIterator[Connected]:
    async with Connected("request_tracker", sandbox.app(), sandbox.settings(), MovableClock(NOON)) as connected:
        yield connected


async def test_a_ticket_is_assigned_and_given_back(source: Connected, sandbox: RequestTrackerSandbox):
    ref = sandbox.new_ticket()

    await source.adapter.push(SetTicketFields("k-1", ref, {"Owner": "kim", "Serial Number": "S1"}))
    assigned = by_ref(await source.pull("tickets"))[ref]
    await source.adapter.push(SetTicketFields("k-2", ref, {"Owner": ""}))
    given_back = by_ref(await source.pull("tickets"))[ref]

    assert (assigned.assignee, assigned.serial) == ("kim", "S1")
    assert given_back.assignee is None


async def test_links_are_added_once_and_those_that_are_there_stay(source: Connected, sandbox: RequestTrackerSandbox):
    ref, parent, other, third = (sandbox.new_ticket() for _ in range(4))
    operation = SetTicketFields(
        "k-1", ref, {"MemberOf": parent.external_id, "RefersTo": f"#{other.external_id}, {third.external_id}"}
    )

    assert await source.adapter.find(operation) is None
    await source.adapter.push(operation)
    changes = len(sandbox.desk.transactions)
    await source.adapter.push(operation)
    await source.adapter.push(SetTicketFields("k-2", ref, {"RefersTo": other.external_id}))

    record = by_ref(await source.pull("tickets"))[ref]
    assert record.parent == parent
    assert record.related == (other, third)
    assert len(sandbox.desk.transactions) == changes
    assert await source.adapter.find(operation) is not None


@pytest.mark.parametrize(
    ("value", "why"), [("", "it is no number of a ticket"), ("INC-7", "it is no number of a ticket")]
)
async def test_what_is_no_ticket_is_refused_before_anything_is_written(
    source: Connected, sandbox: RequestTrackerSandbox, value: str, why: str
):
    ref = sandbox.new_ticket()

    with pytest.raises(Invalid) as raised:
        await source.adapter.push(SetTicketFields("k-1", ref, {"Owner": "kim", "MemberOf": value}))

    assert raised.value.fields == {"MemberOf": why}
    assert sandbox.desk.tickets[int(ref.external_id)].owner != "kim"


async def test_a_ticket_that_is_not_there_cannot_be_linked_to(source: Connected, sandbox: RequestTrackerSandbox):
    ref = sandbox.new_ticket()

    with pytest.raises(Invalid, match="Link could not be created: ticket 999 does not exist"):
        await source.adapter.push(SetTicketFields("k-1", ref, {"DependsOn": ticket_ref(999).external_id}))
