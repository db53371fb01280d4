"""From rows to records, and the cursor."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.sdk import Address, Criticality, HubTier, Lane, Point
from connector.sdk.cursors import read_instant
from connector.sdk.rest import Position, Progress, read_cursor, write_cursor, write_time
from connector.sdk.testing import by_ref
from connector_nautobot.sandbox_shapes import micros, stamp

from .conftest import Source

LAG = timedelta(minutes=5)
times = st.integers(946_684_800_000_000, 4_102_444_800_000_000).map(
    lambda number: datetime.fromtimestamp(0, UTC) + timedelta(microseconds=number)
)


async def only(source, stream):
    batches = await source.pull(stream)
    (record,) = by_ref(batches).values()
    return record


async def rejected(source, stream):
    (item,) = [item for batch in await source.pull(stream) for item in batch.rejected]
    return item


async def test_custom_fields_tell_what_nautobot_has_no_field_for(world, source):
    world.nautobot.change(
        world.graz,
        shipping_address="12 Airport Road\r\nGate 3\r\nDock B",
        physical_address="elsewhere",
        latitude="46.991067",
        longitude="15.439628",
        contact_name="Ada",
        custom_fields={
            "hub_tier": "Regional", "opening_hours": "Mon-Fri 08:00-18:00", "courier_cut_offs": "11:30, 16:30",
            "handling_minutes": 25, "city": "Graz", "postal_code": "8010", "country": "AT",
        },
    )  # fmt: skip

    hub = next(record for record in by_ref(await source.pull("locations")).values() if record.name == "Graz")

    assert hub.tier is HubTier.REGIONAL
    assert hub.point == Point(46.991067, 15.439628)
    assert hub.address == Address(
        line1="12 Airport Road", line2="Gate 3, Dock B", city="Graz", postal_code="8010", country="AT", contact="Ada"
    )
    assert (hub.courier_cut_offs, hub.handling_minutes) == (("11:30", "16:30"), 25)


@pytest.mark.parametrize(
    "written", ["11:30 16:30", "11:30;16:30", " 11:30 , 16:30,\n", ["11:30", "16:30"], "11:30\t16:30"]
)
async def test_cut_offs_are_separated_by_commas_semicolons_or_spaces(world, source, written):
    world.nautobot.change(world.graz, custom_fields={"courier_cut_offs": written})

    hub = next(record for record in by_ref(await source.pull("locations")).values() if record.name == "Graz")

    assert hub.courier_cut_offs == ("11:30", "16:30")


async def test_a_cut_off_that_is_no_time_of_day_is_rejected_with_its_text(world, source):
    world.nautobot.change(world.graz, custom_fields={"courier_cut_offs": "11:30, noon"})

    item = await rejected(source, "locations")

    assert "time of day 'noon' cannot be read: write HH:MM, for example '16:30'" in item.reason


async def test_custom_fields_of_types_and_devices(world, source):
    world.nautobot.change(
        world.mx204, part_number="", custom_fields={
            "asset_class": "router", "criticality": "tier-1", "unit_cost_cents": 2_100_000, "currency": "EUR",
            "weight_g": 9070, "is_data_bearing": False,
        },
    )  # fmt: skip
    world.nautobot.change(world.device("d"), serial="", custom_fields={"lane": "break glass", "holder": "Grace"})

    product, device = await only(source, "device_types"), await only(source, "devices")

    assert (product.asset_class, product.criticality, product.is_data_bearing) == ("router", Criticality.TIER_1, False)
    assert (product.unit_cost_cents, product.currency, product.weight_g) == (2_100_000, "EUR", 9070)
    assert product.key.part_number is None
    assert (device.serial, device.asset_tag, device.lane, device.holder) == (None, None, Lane.BREAK_GLASS, "Grace")
    assert device.url == f"http://nautobot.test/dcim/devices/{device.ref.external_id}/"


async def test_revision_and_warranty_of_a_device_come_from_custom_fields_that_settings_may_rename(world):
    world.nautobot.change(world.device("d"), custom_fields={"hw_rev": "V03", "warranty_ends_on": "2027-01-31"})
    source = Source(world, custom_fields={"revision": "hw_rev"})

    device = await only(source, "devices")
    await source.connection.aclose()

    assert (device.revision, device.warranty_ends_on) == ("V03", date(2027, 1, 31))


async def test_a_warranty_that_is_no_date_is_rejected_with_its_text(world, source):
    world.nautobot.change(world.device("d"), custom_fields={"warranty_ends_on": "next year"})

    item = await rejected(source, "devices")

    assert (
        item.reason
        == "dcim.device 'd': custom field 'warranty_ends_on' is 'next year', expected a date such as 2026-01-31"
    )


@pytest.mark.parametrize(
    ("change", "path", "reason"),
    [
        (
            {"custom_fields": {"hub_tier": "galactic"}},
            "/custom_fields/hub_tier",
            "custom field 'hub_tier' is 'galactic', expected one of central, regional, local",
        ),
        (
            {"custom_fields": {"handling_minutes": "soon"}},
            "/custom_fields/handling_minutes",
            "custom field 'handling_minutes' is 'soon', expected a whole number",
        ),
        ({"custom_fields": {"country": "Austria"}}, "/country", "country 'Austria': String should match pattern"),
        ({"custom_fields": {"opening_hours": "always"}}, "/opening_hours", "hours 'always' cannot be read"),
        ({"time_zone": "Mars/Olympus"}, "/time_zone", "time_zone 'Mars/Olympus'"),
        ({"latitude": "95", "longitude": "1"}, "/latitude", "latitude 95.0 is outside [-90, 90]"),
    ],
)
async def test_a_value_that_cannot_be_is_rejected_with_field_value_and_expectation(world, source, change, path, reason):
    world.nautobot.change(world.graz, **change)

    item = await rejected(source, "locations")

    assert item.path == path
    assert reason in item.reason
    assert item.reason.startswith("dcim.location 'Graz': ")


async def test_a_place_without_coordinates_has_no_point(world, source):
    hub = next(record for record in by_ref(await source.pull("locations")).values() if record.name == "Graz")

    assert (hub.point, hub.address, hub.tier) == (None, None, None)


@given(at=times)
def test_a_time_survives_the_way_through_their_text(at):
    assert read_instant(write_time(at)) == at
    assert read_instant(stamp(micros(at))) == at


@given(
    floor=st.none() | times.map(write_time),
    position=st.none() | times.map(write_time),
    is_full=st.booleans(),
    facts=st.none() | st.text(max_size=8),
)
def test_a_cursor_survives_the_way_through_its_text(floor, position, is_full, facts):
    progress = Progress(floor=floor, at=position, id=position and "x", is_full=is_full, facts=facts or None)

    cursor = write_cursor({"rows": progress})

    assert read_cursor(cursor) == {"rows": progress}
    assert len(cursor) < 4096


@given(begun=times, took=st.integers(0, 7200), before=st.integers(0, 10**8))
def test_the_next_pull_goes_back_by_the_lag_and_the_length_of_the_pull(begun, took, before):
    stamped = begun - timedelta(seconds=before)
    progress = Progress().begin(begun, "f").step(Position(write_time(stamped), "1"))

    done = progress.finish(begun + timedelta(seconds=took), LAG)

    assert done.end == write_time(stamped)
    assert read_instant(done.floor) == stamped - LAG - timedelta(seconds=took)
