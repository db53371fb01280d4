"""NetBox's adapter and its sandbox against NetBox's own description: Prism stands between the two."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from connector.sdk import EntityKind, ProductKey, RecordSwap, SourceClient, SourceRef
from connector_netbox import NetBox
from connector_netbox.config import NetBoxConfig
from connector_netbox.sandbox import NetBoxSandbox
from connector_netbox.sandbox_shapes import REGION
from tests.api.conftest import served
from tests.clients.described import Asked, Noting, usable, watched
from tests.conftest import MovableClock

PUBLIC = "public in github.com/netbox-community/go-netbox: api/openapi.yaml at commit c020e46"
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
OLD = NOON - timedelta(days=30)
TOKEN = "0123456789abcdef0123456789abcdef01234567"
DEVICE = "/api/dcim/devices/ID/"


def small_world(clock: MovableClock) -> tuple[NetBoxSandbox, RecordSwap]:
    """A site with a room and a failed device, and a hub with a spare for it."""
    netbox = NetBoxSandbox(clock, token=TOKEN, version=(4, 2))
    netbox.add_tag("spare-hub")
    north = netbox.add(REGION, name="North", at=OLD)
    vienna = netbox.add_site(
        "Vienna", region=north, latitude=48.208176, longitude=16.373819, time_zone="Europe/Vienna", at=OLD
    )
    graz = netbox.add_site("Graz", region=north, tags=["spare-hub"], at=OLD)
    room = netbox.add_location("Room 1", vienna, at=OLD)
    netbox.add_location("Store", vienna, tags=["spare-hub"], at=OLD)
    router = netbox.add_device_type(netbox.add_manufacturer("Juniper", at=OLD), "MX204", at=OLD)
    used = {"device_type": router, "at": OLD}
    failed = netbox.add_device("vie-1", site=vienna, location=room, serial="SN-OLD", asset_tag="AT-OLD", **used)
    spare = netbox.add_device("spare-1", site=graz, status="inventory", serial="SN-NEW", **used)
    swap = RecordSwap(
        key="swap-1:20261125T090000.000000Z", failed=_ref(EntityKind.ASSET, failed),
        replacement=_ref(EntityKind.ASSET, spare), failed_serial="SN-OLD", serial="SN-NEW", asset_tag=None,
        product=ProductKey(manufacturer="Juniper", model="MX204"), product_ref=_ref(EntityKind.PRODUCT, router),
        site=_ref(EntityKind.SITE, vienna), reference="INC-1",
    )  # fmt: skip
    return netbox, swap


def _ref(kind: EntityKind, number: int) -> SourceRef:
    return SourceRef(kind=kind, external_id=str(number))


async def test_netbox_is_asked_as_its_description_says(prism: Path, tmp_path: Path):
    clock = MovableClock(NOON)
    sandbox, swap = small_world(clock)
    settings = {"base_url": "http://netbox.test", "token": TOKEN, "hub_tags": ["spare-hub"], "write_back": True}

    async with (
        served(sandbox.app) as upstream,
        watched(prism, usable("netbox-4.2.2.yaml", tmp_path, PUBLIC), f"http://{upstream}") as address,
    ):
        wire = Noting(re.compile("[0-9]+"))
        config = NetBoxConfig.model_validate({**settings, "base_url": address})
        async with SourceClient(str(config.base_url), headers=config.headers(), transport=wire) as http:
            adapter = NetBox(config, http, clock)
            await adapter.check()
            records = []
            for stream in adapter.streams():
                pulled = [batch async for batch in adapter.pull(stream, None)]
                records += [record for batch in pulled for record in batch.records]
                records += [
                    record async for batch in adapter.pull(stream, pulled[-1].resume) for record in batch.records
                ]
            await adapter.fetch(swap.failed)
            await adapter.record_swap(swap)
        read = await wire.reads(address, WRONG, swap.failed.external_id)

    assert len(records) == 14
    assert wire.asked == {
        ("GET", "/api/status/"), ("GET", "/api/dcim/sites/"), ("GET", "/api/dcim/regions/"),
        ("GET", "/api/dcim/locations/"), ("GET", "/api/dcim/manufacturers/"), ("GET", "/api/dcim/device-types/"),
        ("GET", "/api/dcim/devices/"), ("GET", DEVICE), ("PATCH", DEVICE), ("GET", "/api/core/object-changes/"),
    }  # fmt: skip
    assert {each for each in wire.objections if "request" in each[2]} == BY_ID
    assert {
        said for where, said in wire.objections.items() if NOT_SENT.search(said) is None and where not in BY_ID
    } == {f'"Response body property {name} must be object"' for name in NULL}
    assert read == WRONG.keys()


BY_ID = {("PATCH", DEVICE, "request/body/site"), ("PATCH", DEVICE, "request/body/location")}
"""Related objects are written by their ids, which NetBox's documentation allows and its description leaves out."""
NOT_SENT = re.compile("must have required property")
"""Only the fields that are used are asked for, and the sandbox has no others."""
NULL = ("role", "face", "airflow")
"""What is not set: NetBox answers null, which the description leaves out."""
WRONG: dict[Asked, object] = {("PATCH", DEVICE): {"serial": 7}}
"""A body that Prism must object to: where it cannot use a schema, it objects to nothing."""
