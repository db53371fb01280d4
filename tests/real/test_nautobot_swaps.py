"""Swaps that a real Nautobot is told of: serial, status and place of its devices afterwards, and what it refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import Any

import httpx
import pytest

from connector.sdk import (
    AssetState,
    Conflict,
    EntityKind,
    Invalid,
    OutcomeUnknown,
    ProductKey,
    RecordSwap,
    SourceRef,
    SwapReceipt,
)
from tests.real.connected import Source, connected
from tests.real.nautobot import Nautobot


@dataclass(frozen=True, slots=True)
class Rack:
    """A device in a rack at a site, and a spare of another location. serials: theirs."""

    failed: str
    spare: str
    site: str
    elsewhere: str
    type: str
    product: ProductKey
    mark: str

    def swap(self) -> RecordSwap:
        """The spare was put in place of the failed one."""
        return RecordSwap(
            f"swap-{token_hex(8)}", _device(self.failed), _device(self.spare), f"F-{self.mark}", f"S-{self.mark}",
            f"TAG-{self.mark}", self.product, SourceRef(kind=EntityKind.PRODUCT, external_id=self.type),
            SourceRef(kind=EntityKind.SITE, external_id=self.site), "INC-1",
        )  # fmt: skip

    def renewal(self) -> RecordSwap:
        """A unit that Nautobot does not know was put in place of the failed one."""
        return replace(self.swap(), replacement=None, serial=f"N-{self.mark}", asset_tag=None)


class Devices:
    """Devices as a person sees them."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._statuses: dict[str, str] = {}

    def shown(self, device: str) -> dict[str, Any]:
        """What a device shows, with the names of what is linked."""
        row = self._client.get(f"/api/dcim/devices/{device}/", params={"depth": 1}).raise_for_status().json()
        return {
            "serial": row["serial"], "asset_tag": row["asset_tag"], "status": row["status"]["name"],
            "location": row["location"]["id"], "type": row["device_type"]["id"],
            "rack": None if row["rack"] is None else row["rack"]["id"],
        }  # fmt: skip

    def comments(self, device: str) -> str:
        """What people read below it."""
        return str(self._client.get(f"/api/dcim/devices/{device}/").raise_for_status().json()["comments"])

    def changes(self, device: str) -> int:
        """How often its change log says that it was changed."""
        query = {"changed_object_id": device, "limit": 1}
        return int(self._client.get("/api/extras/object-changes/", params=query).raise_for_status().json()["count"])

    def change(self, device: str, **fields: object) -> None:
        """Somebody enters something."""
        self._client.patch(f"/api/dcim/devices/{device}/", json=fields).raise_for_status()


@pytest.fixture
def client(cmdb: Nautobot) -> Iterator[httpx.Client]:
    with cmdb.client() as client:
        yield client


@pytest.fixture
def devices(client: httpx.Client) -> Devices:
    return Devices(client)


@pytest.fixture
def rack(client: httpx.Client) -> Iterator[Rack]:
    """What a person would enter, and removes again."""
    made: list[str] = []

    def enter(path: str, **fields: object) -> str:
        found = client.post(f"/api/dcim/{path}/", json=fields).raise_for_status().json()["id"]
        made.append(f"/api/dcim/{path}/{found}/")
        return str(found)

    like = client.get("/api/dcim/devices/", params={"limit": 1, "asset_tag": "AT-000001", "depth": 1})
    (row,) = like.raise_for_status().json()["results"]
    kind = client.get(f"/api/dcim/device-types/{row['device_type']['id']}/", params={"depth": 1}).json()
    hubs = client.get("/api/dcim/locations/", params={"location_type": "Hub", "limit": 1}).raise_for_status()
    site, elsewhere, mark = row["location"]["id"], hubs.json()["results"][0]["id"], token_hex(4)
    allowed = client.get("/api/dcim/location-types/", params={"name": "Site"}).json()["results"][0]
    wanted = sorted({*allowed["content_types"], "dcim.rack"})
    client.patch(f"/api/dcim/location-types/{allowed['id']}/", json={"content_types": wanted}).raise_for_status()
    common = {"role": row["role"]["id"], "device_type": kind["id"]}
    try:
        cabinet = enter("racks", name=f"rack-{mark}", location=site, status="Active", u_height=42)
        failed = enter(
            "devices", name=f"failed-{mark}", serial=f"F-{mark}", asset_tag=f"OLD-{mark}", status="Active",
            location=site, rack=cabinet, **common,
        )  # fmt: skip
        spare = enter(
            "devices", name=f"spare-{mark}", serial=f"S-{mark}", status="Inventory", location=elsewhere, **common
        )
        product = ProductKey(manufacturer=kind["manufacturer"]["name"], model=kind["model"])
        yield Rack(failed, spare, site, elsewhere, kind["id"], product, mark)
    finally:
        for path in reversed(made):
            client.delete(path).raise_for_status()


@pytest.fixture
async def source(cmdb: Nautobot) -> AsyncIterator[Source]:
    settings = {"base_url": cmdb.url, "token": cmdb.token, "write_back": True}
    async with connected("nautobot", settings) as source:
        yield source


async def test_a_spare_with_a_record_takes_the_place_of_the_failed_device(
    source: Source, rack: Rack, devices: Devices
) -> None:
    swap = rack.swap()
    before = devices.shown(rack.failed)
    assert await source.adapter.find_swap(swap) is None

    receipt = await recorded(source, swap)

    assert devices.shown(rack.spare) == {
        "serial": f"S-{rack.mark}", "asset_tag": f"TAG-{rack.mark}", "status": "Active", "location": rack.site,
        "type": rack.type, "rack": None,
    }  # fmt: skip
    assert devices.shown(rack.failed) == before | {"status": "Decommissioning"}
    assert f"Ticket INC-1: put in place of F-{rack.mark} [connector:{swap.key}]" in devices.comments(rack.spare)
    assert (receipt.record, receipt.failed_state) == (swap.replacement, AssetState.RETURN_PENDING)
    changed = [devices.changes(rack.spare), devices.changes(rack.failed)]
    assert await recorded(source, swap) == receipt
    assert await source.adapter.find_swap(swap) == receipt
    assert [devices.changes(rack.spare), devices.changes(rack.failed)] == changed


async def test_a_unit_without_a_record_renews_that_of_the_failed_device_which_stays_in_its_rack(
    source: Source, rack: Rack, devices: Devices
) -> None:
    swap = rack.renewal()
    before = devices.shown(rack.failed)
    devices.change(rack.failed, status="Failed")

    receipt = await recorded(source, swap)

    assert before["rack"] is not None
    assert devices.shown(rack.failed) == before | {"serial": f"N-{rack.mark}", "asset_tag": None, "status": "Active"}
    assert (receipt.record, receipt.failed_state) == (swap.failed, None)
    changed = devices.changes(rack.failed)
    assert await recorded(source, swap) == receipt
    assert await source.adapter.find_swap(swap) == receipt
    assert devices.changes(rack.failed) == changed


async def test_what_somebody_else_entered_or_nautobot_refuses_leaves_both_devices_as_they_are(
    source: Source, rack: Rack, devices: Devices
) -> None:
    devices.change(rack.spare, serial="ANOTHER")
    before = [devices.shown(rack.failed), devices.shown(rack.spare)]

    with pytest.raises(Conflict, match="shows serial 'ANOTHER'"):
        await recorded(source, rack.swap())
    with pytest.raises(Conflict, match="has serial 'ANOTHER' already"):
        await recorded(source, replace(rack.renewal(), serial="ANOTHER"))
    with pytest.raises(Invalid) as refused:
        await recorded(source, replace(rack.renewal(), asset_tag="AT-000002"))

    assert "asset_tag" in refused.value.fields
    assert [devices.shown(rack.failed), devices.shown(rack.spare)] == before


def _device(external_id: str) -> SourceRef:
    return SourceRef(kind=EntityKind.ASSET, external_id=external_id)


async def recorded(source: Source, swap: RecordSwap) -> SwapReceipt:
    """Recorded as the hub does it: where the outcome is unknown, looked for, and then asked for again.

    Nautobot's server closes connections without saying so, and a change that is sent on one just then is lost.
    """
    for _ in range(5):
        with suppress(OutcomeUnknown):
            receipt: SwapReceipt = await source.adapter.record_swap(swap)
            return receipt
        if (found := await source.adapter.find_swap(swap)) is not None:
            return found
    raise AssertionError(f"Nautobot does not take {swap}")
