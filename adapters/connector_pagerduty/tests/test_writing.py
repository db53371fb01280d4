"""Writes that PagerDuty takes otherwise than one would think, one test each."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from connector.sdk import (
    AddNote,
    ConfigError,
    Conflict,
    Invalid,
    NotFound,
    RateLimited,
    SetTicketFields,
    SetTicketState,
    TicketState,
)
from connector.sdk.testing import Between
from connector_pagerduty import PagerDuty
from connector_pagerduty.sandbox import PagerDutySandbox
from connector_pagerduty.sandbox.system import SENDER
from connector_pagerduty.shapes import incident_ref

from .conftest import Opened


async def test_a_note_ends_in_its_key_and_names_who_writes(
    sandbox: PagerDutySandbox, pagerduty: PagerDuty, wire: Between
):
    ref = incident_ref(sandbox.account.open().id)
    receipt = await pagerduty.push(AddNote("wf-1.note", ref, "On its way.\nBy van."))

    [note] = sandbox.account.notes
    assert note.content == "On its way.\nBy van.\n\n[connector:wf-1.note]"
    assert (receipt.external_id, receipt.key) == (note.id, "wf-1.note")
    assert [request.headers["from"] for request in wire.requests if request.method == "POST"] == [SENDER]


async def test_a_key_that_begins_another_is_not_found_in_its_place(sandbox: PagerDutySandbox, pagerduty: PagerDuty):
    ref = incident_ref(sandbox.account.open().id)
    await pagerduty.push(AddNote("wf-1.note2", ref, "see [connector:wf-1.note] for more"))

    assert await pagerduty.find(AddNote("wf-1.note", ref, "?")) is None


async def test_without_a_user_nothing_is_written_and_all_is_read(
    sandbox: PagerDutySandbox, opened: Opened, wire: Between
):
    ref = incident_ref(sandbox.account.open().id)
    async with opened(from_email=None) as adapter:
        with pytest.raises(ConfigError, match="the source has no from_email"):
            await adapter.push(AddNote("k", ref, "text"))
        assert (await adapter.check()).detail == "read only: no from_email"
        assert (await adapter.fetch(ref)).ref == ref

    assert {request.method for request in wire.requests} == {"GET"}


async def test_a_user_whom_the_account_does_not_have_is_named_as_what_is_wrong(
    sandbox: PagerDutySandbox, opened: Opened
):
    ref = incident_ref(sandbox.account.open().id)
    async with opened(from_email="nobody@example.com") as adapter:
        with pytest.raises(Invalid, match="PagerDuty refuses: Requester User Not Found") as refused:
            await adapter.push(AddNote("k", ref, "text"))

    assert (list(refused.value.fields), refused.value.hint[:14]) == (["From"], "Set from_email")


@pytest.mark.parametrize("state", [TicketState.NEW, TicketState.IN_PROGRESS, TicketState.ON_HOLD])
async def test_a_resolved_incident_is_not_opened_again(
    sandbox: PagerDutySandbox, pagerduty: PagerDuty, state: TicketState
):
    incident = sandbox.account.open()
    sandbox.account.set_status(incident, "resolved")

    with pytest.raises(Conflict, match=r"incident 1 is resolved, and '(triggered|acknowledged)' would open it again"):
        await pagerduty.push(SetTicketState("k", incident_ref(incident.id), state))
    assert incident.status == "resolved"


async def test_a_person_who_resolves_it_first_has_done_it(
    sandbox: PagerDutySandbox, pagerduty: PagerDuty, wire: Between
):
    incident = sandbox.account.open()

    def resolve_first(request: httpx.Request) -> None:
        if request.method == "PUT":
            sandbox.account.set_status(incident, "resolved")

    wire.change = resolve_first  # type: ignore[assignment]
    receipt = await pagerduty.push(SetTicketState("k", incident_ref(incident.id), TicketState.CLOSED))

    assert receipt.external_id == incident.id
    assert sum(entry.type == "resolve_log_entry" for entry in sandbox.account.log) == 1


@pytest.mark.parametrize(
    ("name", "text", "stored"),
    [
        ("Quantity", "2", 2), ("quantity", "2", 2), ("Is Remote", "True", True), ("Racks", "R7", ["R7"]),
        ("Environment", "lab", "lab"),
    ],
)  # fmt: skip
async def test_a_field_is_written_in_its_own_type(
    sandbox: PagerDutySandbox, pagerduty: PagerDuty, name: str, text: str, stored: object
):
    incident = sandbox.account.open()
    operation = SetTicketFields("k", incident_ref(incident.id), {name: text})

    assert await pagerduty.find(operation) is None
    await pagerduty.push(operation)

    assert list(incident.fields.values()) == [stored]
    assert await pagerduty.find(operation) is not None


async def test_a_field_that_does_not_exist_or_cannot_take_the_value_is_named(
    sandbox: PagerDutySandbox, pagerduty: PagerDuty
):
    ref = incident_ref(sandbox.account.open().id)
    with pytest.raises(Invalid, match="there is no custom field 'Waybill', only Asset Tag, asset_tag") as refused:
        await pagerduty.push(SetTicketFields("k", ref, {"Waybill": "1", "Site": "Hamburg"}))
    assert list(refused.value.fields) == ["Waybill"]
    with pytest.raises(Invalid, match="custom field 'Quantity' takes integer, 'a few' is none") as refused:
        await pagerduty.push(SetTicketFields("k", ref, {"Quantity": "a few"}))
    assert list(refused.value.fields) == ["Quantity"]


@pytest.mark.parametrize("name", ["parent", "related", "duplicate_of"])
async def test_a_link_is_refused_with_what_to_do_instead(
    sandbox: PagerDutySandbox, pagerduty: PagerDuty, wire: Between, name: str
):
    operation = SetTicketFields("k", incident_ref(sandbox.account.open().id), {name: "PT4KHLK", "Site": "Hamburg"})
    for attempt in (pagerduty.push, pagerduty.find):
        with pytest.raises(Invalid, match=r"PagerDuty links no incidents.*Merge incidents in PagerDuty") as refused:
            await attempt(operation)
        assert refused.value.fields == {name: "links are not written"}

    assert {request.method for request in wire.requests} == {"GET"}


async def test_a_custom_field_that_is_called_as_a_link_is_written(sandbox: PagerDutySandbox, pagerduty: PagerDuty):
    text = next(each for each in sandbox.account.fields.values() if each.name == "asset_tag")
    sandbox.account.fields["PRELATED"] = replace(text, id="PRELATED", name="related", display_name="Related")
    incident = sandbox.account.open()
    await pagerduty.push(SetTicketFields("k", incident_ref(incident.id), {"related": "R-77"}))

    assert list(incident.fields.values()) == ["R-77"]


async def test_an_incident_that_is_not_there_is_said_to_be(pagerduty: PagerDuty):
    with pytest.raises(NotFound):
        await pagerduty.push(AddNote("k", incident_ref("PNONE"), "text"))
    with pytest.raises(NotFound):
        await pagerduty.fetch(incident_ref("PNONE"))


async def test_a_limit_is_waited_for_as_long_as_pagerduty_says(pagerduty: PagerDuty, wire: Between):
    """As its manual shows it: without Retry-After."""
    body = json.dumps({"error": {"message": "Rate Limit Exceeded", "code": 2020}})
    headers = {"ratelimit-limit": "960", "ratelimit-remaining": "0", "ratelimit-reset": "20"}
    wire.change = lambda _: httpx.Response(429, headers=headers, text=body)

    with pytest.raises(RateLimited) as limited:
        await pagerduty.check()

    assert limited.value.retry_after == timedelta(seconds=20)


@pytest.mark.parametrize(("setting", "named"), [("services", "service 'PNONE'"), ("teams", "team 'PNONE'")])
async def test_a_service_or_team_that_does_not_exist_is_found_by_the_check(opened: Opened, setting: str, named: str):
    async with opened(**{setting: ["PNONE"]}) as adapter:
        with pytest.raises(ConfigError, match=f"{named} does not exist, or the key may not see it"):
            await adapter.check()
