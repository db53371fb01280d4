"""PagerDuty's adapter and its sandbox against PagerDuty's own description: Prism stands between the two."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connector.sdk import AdapterError, AddNote, ConfigError, SetTicketFields, SetTicketState, SourceClient, TicketState
from connector_pagerduty import PagerDuty, PagerDutyConfig
from connector_pagerduty.adapter import INCIDENTS
from connector_pagerduty.sandbox import PagerDutySandbox
from connector_pagerduty.shapes import incident_ref
from tests.api.conftest import served
from tests.clients.described import Asked, Noting, usable, watched
from tests.conftest import MovableClock

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SETTINGS: list[tuple[dict[str, Any], set[Asked]]] = [
    ({"services": ["PIJ90N7"], "teams": ["PQ9K7I8"]}, {("GET", "/services/PIJ90N7"), ("GET", "/teams/PQ9K7I8")}),
    ({"read_details": False, "page_size": 2}, set()),
]


@pytest.mark.parametrize(("settings", "checked"), SETTINGS, ids=("some services", "all, without details"))
async def test_pagerduty_is_asked_as_its_description_says(
    prism: Path, tmp_path: Path, settings: dict[str, Any], checked: set[Asked]
):
    clock = MovableClock(NOON)
    sandbox = PagerDutySandbox(clock)
    incident = sandbox.account.open(NOON - MINUTE, priority=("PP1", "P1"), details="Serial number: FOC1")
    ref = incident_ref(incident.id)
    wire = Noting()
    operations = [
        AddNote("k1", ref, "On its way."),
        SetTicketState("k2", ref, TicketState.IN_PROGRESS),
        SetTicketFields("k3", ref, {"Tracking Number": "00340434161094042557"}),
        SetTicketState("k4", ref, TicketState.RESOLVED),
    ]

    async with (
        served(sandbox.app()) as upstream,
        watched(prism, usable("pagerduty-rest.json", tmp_path), f"http://{upstream}") as address,
    ):
        config = PagerDutyConfig.model_validate({**sandbox.settings(), **settings, "base_url": address})
        async with SourceClient(address, headers=config.headers(), transport=wire) as http:
            adapter = PagerDuty(config, http, clock)
            await adapter.check()
            since = [batch.resume async for batch in adapter.pull(INCIDENTS, None)][-1]
            for operation in operations:
                await adapter.push(operation)
                assert await adapter.find(operation) is not None
            clock.advance(MINUTE)
            records = [record async for batch in adapter.pull(INCIDENTS, since) for record in batch.records]
            fetched = await adapter.fetch(ref)

    assert records == [fetched]
    assert wire.asked == {
        *checked, ("GET", "/abilities"), ("GET", "/incidents"),
        ("GET", "/log_entries"), ("GET", "/incidents/ID"), ("PUT", "/incidents/ID"), ("GET", "/incidents/ID/notes"),
        ("POST", "/incidents/ID/notes"), ("GET", VALUES), ("PUT", VALUES),
    }  # fmt: skip
    assert {place: said for place, said in wire.objections.items() if place not in AGAINST_ITSELF} == {}


async def test_pagerduty_without_a_user_is_only_read(prism: Path, tmp_path: Path):
    clock = MovableClock(NOON)
    sandbox = PagerDutySandbox(clock)
    ref = incident_ref(sandbox.account.open(NOON - MINUTE).id)
    wire = Noting()

    async with (
        served(sandbox.app()) as upstream,
        watched(prism, usable("pagerduty-rest.json", tmp_path), f"http://{upstream}") as address,
    ):
        config = PagerDutyConfig.model_validate({**sandbox.settings(), "from_email": None, "base_url": address})
        async with SourceClient(address, headers=config.headers(), transport=wire) as http:
            adapter = PagerDuty(config, http, clock)
            await adapter.check()
            assert [record async for batch in adapter.pull(INCIDENTS, None) for record in batch.records]
            with pytest.raises(ConfigError, match="the source has no from_email"):
                await adapter.push(AddNote("k1", ref, "On its way."))
            assert await adapter.find(AddNote("k1", ref, "On its way.")) is None
            asked = set(wire.asked)
            with pytest.raises(AdapterError):
                await http.request("POST", f"incidents/{ref.external_id}/notes", operation="try", json={"note": 7})

    assert {method for method, _ in asked} == {"GET"}
    assert {place for place in wire.objections if place not in AGAINST_ITSELF} == {
        # what the adapter would have to send, had it no user: Prism reads headers and bodies
        ("POST", "/incidents/ID/notes", "request/header"), ("POST", "/incidents/ID/notes", "request/body/note"),
    }  # fmt: skip


VALUES = "/incidents/ID/custom_fields/values"
NULL = ("resolved_at", "resolve_reason", "priority")
AGAINST_ITSELF = {
    # null where there is none, as it says of resolved_at in words, and the manual of any field
    *(("GET", "/incidents", f"response/body/incidents/*/{name}") for name in NULL),
    *((method, "/incidents/ID", f"response/body/incident/{name}") for name in NULL for method in ("GET", "PUT")),
    # details are an object by their schema, and text in its examples
    ("GET", "/incidents/ID", "response/body/incident/body/details"),
    # the value of a custom field is an object by its schema, and the value itself in each of its examples
    ("PUT", VALUES, "request/body/custom_fields/*"), ("PUT", VALUES, "request/body/custom_fields/*/value"),
    ("PUT", VALUES, "response/body/custom_fields/*/value"), ("GET", VALUES, "response/body/custom_fields/*/value"),
    # an entry is of type acknowledge_log_entry or acknowledgement_log_entry, and those of fields are in one list only
    ("GET", "/log_entries", "response/body/log_entries/*"), ("GET", "/log_entries", "response/body/log_entries/*/type"),
}  # fmt: skip
"""Where PagerDuty's description says two things."""
