"""What devices have to do with each other."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connector.sdk import AssetRelation, EntityKind, RelationKind
from connector.sdk.testing import Connected, MovableClock, by_ref
from connector_itop.mapping import ref_of
from connector_itop.sandbox import ItopSandbox
from connector_itop.sandbox.inventory import Row

from .conftest import NOON, Opened
from .test_pulling import asked

HOUR = timedelta(hours=1)
HARDWARE = ["PC", "Server", "NetworkDevice", "SANSwitch", "Enclosure", "Rack", "PDU", "PowerSource", "Phone"]


def part_of(row: Row) -> AssetRelation:
    return AssetRelation.to(RelationKind.PART_OF, str(row["id"]))


def connected_to(*rows: Row) -> tuple[AssetRelation, ...]:
    return tuple(AssetRelation.to(RelationKind.CONNECTED_TO, str(row["id"])) for row in rows)


async def test_external_keys_and_links_of_the_classes_below_become_relations(sandbox: ItopSandbox, opened: Opened):
    rack, source = sandbox.device(kind="Rack"), sandbox.device(kind="PowerSource")
    enclosure = sandbox.device(kind="Enclosure", rack_id=rack["id"])
    strip = sandbox.device(kind="PDU", rack_id=rack["id"], powerstart_id=source["id"])
    switch, fabric = sandbox.device(kind="NetworkDevice", rack_id=rack["id"]), sandbox.device(kind="SANSwitch")
    blade = sandbox.device(
        kind="Server", rack_id=rack["id"], enclosure_id=enclosure["id"], powerA_id=strip["id"], powerB_id=source["id"]
    )
    desk, phone = sandbox.device(kind="PC"), sandbox.device(kind="Phone")
    sandbox.inventory.link(blade, "networkdevice_list", switch, connection_type="downlink", network_port="Gi1/0/1")
    sandbox.inventory.link(blade, "networkdevice_list", switch, connection_type="downlink", network_port="Gi1/0/2")
    sandbox.inventory.link(blade, "san_list", fabric)
    sandbox.inventory.link(desk, "networkdevice_list", switch, connection_type="downlink")
    connected = opened(device_classes=HARDWARE, page_size=50)

    devices = by_ref(await connected.pull("hardware"))
    told = {number: record.relations for number, record in ((int(ref.external_id), devices[ref]) for ref in devices)}

    assert told == {
        rack["id"]: (),
        source["id"]: (),
        enclosure["id"]: (part_of(rack),),
        strip["id"]: (*connected_to(source), part_of(rack)),
        switch["id"]: (part_of(rack),),
        fabric["id"]: (),
        blade["id"]: (*connected_to(source, strip, switch, fabric), part_of(enclosure)),
        desk["id"]: connected_to(switch),
        phone["id"]: (),
    }
    assert (await connected.adapter.fetch(ref_of(EntityKind.ASSET, blade["id"]))).relations == told[blade["id"]]
    below = [kind for kind in asked(connected) if kind in ("DatacenterDevice", "ConnectableCI", "Enclosure", "PDU")]
    assert below[:4] == ["DatacenterDevice", "ConnectableCI", "Enclosure", "PDU"]  # one page of all devices
    assert below[4:] == ["DatacenterDevice"]  # the server that was fetched


async def test_without_enclosures_a_blade_is_in_its_rack(sandbox: ItopSandbox, opened: Opened):
    rack = sandbox.device(kind="Rack")
    enclosure = sandbox.device(kind="Enclosure", rack_id=rack["id"])
    blade = sandbox.device(kind="Server", rack_id=rack["id"], enclosure_id=enclosure["id"])
    devices = by_ref(await opened(device_classes=["Server", "Rack"]).pull("hardware"))

    assert devices[ref_of(EntityKind.ASSET, blade["id"])].relations == (part_of(rack),)


@pytest.mark.parametrize("name", ["networkdevice_list", "san_list"])
async def test_a_link_that_comes_or_goes_is_told_by_the_history(
    sandbox: ItopSandbox, opened: Opened, clock: MovableClock, name: str
):
    switch = sandbox.device(NOON - HOUR * 30, "SANSwitch" if name == "san_list" else "NetworkDevice")
    server = sandbox.device(NOON - HOUR * 30, "Server")
    source, at = opened(device_classes=HARDWARE), ref_of(EntityKind.ASSET, server["id"])
    first = await source.pull("hardware")
    clock.advance(HOUR)
    sandbox.inventory.link(server, name, switch)
    second = await source.pull("hardware", first[-1].resume)
    clock.advance(HOUR)
    sandbox.inventory.unlink(server, name, switch)
    third = await source.pull("hardware", second[-1].resume)

    assert [by_ref(pull)[at].relations for pull in (first, second, third)] == [(), connected_to(switch), ()]
    assert by_ref(third)[at].updated_at == clock.now()


async def test_a_class_of_ones_own_is_asked_as_all_that_it_may_be(sandbox: ItopSandbox, opened: Opened):
    sandbox.inventory.absent |= {"Enclosure", "PDU"}  # without the module of data centres
    sandbox.inventory.lacking |= {"enclosure_id", "powerA_id", "powerB_id", "rack_id", "san_list"}
    switch = sandbox.device(kind="NetworkDevice")
    blades = [sandbox.device(kind="Blade") for _ in range(2)]
    for blade in blades:
        sandbox.inventory.link(blade, "networkdevice_list", switch)
    source = opened(device_classes=["Blade"], page_size=2)
    source.requests.clear()
    devices = by_ref(await source.pull("hardware"))

    assert [devices[ref_of(EntityKind.ASSET, each["id"])].relations for each in blades] == [connected_to(switch)] * 2
    assert [asked(source).count(kind) for kind in ("Enclosure", "PDU", "ConnectableCI")] == [1, 1, 1]


async def test_a_device_whose_links_cannot_be_read_is_rejected_by_name(sandbox: ItopSandbox, source: Connected):
    good, bad = sandbox.device(), sandbox.device(networkdevice_list=({"networkdevice_id": "none of them"},))
    [batch, *_] = await source.pull("hardware")

    assert [each.ref.external_id for each in batch.records if each.ref] == [str(good["id"])]
    [refused] = batch.rejected
    assert (str(refused.ref), refused.path) == (f"asset:{bad['id']}", "/networkdevice_list/0/networkdevice_id")


async def test_what_is_not_asked_says_nothing(sandbox: ItopSandbox, opened: Opened):
    device = ref_of(EntityKind.ASSET, sandbox.device()["id"])
    source = opened(read_relations=False)

    assert by_ref(await source.pull("hardware"))[device].relations is None
    assert (await source.adapter.fetch(device)).relations is None
    assert "ConnectableCI" not in asked(source)
