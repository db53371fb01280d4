"""Jira's adapter and its sandbox against Atlassian's own description of the platform: Prism stands between the two.

The adapter asks nothing of the service desk's interface (`/rest/servicedeskapi`), which has a description of its own.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connector.sdk import AddNote, SetTicketFields, SetTicketState, SourceClient, TicketState
from connector_jira_service_management import JiraServiceManagement, JiraServiceManagementConfig
from connector_jira_service_management.adapter import TICKETS
from connector_jira_service_management.links import ticket_ref
from connector_jira_service_management.sandbox import JiraServiceManagementSandbox
from connector_jira_service_management.sandbox.site import ME
from tests.api.conftest import served
from tests.clients.described import Asked, Sorting, usable, watched
from tests.conftest import MovableClock

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NUMBER = re.compile(r"[0-9]{5}")
API = "/rest/api/3"
ISSUE = f"{API}/issue/ID"
COMMENTS, TRANSITIONS, SEARCH = f"{ISSUE}/comment", f"{ISSUE}/transitions", f"{API}/search/jql"
EMPTY = 'The received media type \\"\\" does not match the one specified in the current response: application/json'
AGAINST_ITSELF = {
    # 204, of which it says that there is JSON in it
    ("PUT", ISSUE, "response"): f'"{EMPTY}"', ("POST", TRANSITIONS, "response"): f'"{EMPTY}"',
}  # fmt: skip
"""Where Atlassian's description says two things."""
NOT_DESCRIBED = {("POST", SEARCH, "request"): '"Selected route not found"'}
"""What is younger than the description of July 2022; the later one has it."""
LATER = "public in github.com/jarekbird/jira-api-mcp-wrapper: swagger-v3.v3.json at commit fea6054"
DESCRIPTIONS = [
    ("jira-platform-v3.json", "public in github.com/salto-io/jira-swaggers: platform-swagger.v3.json", NOT_DESCRIBED),
    ("jira-platform-v3-2025-12.json", LATER, {}),
]


@pytest.mark.parametrize(("name", "public", "missing"), DESCRIPTIONS, ids=("2022-07", "2025-12"))
async def test_jira_is_asked_as_its_description_says(
    prism: Path, tmp_path: Path, name: str, public: str, missing: dict[tuple[str, str, str], str]
):
    clock = MovableClock(NOON)
    sandbox = JiraServiceManagementSandbox(clock)
    issue, other = (sandbox.site.create(NOON - MINUTE) for _ in range(2))
    for _ in range(10):  # more than a page in one minute, so that the token of a page is sent
        sandbox.site.create(NOON - MINUTE)
    ref = ticket_ref(issue.id)
    fields = {
        "Asset Tag": "AT-17", "Site": "Berlin", "Quantity": "3", "Remark": "Line 1\nLine 2", "Devices": "sw-12",
        "Assignee": "emma@example.com", "duplicates": other.key,
    }  # fmt: skip
    operations = [
        AddNote("k1", ref, "On its way.\n\nSoon.", is_public=True),
        AddNote("k2", ref, "For us only."),
        SetTicketState("k3", ref, TicketState.ON_HOLD),
        SetTicketFields("k4", ref, fields),
        SetTicketFields("k5", ref, {"Assignee": ME, "Site": "", "is caused by": other.id}),
        SetTicketState("k6", ref, TicketState.RESOLVED),
    ]

    async with (
        served(sandbox.app()) as upstream,
        watched(prism, usable(name, tmp_path, public), f"http://{upstream}") as address,
    ):
        wire = Sorting([("", "", address)], NUMBER)
        config = JiraServiceManagementConfig.model_validate(sandbox.settings())
        async with SourceClient(str(config.base_url), headers=config.headers(), transport=wire) as http:
            adapter = JiraServiceManagement(config, http, clock)
            await adapter.check()
            since = [batch.resume async for batch in adapter.pull(TICKETS, None)][-1]
            for operation in operations:
                assert await adapter.find(operation) is None
                await adapter.push(operation)
                assert await adapter.find(operation) is not None
            clock.advance(MINUTE)
            records = [record async for batch in adapter.pull(TICKETS, since) for record in batch.records]
            fetched = await adapter.fetch(ref)
        read = await wire.reads("http://jira.test", WRONG, issue.id)

    assert fetched in records
    assert wire.asked == {
        ("GET", f"{API}/serverInfo"), ("GET", f"{API}/myself"), ("GET", f"{API}/project/ITSM"), ("GET", f"{API}/field"),
        ("POST", SEARCH), ("GET", ISSUE), ("PUT", ISSUE), ("GET", COMMENTS), ("POST", COMMENTS), ("GET", TRANSITIONS),
        ("POST", TRANSITIONS), ("GET", f"{ISSUE}/editmeta"), ("GET", f"{API}/issueLinkType"),
        ("GET", f"{API}/user/assignable/search"),
    }  # fmt: skip
    assert wire.objections == AGAINST_ITSELF | missing
    assert read == {place for place in WRONG if (*place, "request") not in missing}


WRONG: dict[Asked, object] = {
    ("POST", SEARCH): {"fields": 7}, ("POST", COMMENTS): {"properties": 7}, ("POST", TRANSITIONS): {"transition": 7},
    ("PUT", ISSUE): {"properties": 7},
}  # fmt: skip
"""Bodies that Prism must object to: where it cannot use a schema, it objects to nothing."""
