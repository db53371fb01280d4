"""A sandbox of Nautobot with a large fleet, in a process of its own, so that its memory and work are not counted.

`python -m bench.nautobot_fleet 100000` prints its port and serves until its input is closed.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import uvicorn

from connector_nautobot.sandbox import NautobotSandbox

TOKEN = "0123456789abcdef0123456789abcdef01234567"
START = datetime(2026, 1, 1, tzinfo=UTC)
SITES, HUBS, TYPES = 400, 40, 60
BETWEEN = timedelta(seconds=20)
"""Changes of devices are so far apart: of a million they fill eight months."""


class SystemClock:
    """The time of this machine."""

    def now(self) -> datetime:
        """The current instant."""
        return datetime.now(UTC)


def fleet(devices: int) -> NautobotSandbox:
    """Devices at sites, and one in twenty as a spare in a hub."""
    sandbox = NautobotSandbox(SystemClock(), token=TOKEN)
    region, site, hub = (sandbox.add_location_type(name, at=START) for name in ("Region", "Site", "Hub"))
    parent = sandbox.add_location("Europe", region, at=START)
    position = {"parent": parent, "at": START, "latitude": "52.52", "longitude": "13.405", "time_zone": "Europe/Berlin"}
    sites = [sandbox.add_location(f"Site {n}", site, facility=f"S{n}", **position) for n in range(SITES)]
    hubs = [sandbox.add_location(f"Hub {n}", hub, facility=f"H{n}", **position) for n in range(HUBS)]
    makers = [sandbox.add_manufacturer(name, at=START) for name in ("Cisco", "Juniper", "Arista")]
    types = [sandbox.add_device_type(makers[n % 3], f"Model {n}", at=START) for n in range(TYPES)]
    for n in range(devices):
        spare = n % 20 == 0
        sandbox.add_device(
            f"dev-{n:06}",
            device_type=types[n % TYPES],
            location=hubs[n // 20 % HUBS] if spare else sites[n * 7919 % SITES],
            status="Inventory" if spare else "Active",
            at=START + n * BETWEEN,
            serial=f"SN{n * 48271 % 99999989:08}",
            asset_tag=f"AT-{n:06}",
        )
    return sandbox


async def serve(devices: int) -> None:
    """Serve until standard input ends."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(fleet(devices).app, log_level="warning", access_log=False)
    server = uvicorn.Server(config)
    listener.listen()
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    print(listener.getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.should_exit = True
    await serving


@contextmanager
def running(devices: int) -> Iterator[str]:
    """The sandbox in a process of its own; gives its address."""
    command = [sys.executable, "-m", "bench.nautobot_fleet", str(devices)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.stdin.close()
        process.wait(30)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
