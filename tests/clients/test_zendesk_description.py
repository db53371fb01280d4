"""Zendesk's adapter and its sandbox against Zendesk's own description: Prism stands between the two."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from connector.sdk import AddNote, SetTicketFields, SetTicketState, SourceClient, TicketState
from connector_zendesk import Zendesk, ZendeskConfig
from connector_zendesk.adapter import TICKETS
from connector_zendesk.mapping import ticket_ref
from connector_zendesk.sandbox import ZendeskSandbox
from connector_zendesk.sandbox.system import EMAIL, TOKEN
from tests.api.conftest import served
from tests.clients.described import Asked, Noting, usable, watched
from tests.conftest import MovableClock

PUBLIC = "public in github.com/jentic/jentic-public-apis: apis/openapi/zendesk.com/main/2.0.0/orig/oas.yaml at bc155f7"
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
API_TOKEN = {"client_id": None, "client_secret": None, "email": EMAIL, "api_token": TOKEN}
API = "/api/v2"
EXPORT, TICKET, GROUPS = f"{API}/incremental/tickets/cursor", f"{API}/tickets/ID", f"{API}/groups"
ME, TOKENS = f"{API}/users/me", "/oauth/tokens"


async def test_zendesk_is_asked_as_its_description_says(prism: Path, tmp_path: Path):
    clock = MovableClock(NOON)
    sandbox = ZendeskSandbox(clock)
    ticket, problem = (sandbox.account.open(NOON - 5 * MINUTE) for _ in range(2))
    for _ in range(6):  # more than a page, so that a cursor is sent
        sandbox.account.open(NOON - 5 * MINUTE)
    ref = ticket_ref(ticket["id"])
    fields = {
        "Tracking number": "00340434161094042557", "Quantity": "3", "Device class": "Core switch", "Remote": "true",
        "Needed on": "2026-12-01", "Racks": "Core switch", "subject": "Switch", "priority": "high", "type": "task",
        "due_at": "2026-12-01T12:00:00Z", "external_id": "INC-1", "problem_id": str(problem["id"]),
        "group": "Service Desk", "assignee": "emma@example.com",
    }  # fmt: skip
    emptied = {"Quantity": "", "due_at": "", "external_id": "", "problem_id": "", "group": "", "assignee": ""}
    operations = [
        AddNote("k1", ref, "On its way.", is_public=True),
        AddNote("k2", ref, "For us only."),
        SetTicketState("k3", ref, TicketState.ON_HOLD),
        SetTicketFields("k4", ref, fields),
        SetTicketFields("k5", ref, {"assignee": "3"}),
        SetTicketState("k6", ref, TicketState.IN_PROGRESS),
        SetTicketFields("k7", ref, emptied),
        SetTicketState("k8", ref, TicketState.RESOLVED),
    ]

    async with (
        served(sandbox.app()) as upstream,
        watched(prism, usable("zendesk-support-2.0.0.yaml", tmp_path, PUBLIC), f"http://{upstream}") as address,
    ):
        wire = Noting(re.compile("[0-9]+"))
        settings = {**sandbox.settings(), **API_TOKEN, "base_url": address}
        config = ZendeskConfig.model_validate({**settings, "statuses": {"on_hold": "Waiting for parts"}})
        async with SourceClient(str(config.base_url), headers=config.headers(), transport=wire) as http:
            adapter = Zendesk(config, http, clock)
            await adapter.check()
            pulled = [batch async for batch in adapter.pull(TICKETS, None)]
            for operation in operations:
                clock.advance(MINUTE)
                assert await adapter.find(operation) is None
                await adapter.push(operation)
                assert await adapter.find(operation) is not None
            clock.advance(2 * MINUTE)
            records = [record async for batch in adapter.pull(TICKETS, pulled[-1].resume) for record in batch.records]
            fetched = await adapter.fetch(ref)
        config = ZendeskConfig.model_validate({**sandbox.settings(), "base_url": address, "asset_tag_field": None})
        async with SourceClient(str(config.base_url), headers=config.headers(), transport=wire) as http:
            await Zendesk(config, http, clock).check()
        read = await wire.reads(address, WRONG, ref.external_id)

    assert len(pulled) == 2
    assert records == [fetched]
    assert wire.asked == {
        ("GET", ME), ("GET", EXPORT), ("GET", TICKET), ("PUT", TICKET), ("GET", f"{TICKET}/audits"),
        ("GET", f"{API}/ticket_fields"), ("GET", GROUPS), ("GET", f"{API}/custom_statuses"), ("POST", TOKENS),
    }  # fmt: skip
    assert wire.objections.keys() == AGAINST_ITSELF
    assert read == WRONG.keys()


EMPTY = ("assignee_id", "external_id", "group_id", "problem_id")
AGAINST_ITSELF = {
    # both groups of all and groups of a user, who is not in this path
    ("GET", GROUPS, "request/path"),
    # needed for the first page alone: `after_url` in its own examples has the cursor and no start
    ("GET", EXPORT, "request/query"),
    # null where there is none, and so what takes a value away: its schemas say so of `due_at` alone, and its examples
    # show null for external ids and groups; of assignees and problems it says nothing
    *(("GET", EXPORT, f"response/body/tickets/*/{name}") for name in EMPTY),
    *((method, TICKET, f"response/body/ticket/{name}") for name in EMPTY for method in ("GET", "PUT")),
    *(("PUT", TICKET, f"request/body/ticket/{name}") for name in EMPTY),
    # the schema is that of a field's definition, with a title; its own example of a ticket has an id and a value
    ("PUT", TICKET, "request/body/ticket/custom_fields/*"),
    # the values of check boxes and lists are no text, and those of empty fields null
    ("GET", EXPORT, "response/body/tickets/*/custom_fields/*/value"),
    *((method, TICKET, "response/body/ticket/custom_fields/*/value") for method in ("GET", "PUT")),
    ("PUT", TICKET, "response/body/audit/events/*/value"),
    # basic authentication for whatever is asked, tokens included; its own text has a path that gives out OAuth tokens
    ("GET", ME, "request"), ("POST", TOKENS, "request"),
    # 201; programs in use wait for 200
    ("POST", TOKENS, "response"),
}  # fmt: skip
"""Where Zendesk's description says two things."""
WRONG: dict[Asked, object] = {("PUT", TICKET): {"ticket": {"subject": 7}}}
"""A body that Prism must object to: where it cannot use a schema, it objects to nothing."""
