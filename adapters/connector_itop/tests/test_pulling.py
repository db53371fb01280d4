"""Devices and tickets are read by what iTop's history names."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs

import orjson
import pytest

from connector.sdk import AssetState, EntityKind, Tombstone, UnexpectedResponse
from connector.sdk.testing import Between, Connected, MovableClock, by_ref, ids
from connector_itop.mapping import ref_of
from connector_itop.sandbox import ItopSandbox

from .conftest import NOON, Opened

HOUR = timedelta(hours=1)


def asked(source: Connected) -> list[str]:
    """Classes that were asked for."""
    bodies = [parse_qs(request.content.decode())["json_data"][0] for request in source.requests]
    return [orjson.loads(body)["class"] for body in bodies]


async def test_a_pull_in_which_nothing_happened_is_one_request(
    sandbox: ItopSandbox, source: Connected, clock: MovableClock
):
    for number in range(12):
        sandbox.device(NOON - HOUR * (20 - number))
    first = await source.pull("hardware")
    clock.advance(HOUR)
    second = await source.pull("hardware", first[-1].resume)
    clock.advance(HOUR)
    source.requests.clear()
    third = await source.pull("hardware", second[-1].resume)

    assert (len(set(ids(first))), first[-1].complete, ids(third)) == (12, True, [])
    assert asked(source) == ["CMDBChangeOp"]


async def test_an_entry_from_the_future_does_not_date_devices_that_have_none_of_their_own(
    sandbox: ItopSandbox, source: Connected, clock: MovableClock
):
    """Their version is as of the history's end; one from the future would be newer than what changes until then."""
    old = sandbox.device(NOON - HOUR * 30)
    for kind, rows in sandbox.inventory.objects.items():
        if kind.startswith("CMDBChangeOp"):  # as after a purge of the history
            rows.clear()
    sandbox.device(NOON + HOUR * 700)

    found = by_ref(await source.pull("hardware"))[ref_of(EntityKind.ASSET, old["id"])]

    assert found.updated_at is not None
    assert found.updated_at <= clock.now()


async def test_what_changed_is_read_as_it_is_and_what_was_deleted_is_a_tombstone(
    sandbox: ItopSandbox, source: Connected, clock: MovableClock
):
    devices = [sandbox.device(NOON - HOUR * (30 - number)) for number in range(8)]
    software = sandbox.inventory.add("ApplicationSolution", NOON - HOUR, name="CRM")
    switch = sandbox.device(NOON - HOUR, "NetworkDevice")
    first = await source.pull("hardware")
    clock.advance(HOUR)
    sandbox.inventory.change(switch, {"status": "stock"}, "Ada Lovelace")
    sandbox.inventory.delete(devices[2], clock.now())
    sandbox.inventory.delete(software, clock.now())
    told = by_ref(await source.pull("hardware", first[-1].resume))

    switched, gone = (told[ref_of(EntityKind.ASSET, row["id"])] for row in (switch, devices[2]))
    assert (switched.state, switched.updated_at) == (AssetState.IN_STOCK, clock.now())
    assert isinstance(gone, Tombstone)
    assert gone.updated_at == clock.now()
    assert ref_of(EntityKind.ASSET, software["id"]) not in told


async def test_an_entry_that_is_committed_behind_later_ones_is_not_passed_over(
    sandbox: ItopSandbox, source: Connected, clock: MovableClock
):
    devices = [sandbox.device(NOON - HOUR * 9) for _ in range(9)]
    first = await source.pull("hardware")
    clock.advance(HOUR)
    sandbox.inventory.change(devices[0], {"status": "stock"}, "in a long transaction")
    entries = sandbox.inventory.objects["CMDBChangeOpSetAttributeScalar"]
    late = entries.popitem()
    sandbox.inventory.change(devices[1], {"status": "stock"}, "Ada Lovelace")
    second = await source.pull("hardware", first[-1].resume)
    entries |= [late]
    clock.advance(timedelta(minutes=1))
    third = await source.pull("hardware", second[-1].resume)

    assert f"{devices[1]['id']}" in ids(second)
    assert f"{devices[0]['id']}" in ids(third)


async def test_a_hub_that_is_named_anew_reads_all_devices_again(sandbox: ItopSandbox, opened: Opened):
    depot = sandbox.location(name="Depot")
    device = sandbox.device(NOON - HOUR * 9, location_id=depot["id"])
    first = await opened().pull("hardware")
    told = by_ref(await opened(hub_locations=["depot"]).pull("hardware", first[-1].resume))

    assert str(told[ref_of(EntityKind.ASSET, device["id"])].place) == f"hub:{depot['id']}"


async def test_the_first_person_among_the_contacts_is_the_holder(sandbox: ItopSandbox, opened: Opened):
    contacts = tuple(
        {"contact_id": "1", "contact_id_friendlyname": name, "contact_id_finalclass_recall": kind}
        for name, kind in (("Field service", "Team"), ("Ada Lovelace", "Person"))
    )
    device = ref_of(EntityKind.ASSET, sandbox.device(contacts_list=contacts)["id"])
    told = [(await opened(read_contacts=read).adapter.fetch(device)).holder for read in (True, False)]

    assert told == ["Ada Lovelace", None]


async def test_a_ticket_has_its_device_caller_and_links(sandbox: ItopSandbox, opened: Opened):
    site = sandbox.location(name="Vienna")
    caller = sandbox.inventory.add("Person", name="Dupont", first_name="Jean", location_id=site["id"])
    software = sandbox.inventory.add("ApplicationSolution", name="CRM")
    devices = [sandbox.device() for _ in range(2)]
    items = ((software["id"], "manual"), (devices[0]["id"], "computed"), (devices[1]["id"], "manual"))
    incident = sandbox.ticket(kind="Incident")
    ticket = sandbox.ticket(
        NOON - HOUR, caller_id=caller["id"], team_id=sandbox.team["id"], parent_incident_id=incident["id"],
        ttr_escalation_deadline=NOON + HOUR, priority="1",
        functionalcis_list=tuple({"functionalci_id": str(item), "impact_code": code} for item, code in items),
    )  # fmt: skip
    ref = ref_of(EntityKind.TICKET, ticket["id"])
    record, alone = [by_ref(await opened(roles=roles).pull("tickets"))[ref] for roles in (["cmdb", "itsm"], ["itsm"])]

    assert (str(record.asset), record.serial) == (f"asset:{devices[1]['id']}", devices[1]["serialnumber"])
    assert (alone.asset, alone.site, alone.asset_tag) == (None, None, devices[1]["asset_number"])
    assert (str(record.site), alone.site_name) == (f"site:{site['id']}", "Vienna")
    assert (record.requester, record.assignee) == ("Jean Dupont", "Field service")
    assert (str(record.parent), record.related) == (f"ticket:{incident['id']}", None)
    assert (record.number, record.sla_due_at, record.updated_at) == (ticket["ref"], NOON + HOUR, NOON - HOUR)


async def test_what_this_data_model_lacks_is_left_out_and_asked_for_once(sandbox: ItopSandbox, source: Connected):
    sandbox.inventory.lacking |= {"parent_incident_id", "request_type"}
    for _ in range(7):
        sandbox.ticket()

    assert len(set(ids(await source.pull("tickets")))) == 7
    assert asked(source).count("UserRequest") == 5  # a page and its rest, and once more for each


async def test_old_tickets_are_left_out_of_a_pull_from_the_beginning(sandbox: ItopSandbox, opened: Opened):
    sandbox.ticket(NOON - timedelta(days=31))
    recent = sandbox.ticket(NOON - timedelta(days=29))

    assert ids(await opened(history="P30D").pull("tickets")) == [str(recent["id"])]


async def test_times_are_read_in_the_format_of_the_pages_and_another_one_is_said(sandbox: ItopSandbox, opened: Opened):
    sandbox.server.form = "%d/%m/%Y %H:%M:%S"
    ticket = ref_of(EntityKind.TICKET, sandbox.ticket(NOON - HOUR, ttr_escalation_deadline=NOON)["id"])
    record = by_ref(await opened(datetime_format=sandbox.server.form).pull("tickets"))[ticket]
    [batch, *_] = await opened().pull("tickets")

    assert (record.updated_at, record.sla_due_at) == (NOON - HOUR, NOON)
    assert (batch.records, [each.path for each in batch.rejected]) == ((), ["/start_date"])
    assert "time '01/07/2026 13:00:00' is in another format" in batch.rejected[0].reason


async def test_a_page_in_place_of_an_answer_is_no_empty_list(sandbox: ItopSandbox, source: Connected):
    sandbox.server.page = "<p>iTop: Maximum execution time of 30 exceeded</p>"
    with pytest.raises(UnexpectedResponse, match="is not JSON but text/html"):
        await source.pull("places")


async def test_organizations_limit_what_is_read(sandbox: ItopSandbox, opened: Opened, wire: Between):
    other = sandbox.inventory.add("Organization", name="L'Atelier")
    mine, theirs = [
        (
            sandbox.location(org_id=number)["id"],
            sandbox.device(org_id=number)["id"],
            sandbox.ticket(org_id=number)["id"],
        )
        for number in (other["id"], sandbox.organization["id"])
    ]
    source = opened(organizations=["L'Atelier"])
    told = [ids(await source.pull(stream)) for stream in ("places", "hardware", "tickets")]

    assert told == [[str(each)] for each in mine]
    assert mine != theirs
