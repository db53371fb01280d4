"""What statuses, priorities, types and fields mean."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from connector.sdk import InvalidRecord, TicketRecord, Tombstone
from connector_freshservice import FreshserviceConfig
from connector_freshservice.assets import type_fields
from connector_freshservice.names import read_form
from connector_freshservice.sandbox.account import Account
from connector_freshservice.tickets import Desk

FORM = read_form(Account(lambda: None).form())  # type: ignore[arg-type, return-value]
ROW = {"id": 7, "status": 2, "updated_at": "2026-11-25T12:00:00Z", "workspace_id": 2, "group_id": 9}


def config(**settings: Any) -> FreshserviceConfig:
    return FreshserviceConfig.model_validate({"base_url": "https://a.example.com", "api_key": "a key"} | settings)


def mapped(settings: dict[str, Any] | None = None, **columns: Any) -> TicketRecord:
    record = Desk(FORM, config(**(settings or {}))).record(ROW | columns)
    assert isinstance(record, TicketRecord)
    return record


@pytest.mark.parametrize(
    ("status", "agent", "state"),
    [(2, None, "new"), (2, 501, "in_progress"), (3, 501, "on_hold"), (4, None, "resolved"), (5, 501, "closed")],
)
def test_an_open_ticket_of_nobody_is_new(status: int, agent: int | None, state: str) -> None:
    assert mapped(status=status, responder_id=agent).state == state


@pytest.mark.parametrize("name", ["Waiting for parts", "waiting FOR parts", "6"])
def test_a_custom_status_means_what_the_settings_say_by_name_or_number(name: str) -> None:
    assert mapped({"ticket_states": {name: "on_hold"}}, status=6).state == "on_hold"


@pytest.mark.parametrize(
    ("columns", "why", "path"),
    [
        ({"status": 6}, "ticket 7 has status 'Waiting for parts', which nobody gave a meaning to", "/status"),
        ({"priority": 9}, "ticket 7 has priority 9, which nobody gave a meaning to", "/priority"),
        ({"custom_fields": {"level_2": "a few"}}, "'a few' in 'Quantity'", "/custom_fields"),
        ({"updated_at": "yesterday"}, "cannot be read at /updated_at", "/updated_at"),
    ],
)
def test_what_cannot_be_understood_is_named(columns: dict[str, Any], why: str, path: str) -> None:
    with pytest.raises(InvalidRecord, match=why) as refused:
        mapped({"quantity_field": "Quantity"}, **columns)

    assert refused.value.path == path


def test_fields_are_found_by_name_or_label_and_a_department_stands_for_a_site() -> None:
    settings = {
        "serial_field": "serial_number",
        "quantity_field": "Quantity",
        "department_sites": {"ACME Hamburg": "HH"},
    }
    record = mapped(settings, custom_fields={"serial_number": "X1", "level_2": 3}, department_id=71, priority=4)

    assert (record.serial, record.quantity, record.site_name, record.priority) == ("X1", 3, "HH", "P1")


def test_types_that_nobody_names_are_incidents_and_the_settings_come_first() -> None:
    assert [mapped(type=name).type for name in ("Service Request", "Major Incident", "Seance", None)] == [
        "request", "incident", "incident", "incident",
    ]  # fmt: skip
    assert mapped({"types": {"Case": "change"}}, type="case").type == "change"


@pytest.mark.parametrize("shown", [None, [], {"child_ids": [8]}, {"parent_id": None}, {"parent_id": 7}, "none"])
def test_what_else_is_told_of_links_costs_no_ticket(shown: object) -> None:
    record = mapped(related_tickets=shown, assets=[{"name": "of a later release"}, {"display_id": 5, "name": "nb-5"}])

    assert (record.parent, record.hostname, record.asset) == (None, "nb-5", None)


def test_tickets_of_other_groups_are_gone() -> None:
    for name in ("Service Desk", "10"):
        desk = Desk(FORM, config(groups=[name]))
        assert isinstance(desk.record(ROW), Tombstone)
        assert isinstance(desk.record(ROW | {"group_id": 10}), TicketRecord)


def test_names_of_type_fields_lose_their_number_alone() -> None:
    told = {"rack_2_25": "a", "salvage": 1, "warranty_expiry_date_25": "2029-07-26T12:00:00Z"}

    assert type_fields({"type_fields": told}) == {"rack_2": "a", "salvage": 1, "warranty_expiry_date": "2029-07-26"}


@pytest.mark.parametrize(
    "settings",
    [
        {"page_size": 101}, {"points": {"a": [91, 0]}}, {"countries": {"Germany": "Ger"}}, {"workspaces": [0]},
        {"write_back": True, "in_use_status": "Haunted"}, {"write_back": True, "failed_status": "In Use"},
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        config(**settings)
