"""Tickets of a real Request Tracker: notes, states, owners, links and fields as its own interface then shows them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any

import httpx
import pytest

from connector.sdk import (
    AddNote,
    ConfigError,
    Conflict,
    EntityKind,
    Invalid,
    NotFound,
    SetTicketFields,
    SetTicketState,
    SourceRef,
    TicketRecord,
    TicketState,
    Tombstone,
)
from tests.real.connected import Interrupting, Source, connected
from tests.real.request_tracker import ORDER_QUEUE, USER, RequestTracker

MARKUP = "<b>PSU 1</b> is dead & gone\n> quoted\n  indented \N{EURO SIGN} \N{HIGH VOLTAGE SIGN} \N{WRENCH}"
HOLDS = {
    TicketState.IN_PROGRESS: "open",
    TicketState.ON_HOLD: "stalled",
    TicketState.RESOLVED: "resolved",
    TicketState.CLOSED: "resolved",
    TicketState.CANCELLED: "rejected",
    TicketState.NEW: "new",
}


@dataclass(frozen=True, slots=True)
class Desk:
    """The tickets as a person sees and changes them."""

    client: httpx.Client
    queue: str

    def open(self, **values: object) -> SourceRef:
        """A new ticket."""
        given = {"Queue": self.queue, "Subject": f"trouble {token_hex(4)}", "Content": "It smokes.", **values}
        return ticket_ref(str(self.client.post("ticket", json=given).raise_for_status().json()["id"]))

    def change(self, ticket: SourceRef, **values: object) -> None:
        """Change it."""
        self.client.put(f"ticket/{ticket.external_id}", json=values).raise_for_status()

    def shown(self, ticket: SourceRef) -> dict[str, Any]:
        """The ticket."""
        found: dict[str, Any] = self.client.get(f"ticket/{ticket.external_id}").raise_for_status().json()
        return found

    def fields(self, ticket: SourceRef) -> dict[str, list[str]]:
        """What its custom fields hold, by their names."""
        return {field["name"]: field["values"] for field in self.shown(ticket)["CustomFields"]}

    def links(self, ticket: SourceRef) -> set[tuple[str, str]]:
        """Its links to other tickets: what they are, and which."""
        return {
            (link["ref"], str(link["id"]))
            for link in self.shown(ticket)["_hyperlinks"]
            if link.get("type") == "ticket" and link["ref"] != "self"
        }

    def history(self, ticket: SourceRef) -> list[str]:
        """The types of its transactions, oldest first."""
        params: dict[str, str | int] = {"per_page": 100, "fields": "Type"}
        found = self.client.get(f"ticket/{ticket.external_id}/history", params=params).raise_for_status().json()
        return [item["Type"] for item in found["items"]]

    def text_of(self, transaction: str) -> tuple[str, str, str]:
        """Type, author and plain text of a transaction."""
        told = self.client.get(f"transaction/{transaction}").raise_for_status().json()
        found = self.client.get(f"transaction/{transaction}/attachments", params={"fields": "Content"})
        (text,) = [item["Content"] for item in found.raise_for_status().json()["items"]]
        return told["Type"], told["Creator"]["id"], text


@pytest.fixture
def people(desk: RequestTracker) -> Iterator[Desk]:
    with desk.client() as client:
        yield Desk(client, desk.queue)


@pytest.fixture
async def source(desk: RequestTracker) -> AsyncIterator[Source]:
    async with connected("request_tracker", settings_for(desk)) as source:
        yield source


@pytest.mark.parametrize(("is_public", "kind"), [(False, "Comment"), (True, "Correspond")])
async def test_a_note_is_written_once_privately_or_publicly_and_word_for_word(
    people: Desk, source: Source, is_public: bool, kind: str
) -> None:
    ticket = people.open()
    op = AddNote(key=f"note-{token_hex(8)}", ticket=ticket, body=MARKUP, is_public=is_public)
    assert await source.adapter.find(op) is None

    receipt = await source.adapter.push(op)

    assert people.text_of(receipt.external_id) == (kind, USER, f"{MARKUP}\n\n[connector:{op.key}]")
    assert (await source.adapter.push(op)).external_id == receipt.external_id
    found = await source.adapter.find(op)
    assert found is not None
    assert found.external_id == receipt.external_id
    assert people.history(ticket).count(kind) == 1


async def test_a_note_on_a_ticket_that_is_not_there_is_not_found(source: Source) -> None:
    with pytest.raises(NotFound):
        await source.adapter.push(AddNote(key=token_hex(8), ticket=ticket_ref("99999999"), body="hello"))


async def test_each_state_is_the_status_that_request_tracker_shows_then(people: Desk, source: Source) -> None:
    ticket = people.open()

    shown = {}
    for state in HOLDS:
        op = SetTicketState(key=token_hex(8), ticket=ticket, state=state)
        await source.adapter.push(op)
        shown[state] = people.shown(ticket)["Status"]
        assert await source.adapter.find(op) is not None

    assert shown == HOLDS
    changes = people.history(ticket).count("Status")
    await source.adapter.push(SetTicketState(key=token_hex(8), ticket=ticket, state=TicketState.NEW))
    assert people.history(ticket).count("Status") == changes


async def test_a_status_that_the_lifecycle_lacks_is_refused_with_what_request_tracker_says(
    desk: RequestTracker, people: Desk
) -> None:
    ticket = people.open()
    async with connected("request_tracker", settings_for(desk) | {"statuses": {"closed": "archived"}}) as source:
        with pytest.raises(Invalid, match="it stays 'new'") as refused:
            await source.adapter.push(SetTicketState(key=token_hex(8), ticket=ticket, state=TicketState.CLOSED))

    assert "Status 'archived' isn't a valid status" in refused.value.fields["Status"]
    assert people.shown(ticket)["Status"] == "new"


async def test_a_ticket_is_assigned_taken_from_its_owner_and_given_back(people: Desk, source: Source) -> None:
    ticket = people.open(Owner="root")

    await source.adapter.push(fields(ticket, Owner="kim"))
    taken = people.shown(ticket)["Owner"]["id"]
    with pytest.raises(Invalid) as refused:
        await source.adapter.push(fields(ticket, Owner="lee"))
    kept = people.shown(ticket)["Owner"]["id"]
    await source.adapter.push(fields(ticket, Owner=""))

    assert (taken, kept, people.shown(ticket)["Owner"]["id"]) == ("kim", "kim", "Nobody")
    assert set(refused.value.fields) == {"Owner"}


async def test_links_are_added_to_those_that_are_there_and_shown_at_both_ends(people: Desk, source: Source) -> None:
    began = datetime.now(UTC)
    ticket, before, parent, child, needed, waiting, meant, naming = (people.open() for _ in range(8))
    people.change(ticket, AddRefersTo=[before.external_id])
    op = fields(
        ticket, MemberOf=f"#{parent.external_id}", Members=child.external_id, DependsOn=needed.external_id,
        DependedOnBy=waiting.external_id, RefersTo=f"{meant.external_id}, {before.external_id}",
        ReferredToBy=naming.external_id,
    )  # fmt: skip

    await source.adapter.push(op)

    assert people.links(ticket) == {
        ("parent", parent.external_id), ("child", child.external_id), ("depends-on", needed.external_id),
        ("depended-on-by", waiting.external_id), ("refers-to", meant.external_id), ("refers-to", before.external_id),
        ("referred-to-by", naming.external_id),
    }  # fmt: skip
    assert people.links(parent) == {("child", ticket.external_id)}
    assert people.links(naming) == {("refers-to", ticket.external_id)}
    assert await source.adapter.find(op) is not None
    assert isinstance(
        record := (await source.records("tickets", source.since("tickets", began)))[ticket.external_id], TicketRecord
    )
    assert (record.parent, set(record.related or ())) == (parent, {before, needed, waiting, meant, naming})
    with pytest.raises(Invalid) as refused:
        await source.adapter.push(fields(ticket, RefersTo="99999999"))
    assert set(refused.value.fields) == {"RefersTo"}


async def test_custom_fields_are_set_and_emptied_and_one_of_many_values_holds_only_what_was_set(
    people: Desk, source: Source
) -> None:
    ticket = people.open(CustomFields={"Site": "Vienna", "Tracking Number": ["1Z1", "1Z2"]})
    op = fields(ticket, **{"Tracking Number": "1Z3", "Hub Priority": "P2", "Site": "", "External Id": MARKUP[:40]})

    receipt = await source.adapter.push(op)

    shown = people.fields(ticket)
    assert shown["Tracking Number"] == ["1Z3"]
    assert shown["Hub Priority"] == ["P2"]
    assert shown["Site"] == [None]
    assert shown["External Id"] == [MARKUP[:40]]
    assert await source.adapter.find(op) == receipt
    length = len(people.history(ticket))
    await source.adapter.push(op)
    assert len(people.history(ticket)) == length


@pytest.mark.parametrize(
    ("name", "value"), [("Hub Priority", "P9"), ("No Such Field", "x")], ids=["value", "field"]
)  # fmt: skip
async def test_a_value_or_field_that_is_not_there_is_refused_by_name(
    people: Desk, source: Source, name: str, value: str
) -> None:
    ticket = people.open()

    with pytest.raises(Invalid) as refused:
        await source.adapter.push(fields(ticket, **{name: value}))

    assert set(refused.value.fields) == {name}
    assert people.fields(ticket)["Hub Priority"] == []


async def test_what_somebody_changed_in_between_is_a_conflict_and_stays(desk: RequestTracker, people: Desk) -> None:
    ticket = people.open()
    quicker = Interrupting("PUT", lambda: people.change(ticket, CustomFields={"Site": "Hamburg"}))

    async with connected("request_tracker", settings_for(desk), transport=quicker) as source:
        with pytest.raises(Conflict):
            await source.adapter.push(fields(ticket, Site="Vienna"))
        stayed = people.fields(ticket)["Site"]
        await source.adapter.push(fields(ticket, Site="Vienna"))

    assert (stayed, people.fields(ticket)["Site"]) == (["Hamburg"], ["Vienna"])


async def test_tickets_that_are_deleted_merged_or_moved_away_are_gone(people: Desk, source: Source) -> None:
    began = datetime.now(UTC) - timedelta(seconds=1)
    deleted, merged, into, moved, hidden, there = (people.open() for _ in range(6))
    before = await source.records("tickets", source.since("tickets", began))
    people.change(deleted, Status="deleted")
    people.change(moved, Queue=ORDER_QUEUE)
    people.change(hidden, Queue="Facilities")
    people.client.put(f"ticket/{merged.external_id}", json={"MergeInto": into.external_id}).raise_for_status()

    gone = await source.records("deletions", source.since("deletions", began))
    tickets = await source.records("tickets", source.since("tickets", began))

    ours = {ref.external_id for ref in (deleted, merged, into, moved, hidden, there)}
    assert ours <= set(before)
    assert ours & set(tickets) == {into.external_id, there.external_id}
    assert ours & set(gone) == {deleted.external_id, merged.external_id, moved.external_id}
    assert isinstance(await source.adapter.fetch(merged), Tombstone)
    assert isinstance(await source.adapter.fetch(deleted), Tombstone)
    with pytest.raises(NotFound, match="is in none of our queues"):
        await source.adapter.fetch(moved)
    with pytest.raises(NotFound, match="is hidden from the token's user"):
        await source.adapter.fetch(hidden)


async def test_pages_are_read_to_the_end_from_wherever_a_pull_was_cut_off(desk: RequestTracker, people: Desk) -> None:
    async with connected("request_tracker", settings_for(desk) | {"page_size": 3}) as source:
        began = datetime.now(UTC)
        tickets = {people.open().external_id for _ in range(8)}
        since = source.since("tickets", began)
        batches = await source.batches("tickets", since)
        seen = {item.ref.external_id for item in batches[0].records}
        rest = await source.records("tickets", batches[0].resume)
        last = people.open()
        news = await source.records("tickets", batches[-1].resume)

    assert tickets <= seen | set(rest)
    assert {len(batch.records) for batch in batches[:-1]} == {3}
    assert last.external_id in news


async def test_what_a_ticket_says_of_priority_device_and_duplicate_is_in_its_record(
    people: Desk, source: Source
) -> None:
    other = people.open()
    ticket = people.open(
        Priority=70, Requestor=["pat@example.com"], Owner="kim", Due="2027-01-02 03:04:05",
        CustomFields={"Serial Number": "S-1", "Hostname": "core-1", "Duplicate Of": f"#{other.external_id}",
                      "Quantity": "3"},
    )  # fmt: skip

    record = await source.adapter.fetch(ticket)

    assert isinstance(record, TicketRecord)
    assert (record.priority, record.serial, record.hostname, record.duplicate_of, record.quantity) == (
        "P2", "S-1", "core-1", other, 3,
    )  # fmt: skip
    assert (record.requester, record.assignee, record.category) == ("pat@example.com", "kim", "Hardware")
    assert record.sla_due_at == datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)


async def test_a_user_of_another_time_zone_is_noticed(people: Desk, source: Source) -> None:
    people.open()
    people.client.put(f"user/{USER}", json={"Timezone": "Asia/Tokyo"}).raise_for_status()
    try:
        with pytest.raises(ConfigError, match="has a time zone other than UTC"):
            await source.adapter.check()
    finally:
        people.client.put(f"user/{USER}", json={"Timezone": "UTC"}).raise_for_status()
    assert (await source.adapter.check()).version.startswith("5.0.3")


def settings_for(desk: RequestTracker) -> dict[str, object]:
    """What a customer writes."""
    return {"base_url": desk.url, "token": desk.token, "queues": [desk.queue]}


def ticket_ref(number: str) -> SourceRef:
    """A ticket by its number."""
    return SourceRef(kind=EntityKind.TICKET, external_id=number)


def fields(ticket: SourceRef, **values: str) -> SetTicketFields:
    """Fields of a ticket to be set."""
    return SetTicketFields(key=token_hex(8), ticket=ticket, fields=values)
