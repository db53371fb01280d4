"""Links, each written as a field that is called what the link says from the issue."""

from __future__ import annotations

import pytest

from connector.sdk import Invalid, SetTicketFields, TicketRecord
from connector_jira_service_management.links import ticket_ref

from .conftest import NOON, Desk


async def test_links_are_added_once_and_shown_by_both_ends(desk: Desk) -> None:
    issue, original, cause, other = (desk.site.create(NOON) for _ in range(4))
    ref = ticket_ref(issue.id)
    fields = {"Duplicates": original.key, "is caused by": cause.id, "relates to": f"{other.key.lower()}, {cause.key}"}
    operation = SetTicketFields("wf-1", ref, fields)

    assert await desk.adapter().find(operation) is None
    await desk.adapter().push(operation)
    await desk.adapter().push(operation)
    await desk.adapter().push(SetTicketFields("wf-2", ref, {"relates to": other.id}))

    assert issue.links == [
        ("Duplicate", "outwardIssue", original.id), ("Problem/Incident", "inwardIssue", cause.id),
        ("Relates", "outwardIssue", other.id), ("Relates", "outwardIssue", cause.id),
    ]  # fmt: skip
    assert original.links == [("Duplicate", "inwardIssue", issue.id)]
    record = await desk.adapter().fetch(ref)
    assert isinstance(record, TicketRecord)
    assert (record.duplicate_of, record.parent) == (ticket_ref(original.id), ticket_ref(cause.id))
    assert record.related == (ticket_ref(other.id),)
    assert await desk.adapter().find(SetTicketFields("wf-3", ref, {"relates to": other.key})) is not None


@pytest.mark.parametrize(
    ("value", "why"),
    [("", "'' is no key or number of an issue"), ("7 of 9", "'7 of 9' is no key or number of an issue")],
)
async def test_what_is_no_issue_is_refused(desk: Desk, value: str, why: str) -> None:
    ref = ticket_ref(desk.site.create(NOON).id)

    with pytest.raises(Invalid) as raised:
        await desk.adapter().push(SetTicketFields("wf-1", ref, {"duplicates": value}))

    assert raised.value.fields == {"duplicates": why}


async def test_an_issue_that_is_not_there_is_refused_by_the_field_that_names_it(desk: Desk) -> None:
    issue = desk.site.create(NOON)

    with pytest.raises(Invalid) as raised:
        await desk.adapter().push(SetTicketFields("wf-1", ticket_ref(issue.id), {"duplicates": "GONE-7"}))

    assert raised.value.fields == {"duplicates": "No issue could be found with key or id GONE-7"}
    assert issue.links == []
