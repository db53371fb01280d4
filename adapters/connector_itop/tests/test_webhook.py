"""Webhooks of iTop's extension."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connector.sdk import AuthError, EntityKind, Invalid, NotFound
from connector.sdk.testing import Connected
from connector_itop.mapping import ref_of
from connector_itop.sandbox import ItopSandbox

from .conftest import NOON, Opened


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("UserRequest", EntityKind.TICKET),
        ("Incident", EntityKind.TICKET),
        ("NetworkDevice", EntityKind.ASSET),
        ("Model", EntityKind.PRODUCT),
    ],
)
@pytest.mark.parametrize("told", ["40", 40])
async def test_what_is_named_is_read_again(
    sandbox: ItopSandbox, source: Connected, name: str, kind: EntityKind, told: object
):
    request = sandbox.post({"class": name, "id": told}, NOON)

    assert source.adapter.parse(request).fetch == (ref_of(kind, 40),)


@pytest.mark.parametrize(
    ("changes", "body"),
    [
        ({}, {"class": "Location", "id": "3"}),
        ({}, {"id": "3"}),
        ({}, {"class": "UserRequest"}),
        ({"ticket_classes": ["UserRequest"]}, {"class": "Incident", "id": "3"}),
        ({"roles": ["cmdb"]}, {"class": "UserRequest", "id": "3"}),
        ({"roles": ["itsm"]}, {"class": "PC", "id": "3"}),
    ],
)
async def test_what_is_not_read_here_is_passed_over(
    sandbox: ItopSandbox, opened: Opened, changes: dict[str, object], body: object
):
    assert opened(**changes).adapter.parse(sandbox.post(body, NOON)).fetch == ()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"class": "PC", "id": "$this->id$"}, r"id is .*which is none.*\$this->id\$"),
        ({"class": "PC", "id": ""}, "which is none"),
        ({"class": "PC", "id": 0}, "which is none"),
        ({"class": "PC", "id": True}, "which is none"),
        ({"class": "PC", "id": [3]}, "which is none"),
        ({"class": "$this->finalclass$", "id": "3"}, "which iTop did not fill in"),
        ([], "no JSON object"),
    ],
)
async def test_a_payload_that_names_nothing_is_said(sandbox: ItopSandbox, source: Connected, body: object, said: str):
    with pytest.raises(Invalid, match=said):
        source.adapter.parse(sandbox.post(body, NOON))


async def test_a_wrong_secret_is_refused_and_so_is_any_where_none_is_set(
    sandbox: ItopSandbox, source: Connected, opened: Opened
):
    request = sandbox.post({"class": "PC", "id": "3"}, NOON)
    source.adapter.verify(request)
    secret = request.headers["authorization"].removeprefix("Bearer ")
    for headers in ({}, {"authorization": secret}, {"authorization": "Bearer "}):
        with pytest.raises(AuthError, match="is not the configured one"):
            source.adapter.verify(replace(request, headers=headers))
    with pytest.raises(AuthError, match=r"no webhook secret.*Authorization: Bearer"):
        opened(webhook_secret=None).adapter.verify(request)


async def test_a_deletion_names_what_is_then_not_found(sandbox: ItopSandbox, source: Connected):
    device = sandbox.device()
    sandbox.inventory.delete(device, NOON)
    [ref] = source.adapter.parse(sandbox.post({"class": "PC", "id": str(device["id"])}, NOON)).fetch

    with pytest.raises(NotFound):
        await source.adapter.fetch(ref)
