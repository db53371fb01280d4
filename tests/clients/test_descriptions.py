"""Adapters and their sandboxes against vendors' own OpenAPI descriptions: Prism stands between the two and objects.

The descriptions are not part of the product: `../shared/openapi` beside the repository, or CONNECTOR_DESCRIPTIONS.
"""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from connector.sdk import (
    Address,
    BuyLabel,
    Party,
    SourceClient,
    TrackShipment,
    VoidLabel,
)
from connector_fedex import CancelPickup as CancelFedExPickup
from connector_fedex import FedEx, FedExConfig
from connector_fedex import SchedulePickup as ScheduleFedExPickup
from connector_fedex.sandbox import FedExSandbox
from connector_fedex.sandbox.system import AUSTIN as FEDEX_AUSTIN
from connector_fedex.sandbox.system import PARCEL as FEDEX_PARCEL
from connector_shippo import SchedulePickup, Shippo, ShippoConfig
from connector_shippo.adapter import PARCELS
from connector_shippo.sandbox import ShippoSandbox
from connector_shippo.sandbox.system import AUSTIN, PARCEL
from connector_ups import CancelPickup, Ups, UpsConfig
from connector_ups import SchedulePickup as ScheduleUpsPickup
from connector_ups.sandbox import UpsSandbox
from connector_ups.sandbox.system import AUSTIN as UPS_AUSTIN
from connector_ups.sandbox.system import PARCEL as UPS_PARCEL
from tests.api.conftest import served
from tests.clients.described import Noting, Sorting, description, usable, watched
from tests.conftest import MovableClock

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


async def test_shippo_is_asked_as_its_description_says(prism: Path, tmp_path: Path):
    clock = MovableClock(NOON)
    sandbox = ShippoSandbox(clock)
    wire = Noting()

    async with (
        served(sandbox.app()) as upstream,
        watched(prism, usable("shippo-public-api.yaml", tmp_path), f"http://{upstream}") as address,
    ):
        sandbox.office.store = upstream
        settings = {**sandbox.settings(), "base_url": address, "label_hosts": [upstream]}
        config = ShippoConfig.model_validate(settings)
        async with SourceClient(address, headers=config.headers(), transport=wire) as http:
            adapter = Shippo(config, http, clock)
            await adapter.check()
            assert len(await adapter.quote(PARCEL)) == 3
            label = await adapter.buy_label(BuyLabel("k1", PARCEL, "INC-1"))
            assert await adapter.find_label("k1") == label
            way_back = await adapter.buy_label(BuyLabel("k2", PARCEL, "INC-1", is_return=True))
            await adapter.schedule_pickup(SchedulePickup("k3", label.shipment, AUSTIN, NOON, NOON + 4 * MINUTE))
            await adapter.track(TrackShipment("k4", f"93{0:020d}", "USPS"))
            await adapter.void_label(VoidLabel("k5", way_back.shipment))
            sandbox.pick_up(sandbox.office.transactions[label.shipment.external_id])
            records = [record async for batch in adapter.pull(PARCELS, None) for record in batch.records]
            fetched = await adapter.fetch(records[0].ref)

    assert records == [fetched]
    assert {asked for asked in wire.asked if not asked[1].startswith("/files/")} == {
        ("GET", "/carrier_accounts"), ("POST", "/shipments"), ("GET", "/rates/ID"), ("POST", "/transactions"),
        ("GET", "/transactions"), ("GET", "/transactions/ID"), ("POST", "/refunds"), ("POST", "/pickups"),
        ("POST", "/tracks"), ("GET", "/tracks/usps/ID"),
    }  # fmt: skip
    assert {place: said for place, said in wire.objections.items() if place not in NOTHING_IS_NULL} == {}


NOTHING_IS_NULL = {
    (*asked, f"response/body/{name}")
    for asked in (("GET", "/carrier_accounts"), ("GET", "/transactions"))
    for name in ("next", "previous")
}
"""Before the first page of a list and behind the last is null, as Shippo's manual shows; the description says text."""


UPS = {
    "ups-OAuthClientCredentials.yaml": ("/security",),
    "ups-Rating.yaml": ("/api/rating",),
    "ups-Pickup.yaml": ("/api/pickupcreation", "/api/shipments/v2409/pickup"),
    "ups-Shipping.yaml": ("/api/shipments", "/api/labels"),
    "ups-UPSTrackAlert.yaml": ("/api/track/v2",),
    "ups-Tracking.yaml": ("/api/track",),
}
"""UPS's descriptions, and which paths are theirs; the first that fits."""


async def test_ups_is_asked_as_its_descriptions_say(prism: Path, tmp_path: Path):
    clock = MovableClock(NOON)
    sandbox = UpsSandbox(clock)
    homes: list[tuple[str, str, str]] = []

    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(served(sandbox.app()))
        for name, starts in UPS.items():
            address = await stack.enter_async_context(watched(prism, usable(name, tmp_path), f"http://{upstream}"))
            homes += [(start, CUT.get(start, "/api"), address) for start in starts]
        wire = Sorting(homes)
        config = UpsConfig.model_validate(sandbox.settings())
        http = await stack.enter_async_context(
            SourceClient(str(config.base_url), headers=config.headers(), transport=wire)
        )
        adapter = Ups(config, http, clock)
        await adapter.check()
        assert len(await adapter.quote(UPS_PARCEL)) == 3
        await adapter.quote(replace(UPS_PARCEL, recipient=ABROAD))
        label = await adapter.buy_label(BuyLabel("k1", UPS_PARCEL, "INC-1", service="03"))
        found = await adapter.find_label("k1")
        assert found is not None
        assert found.tracking_number == label.tracking_number
        await adapter.buy_label(BuyLabel("k2", UPS_PARCEL, "INC-1", service="02", is_return=True))
        await adapter.track(TrackShipment("k3", label.tracking_number, "UPS"))
        times = {"earliest": NOON + 3 * 60 * MINUTE, "latest": NOON + 8 * 60 * MINUTE}
        pickup = await adapter.schedule_pickup(
            ScheduleUpsPickup("k4", label.shipment, UPS_AUSTIN, **times, service="03", destination="US")
        )
        await adapter.schedule_pickup(
            ScheduleUpsPickup("k4", label.shipment, UPS_AUSTIN, **times, service="03", destination="US")
        )
        await adapter.cancel_pickup(CancelPickup("k5", pickup.external_id))
        assert (await adapter.fetch(label.shipment)).ref == label.shipment
        await adapter.void_label(VoidLabel("k6", label.shipment))

    assert wire.asked == {
        ("POST", "/security/v1/oauth/token"), ("POST", "/rating/v2409/Shoptimeintransit"),
        ("POST", "/rating/v2409/Shop"),
        ("POST", "/shipments/v2409/ship"), ("POST", "/labels/v1/recovery"), ("GET", "/track/v1/details/ID"),
        ("GET", "/track/v1/reference/details/ID"), ("POST", "/subscription/standard/package"),
        ("POST", "/pickupcreation/v2409/pickup"), ("GET", "/shipments/v2409/pickup/oncall"),
        ("DELETE", "/shipments/v2409/pickup/02"), ("DELETE", "/shipments/v2409/void/cancel/ID"),
    }  # fmt: skip
    assert {place: said for place, said in wire.objections.items() if place not in UPS_AGAINST_ITSELF} == {}


ABROAD = Party("Site", Address(line1="2 Quay", city="Toronto", postal_code="M5H2N2", state="ON", country="CA"), "Sites")
"""Where the option Shop asks for offers."""
CUT = {"/security": "", "/api/track/v2": "/api/track/v2"}
"""What Prism leaves out of paths: what is in the address of a description's server."""
RECOVERED = "/labels/v1/recovery"
UPS_AGAINST_ITSELF = {
    # Shoptimeintransit is among the values that it lists, and longer than the ten characters that it allows
    ("POST", "/rating/v2409/Shoptimeintransit", "request/path/requestoption"),
    # the numbers of another service of UPS are required of every request; of PDF and ZPL four characters
    ("POST", RECOVERED, "request/body/LabelRecoveryRequest"),
    ("POST", RECOVERED, "request/body/LabelRecoveryRequest/LabelSpecification/LabelImageFormat/Code"),
    ("POST", RECOVERED, "response/body/LabelRecoveryResponse/LabelResults/*/LabelImage/LabelImageFormat/Code"),
    # the version is a part of the path that is in the address of the server
    ("POST", "/subscription/standard/package", "request/path"),
    # of the form yyyyMMdd, in four characters
    ("POST", "/pickupcreation/v2409/pickup", "request/body/PickupCreationRequest/PickupDateInfo/PickupDate"),
}
"""Where UPS's descriptions say two things."""


FEDEX = ("fedex-rate.json", "fedex-ship.json", "fedex-track.json", "fedex-pickup.json")


async def test_fedex_is_asked_as_its_descriptions_say(prism: Path, tmp_path: Path):
    clock = MovableClock(NOON)
    sandbox = FedExSandbox(clock)

    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(served(sandbox.app()))
        homes = [("/oauth", "", f"http://{upstream}")]
        for name in FEDEX:
            address = await stack.enter_async_context(watched(prism, in_full(name, tmp_path), f"http://{upstream}"))
            homes.append((f"/{name.removeprefix('fedex-').removesuffix('.json')}", "", address))
        wire = Sorting(homes)
        config = FedExConfig.model_validate(sandbox.settings())
        http = await stack.enter_async_context(
            SourceClient(str(config.base_url), headers=config.headers(), transport=wire)
        )
        adapter = FedEx(config, http, clock)
        await adapter.check()
        assert len(await adapter.quote(FEDEX_PARCEL)) == 3
        lost = await adapter.buy_label(BuyLabel("k1", FEDEX_PARCEL, "INC-1", service="FEDEX_GROUND"))
        assert await adapter.find_label("k1") is None
        assert sandbox.is_void(lost.shipment)
        label = await adapter.buy_label(BuyLabel("k2", FEDEX_PARCEL, "INC-1", is_return=True))
        times = {"earliest": NOON + 3 * 60 * MINUTE, "latest": NOON + 8 * 60 * MINUTE}
        pickup = await adapter.schedule_pickup(ScheduleFedExPickup("k3", label.shipment, FEDEX_AUSTIN, **times))
        await adapter.cancel_pickup(CancelFedExPickup("k4", pickup.external_id))
        assert (await adapter.fetch(label.shipment)).ref == label.shipment
        await adapter.void_label(VoidLabel("k5", label.shipment))

    assert wire.asked == {
        ("POST", "/oauth/token"), ("POST", "/rate/v1/rates/quotes"), ("POST", "/ship/v1/shipments"),
        ("PUT", "/ship/v1/shipments/cancel"), ("POST", "/track/v1/trackingnumbers"),
        ("POST", "/track/v1/referencenumbers"), ("POST", "/pickup/v1/pickups"), ("PUT", "/pickup/v1/pickups/cancel"),
    }  # fmt: skip
    assert wire.objections == {}


def in_full(name: str, folder: Path) -> Path:
    """A description of FedEx whose bodies are those of its full schemas.

    It says that a body is of exactly one schema, and gives beside the full one samples that any body fits.
    """
    body = json.loads(description(name).read_text(encoding="utf-8"))
    schemas = body["components"]["schemas"]
    asked = [
        each["requestBody"]["content"]["application/json"]
        for path in body["paths"].values()
        for each in path.values()
        if isinstance(each, dict) and "requestBody" in each
    ]
    for content in asked:
        named = content["schema"].get("$ref", "").rpartition("/")[2]
        content["schema"] = schemas.get(named, content["schema"])
        full = [each for each in content["schema"].get("oneOf", ()) if "Full" in each["$ref"]]
        if full:
            content["schema"] = full[0]
    copy = folder / name
    copy.write_text(json.dumps(body), encoding="utf-8")
    return copy
