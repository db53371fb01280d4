"""From rows to records."""

from __future__ import annotations

import pytest

from connector.sdk import Address, AssetRelation, Criticality, EntityKind, HubTier, Point, RelationKind
from connector.sdk.testing import by_ref
from connector_netbox.sandbox_shapes import DEVICE, DEVICE_TYPE, LOCATION, SITE

from .conftest import Source, ref


async def product(source):
    (record,) = by_ref(await source.pull("device_types")).values()
    return record


async def rejected(source, stream):
    (item,) = [item for batch in await source.pull(stream) for item in batch.rejected]
    return item


async def hub(source, name):
    return next(record for record in by_ref(await source.pull("places")).values() if record.name == name)


async def test_custom_fields_tell_what_netbox_has_no_field_for(world, source):
    world.netbox.change(
        SITE, world.graz, shipping_address="12 Airport Road\r\nGate 3\r\nDock B", physical_address="elsewhere",
        latitude=46.991067, longitude=15.439628, facility="GRZ",
        custom_fields={
            "hub_tier": "Regional", "opening_hours": "Mon-Fri 08:00-18:00", "courier_cut_offs": ["11:30", "16:30"],
            "handling_minutes": 25, "city": "Graz", "postal_code": "8010", "country": "AT",
        },
    )  # fmt: skip

    record = await hub(source, "Graz")

    assert (record.tier, record.point, record.code) == (HubTier.REGIONAL, Point(46.991067, 15.439628), "GRZ")
    assert record.address == Address(
        line1="12 Airport Road", line2="Gate 3, Dock B", city="Graz", postal_code="8010", country="AT"
    )
    assert (record.courier_cut_offs, record.handling_minutes) == (("11:30", "16:30"), 25)


async def test_a_hub_in_a_site_has_the_sites_address_and_its_own_rules(world, source):
    world.netbox.change(
        SITE, world.vienna, physical_address="1 Ring",
        custom_fields={"city": "Vienna", "country": "AT", "handling_minutes": 90},
    )  # fmt: skip
    world.netbox.change(LOCATION, world.store, custom_fields={"hub_tier": "local", "city": "", "postal_code": "1010"})

    record = await hub(source, "Store")

    assert record.address == Address(line1="1 Ring", city="Vienna", postal_code="1010", country="AT")
    assert (record.tier, record.handling_minutes) == (HubTier.LOCAL, None)


@pytest.mark.parametrize(
    ("fields", "grams"),
    [
        ({"weight": 9.07, "weight_unit": "kg"}, 9070),
        ({"weight": "20.00", "weight_unit": "lb"}, 9072),
        ({"weight": 16, "weight_unit": "oz"}, 454),
        ({"weight": 850.4, "weight_unit": "g"}, 850),
        ({"weight": None, "weight_unit": "kg"}, None),
        ({"weight": 9, "weight_unit": "kg", "custom_fields": {"weight_g": 12_000}}, 12_000),
    ],
)
async def test_a_types_weight_is_taken_in_grams_unless_a_custom_field_says_it(world, source, fields, grams):
    world.netbox.change(DEVICE_TYPE, world.mx204, **fields)

    assert (await product(source)).weight_g == grams


async def test_custom_fields_of_types_and_devices(world):
    fields = {"asset_class": "router", "criticality": "tier-1", "is_data_bearing": False}
    world.netbox.change(DEVICE_TYPE, world.mx204, custom_fields=fields)
    number = world.device(None, asset_tag="AT-1", custom_fields={"hw_rev": "V03", "holder": "Grace"})
    source = Source(world, custom_fields={"revision": "hw_rev"})

    record, (device,) = await product(source), by_ref(await source.pull("devices")).values()

    assert (record.asset_class, record.criticality, record.is_data_bearing) == ("router", Criticality.TIER_1, False)
    assert (device.name, device.serial, device.asset_tag) == (None, None, "AT-1")
    assert (device.revision, device.holder) == ("V03", "Grace")
    assert device.url == f"http://netbox.test/dcim/devices/{number}/"
    await source.connection.aclose()


@pytest.mark.parametrize(
    ("object_type", "change", "path", "reason"),
    [
        (SITE, {"custom_fields": {"hub_tier": "galactic"}}, "/custom_fields/hub_tier", "expected one of central, regi"),
        (SITE, {"custom_fields": {"country": "Austria"}}, "/country", "country 'Austria': String should match pattern"),
        (SITE, {"custom_fields": {"city": {"id": 4, "name": "Graz"}}}, "/custom_fields/city", "expected a text"),
        (SITE, {"time_zone": "Mars/Olympus"}, "/time_zone", "time_zone 'Mars/Olympus'"),
        (SITE, {"latitude": 95, "longitude": 1}, "/latitude", "latitude 95.0 is outside [-90, 90]"),
        (SITE, {"facility": ["a"]}, "/facility", "expected a text or nothing"),
        (DEVICE_TYPE, {"weight": 1, "weight_unit": None}, "/weight_unit", "expected a value and a label"),
        (DEVICE_TYPE, {"weight": 1, "weight_unit": "stone"}, "/weight", "weight 1 'stone' cannot be read"),
        (DEVICE_TYPE, {"weight": "heavy", "weight_unit": "kg"}, "/weight", "weight 'heavy' 'kg' cannot be read"),
        (DEVICE_TYPE, {"manufacturer": None}, "/manufacturer", "field 'manufacturer' is None, expected an object"),
        (DEVICE_TYPE, {"model": None}, "/model", "field 'model' is None, expected a text"),
    ],
)
async def test_a_value_that_cannot_be_is_rejected_with_field_value_and_expectation(
    world, source, object_type, change, path, reason
):
    world.netbox.change(object_type, world.graz if object_type == SITE else world.mx204, **change)

    item = await rejected(source, "places" if object_type == SITE else "device_types")

    assert item.path == path
    assert reason in item.reason


@pytest.mark.parametrize("change", [{"site": None}, {"device_type": None}, {"status": ""}, {"serial": 7}])
async def test_a_device_without_what_it_needs_is_rejected_by_its_name(world, source, change):
    number = world.device("dev", **change)

    item = await rejected(source, "devices")

    assert (item.ref, item.path) == (ref(EntityKind.ASSET, number), f"/{next(iter(change))}")
    assert item.reason.startswith("object 'dev': field ")


async def test_a_bay_and_a_stack_are_relations_and_a_new_one_makes_the_device_anew(world, source):
    whole, part = world.device("sw-1"), world.device("sw-2")

    async def digests():
        batches = [batch async for batch in source.adapter.pull(source.stream("devices"), None)]
        return {item.ref.external_id: item.digest for batch in batches for item in batch.records}

    before = await digests()
    stack = {"id": 7, "name": "stack", "master": {"id": whole}}
    for number in (whole, part):
        world.netbox.change(DEVICE, number, virtual_chassis=stack)
    world.netbox.change(DEVICE, part, parent_device={"id": whole, "device_bay": {"id": 3}})

    found = by_ref(await source.pull("devices"))

    assert found[ref(EntityKind.ASSET, part)].relations == (
        AssetRelation.to(RelationKind.PART_OF, str(whole)), AssetRelation.to(RelationKind.CONNECTED_TO, str(whole)),
    )  # fmt: skip
    assert found[ref(EntityKind.ASSET, whole)].relations == ()
    assert (await digests())[str(part)] != before[str(part)]
