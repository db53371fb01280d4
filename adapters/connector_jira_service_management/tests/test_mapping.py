"""Documents, field values and issues, in the hub's terms."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.sdk import InvalidRecord, Priority, TicketRecord, TicketState, TicketType
from connector_jira_service_management.adf import document, plain_text
from connector_jira_service_management.field_text import text_of
from connector_jira_service_management.jql import changed_since, times_in
from connector_jira_service_management.mapping import ticket_record

from .conftest import NOON, Desk


@given(st.text(st.characters(exclude_characters="\r")).map(lambda text: text.strip("\n")))
def test_every_plain_text_survives_as_a_document(text: str) -> None:
    made = document(text)

    assert plain_text(made) == text
    texts = [node["text"] for paragraph in made["content"] for node in paragraph["content"] if node["type"] == "text"]
    assert all(texts)


def test_a_document_reads_as_a_person_would_copy_it() -> None:
    cell = {"type": "tableCell", "content": [{"type": "paragraph", "content": [{"type": "text", "text": "x"}]}]}
    written = {"type": "doc", "content": [
        {"type": "heading", "content": [{"type": "text", "text": "Dead"}, {"type": "text", "text": " switch"}]},
        {"type": "orderedList", "content": [{"type": "listItem", "content": [
            {"type": "paragraph", "content": [{"type": "inlineCard", "attrs": {"url": "https://a.example"}}]}]}]},
        {"type": "table", "content": [{"type": "tableRow", "content": [cell, cell]}]},
        {"type": "paragraph", "content": [{"type": "emoji", "attrs": {"shortName": ":fire:"}}, {"type": "novelty"}]},
    ]}  # fmt: skip

    assert plain_text(written) == "Dead switch\n\n- https://a.example\n\nx | x\n\n:fire:"


def test_a_document_that_is_nested_beyond_measure_is_cut_off() -> None:
    node: dict[str, Any] = {"type": "text", "text": "deep"}
    for _ in range(5_000):
        node = {"type": "blockquote", "content": [node]}

    assert plain_text(node) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("  AT-1 ", "AT-1"), ("", None), (None, None), (True, None), (2.0, "2"), (2.5, "2.5"), (7, "7"),
        ({"value": "Berlin", "child": {"value": "Room 2"}}, "Berlin"), ({"name": "Core"}, "Core"),
        ([{"value": ""}, {"value": "b"}], "b"), (["sw-1", "sw-2"], "sw-1"), ([], None), ({"workspaceId": "1"}, None),
        ({"requestType": {"name": "Get IT help"}, "currentStatus": {}}, "Get IT help"), (document("a\nb"), "a\nb"),
    ],
)  # fmt: skip
def test_a_value_of_any_type_has_the_text_that_people_see(value: Any, text: str | None) -> None:
    assert text_of(value) == text


def issue(desk: Desk, **values: Any) -> dict[str, Any]:
    made = desk.site.create(NOON)
    return {"id": made.id, "key": made.key, "fields": {**desk.sandbox.server.whole(made), **values}}


def read(desk: Desk, item: dict[str, Any], **settings: Any) -> TicketRecord:
    record = ticket_record(item, desk.config(**settings))
    assert isinstance(record, TicketRecord)
    return record


def status(name: str, category: str | None) -> dict[str, Any]:
    return {"name": name, **({"statusCategory": {"key": category}} if category else {})}


def test_a_status_means_what_settings_name_or_category_say_in_this_order(desk: Desk) -> None:
    def state(name: str, category: str | None, **settings: Any) -> TicketState:
        return read(desk, issue(desk, status=status(name, category)), **settings).state

    assert state("Brand new", "new") is TicketState.NEW
    assert state("Escalated", "indeterminate") is TicketState.IN_PROGRESS
    assert state("Fixed", "done") is TicketState.RESOLVED
    assert state("WAITING FOR CUSTOMER", "indeterminate") is TicketState.ON_HOLD
    assert state("Canceled", "done") is TicketState.CANCELLED
    assert state("Fixed", "done", states={"fixed": "closed"}) is TicketState.CLOSED
    assert state("Odd", None, states={"Odd": "on_hold"}) is TicketState.ON_HOLD
    with pytest.raises(InvalidRecord, match="has status 'Odd', which has no category that says anything"):
        state("Odd", "undefined")


def test_a_priority_means_what_settings_say_or_the_default_and_an_unknown_one_is_not_guessed(desk: Desk) -> None:
    def priority(name: str | None, **settings: Any) -> Priority | None:
        return read(desk, issue(desk, priority={"name": name} if name else None), **settings).priority

    assert [priority(name) for name in ("Highest", "low", None)] == [Priority.P1, Priority.P4, None]
    assert priority("Blocker", priorities={"blocker": "P1"}) is Priority.P1
    with pytest.raises(InvalidRecord, match="has priority 'Blocker', which nobody gave a meaning to"):
        priority("Blocker")


def test_issue_types_become_types_of_tickets(desk: Desk) -> None:
    def kind(name: str, **settings: Any) -> TicketType:
        return read(desk, issue(desk, issuetype={"name": name}), **settings).type

    assert [kind(name) for name in ("[System] Change", "Problem", "Task")] == [
        TicketType.CHANGE, TicketType.PROBLEM, TicketType.INCIDENT,
    ]  # fmt: skip
    assert kind("Hardware return", types={"hardware return": "rma"}) is TicketType.RMA


def test_a_quantity_that_is_none_names_its_field(desk: Desk) -> None:
    with pytest.raises(InvalidRecord, match=r"'2\.5' in 'customfield_10057', which is no number from 1 to 10000"):
        read(desk, issue(desk, customfield_10057=2.5))


def test_a_product_needs_both_maker_and_model(desk: Desk) -> None:
    assert read(desk, issue(desk, customfield_10054="Cisco")).product is None


def test_the_address_for_people_is_the_sites_own(desk: Desk) -> None:
    record = read(desk, issue(desk), site_url="https://people.example.com/")

    assert record.url == f"https://people.example.com/browse/{record.number}"


def test_names_in_a_query_are_quoted() -> None:
    jql = changed_since(["ITSM"], ['Say "hi"', "a\\b"], None, times_in(ZoneInfo("UTC")))

    assert jql == r'project in ("ITSM") AND issuetype in ("Say \"hi\"", "a\\b") ORDER BY updated ASC, key ASC'
