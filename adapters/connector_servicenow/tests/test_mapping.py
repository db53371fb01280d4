"""Rows that mean something else than they seem to, one test each."""

from __future__ import annotations

import pytest

from connector.sdk import AssetState, EntityKind, InvalidRecord, SourceRef, TicketState, TicketType
from connector_servicenow import ServiceNowConfig
from connector_servicenow.client import sent_row
from connector_servicenow.mapping import device, product, site
from connector_servicenow.tickets import ticket
from connector_servicenow.words import TicketTable

STAMP = {"sys_id": "a1", "sys_updated_on": "2026-03-02 09:00:00"}


def config(**changes: object) -> ServiceNowConfig:
    settings = {"base_url": "https://x.example", "api_key": "a key that opens nothing"}
    return ServiceNowConfig.model_validate(settings | changes)


def incident(settings: ServiceNowConfig | None = None, table: TicketTable = "incident", **values: str):
    row = sent_row(STAMP | {"number": "INC1", "state": "1"} | values)
    return ticket(row, table, settings or config())


@pytest.mark.parametrize(
    ("status", "substatus", "state"),
    [
        ("1", "", AssetState.DEPLOYED), ("6", "available", AssetState.IN_STOCK), ("6", "reserved", AssetState.RESERVED),
        ("6", "defective", AssetState.QUARANTINED), ("6", "own_word", AssetState.IN_STOCK),
        ("7", "disposed", AssetState.DISPOSED), ("9", "", AssetState.IN_TRANSIT), ("8", "stolen", AssetState.LOST),
    ],
)  # fmt: skip
def test_the_substatus_counts_where_it_says_more(status: str, substatus: str, state: AssetState):
    row = sent_row(STAMP | {"install_status": status, "substatus": substatus})

    assert device(row, config()).state is state


def test_the_same_number_is_another_state_of_a_configuration_item():
    row = sent_row(STAMP | {"install_status": "8", "name": "sw-1"})

    assert device(row, config(device_table="cmdb_ci_hardware")).state is AssetState.LOST
    with pytest.raises(InvalidRecord, match="install_status '4' has no meaning here"):
        device(sent_row(STAMP | {"install_status": "4"}), config())
    own = config(states={"4": "inspection", "6/burn_in": "inspection"})
    assert device(sent_row(STAMP | {"install_status": "4"}), own).state is AssetState.INSPECTION
    burning = sent_row(STAMP | {"install_status": "6", "substatus": "Burn_In"})
    assert device(burning, own).state is AssetState.INSPECTION


def test_what_is_at_work_is_in_no_stockroom_whatever_is_left_in_its_record():
    places = {"stockroom": "room", "location": "site"}
    stocked, used = (device(sent_row(STAMP | places | {"install_status": each}), config()) for each in ("6", "1"))

    assert stocked.place == SourceRef(kind=EntityKind.HUB, external_id="room")
    assert used.place == SourceRef(kind=EntityKind.SITE, external_id="site")


def test_a_country_by_its_name_needs_a_code():
    row = sent_row(STAMP | {"name": "Vienna", "city": "Vienna", "country": "Austria"})

    known, unknown = site(row, config(countries={"Austria": "AT"})), site(row, config())

    assert known.address is not None
    assert unknown.address is not None
    assert (known.address.country, unknown.address.country) == ("AT", None)


def test_a_model_without_a_maker_is_no_product():
    with pytest.raises(InvalidRecord, match=r"column 'manufacturer\.name' is empty, or the user may not read it"):
        product(sent_row(STAMP | {"name": "Thing", "manufacturer": ""}), config())


def test_a_row_without_a_time_is_of_the_epoch():
    row = sent_row({"sys_id": "a1", "sys_updated_on": "", "install_status": "1"})

    assert device(row, config()).updated_at.year == 1970  # type: ignore[union-attr]


def test_what_a_ticket_says_of_its_device_goes_before_its_configuration_item():
    values = {"cmdb_ci": "ci", "cmdb_ci.asset": "asset", "cmdb_ci.serial_number": "SN-CI", "u_serial": "SN-OWN"}

    plain, own = incident(**values), incident(config(ticket_fields={"serial": "u_serial"}), **values)
    by_ci = incident(config(device_table="cmdb_ci_hardware"), **values)
    other = incident(config(roles=["itsm"]), **values)

    assert (plain.serial, own.serial) == ("SN-CI", "SN-OWN")
    assert [each.asset.external_id if each.asset else None for each in (plain, by_ci, other)] == ["asset", "ci", None]


def test_a_duplicate_is_one_by_its_code_and_a_child_otherwise():
    child = incident(parent_incident="p1", parent="t9")
    duplicate = incident(state="7", parent_incident="p1", close_code="Duplicate")

    assert (child.parent.external_id, child.duplicate_of) == ("p1", None)
    assert [ref.external_id for ref in child.related] == ["t9"]
    assert (duplicate.parent, duplicate.duplicate_of.external_id) == (None, "p1")


def test_a_ticket_is_due_when_the_first_sla_that_counts_is_breached():
    def sla(name: str, target: str, ends: str, stage: str = "in_progress"):
        return sent_row(STAMP | {"sla.name": name, "sla.target": target, "planned_end_time": ends, "stage": stage})

    slas = [
        sla("response", "response", "2026-03-02 10:00:00"), sla("late", "resolution", "2026-03-03 10:00:00"),
        sla("gold", "resolution", "2026-03-02 18:00:00"),
        sla("old", "resolution", "2026-03-02 11:00:00", "cancelled"),
    ]  # fmt: skip
    row = sent_row(STAMP | {"number": "INC1", "state": "1", "u_due": "2026-03-09 08:00:00"})

    def due(**changes: object) -> str:
        return f"{ticket(row, 'incident', config(**changes), slas).sla_due_at:%d %H:%M}"

    assert due() == "02 18:00"
    assert due(slas=["late"]) == "03 10:00"
    assert due(ticket_fields={"due_at": "u_due"}) == "09 08:00"


def test_a_requested_item_is_a_request_for_so_many_units():
    item = incident(table="sc_req_item", state="3", quantity="4", request="r1", closed_at="2026-03-02 08:00:00")

    assert (item.type, item.state, item.quantity) == (TicketType.REQUEST, TicketState.CLOSED, 4)
    assert (item.parent.external_id, item.resolved_at.hour) == ("r1", 8)
    with pytest.raises(InvalidRecord, match="has 'many' in 'quantity'"):
        incident(table="sc_req_item", quantity="many")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"state": "10"}, "INC1 has state '10', which nobody gave a meaning to"),
        ({"priority": "9"}, "INC1 has priority '9', which nobody gave a meaning to"),
        ({"state": ""}, "column 'state' is empty"),
        ({"opened_at": "soon"}, "column 'opened_at' is 'soon'"),
    ],
)
def test_what_has_no_meaning_is_said(values: dict[str, str], said: str):
    with pytest.raises(InvalidRecord, match=said):
        incident(**values)


def test_own_states_and_priorities_have_the_meaning_that_the_settings_give_them():
    own = config(ticket_states={"incident": {"10": "on_hold"}}, priorities={"9": "P5"})

    found = incident(own, state="10", priority="9")

    assert (found.state, found.priority) == (TicketState.ON_HOLD, "P5")
