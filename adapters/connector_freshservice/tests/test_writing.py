"""Writes on tickets, as people find them in Freshservice afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from connector.sdk import AddNote, Invalid, SetTicketFields, SetTicketState, TicketState
from connector_freshservice.sandbox import account

from .conftest import Hub


def fields(hub: Hub, **named: str) -> SetTicketFields:
    told = {name if name == "due_by" else name.replace("_", " "): text for name, text in named.items()}
    return SetTicketFields("wf-1:fields", hub.sandbox.new_ticket(), told)


@pytest.mark.parametrize(("is_public", "shown"), [(False, (True, 2)), (True, (False, 0))])
async def test_a_public_note_is_a_reply_and_any_other_is_private(
    hub: Hub, is_public: bool, shown: tuple[bool, int]
) -> None:
    op = AddNote("wf-1:note", hub.sandbox.new_ticket(), "a <b> & c\nd", is_public)
    receipt = await hub.adapter().push(op)
    [made] = hub.account.tables["conversations"].values()

    assert (made["private"], made["source"]) == shown
    assert made["body"] == "<p>a &lt;b&gt; &amp; c<br>d</p><p>[connector:wf-1:note]</p>"
    assert (receipt.external_id, await hub.adapter().find(op)) == (str(made["id"]), receipt)


async def test_a_note_is_found_on_a_later_page(hub: Hub) -> None:
    op = AddNote("wf-1:note", hub.sandbox.new_ticket(), "first")
    await hub.adapter().push(op)
    made = dict(hub.account.tables["conversations"])
    hub.account.tables["conversations"].clear()
    for _ in range(101):
        hub.account.talk(hub.sandbox.row(op.ticket), {"body": "<p>before</p>"}, is_reply=False)
    hub.account.tables["conversations"] |= made

    assert await hub.adapter().find(op) is not None
    assert await hub.adapter().find(AddNote("wf-3:note", op.ticket, "never")) is None


@pytest.mark.parametrize(
    ("state", "settings", "status"),
    [
        ("on_hold", {}, 3), ("resolved", {}, 4), ("cancelled", {}, 5),
        ("on_hold", {"written_states": {"on_hold": "Waiting for parts"}}, 6),
    ],
)  # fmt: skip
async def test_a_state_is_its_status_by_number_or_by_name(
    hub: Hub, state: str, settings: dict[str, Any], status: int
) -> None:
    op = SetTicketState("wf-1:state", hub.sandbox.new_ticket(), TicketState(state))
    assert await hub.adapter(**settings).find(op) is None
    await hub.adapter(**settings).push(op)

    assert hub.sandbox.row(op.ticket)["status"] == status
    assert hub.account.log == [("tickets", 1, {"status": status})]


async def test_a_state_that_is_so_already_is_not_written(hub: Hub) -> None:
    op = SetTicketState("wf-1:state", hub.sandbox.new_ticket(), TicketState.IN_PROGRESS)

    assert await hub.adapter().push(op) == await hub.adapter().find(op)
    assert hub.account.log == []


async def test_fields_go_out_in_their_own_types_by_name_or_label(hub: Hub) -> None:
    op = fields(
        hub, priority="Urgent", group="service desk", assignee="lou@example.com", department="71", subject="Dead",
        due_by="2026-12-01T10:00:00+01:00", Quantity="3", On_site="true", Needed_on="2026-12-01", Cost_centre="Berlin",
    )  # fmt: skip
    await hub.adapter().push(op)
    row = hub.sandbox.row(op.ticket)

    assert [row[name] for name in ("priority", "group_id", "responder_id", "department_id", "subject", "due_by")] == [
        4, 10, 502, 71, "Dead", "2026-12-01T09:00:00Z",
    ]  # fmt: skip
    assert row["custom_fields"] == {
        "tracking_number": None, "level_2": 3, "is_onsite": True, "needed_on": "2026-12-01", "cost_centre": "Berlin",
    }  # fmt: skip
    assert len(hub.account.log) == 1
    assert await hub.adapter().find(op) is not None


async def test_only_what_differs_is_written_and_an_empty_text_empties(hub: Hub) -> None:
    op = fields(hub, Tracking_number="", priority="3", assignee="")
    hub.sandbox.row(op.ticket).update(responder_id=501)
    await hub.adapter().push(op)

    assert hub.account.log == [("tickets", 1, {"responder_id": None})]


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("Quantity", "three", "takes a whole number"), ("Cost_centre", "Moon", "one of Berlin, Hamburg"),
        ("assignee", "nobody@example.com", "no assignee"), ("group", "Moon", "Service Desk"),
        ("priority", "Haunted", "Low, Medium, High, Urgent"), ("Mood", "sour", "no custom field 'Mood'"),
        ("Needed_on", "soon", "takes a date"),
    ],
)  # fmt: skip
async def test_what_freshservice_could_not_take_is_refused_before_it_is_sent(
    hub: Hub, name: str, value: str, why: str
) -> None:
    op = fields(hub, **{name: value})
    with pytest.raises(Invalid, match=why) as refused:
        await hub.adapter().push(op)

    assert list(refused.value.fields) == [name.replace("_", " ")]
    assert "PUT" not in [request.method for request in hub.asked]


@pytest.mark.parametrize("name", ["parent", "related", "duplicate_of", "problem"])
async def test_a_link_is_refused_with_what_to_do_instead(hub: Hub, name: str) -> None:
    op = SetTicketFields("wf-1:link", hub.sandbox.new_ticket(), {name: "2"})
    with pytest.raises(Invalid, match=r"links no ticket to one that exists.*in Freshservice itself") as refused:
        await hub.adapter().push(op)

    assert refused.value.fields == {name: "links are not written"}
    assert "PUT" not in [request.method for request in hub.asked]


async def test_a_custom_field_that_is_called_as_a_link_is_written(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "CUSTOM", (*account.CUSTOM, ("related", "Related", "custom_text", ())))
    op = fields(hub, related="R-77")
    await hub.adapter().push(op)

    assert hub.account.log == [("tickets", 1, {"related": "R-77"})]


async def test_a_refusal_names_the_field_as_the_operation_does(hub: Hub) -> None:
    op = fields(hub, Tracking_number="x" * 300)

    with pytest.raises(Invalid, match="Freshservice refuses to set fields: tracking_number") as refused:
        await hub.adapter().push(op)

    assert list(refused.value.fields) == ["Tracking number"]


async def test_what_a_rule_changes_back_is_said(hub: Hub) -> None:
    hub.account.passes_over = {"status"}
    op = SetTicketState("wf-1:state", hub.sandbox.new_ticket(), TicketState.RESOLVED)

    with pytest.raises(Invalid, match="left 'state' as it was"):
        await hub.adapter().push(op)
