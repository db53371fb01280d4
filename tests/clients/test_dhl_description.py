"""DHL's adapter and its sandbox against DHL's own description of MyDHL API: Prism stands between the two."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connector.sdk import AuthError, BuyLabel, LabelFormat, NotOffered, SourceClient, VoidLabel
from connector_dhl import CancelPickup, Dhl, DhlConfig, SchedulePickup
from connector_dhl.sandbox import DhlSandbox
from connector_dhl.sandbox.office import IMPORT_ACCOUNT, seen
from connector_dhl.sandbox.system import HAMBURG, PARCEL
from connector_dhl.shapes import parcel_ref
from tests.api.conftest import served
from tests.clients.described import Sorting, usable, watched
from tests.conftest import MovableClock

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


async def test_dhl_is_asked_as_its_description_says(prism: Path, tmp_path: Path):
    clock = MovableClock(NOON)
    sandbox = DhlSandbox(clock)
    settings = {**sandbox.settings(), "return_account_number": IMPORT_ACCOUNT, "return_services": ["PT"]}
    config = DhlConfig.model_validate(settings)
    path = usable("mydhl-express-3.1.1.yaml", tmp_path)

    async with served(sandbox.app()) as upstream, watched(prism, path, f"http://{upstream}/mydhlapi") as address:
        wire = Sorting([("/mydhlapi", "/mydhlapi", address)])
        async with SourceClient(str(config.base_url), headers=config.headers(), transport=wire) as http:
            adapter = Dhl(config, http, clock)
            await adapter.check()
            assert len(await adapter.quote(PARCEL)) == 2
            label = await adapter.buy_label(BuyLabel("k1", PARCEL, "INC-1", label_format=LabelFormat.ZPL))
            assert await adapter.find_label("k1") is None
            at_home = replace(PARCEL, recipient=HAMBURG, length_mm=None)
            await adapter.buy_label(BuyLabel("k2", at_home, "INC-1", service="N", is_return=True))
            times = {"earliest": NOON + HOUR, "latest": NOON + 5 * HOUR}
            pickup = await adapter.schedule_pickup(
                SchedulePickup("k3", label.shipment, PARCEL, **times, service="W", instructions="Ring at the gate")
            )
            await adapter.cancel_pickup(CancelPickup("k4", pickup.external_id))
            with pytest.raises(NotOffered):
                await adapter.void_label(VoidLabel("k5", label.shipment))
            sandbox.pick_up({"id": label.tracking_number})
            assert (await adapter.fetch(label.shipment)).ref == label.shipment
            assert wire.objections == {}
            with pytest.raises(AuthError):
                await http.request(
                    "POST", "shipments", operation="try", json={}, headers={"Authorization": "Basic YTpi"}
                )

    assert ("POST", "/shipments", "request/body") in wire.objections  # bodies are read: it passes over what it cannot
    assert wire.asked == {
        ("POST", "/rates"), ("POST", "/shipments"), ("GET", "/shipments/ID/tracking"), ("GET", "/tracking"),
        ("POST", "/pickups"), ("DELETE", "/pickups/ID"),
    }  # fmt: skip


UNIFIED = "public in github.com/CaptnCodr/dhl-cli: Data/utapi-traking-api-1.4.1.yaml at commit d451d3b"
PARCEL_DE = "00340434161094000001"


async def test_shipment_tracking_unified_is_asked_as_its_description_says(prism: Path, tmp_path: Path):
    clock = MovableClock(NOON)
    sandbox = DhlSandbox(clock)
    sandbox.office.elsewhere[PARCEL_DE] = seen(PARCEL_DE, NOON, "delivered", "Delivered")
    path = usable("dhl-tracking-1.4.1.yaml", tmp_path, UNIFIED)

    async with served(sandbox.app()) as upstream, watched(prism, path, f"http://{upstream}/track") as address:
        config = DhlConfig.model_validate(sandbox.settings())
        wire = Sorting([("/track", "/track", address)])
        async with SourceClient(str(config.base_url), headers=config.headers(), transport=wire) as http:
            await Dhl(config, http, clock).fetch(parcel_ref(PARCEL_DE))

    assert wire.asked == {("GET", "/shipments")}
    assert {place: said for place, said in wire.objections.items() if place[2].startswith("request")} == {}
