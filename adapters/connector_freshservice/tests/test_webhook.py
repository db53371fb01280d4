"""Webhooks of a workflow."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connector.sdk import AuthError, Invalid
from connector_freshservice.assets import asset_ref
from connector_freshservice.tickets import ticket_ref

from .conftest import NOON, Hub


@pytest.mark.parametrize("told", [61, "61", "INC-61", "#SR-61"])
async def test_the_ticket_is_read_again_however_its_number_is_written(hub: Hub, told: object) -> None:
    assert hub.adapter().parse(hub.sandbox.post({"ticket_id": told}, NOON)).fetch == (ticket_ref(61),)


async def test_an_asset_is_read_again(hub: Hub) -> None:
    assert hub.adapter().parse(hub.sandbox.post({"asset_id": "11"}, NOON)).fetch == (asset_ref(11),)


@pytest.mark.parametrize("told", ["{{ticket.id}}", "", None, True, 0, [61], "61; drop"])
async def test_a_placeholder_that_was_not_filled_is_said(hub: Hub, told: object) -> None:
    with pytest.raises(Invalid, match=r"ticket_id is .* which is no id.*ticket\.id_numeric"):
        hub.adapter().parse(hub.sandbox.post({"ticket_id": told}, NOON))


async def test_a_wrong_secret_is_refused_and_so_is_any_where_none_is_set(hub: Hub) -> None:
    request = hub.sandbox.post({"ticket_id": 1}, NOON)
    hub.adapter().verify(request)
    with pytest.raises(AuthError):
        hub.adapter().verify(replace(request, headers={}))
    with pytest.raises(AuthError, match=r"no webhook secret.*X-Connector-Secret"):
        hub.adapter(webhook_secret=None).verify(request)
