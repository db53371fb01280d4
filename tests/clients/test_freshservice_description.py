"""Freshservice's adapter and its sandbox against Freshworks' own description: Prism stands between the two."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from connector.sdk import AddNote, EntityKind, SetTicketFields, SetTicketState, SourceClient, SourceRef, TicketState
from connector_freshservice import Freshservice, FreshserviceConfig
from connector_freshservice.assets import asset_ref
from connector_freshservice.sandbox import FreshserviceSandbox
from connector_freshservice.tickets import ticket_ref
from tests.api.conftest import served
from tests.clients.described import Asked, Noting, usable, watched
from tests.conftest import MovableClock

PUBLIC = "public in github.com/freshworks/freshworks-api-sdk: codegen/freshservice at commit eff8997"
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
API = "/api/v2"
TICKET, ASSET = f"{API}/tickets/ID", f"{API}/assets/ID"


async def test_freshservice_is_asked_as_its_description_says(prism: Path, tmp_path: Path):
    clock = MovableClock(NOON)
    sandbox = FreshserviceSandbox(clock)
    swap = sandbox.swap("swap-1")
    onto = replace(
        sandbox.swap("swap-2"), replacement=None, serial="NEW-1", asset_tag="TAG-1", revision="B2",
        warranty_ends_on=date(2030, 1, 31),
    )  # fmt: skip
    laptop = sandbox.asset(NOON - MINUTE)
    ref = ticket_ref(sandbox.ticket(NOON - MINUTE, assets=[laptop["id"]])["id"])
    for _ in range(21):  # more than a page of each
        sandbox.ticket(NOON - MINUTE)
        sandbox.asset(NOON - MINUTE)
    fields = {
        "Tracking number": "00340434161094042557", "Quantity": "3", "Cost centre": "Berlin", "On site": "true",
        "Needed on": "2026-12-01", "subject": "Laptop", "category": "Hardware", "priority": "Urgent",
        "due_by": "2026-12-01T12:00:00Z", "group": "Service Desk", "department": "ACME Hamburg",
        "assignee": "kim@example.com",
    }  # fmt: skip
    emptied = {"Quantity": "", "category": "", "group": "", "department": "", "assignee": ""}
    operations = [
        AddNote("k1", ref, "On its way.", is_public=True),
        AddNote("k2", ref, "For us only."),
        SetTicketState("k3", ref, TicketState.ON_HOLD),
        SetTicketFields("k4", ref, fields),
        SetTicketFields("k5", ref, emptied),
        SetTicketState("k6", ref, TicketState.RESOLVED),
    ]

    async with (
        served(sandbox.app()) as upstream,
        watched(prism, usable("freshservice-2.0.1.yaml", tmp_path, PUBLIC), f"http://{upstream}") as address,
    ):
        wire = Noting(re.compile("[0-9]+"))
        settings = {**sandbox.settings(), "associations": "all", "base_url": address, "workspaces": [2]}
        config = FreshserviceConfig.model_validate(settings)
        async with SourceClient(str(config.base_url), headers=config.headers(), transport=wire) as http:
            adapter = Freshservice(config, http, clock)
            await adapter.check()
            for stream in adapter.streams():
                pulled = [batch async for batch in adapter.pull(stream, None)]
                if pulled[-1].resume is not None:
                    clock.advance(MINUTE)
                    assert [batch async for batch in adapter.pull(stream, pulled[-1].resume)]
            for operation in operations:
                assert await adapter.find(operation) is None
                await adapter.push(operation)
                assert await adapter.find(operation) is not None
            await adapter.record_swap(swap)
            await adapter.record_swap(onto)
            assert await adapter.find_swap(swap) is not None
            product = next(iter(sandbox.account.tables["products"]))
            for each in (
                ref,
                asset_ref(laptop["display_id"]),
                SourceRef(kind=EntityKind.PRODUCT, external_id=str(product)),
            ):
                assert (await adapter.fetch(each)).ref == each
        read = await wire.reads(address, WRONG, str(laptop["display_id"]))

    assert wire.asked == {
        ("GET", f"{API}/tickets"), ("GET", TICKET), ("PUT", TICKET), ("GET", f"{TICKET}/conversations"),
        ("POST", f"{TICKET}/reply"), ("POST", f"{TICKET}/notes"), ("GET", f"{API}/agents"), ("GET", f"{API}/assets"),
        ("GET", ASSET), ("PUT", ASSET), ("GET", f"{API}/asset_types"), ("GET", f"{API}/locations"),
        ("GET", f"{API}/products"), ("GET", f"{API}/products/ID"),
    } | NOT_DESCRIBED  # fmt: skip
    asked = {(method, path, spot) for method, path, spot in wire.objections if spot.startswith("request")}
    assert asked == {(*each, "request") for each in NOT_DESCRIBED} | TYPED
    assert {spot.rpartition("/")[2] for *_, spot in wire.objections.keys() - asked} == NULL | {
        "is_onsite",
        "level_2",
        "*",
    }
    assert read == WRONG.keys()


NOT_DESCRIBED = {
    ("GET", f"{API}/ticket_form_fields"), ("GET", f"{API}/relationship_types"), ("GET", f"{API}/relationships"),
    ("GET", f"{ASSET}/relationships"),
}  # fmt: skip
"""What the description leaves out, and the reference has."""
TYPED = {("PUT", TICKET, f"request/body/custom_fields/{name}") for name in ("is_onsite", "level_2")}
"""All custom fields are texts by the description; the answers of Freshservice's reference have booleans among them."""
NULL = {
    "agent_id", "department_id", "description", "group_id", "location_id", "user_id", "tracking_number", "due_by",
}  # fmt: skip
"""What is not set: Freshservice answers null, which the description leaves out."""
WRONG: dict[Asked, object] = {
    ("PUT", TICKET): {"priority": "high"}, ("POST", f"{TICKET}/notes"): {"private": "no"},
    ("POST", f"{TICKET}/reply"): {"body": 7}, ("PUT", ASSET): {"asset_tag": 7},
}  # fmt: skip
"""Bodies that Prism must object to: where it cannot use a schema, it objects to nothing."""
