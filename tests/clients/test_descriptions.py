"""Adapters and their sandboxes against vendors' own OpenAPI descriptions: Prism stands between the two and objects.

The descriptions are not part of the product: `../shared/openapi` beside the repository, or CONNECTOR_DESCRIPTIONS.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from connector.sdk import AddNote, SetTicketFields, SetTicketState, SourceClient, TicketState
from connector_pagerduty import PagerDuty, PagerDutyConfig
from connector_pagerduty.adapter import INCIDENTS
from connector_pagerduty.sandbox import PagerDutySandbox
from connector_pagerduty.shapes import incident_ref
from tests.api.conftest import served
from tests.clients.conftest import PATIENCE_S
from tests.clients.install import HERE, NODE, NotInstalled, node_packages
from tests.conftest import MovableClock

SCRIPTS = HERE / "descriptions"
HOME = Path(os.environ.get("CONNECTOR_DESCRIPTIONS", HERE.parents[2] / "shared" / "openapi"))
PRISM = Path("@stoplight") / "prism-cli" / "dist" / "index.js"
LISTENING = b"Prism is listening on "
OBJECTION = re.compile(r'"location":(\[[^\]]*\]),[^{}]*"message":("(?:[^"\\]|\\.)*")')
"""One of Prism's objections; a header that would be too long is cut off, so it may be no JSON."""
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="session")
def prism() -> Path:
    """Prism's program."""
    try:
        return node_packages(SCRIPTS) / PRISM
    except NotInstalled as absent:
        pytest.skip(str(absent).partition("\n")[0])


def description(name: str) -> Path:
    """A vendor's description."""
    path = HOME / name
    if not path.is_file():
        pytest.skip(f"{name} is not beside the repository (../shared/openapi), nor where CONNECTOR_DESCRIPTIONS says")
    return path


@asynccontextmanager
async def watched(prism: Path, path: Path, upstream: str) -> AsyncIterator[str]:
    """The address of a Prism that hands on to a server and notes where either side departs from a description."""
    command = (str(NODE), str(prism), "proxy", "-h", "127.0.0.1", "-p", "0", str(path), upstream)
    process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
    assert process.stdout is not None
    reading: asyncio.Task[bytes] | None = None
    try:
        async with asyncio.timeout(PATIENCE_S):
            line = b""
            while LISTENING not in line:
                line = await process.stdout.readline()
                assert line, (await process.communicate())[1].decode()
        reading = asyncio.create_task(process.stdout.read())  # what it says later must not fill its pipe
        yield line.partition(LISTENING)[2].strip().decode()
    finally:
        process.kill()
        await process.wait()
        if reading is not None:
            await reading


class Noting(httpx.AsyncHTTPTransport):
    """Keeps what Prism objects to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[tuple[str, str]] = set()
        self.objections: dict[tuple[str, str, str], str] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        where = (request.method, "/".join("ID" if part[:1] == "Q" else part for part in request.url.path.split("/")))
        self.asked.add(where)
        for place, said in OBJECTION.findall(response.headers.get("sl-violations", "")):
            path = "/".join("*" if part.isdigit() else part for part in json.loads(place))
            self.objections.setdefault((*where, path), said)
        return response


async def test_pagerduty_is_asked_as_its_description_says(prism: Path):
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
    settings: dict[str, Any] = {"services": ["PIJ90N7"], "teams": ["PQ9K7I8"]}

    async with (
        served(sandbox.app()) as upstream,
        watched(prism, description("pagerduty-rest.json"), f"http://{upstream}") as address,
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
        ("GET", "/abilities"), ("GET", "/services/PIJ90N7"), ("GET", "/teams/PQ9K7I8"), ("GET", "/incidents"),
        ("GET", "/log_entries"), ("GET", "/incidents/ID"), ("PUT", "/incidents/ID"), ("GET", "/incidents/ID/notes"),
        ("POST", "/incidents/ID/notes"), ("GET", VALUES), ("PUT", VALUES),
    }  # fmt: skip
    assert {place: said for place, said in wire.objections.items() if place not in AGAINST_ITSELF} == {}


VALUES = "/incidents/ID/custom_fields/values"
AGAINST_ITSELF = {
    # the value of a custom field is an object by its schema, and the value itself in each of its examples
    ("PUT", VALUES, "request/body/custom_fields/*"), ("PUT", VALUES, "request/body/custom_fields/*/value"),
    ("PUT", VALUES, "response/body/custom_fields/*/value"), ("GET", VALUES, "response/body/custom_fields/*/value"),
    # an entry is of type acknowledge_log_entry or acknowledgement_log_entry, and those of fields are in one list only
    ("GET", "/log_entries", "response/body/log_entries/*"), ("GET", "/log_entries", "response/body/log_entries/*/type"),
}  # fmt: skip
"""Where PagerDuty's description says two things."""
