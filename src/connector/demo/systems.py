"""The demo's sandbox systems: filled with the fleet once, kept in files, served on loopback by one process.

Run as `python -m connector.demo.systems HOME`.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from connector.clock import SystemClock
from connector.demo.fleet import Fleet, Place, catalogue_entry, demo_fleet
from connector.demo.home import DemoState, read_state
from connector.sdk.adapter import Clock
from connector_karrio.sandbox import DEMO_JOURNEY, KarrioSandbox
from connector_nautobot.sandbox import Hook, NautobotSandbox
from connector_nautobot.sandbox_shapes import DEVICE
from connector_request_tracker.sandbox import RequestTrackerSandbox

QUEUE = "Hardware"


def nautobot(state: DemoState, home: Path, fleet: Fleet, clock: Clock) -> NautobotSandbox:
    """The CMDB, with the fleet in it."""
    system = NautobotSandbox(
        clock,
        token=state.tokens["cmdb"],
        journal=home / "sandbox-nautobot.jsonl",
        hooks=[Hook(state.webhook_url("cmdb"), state.webhook_secrets["cmdb"])],
    )
    if system.count(DEVICE) == 0:
        load_fleet(system, fleet)
    return system


def load_fleet(system: NautobotSandbox, fleet: Fleet) -> None:
    """Enter the fleet as a bulk import does: no change records, no webhooks."""
    region_type = system.add_location_type("Region")
    site_type = system.add_location_type("Site", parent=region_type)
    hub_type = system.add_location_type("Hub", parent=region_type)
    names = sorted({place.region for place in (*fleet.hubs, *fleet.sites)})
    regions = {name: system.add_location(name, region_type) for name in names}
    places = {
        place.code: system.add_location(
            place.name, site_type if place.tier is None else hub_type, parent=regions[place.region], **_fields(place)
        )
        for place in (*fleet.hubs, *fleet.sites)
    }
    manufacturers: dict[str, str] = {}
    types: dict[tuple[str, str], str] = {}
    for device in fleet.devices:
        maker, model = device.model.manufacturer, device.model.model
        if maker not in manufacturers:
            manufacturers[maker] = system.add_manufacturer(maker)
        if (maker, model) not in types:
            entry = catalogue_entry(device.model)
            types[maker, model] = system.add_device_type(
                manufacturers[maker], model, part_number=entry.part_number or "", u_height=int(entry.height_units)
            )
        system.add_device(
            device.name,
            device_type=types[maker, model],
            location=places[device.place.code],
            status="Inventory" if device.is_spare else "Active",
            serial=device.serial,
            asset_tag=device.asset_tag,
        )


def request_tracker(state: DemoState, home: Path, clock: Clock) -> RequestTrackerSandbox:
    """The service desk, with an empty queue for hardware."""
    return RequestTrackerSandbox(
        clock,
        token=state.tokens["itsm"],
        hook_url=state.webhook_url("itsm"),
        hook_secret=state.webhook_secrets["itsm"],
        queues=(QUEUE,),
        path=home / "sandbox-request-tracker.json",
    )


def karrio(state: DemoState, home: Path, clock: Clock) -> KarrioSandbox:
    """The couriers, whose parcels arrive within a minute or two."""
    return KarrioSandbox(
        clock,
        token=state.tokens["parcels"],
        hook_url=state.webhook_url("parcels"),
        hook_secret=state.webhook_secrets["parcels"],
        journey=DEMO_JOURNEY,
        path=home / "sandbox-karrio.json",
    )


async def serve(home: Path) -> None:
    """Serve all three until the process is told to stop."""
    state, clock = read_state(home), SystemClock()
    apps: dict[str, Any] = {
        "cmdb": nautobot(state, home, demo_fleet(), clock).app,
        "itsm": request_tracker(state, home, clock).app(),
        "parcels": karrio(state, home, clock).app(),
    }
    servers = [_server(app, state.ports[name]) for name, app in apps.items()]
    await asyncio.gather(*(server.serve() for server in servers))


def _server(app: ASGIApp, port: int) -> uvicorn.Server:
    return uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", access_log=False))


def _fields(place: Place) -> dict[str, Any]:
    return {
        "facility": place.code,
        "latitude": f"{place.point.latitude:.6f}",
        "longitude": f"{place.point.longitude:.6f}",
        "time_zone": place.time_zone,
        "physical_address": place.street,
        "custom_fields": {"city": place.city, "postal_code": place.postal_code, "country": place.country},
    }


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
