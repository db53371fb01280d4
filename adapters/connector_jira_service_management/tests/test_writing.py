"""What is written, and what `find` says of it."""

from __future__ import annotations

import json

import pytest

from connector.sdk import AddNote, AuthError, Invalid, NotFound, SetTicketFields, SetTicketState, TicketState
from connector_jira_service_management.adf import plain_text
from connector_jira_service_management.links import ticket_ref
from connector_jira_service_management.sandbox.site import ME

from .conftest import NOON, Desk


async def test_a_note_is_kept_from_customers_unless_it_is_public(desk: Desk) -> None:
    ref = ticket_ref(desk.site.create(NOON).id)
    adapter = desk.adapter()

    await adapter.push(AddNote("wf-1:1", ref, "For us only."))
    await adapter.push(AddNote("wf-1:2", ref, "On its way.", is_public=True))

    assert [(plain_text(each.body), each.is_public) for each in desk.site.comments] == [
        ("For us only.", False), ("On its way.", True),
    ]  # fmt: skip


async def test_a_note_is_found_by_its_whole_key_and_behind_a_hundred_others(desk: Desk) -> None:
    issue = desk.site.create(NOON)
    ref, adapter = ticket_ref(issue.id), desk.adapter()
    receipt = await adapter.push(AddNote("wf-1:10", ref, "Unit reserved."))
    for number in range(230):
        text = {"type": "text", "text": f"chatter {number}"}
        body = {"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": [text]}]}
        desk.site.comment(issue, body, at=NOON)

    assert await adapter.find(AddNote("wf-1:1", ref, "Unit reserved.")) is None
    assert await adapter.find(AddNote("wf-1:10", ref, "Unit reserved.")) == receipt
    assert await adapter.push(AddNote("wf-1:10", ref, "Unit reserved.")) == receipt
    assert len(desk.site.comments) == 231


async def test_a_state_that_somebody_changed_since_is_known_to_have_been_set(desk: Desk) -> None:
    issue = desk.site.create(NOON)
    op = SetTicketState("wf-1:1", ticket_ref(issue.id), TicketState.ON_HOLD)
    receipt = await desk.adapter().push(op)
    desk.site.change(issue, status="Work in progress")

    assert await desk.adapter().find(op) == receipt
    assert await desk.adapter().push(op) == receipt
    assert issue.status == "Work in progress"


async def test_another_key_sets_the_state_again(desk: Desk) -> None:
    issue = desk.site.create(NOON)
    ref = ticket_ref(issue.id)
    await desk.adapter().push(SetTicketState("wf-1:1", ref, TicketState.ON_HOLD))
    desk.site.change(issue, status="Work in progress")

    await desk.adapter().push(SetTicketState("wf-1:2", ref, TicketState.ON_HOLD))

    assert issue.status == "Pending"


async def test_a_resolution_is_given_where_the_screen_asks_for_it(desk: Desk) -> None:
    issue = desk.site.create(NOON)

    await desk.adapter().push(SetTicketState("wf-1:1", ticket_ref(issue.id), TicketState.RESOLVED))

    assert (issue.status, issue.resolution) == ("Resolved", "Done")


async def test_a_resolution_that_the_site_lacks_is_named(desk: Desk) -> None:
    op = SetTicketState("wf-1:1", ticket_ref(desk.site.create(NOON).id), TicketState.RESOLVED)

    with pytest.raises(Invalid) as refused:
        await desk.adapter(resolutions={"resolved": "Swapped"}).push(op)

    assert refused.value.fields == {"resolution": "Resolution name 'Swapped' is not valid"}


async def test_the_status_that_is_written_can_be_named(desk: Desk) -> None:
    issue = desk.site.create(NOON)
    op = SetTicketState("wf-1:1", ticket_ref(issue.id), TicketState.ON_HOLD)
    adapter = desk.adapter(statuses={"on_hold": "Work in progress"})

    assert await adapter.find(op) is None
    await adapter.push(op)

    assert issue.status == "Work in progress"


async def test_a_state_that_cannot_be_reached_says_where_the_issue_can_go(desk: Desk) -> None:
    issue = desk.site.create(NOON)

    with pytest.raises(Invalid) as refused:
        await desk.adapter().push(SetTicketState("wf-1:1", ticket_ref(issue.id), TicketState.CLOSED))

    assert refused.value.fields == {
        "status": "no transition leads to a status that means closed; "
        "it can go to 'Pending', 'Resolved', 'Work in progress'"
    }
    assert issue.status == "Open"


async def test_fields_of_each_type_are_written_as_jira_wants_them(desk: Desk) -> None:
    issue = desk.site.create(NOON)
    fields = {
        "asset tag": " AT-17 ", "Site": "Berlin", "Quantity": "3", "customfield_10059": "Line 1\nLine 2",
        "Devices": "sw-12", "Assignee": "emma@example.com",
    }  # fmt: skip
    op = SetTicketFields("wf-1:1", ticket_ref(issue.id), fields)

    receipt = await desk.adapter().push(op)

    kept = issue.fields
    assert (kept["customfield_10050"], kept["customfield_10053"]["value"]) == ("AT-17", "Berlin")
    assert (kept["customfield_10057"], kept["customfield_10061"]) == (3.0, ["sw-12"])
    assert plain_text(kept["customfield_10059"]) == "Line 1\nLine 2"
    assert issue.assignee == "5b10ac8d82e05b22cc7d4ef5"
    assert await desk.adapter().find(op) == receipt
    desk.site.change(issue, properties={})
    assert await desk.adapter().find(op) == receipt  # what holds is found without the property
    desk.site.change(issue, assignee=None)
    assert await desk.adapter().find(op) is None


async def test_an_assignee_is_given_by_account_and_taken_away(desk: Desk) -> None:
    issue = desk.site.create(NOON)
    ref = ticket_ref(issue.id)

    await desk.adapter().push(SetTicketFields("wf-1:1", ref, {"Assignee": ME}))
    assert issue.assignee == ME
    await desk.adapter().push(SetTicketFields("wf-1:2", ref, {"Assignee": "", "Site": ""}))

    assert issue.assignee is None


async def test_everything_that_is_wrong_is_said_before_anything_is_written(desk: Desk) -> None:
    issue = desk.site.create(NOON)
    fields = {"Trcking": "1Z1", "Quantity": "many", "Assignee": "nobody@example.com", "Asset Tag": "AT-1"}

    with pytest.raises(Invalid) as refused:
        await desk.adapter().push(SetTicketFields("wf-1:1", ticket_ref(issue.id), fields))

    assert refused.value.fields == {
        "Trcking": "the issue has no such field that can be edited",
        "Quantity": "'many' is no number",
        "Assignee": "'nobody@example.com' finds no accounts that may have the issue, one is needed",
    }
    assert issue.fields == {}


async def test_what_jira_refuses_is_named_as_the_operation_names_it(desk: Desk) -> None:
    op = SetTicketFields("wf-1:1", ticket_ref(desk.site.create(NOON).id), {"Site": "Atlantis"})

    with pytest.raises(Invalid) as refused:
        await desk.adapter().push(op)

    assert refused.value.fields == {"Site": "Specify a valid value for the field"}
    assert await desk.adapter().find(op) is None


async def test_a_note_on_an_issue_that_is_not_there_is_not_found(desk: Desk) -> None:
    for number in ("999", "not-a-number"):
        with pytest.raises(NotFound):
            await desk.adapter().push(AddNote("wf-1:1", ticket_ref(number), "Hello?"))


async def test_an_expired_token_fails_no_write_for_good(desk: Desk) -> None:
    ref = ticket_ref(desk.site.create(NOON).id)
    expired = desk.adapter(api_token="ATATT3x-expired-0000")
    ops = (
        AddNote("wf-1:1", ref, "Hello?"), SetTicketState("wf-1:2", ref, TicketState.ON_HOLD),
        SetTicketFields("wf-1:3", ref, {"Site": "Berlin"}),
    )  # fmt: skip

    for op in ops:
        with pytest.raises(AuthError, match="write on ticket: the system answered 401"):
            await expired.push(op)
        with pytest.raises(AuthError, match="look at ticket: the system answered 401"):
            await expired.find(op)


async def test_the_key_is_no_part_of_the_text_that_people_see(desk: Desk) -> None:
    await desk.adapter().push(AddNote("wf-1:1", ticket_ref(desk.site.create(NOON).id), "First.\n\nSecond\nline."))

    [comment] = desk.site.comments
    assert "wf-1:1" not in json.dumps(comment.body)
    assert plain_text(comment.body) == "First.\n\nSecond\nline."
