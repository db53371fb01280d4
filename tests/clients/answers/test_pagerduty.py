"""What PagerDuty's description says that it answers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from connector.sdk import AddNote, SetTicketFields, SetTicketState, SourceRef, TicketState
from connector_pagerduty.adapter import INCIDENTS
from connector_pagerduty.sandbox import PagerDutySandbox
from connector_pagerduty.sandbox.account import SandboxIncident
from connector_pagerduty.shapes import incident_ref
from tests.clients.answers.documented import Description
from tests.clients.answers.trials import NOON, Trial, begun, tried

DESCRIPTION = "pagerduty-rest.json"
KNOWN = {"more": False}
"""A documented page would be its own next one."""
HOUR = timedelta(hours=1)
FIELD = "Tracking Number"


def opened(trial: Trial) -> SourceRef:
    """An incident of the sandbox."""
    return incident_ref(trial.sandbox.account.open(NOON - HOUR).id)


def stocked(trial: Trial) -> None:
    """The sandbox has the incidents that a documented answer tells of."""
    for number in dict.fromkeys(named(trial.body)):
        trial.sandbox.account.incidents[number] = SandboxIncident(
            number, 7, "Switch is dead", NOON - HOUR, NOON - HOUR, NOON - HOUR
        )


def named(body: Any) -> Iterator[str]:
    """Ids of the incidents on a documented page."""
    if isinstance(body, dict):
        yield from (each["id"] for each in body.get("incidents") or () if each.get("id"))
        yield from (
            each["incident"]["id"] for each in body.get("log_entries") or () if (each.get("incident") or {}).get("id")
        )


async def check(trial: Trial) -> object:
    return await trial.adapter.check()


async def pull(trial: Trial) -> object:
    opened(trial)
    stocked(trial)
    return await begun(trial.adapter.pull(INCIDENTS, None))


async def pull_on(trial: Trial) -> object:
    opened(trial)
    stocked(trial)
    since = trial.adapter.cursor_since(INCIDENTS, NOON - 2 * HOUR)
    return await begun(trial.adapter.pull(INCIDENTS, since))


async def fetch(trial: Trial) -> object:
    return await trial.adapter.fetch(opened(trial))


async def note(trial: Trial) -> object:
    return await trial.adapter.push(AddNote("k1", opened(trial), "On its way."))


async def find_note(trial: Trial) -> object:
    return await trial.adapter.find(AddNote("k1", opened(trial), "On its way."))


async def state(trial: Trial) -> object:
    return await trial.adapter.push(SetTicketState("k2", opened(trial), TicketState.IN_PROGRESS))


async def find_state(trial: Trial) -> object:
    return await trial.adapter.find(SetTicketState("k2", opened(trial), TicketState.IN_PROGRESS))


async def fields(trial: Trial) -> object:
    return await trial.adapter.push(SetTicketFields("k3", opened(trial), {FIELD: "00340434161094042557"}))


async def find_fields(trial: Trial) -> object:
    return await trial.adapter.find(SetTicketFields("k3", opened(trial), {FIELD: "00340434161094042557"}))


async def test_what_pagerduty_documents_is_read():
    steps = [check, pull, pull_on, fetch, note, find_note, state, find_state, fields, find_fields]
    found = await tried("pagerduty", PagerDutySandbox, steps, [Description(DESCRIPTION, known=KNOWN)])

    assert found.undescribed == set()
    assert found.asked == {
        "GET /abilities", "GET /incidents", "GET /log_entries", "GET /incidents/{id}", "PUT /incidents/{id}",
        "GET /incidents/{id}/notes", "POST /incidents/{id}/notes", f"GET {VALUES}", f"PUT {VALUES}",
    }  # fmt: skip
    assert found.departures == {**HANDLED, **OF_ANOTHER_REQUEST}


async def test_what_pagerduty_documents_of_services_and_teams_is_read():
    found = await tried(
        "pagerduty", PagerDutySandbox, [check], [Description(DESCRIPTION)], services=["PIJ90N7"], teams=["PQ9K7I8"]
    )

    assert found.undescribed == set()
    assert found.asked == {"GET /abilities", "GET /services/{id}", "GET /teams/{id}"}
    no_teams = "ConfigError: the account has no teams, and the setting `teams` names some"
    assert found.departures == {
        # abilities without that of teams
        "check: GET /abilities 200 least": no_teams,
        "check: GET /abilities 200 full": no_teams,
        # the settings name what is not there
        "check: GET /services/{id} 404": "ConfigError",
        "check: GET /teams/{id} 404": "ConfigError",
    }


VALUES = "/incidents/{id}/custom_fields/values"
LEAST = (
    "Rejected: the incident cannot be read at /id: Field required. Compare it with the API version in the adapter's "
    "README."
)
GONE = "Rejected: ticket:Q0000000000001 is named and cannot be found: pull incident: the system answered 404"
RESOLVED = (2, 5, 8, 11)
"""Turns in which the third of three words is taken."""
HANDLED = {
    # one incident of many that cannot be read, or that is not there
    "pull: GET /incidents/{id} 200 least": LEAST,
    "pull_on: GET /incidents/{id} 200 least": LEAST,
    "pull: GET /incidents/{id} 404": GONE,
    "pull_on: GET /incidents/{id} 404": GONE,
    # what holds itself comes to an end: the incident of a made entry has no id
    "pull_on: GET /log_entries 200 full": (
        "Rejected: log entry string names no incident. Compare it with the API version in the adapter's README."
    ),
    # a resolved incident is not opened again
    **{
        f"state: GET /incidents/{{id}} 200 full {turn}": (
            "Conflict: incident 1 is resolved, and 'acknowledged' would open it again"
        )
        for turn in RESOLVED
    },
}
ONLY = "Invalid: there is no custom field 'Tracking Number', only"
OF_ANOTHER_REQUEST = {
    # the answers to changes to other states
    "state: PUT /incidents/{id} 200 example response": (
        "Invalid: incident 1234 stays 'resolved', 'acknowledged' did not take"
    ),
    "state: PUT /incidents/{id} 200 full": "Invalid: incident 1 stays 'triggered', 'acknowledged' did not take",
    **{
        f"state: PUT /incidents/{{id}} 200 full {turn}": (
            "Invalid: incident 1 stays 'resolved', 'acknowledged' did not take"
        )
        for turn in RESOLVED
    },
    # other custom fields than the one that is written
    **{
        f"{step}: GET {VALUES} 200 {name}": f"{ONLY} {fields}"
        for step in ("fields", "find_fields")
        for name, fields in (
            ("example single_value_example", "Runtime Environment, environment"),
            ("example multi_value_example", "Runtime Environment, environment"),
            ("least", "none"),
            ("full", "string"),
        )
    },
}
