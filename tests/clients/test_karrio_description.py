"""Karrio's adapter and its sandbox against Karrio's own description: Prism stands between the two."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from connector.sdk import Address, BuyLabel, LabelFormat, Party, SourceClient, TrackShipment, VoidLabel
from connector.sdk.courier import CancelPickup
from connector_karrio import Karrio, KarrioConfig
from connector_karrio.adapter import TRACKERS
from connector_karrio.pickups import SchedulePickup
from connector_karrio.sandbox import KarrioSandbox
from connector_karrio.sandbox.system import PARCEL
from tests.api.conftest import served
from tests.clients.described import Asked, Sorting, usable, watched
from tests.conftest import MovableClock

PUBLIC = "public in github.com/karrioapi/karrio: schemas/openapi.yml at commit deea10f"
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
ID = re.compile(r"[a-z]+_[0-9a-f]{8,}")
DEPOT = Party("Depot Berlin", Address(line1="1 Yard", city="Berlin", postal_code="10115", country="DE"))
SPARE = replace(PARCEL, length_mm=None, width_mm=None, height_mm=None, description="")
SETTINGS = {"carrier_ids": ["sandpost"], "tracking_carriers": {"sandpost": "dhl_universal"}}
SHIPMENT, PICKUP = "/v1/shipments/ID", "/v1/pickups/ID"


async def test_karrio_is_asked_as_its_description_says(prism: Path, tmp_path: Path):
    clock = MovableClock(NOON)
    sandbox = KarrioSandbox(clock, journey=())

    async with (
        served(sandbox.app()) as upstream,
        watched(prism, usable("karrio-server.yml", tmp_path, PUBLIC), f"http://{upstream}") as address,
    ):
        wire = Sorting([("", "", address)], ID)
        config = KarrioConfig.model_validate({**sandbox.settings(), **SETTINGS})
        async with SourceClient(str(config.base_url), headers=config.headers(), transport=wire) as http:
            adapter = Karrio(config, http, clock)
            await adapter.check()
            assert [quote.carrier for quote in await adapter.quote(PARCEL)] == ["sandpost", "sandpost"]
            label = await adapter.buy_label(BuyLabel("k1", PARCEL, "INC-1", label_format=LabelFormat.ZPL))
            assert await adapter.find_label("k1") == label
            await adapter.buy_label(BuyLabel("k2", SPARE, "INC-1", is_return=True))
            times = {"earliest": NOON + HOUR, "latest": NOON + 5 * HOUR}
            pickup = await adapter.schedule_pickup(
                SchedulePickup("k3", label.shipment, DEPOT, **times, instructions="Ring at the gate")
            )
            await adapter.schedule_pickup(SchedulePickup("k4", label.shipment, DEPOT, **times))
            await adapter.cancel_pickup(CancelPickup("k5", pickup.external_id))
            await adapter.track(TrackShipment("k6", "70009999999999", "sandpost"))
            since = [batch.resume async for batch in adapter.pull(TRACKERS, None)][-1]
            records = [record async for batch in adapter.pull(TRACKERS, since) for record in batch.records]
            await adapter.void_label(VoidLabel("k7", label.shipment))
        read = await wire.reads("http://karrio.test", WRONG, label.shipment.external_id)

    assert len(records) == 3
    assert wire.asked == {
        ("GET", "/"), ("GET", "/v1/connections"), ("POST", "/v1/proxy/rates"), ("GET", "/v1/shipments"),
        ("POST", "/v1/shipments"), ("GET", SHIPMENT), ("POST", f"{SHIPMENT}/purchase"), ("POST", f"{SHIPMENT}/cancel"),
        ("POST", f"{SHIPMENT}/documents/label"), ("GET", "/v1/pickups"), ("POST", "/v1/pickups"), ("GET", PICKUP),
        ("POST", f"{PICKUP}/cancel"), ("GET", "/v1/trackers"), ("POST", "/v1/trackers"),
    }  # fmt: skip
    assert wire.objections.keys() == NOT_SO
    assert read == WRONG.keys()


ONE: list[Asked] = [
    ("GET", SHIPMENT), ("POST", "/v1/shipments"), ("POST", f"{SHIPMENT}/purchase"), ("POST", f"{SHIPMENT}/cancel"),
]  # fmt: skip
"""What answers one shipment."""
LATER: list[Asked] = [asked for asked in ONE if asked != ("POST", "/v1/shipments")]
NOT_SO = {
    # the server's own code answers 202, and so does the server that was measured
    ("POST", "/v1/trackers", "response"),
    # the carriers of the sandbox exist nowhere
    ("GET", "/v1/connections", "response/body/results/*/carrier_name"),
    # by its schema the list is one shipment
    ("GET", "/v1/shipments", "response/body"),
    # null and paths without a site, as the server that was measured answers
    *((*asked, f"response/body/{name}/id") for asked in ONE for name in ("shipper", "recipient", "parcels/*")),
    *((*asked, f"response/body/{name}") for asked in LATER for name in ("label_url", "tracking_url")),
    ("GET", "/v1/trackers", "response/body/results/*/estimated_delivery"),
    ("GET", "/v1/trackers", "response/body/results/*/events/*/location"),
}
"""Answers that Karrio's description does not know; of requests there is none."""
WRONG: dict[Asked, object] = {
    ("POST", "/v1/proxy/rates"): {}, ("POST", "/v1/shipments"): {}, ("POST", f"{SHIPMENT}/purchase"): {"service": 7},
    ("POST", "/v1/pickups"): {}, ("POST", f"{PICKUP}/cancel"): {"reason": 7}, ("POST", "/v1/trackers"): {},
}  # fmt: skip
"""Bodies that Prism must object to: where it cannot use a schema, it objects to nothing."""
