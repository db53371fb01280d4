from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.sdk import ConfigError, InvalidRecord, Priority, ProductKey, TicketRecord, TicketState, TicketType
from connector_pagerduty.config import PagerDutyConfig
from connector_pagerduty.cursor import Place, Position, read_cursor, write_cursor
from connector_pagerduty.mapping import is_in_scope, ticket_record
from connector_pagerduty.shapes import incident_ref, read_incident


def config(**settings: Any) -> PagerDutyConfig:
    return PagerDutyConfig.model_validate({"api_key": "k", **settings})


def item(**columns: Any) -> dict[str, Any]:
    return {
        "id": "PT4KHLK", "incident_number": 7, "status": "triggered", "title": "Dead", "urgency": "high",
        "created_at": "2026-11-25T08:00:00Z", "updated_at": "2026-11-25T08:30:00Z",
        "service": {"id": "PIJ90N7", "summary": "Hamburg network"}, **columns,
    }  # fmt: skip


def field(name: str, value: Any, display_name: str | None = None) -> dict[str, Any]:
    return {"id": f"P{name}", "name": name, "display_name": display_name, "value": value}


def mapped(raw: dict[str, Any], **settings: Any) -> TicketRecord:
    return ticket_record(read_incident(raw), config(**settings))


@pytest.mark.parametrize(
    ("columns", "settings", "priority"),
    [
        ({}, {}, Priority.P2),
        ({"urgency": "low"}, {}, Priority.P4),
        ({"urgency": "extreme"}, {}, None),
        ({"urgency": None}, {}, None),
        ({"urgency": "low"}, {"urgencies": {"high": "P1"}}, None),
        ({"priority": {"id": "P1", "summary": "sev-1"}}, {}, Priority.P1),
        ({"priority": {"id": "P1", "summary": "Critical"}}, {"priorities": {"critical": "P1"}}, Priority.P1),
    ],
)
def test_the_accounts_priority_comes_before_the_urgency(
    columns: dict[str, Any], settings: dict[str, Any], priority: Priority | None
) -> None:
    assert mapped(item(**columns), **settings).priority is priority


def test_a_priority_without_meaning_is_refused_by_name() -> None:
    with pytest.raises(InvalidRecord, match="incident 7 has priority 'Meh'; known are P1, P2") as refused:
        mapped(item(priority={"summary": "Meh"}))

    assert refused.value.path == "/priority/summary"


def test_a_status_of_a_later_release_needs_a_meaning() -> None:
    raw = item(status="snoozed")

    assert mapped(raw, states={"snoozed": "on_hold"}).state is TicketState.ON_HOLD
    with pytest.raises(InvalidRecord, match="incident 7 has status 'snoozed'"):
        mapped(raw)


def test_a_merged_incident_is_a_duplicate_of_the_other() -> None:
    reason = {"type": "merge_resolve_reason", "incident": {"id": "PVZ6MDN", "type": "incident_reference"}}
    record = mapped(item(status="resolved", resolved_at="2026-11-25T08:20:00Z", resolve_reason=reason))

    assert (record.duplicate_of, record.state) == (incident_ref("PVZ6MDN"), TicketState.RESOLVED)
    assert mapped(item(resolve_reason={"type": "other", "incident": {"id": "PVZ6MDN"}})).duplicate_of is None


def test_custom_fields_come_before_the_body_and_the_body_before_the_service() -> None:
    fields = [field("asset_tag", "AT-1"), field("loc", ["Berlin 3", "Berlin 4"], "Site"), field("hostname", None)]
    body = {"details": {"Serial-Number": " FOC1 ", "asset_tag": "no", "hostname": "sw-12", "nested": {"a": 1}}}

    record = mapped(item(custom_fields=fields, body=body), service_sites={"Hamburg network": "Hamburg"})

    assert (record.asset_tag, record.serial, record.hostname) == ("AT-1", "FOC1", "sw-12")
    assert (record.site_name, record.category) == ("Berlin 3", "Hamburg network")


def test_the_lines_of_a_text_are_read() -> None:
    details = "PSU 1 has failed.\nSerial number: FOC1\nSite: Hamburg\nSite: Berlin\nquantity: 2\nAsset tag:"

    record = mapped(item(body={"details": details}))

    assert (record.serial, record.site_name, record.quantity, record.asset_tag) == ("FOC1", "Hamburg", 2, None)
    assert record.description == details


def test_the_service_gives_site_and_product_where_nothing_else_does() -> None:
    switch = {"manufacturer": "Cisco", "model": "C9300-48P"}
    settings = {"service_sites": {"Hamburg network": "Hamburg"}, "service_products": {"PIJ90N7": switch}}

    assert mapped(item(), **settings).product == ProductKey(**switch)
    assert mapped(item(), **settings).site_name == "Hamburg"
    told = item(body={"details": {"manufacturer": "Juniper", "model": "EX2300", "part number": "EX2300-48P"}})
    assert mapped(told, **settings).product == ProductKey(
        manufacturer="Juniper", model="EX2300", part_number="EX2300-48P"
    )
    assert mapped(item(body={"details": {"model": "EX2300"}})).product is None


@pytest.mark.parametrize("quantity", ["a few", "0", "-1", "10001", "9" * 50])
def test_the_quantity_is_a_whole_number_or_the_incident_is_refused(quantity: str) -> None:
    with pytest.raises(InvalidRecord, match=r"incident 7 has .* in .quantity., which is no number from 1 to 10000"):
        mapped(item(body={"details": {"quantity": quantity}}))


def test_the_incident_type_gives_the_type() -> None:
    raw = item(incident_type={"name": "service_request"})

    assert mapped(raw, types={"service_request": "request"}).type is TicketType.REQUEST
    assert mapped(raw).type is TicketType.INCIDENT


def test_any_field_may_be_null() -> None:
    columns = (
        "title", "updated_at", "last_status_change_at", "resolved_at", "service", "teams", "assignments", "priority",
        "urgency", "incident_type", "resolve_reason", "html_url", "body", "custom_fields",
    )  # fmt: skip
    record = mapped(item(**dict.fromkeys(columns)))

    assert record.updated_at == record.opened_at
    assert (record.title, record.category, record.site_name, record.description) == ("", None, None, None)


@pytest.mark.parametrize(
    ("settings", "is_in"),
    [
        ({}, True),
        ({"services": ["PIJ90N7"]}, True),
        ({"services": ["PSTORES"]}, False),
        ({"teams": ["PQ9K7I8"]}, True),
        ({"teams": ["PNONE"]}, False),
        ({"services": ["PIJ90N7"], "teams": ["PNONE"]}, False),
    ],
)
def test_services_and_teams_say_what_is_read(settings: dict[str, Any], is_in: bool) -> None:
    incident = read_incident(item(teams=[{"id": "PQ9K7I8"}, {"id": "POTHER"}]))

    assert is_in_scope(incident, config(**settings)) is is_in


INSTANTS = st.integers(0, 4_102_444_800_000).map(lambda ms: datetime.fromtimestamp(ms / 1000, tz=UTC))
PLACES = st.builds(
    Place,
    part=st.sampled_from(["history", "open", "changes"]),
    since=st.none() | INSTANTS,
    until=INSTANTS,
    offset=st.integers(0, 10_000),
    tail=st.lists(st.text(max_size=26), max_size=10).map(tuple),
)


@given(st.none() | INSTANTS, st.booleans(), st.none() | PLACES)
def test_a_cursor_is_read_as_it_was_written(at: Any, is_exact: bool, place: Place | None) -> None:
    position = Position(at, is_exact, reached=at, started=at, newest=at, place=place)

    assert read_cursor(write_cursor(position)) == position
    assert len(write_cursor(position)) < 4096


@pytest.mark.parametrize("cursor", ["", "null", "[]", '{"at":"yesterday","exact":true}', '{"exact":true,"place":{}}'])
def test_the_cursor_of_another_adapter_is_refused(cursor: str) -> None:
    with pytest.raises(ConfigError, match="is not one of the PagerDuty adapter"):
        read_cursor(cursor)
