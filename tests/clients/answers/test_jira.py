"""What Atlassian's descriptions of Jira say that it answers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from datetime import timedelta

import pytest

from connector.sdk import AddNote, SetTicketFields, SetTicketState, SourceRef, TicketState
from connector_jira_service_management.adapter import TICKETS
from connector_jira_service_management.links import ticket_ref
from connector_jira_service_management.sandbox import JiraServiceManagementSandbox
from tests.clients.answers.documented import Description
from tests.clients.answers.trials import NOON, Found, Step, Trial, tried
from tests.clients.described import description

MINUTE = timedelta(minutes=1)
PAGES = 3
API = "/rest/api/3"
ISSUE, SEARCH = f"{API}/issue/{{issueIdOrKey}}", f"POST {API}/search/jql"
TIME = "2026-11-25T10:00:00.000+0000"
FIELDS = {
    "summary": "Switch is dead", "status": {"name": "Open", "statusCategory": {"key": "new"}}, "created": TIME,
    "updated": TIME, "issuetype": {"name": "Incident"}, "project": {"key": "ITSM", "name": "IT Service Desk"},
}  # fmt: skip
KNOWN = {
    ".fields": FIELDS, "issues.fields": FIELDS, ".id": "10002", "issues.id": "10002", "timeZone": "Europe/Berlin",
}  # fmt: skip
"""What Atlassian's descriptions leave open: the fields of an issue, and what an id and a time zone look like."""
LATER = "public in github.com/jarekbird/jira-api-mcp-wrapper: swagger-v3.v3.json at commit fea6054"
DESCRIPTIONS = [
    ("jira-platform-v3.json", "public in github.com/salto-io/jira-swaggers: platform-swagger.v3.json", {}),
    # the search is younger than the first description; what it refuses is a setting: projects, issue types
    ("jira-platform-v3-2025-12.json", LATER, {f"pull: {SEARCH} 400": "ConfigError"}),
]


def ticket(trial: Trial) -> SourceRef:
    trial.sandbox.site.create(NOON - 2 * MINUTE)
    return ticket_ref(trial.sandbox.site.create(NOON - MINUTE).id)


async def check(trial: Trial) -> object:
    return await trial.adapter.check()


async def pull(trial: Trial) -> object:
    """Some pages: where a documented answer says that another follows, it follows for ever."""
    ticket(trial)
    found = []
    async with aclosing(trial.adapter.pull(TICKETS, None)) as batches:
        async for batch in batches:
            found.append(batch)
            if len(found) == PAGES:
                break
    return found


async def fetch(trial: Trial) -> object:
    return await trial.adapter.fetch(ticket(trial))


async def note(trial: Trial) -> object:
    return await trial.adapter.push(AddNote("k1", ticket(trial), "On its way."))


async def find_note(trial: Trial) -> object:
    return await trial.adapter.find(AddNote("k1", ticket(trial), "On its way."))


async def resolve(trial: Trial) -> object:
    return await trial.adapter.push(SetTicketState("k2", ticket(trial), TicketState.RESOLVED))


async def find_state(trial: Trial) -> object:
    return await trial.adapter.find(SetTicketState("k2", ticket(trial), TicketState.RESOLVED))


async def write(trial: Trial) -> object:
    fields = {"Asset Tag": "AT-17", "Assignee": "emma@example.com", "duplicates": "ITSM-1"}
    return await trial.adapter.push(SetTicketFields("k3", ticket(trial), fields))


async def find_fields(trial: Trial) -> object:
    return await trial.adapter.find(SetTicketFields("k3", ticket(trial), {"Asset Tag": "AT-17"}))


async def described(name: str, public: str, steps: list[Step], known: Mapping[str, object]) -> Found:
    description(name, public)
    return await tried("jira_service_management", JiraServiceManagementSandbox, steps, [Description(name, known=known)])


@pytest.mark.parametrize(("name", "public", "younger"), DESCRIPTIONS, ids=("2022-07", "2025-12"))
async def test_what_jira_documents_of_issues_is_read(name: str, public: str, younger: dict[str, str]):
    found = await described(name, public, [check, pull, fetch, resolve, find_state], KNOWN)

    is_searched = SEARCH in found.asked
    assert found.undescribed == (set() if is_searched else {SEARCH})
    assert found.asked - {SEARCH} == {
        f"GET {API}/serverInfo", f"GET {API}/myself", f"GET {API}/project/{{projectIdOrKey}}", f"GET {API}/field",
        f"GET {ISSUE}", f"GET {ISSUE}/transitions", f"POST {ISSUE}/transitions",
    }  # fmt: skip
    assert found.departures == {**HANDLED, **OF_ANOTHER_SITE, **younger}


@pytest.mark.parametrize(("name", "public"), [each[:2] for each in DESCRIPTIONS], ids=("2022-07", "2025-12"))
async def test_what_jira_documents_of_writing_is_read(name: str, public: str):
    found = await described(name, public, [note, find_note, write, find_fields], {})

    assert found.undescribed == set()
    assert found.asked == {
        f"GET {ISSUE}", f"PUT {ISSUE}", f"GET {ISSUE}/comment", f"POST {ISSUE}/comment", f"GET {ISSUE}/editmeta",
        f"GET {API}/issueLinkType", f"GET {API}/user/assignable/search",
    }  # fmt: skip
    assert found.departures == OF_OTHER_FIELDS


NOT_THERE = ", ".join(
    f"{kind}_field = 'customfield_{number}'"
    for kind, number in (
        ("asset_tag", 10050), ("serial", 10051), ("site", 10053), ("manufacturer", 10054), ("model", 10055),
        ("quantity", 10057),
    )
)  # fmt: skip
NO_ZONE = "ConfigError: the account's profile has the time zone None, which is none that is known here"
HANDLED = {
    # what the settings name is not there, or the account does not see it
    f"check: GET {API}/project/{{projectIdOrKey}} 404": "ConfigError",
    # without its time zone nobody knows how times in queries are read
    f"check: GET {API}/myself 200 least": NO_ZONE,
    f"pull: GET {API}/myself 200 least": NO_ZONE,
}
NO_WAY = (
    "Invalid: Jira cannot set state of ticket 10002: 'status': no transition leads to a status that means resolved; "
    "it can go to "
)
OF_ANOTHER_SITE = {
    # fields and ways of other workflows
    **{
        f"check: GET {API}/field 200 {kind}": f"ConfigError: these settings name fields that are not there: {NOT_THERE}"
        for kind in ("least", "example", "full")
    },
    f"resolve: GET {ISSUE}/transitions 200 example": f"{NO_WAY}'Closed', 'In Progress'",
    f"resolve: GET {ISSUE}/transitions 200 full": f"{NO_WAY}'string'",
}
NOT_WRITABLE = "the issue has no such field that can be edited"
NONE_OF_THEM = (
    f"Invalid: Jira cannot set fields of ticket 10002: 'Asset Tag': {NOT_WRITABLE}; 'Assignee': {NOT_WRITABLE}; "
    f"'duplicates': {NOT_WRITABLE}"
)
NOBODY = (
    "Invalid: Jira cannot set fields of ticket 10002: 'Assignee': 'emma@example.com' finds no accounts that may have "
    "the issue, one is needed"
)
OF_OTHER_FIELDS = {
    # fields, types of links and accounts that are not those that are to be written
    f"write: GET {ISSUE}/editmeta 200 example": NONE_OF_THEM,
    f"write: GET {ISSUE}/editmeta 200 full": NONE_OF_THEM,
    f"write: GET {API}/issueLinkType 200 full": (
        f"Invalid: Jira cannot set fields of ticket 10002: 'duplicates': {NOT_WRITABLE}"
    ),
    f"write: GET {API}/user/assignable/search 200 example": NOBODY,
    f"write: GET {API}/user/assignable/search 200 least": NOBODY,
    f"write: GET {API}/user/assignable/search 200 full": (
        "Invalid: Jira refuses to set fields: Assignee: The account does not exist."
    ),
}
