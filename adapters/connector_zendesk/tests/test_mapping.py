"""What a ticket says, where the golden payloads do not show it."""

from __future__ import annotations

from typing import Any

import pytest

from connector.sdk import InvalidRecord, TicketRecord
from connector_zendesk.config import ZendeskConfig
from connector_zendesk.mapping import Beside, read_ticket, ticket_record, ticket_ref
from connector_zendesk.names import Names

BASE = {"id": 7, "status": "open", "updated_at": "2026-11-25T12:00:00Z", "organization_id": 40}
BESIDE = Beside(organizations={40: "ACME Hamburg"})


def made(row: dict[str, Any], **settings: object) -> TicketRecord:
    base = {"base_url": "https://x.zendesk.com", "oauth_token": "t"}
    config = ZendeskConfig.model_validate(base | settings)
    record = ticket_record(read_ticket({**BASE, **row}), BESIDE, Names(), config)
    assert isinstance(record, TicketRecord)
    return record


@pytest.mark.parametrize(
    ("settings", "row", "site"),
    [
        ({}, {}, None),
        ({"organization_sites": {"ACME Hamburg": "HAM1"}}, {}, "HAM1"),
        ({"organization_sites": {"40": "HAM1"}, "organization_is_site": True}, {}, "HAM1"),
        ({"organization_is_site": True}, {}, "ACME Hamburg"),
        ({"organization_is_site": True, "site_field": "9"}, {"custom_fields": [{"id": 9, "value": "B7"}]}, "B7"),
    ],
)
def test_the_site_is_the_field_then_the_organization(
    settings: dict[str, object], row: dict[str, Any], site: str | None
) -> None:
    assert made(row, **settings).site_name == site


@pytest.mark.parametrize("row", [{"via_followup_source_id": 3}, {"via": {"channel": "api", "followup_source_id": 3}}])
def test_a_follow_up_is_related_to_its_source(row: dict[str, Any]) -> None:
    assert made(row).related == (ticket_ref(3),)


def test_another_relation_of_the_channel_is_none_of_tickets() -> None:
    via = {"channel": "any", "source": {"from": {"ticket_id": 3}, "to": {}, "rel": "side_conversation"}}

    assert made({"via": via}).related is None


@pytest.mark.parametrize(
    ("row", "path"),
    [
        ({"priority": "disaster"}, "/priority"), ({"status": "sour"}, "/status"),
        ({"custom_fields": [{"id": 9, "value": "some"}]}, "/custom_fields"), ({"updated_at": "soon"}, "/updated_at"),
    ],
)  # fmt: skip
def test_what_nobody_gave_a_meaning_to_is_told_with_its_place(row: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidRecord) as wrong:
        made(row, quantity_field="9")

    assert wrong.value.path == path
