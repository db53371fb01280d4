"""Devices of six types and tickets are read without a filter by time, along ids that each list has of its own."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from connector.sdk import AssetState, EntityKind, Priority, SourceRef, Tombstone
from connector.sdk.testing import Between, Connected, MovableClock, by_ref, ids
from connector_glpi.sandbox import GlpiSandbox
from connector_glpi.sandbox.inventory import Row

from .conftest import NOON, Opened

HOUR = timedelta(hours=1)


def lists(source: Connected) -> list[str]:
    """What was asked for, with how it was sorted."""
    return [
        f"{request.url.path.removeprefix('/apirest.php/')} {request.url.params.get('sort')}"
        + (" bin" if request.url.params.get("is_deleted") else "")
        for request in source.requests
    ]


async def test_a_pull_of_what_changed_asks_for_the_newest_page_of_each_list_and_of_each_bin(
    sandbox: GlpiSandbox, source: Connected, clock: MovableClock
):
    for number in range(12):
        sandbox.device(NOON - HOUR * (20 - number))
    switch = sandbox.device(NOON - HOUR * 30, "NetworkEquipment")
    first = await source.pull("hardware")
    clock.advance(HOUR)
    sandbox.inventory.change("NetworkEquipment", switch, {"name": "renamed"})
    sandbox.inventory.bin("Computer", 4, clock.now())
    source.requests.clear()

    second = await source.pull("hardware", first[-1].resume)

    assert (len(ids(first)), first[-1].complete, second[-1].complete) == (13, True, False)
    told = by_ref(second)
    assert told[SourceRef(kind=EntityKind.ASSET, external_id="NetworkEquipment-1")].name == "renamed"
    assert isinstance(told[SourceRef(kind=EntityKind.ASSET, external_id="Computer-4")], Tombstone)
    assert lists(source) == [
        "State id", "Computer date_mod", "Computer date_mod bin", "NetworkEquipment date_mod",
        "NetworkEquipment date_mod bin",
    ]  # fmt: skip


async def test_more_changes_within_a_second_than_a_page_has_are_all_found_along_the_ids_and_no_others(
    sandbox: GlpiSandbox, opened: Opened, clock: MovableClock
):
    devices = [sandbox.device(NOON - HOUR * (40 - number)) for number in range(23)]
    source = opened(device_types=["Computer"])
    first = await source.pull("hardware")
    clock.advance(HOUR)
    for device in devices[4:18]:
        sandbox.inventory.change("Computer", device, {"name": "edited in bulk"})

    second = await source.pull("hardware", first[-1].resume)

    assert set(ids(second)) == {f"Computer-{device['id']}" for device in [*devices[4:18], devices[-1]]}


async def test_a_template_of_devices_is_no_device_and_without_a_maker_there_is_no_product(
    sandbox: GlpiSandbox, source: Connected
):
    sandbox.device(NOON, is_template=1)
    sandbox.device(NOON, manufacturers_id=0)
    hardware, models = await source.pull("hardware"), await source.pull("models")

    assert ids(hardware) == ["Computer-2"]
    assert next(iter(by_ref(hardware).values())).product is None
    assert ids(models) == []


async def test_a_product_is_a_model_by_a_maker_and_is_told_again_when_either_is_renamed(
    sandbox: GlpiSandbox, source: Connected
):
    model = sandbox.model(product_number="C9300-48P-A")["id"]
    other = sandbox.inventory.add("Manufacturer", name="Cisco Systems")["id"]
    for maker in (sandbox.maker["id"], other, other):
        sandbox.device(NOON, computermodels_id=model, manufacturers_id=maker)
    first = await source.pull("models")
    sandbox.inventory.tables["Manufacturer"][other]["name"] = "Cisco"
    second = await source.pull("models", first[-1].resume)

    assert ids(first) == [f"ComputerModel-{model}-{sandbox.maker['id']}", f"ComputerModel-{model}-{other}"]
    assert {record.key.part_number for record in by_ref(first).values()} == {"C9300-48P-A"}
    assert [record.key.manufacturer for record in by_ref(second).values()] == ["Cisco", "Cisco"]


async def test_a_status_that_is_renamed_reads_all_devices_anew(sandbox: GlpiSandbox, opened: Opened):
    for _ in range(7):
        sandbox.device(NOON - HOUR * 30)
    source = opened(states={"Parc > Stock": "in_stock"})
    first = await source.pull("hardware")
    state = sandbox.inventory.tables["State"][sandbox.states["In use"]]
    state |= {"name": "Stock", "completename": "Parc > Stock"}
    second = await source.pull("hardware", first[-1].resume)

    assert {record.state for record in by_ref(first).values()} == {AssetState.DEPLOYED}
    assert {record.state for record in by_ref(second).values()} == {AssetState.IN_STOCK}
    assert len(by_ref(second)) == 7


async def test_an_encoded_text_is_what_was_entered(sandbox: GlpiSandbox, source: Connected):
    sandbox.inventory.encodes = True
    sandbox.device(NOON, name="R&D <5>")
    sandbox.ticket(NOON, content="<p>a &lt; b</p>")

    assert next(iter(by_ref(await source.pull("hardware")).values())).name == "R&D <5>"
    assert sandbox.inventory.tables["Ticket"][1]["content"].startswith("&#60;p&#62;")
    assert next(iter(by_ref(await source.pull("tickets")).values())).description == "a < b"


async def test_a_ticket_has_its_people_device_place_and_links_from_either_end(
    sandbox: GlpiSandbox, source: Connected, clock: MovableClock
):
    place, device = sandbox.location(name="Lyon", completename="France > Lyon"), sandbox.device(NOON)
    person = sandbox.inventory.add("User", name="jdupont", realname="Dupont", firstname="Jean")
    group = sandbox.inventory.add("Group", name="Support N2")
    tickets = [
        sandbox.ticket(NOON - HOUR, locations_id=place["id"], priority=5, time_to_resolve=NOON + HOUR) for _ in range(5)
    ]
    one, two, three, four, five = (ticket["id"] for ticket in tickets)
    add = sandbox.inventory.add
    add("Ticket_User", tickets_id=one, users_id=person["id"], type=1)
    add("Ticket_User", tickets_id=two, users_id=0, type=1, alternative_email="a@example.com")
    add("Group_Ticket", tickets_id=one, groups_id=group["id"], type=2)
    add("Item_Ticket", tickets_id=one, itemtype="Software", items_id=9)
    add("Item_Ticket", tickets_id=one, itemtype="Computer", items_id=device["id"])
    for first, second, kind in ((one, two, 3), (three, one, 1), (one, four, 2), (five, one, 3)):
        add("Ticket_Ticket", tickets_id_1=first, tickets_id_2=second, link=kind)

    told = {int(ref.external_id): record for ref, record in by_ref(await source.pull("tickets")).items()}

    record = told[one]
    assert (record.requester, record.assignee) == ("Dupont Jean", "Support N2")
    assert told[two].requester == "a@example.com"
    assert (str(record.asset), str(record.site)) == (f"asset:Computer-{device['id']}", f"site:{place['id']}")
    assert (record.site_name, record.priority, record.sla_due_at) == ("France > Lyon", Priority.P1, NOON + HOUR)
    assert [str(ref) for ref in (record.parent, record.duplicate_of, *record.related)] == [
        f"ticket:{two}", f"ticket:{four}", f"ticket:{three}",
    ]  # fmt: skip
    assert (str(told[five].parent), told[two].related, str(told[three].related[0])) == (
        f"ticket:{one}", None, f"ticket:{one}",
    )  # fmt: skip


@pytest.mark.parametrize("anchors", [True, False])
async def test_links_are_asked_for_by_either_ticket_and_those_of_others_are_passed_over(
    sandbox: GlpiSandbox, source: Connected, anchors: bool
):
    sandbox.server.anchors = anchors
    for _ in range(12):
        sandbox.ticket(NOON - timedelta(days=400))
    one = sandbox.ticket(NOON, id=1)["id"]
    for first, second in ((11, 5), (7, 12), (one, 6), (8, one)):
        sandbox.inventory.add("Ticket_Ticket", tickets_id_1=first, tickets_id_2=second)
    record = by_ref(await source.pull("tickets"))[SourceRef(kind=EntityKind.TICKET, external_id="1")]

    assert [ref.external_id for ref in record.related] == ["6", "8"]
    asked = [request.url.params for request in source.requests if request.url.path.endswith("/Ticket_Ticket")]
    assert [[value for name, value in each.items() if "search" in name] for each in asked] == [["^1$"], ["^1$"]]


async def test_where_devices_are_read_elsewhere_a_ticket_says_itself_which_one_it_is_about(
    sandbox: GlpiSandbox, opened: Opened
):
    seen, hidden = sandbox.device(NOON), sandbox.device(NOON)
    sandbox.server.hidden.add(("Computer", hidden["id"]))
    for device in (seen, hidden):
        ticket = sandbox.ticket(NOON)
        sandbox.inventory.add("Item_Ticket", tickets_id=ticket["id"], itemtype="Computer", items_id=device["id"])
    source = opened(roles=["itsm"])

    told = [by_ref(await source.pull("tickets"))[SourceRef(kind=EntityKind.TICKET, external_id=n)] for n in "12"]

    assert [(each.asset, each.serial, each.asset_tag, each.hostname) for each in told] == [
        (None, seen["serial"], seen["otherserial"], seen["name"]), (None, None, None, None),
    ]  # fmt: skip
    assert ids(await source.pull("hardware")) == []


async def test_old_tickets_are_left_out_of_a_pull_from_the_beginning_and_nothing_is_asked_of_them(
    sandbox: GlpiSandbox, opened: Opened, wire: Between
):
    sandbox.ticket(NOON - timedelta(days=31))
    recent = sandbox.ticket(NOON - timedelta(days=29))
    told = await opened(history="P30D").pull("tickets")

    assert (ids(told), told[-1].complete) == ([str(recent["id"])], False)
    assert not any("/Ticket/1/" in request.url.path for request in wire.requests)


async def test_a_ticket_in_the_bin_is_a_tombstone_and_so_is_one_that_goes_while_it_is_read(
    sandbox: GlpiSandbox, source: Connected, clock: MovableClock, wire: Between
):
    tickets = [sandbox.ticket(NOON - HOUR) for _ in range(3)]
    first = await source.pull("tickets")
    clock.advance(HOUR)
    sandbox.inventory.bin("Ticket", 2, clock.now())
    sandbox.inventory.change("Ticket", tickets[0], {"name": "again"})

    def purge(request: httpx.Request) -> None:
        if request.url.path.endswith("/Ticket/1/Ticket_User"):
            sandbox.inventory.tables["Ticket"].pop(1, None)

    wire.change = purge
    second = await source.pull("tickets", first[-1].resume)

    gone = [ref.external_id for ref, record in by_ref(second).items() if isinstance(record, Tombstone)]
    assert sorted(gone) == ["1", "2"]


async def test_in_the_hour_that_comes_twice_a_change_is_not_passed_over(
    sandbox: GlpiSandbox, opened: Opened, clock: MovableClock
):
    twice = NOON.replace(month=10, day=25, hour=0, minute=50)  # 02:50 in Berlin, for the first time
    clock.at = twice
    for number in range(6):
        sandbox.device(twice - HOUR * (10 - number))
    device = sandbox.device(twice)
    source = opened(device_types=["Computer"])
    first = await source.pull("hardware")
    clock.advance(timedelta(minutes=25))  # 02:15, for the second time: an earlier text
    sandbox.inventory.change("Computer", device, {"name": "renamed"})
    second = await source.pull("hardware", first[-1].resume)

    assert "renamed" in {record.name for record in by_ref(second).values()}


async def test_what_lies_below_a_hub_belongs_to_it(sandbox: GlpiSandbox, opened: Opened):
    depot = sandbox.location(NOON, name="Depot", completename="France > Depot")
    shelf = sandbox.location(NOON, name="Shelf", completename="France > Depot > Shelf", locations_id=depot["id"])
    site = sandbox.location(NOON, name="Paris")
    device = sandbox.device(NOON, locations_id=shelf["id"])
    source = opened(hub_locations=["france > depot"])

    places = await source.pull("places")

    assert {str(ref) for ref in by_ref(places)} == {f"hub:{depot['id']}", f"site:{site['id']}"}
    asset = await source.adapter.fetch(SourceRef(kind=EntityKind.ASSET, external_id=f"Computer-{device['id']}"))
    assert str(asset.place) == f"hub:{depot['id']}"


async def test_an_entity_is_read_with_all_below(sandbox: GlpiSandbox, opened: Opened):
    rows: list[Row] = [sandbox.device(NOON, entities_id=entity) for entity in (0, 1)]
    told = [ids(await opened(entity=entity).pull("hardware")) for entity in (None, 0, 1)]

    every = [f"Computer-{row['id']}" for row in rows]
    assert told == [every, every, every[1:]]
