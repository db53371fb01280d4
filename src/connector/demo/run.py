"""Runs the demo: sandbox systems, the hub, an incident, and the story of what follows, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from connector.demo.children import Children
from connector.demo.fleet import COUNTED, Fleet, demo_fleet
from connector.demo.home import CONFIGURATION_FILE, HUB_PORT, DemoState, prepare
from connector.demo.incident import choose_device, open_incident
from connector.demo.story import EVENTS, device_changes, listen
from connector.model.errors import Unavailable

LOAD_SECONDS = 120.0
FIRST_INCIDENT_AFTER_SECONDS = 2.0
FIRST_INCIDENT_SITE = "BER"
"""Too far from every hub to drive, so that the story has a courier in it."""
PORT_VARIABLE = "CONNECTOR_SERVER__PORT"

_COUNTS = """{
  sites(first: 1) { totalCount } hubs(first: 1) { totalCount } assets(first: 1) { totalCount }
  stock(first: 1, filter: {tracking: {eq: COUNTED}}) { totalCount }
}"""


async def run_demo(home: Path, *, console: Console, incident: bool = True) -> None:
    """Run until cancelled. Raises Unavailable when a part ends by itself or does not come up."""
    fleet = demo_fleet()
    state = prepare(home, fleet, hub_port=int(os.environ.get(PORT_VARIABLE, HUB_PORT)))
    async with Children(home / "logs") as children:
        await children.start("sandbox systems", [sys.executable, "-m", "connector.demo.systems", str(home)])
        for name in state.ports:
            await _answers(state.url(name), children)
        hub = [sys.executable, "-m", "connector", "serve", "--config", str(home / CONFIGURATION_FILE)]
        await children.start("hub", hub)
        await _answers(f"{state.hub_url}/healthz", children)
        await _load(state, fleet, children, console)
        _welcome(state, console)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_watch(children))
            for topic in EVENTS:
                tasks.create_task(_tell(state, topic, console))
            tasks.create_task(_tell_cmdb(state, console))
            if incident:
                tasks.create_task(_first_incident(state, fleet, console))


async def run_until_interrupted(home: Path, *, console: Console, incident: bool = True) -> None:
    """`run_demo`, ended cleanly by Ctrl-C or SIGTERM."""
    running = asyncio.create_task(run_demo(home, console=console, incident=incident))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        console.print("Stopped. The next `make run` goes on from here.")
    except ExceptionGroup as group:
        raise group.exceptions[0] from None


async def _answers(url: str, children: Children) -> None:
    """Wait until something answers there, whatever it says."""
    deadline = time.monotonic() + LOAD_SECONDS
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        while time.monotonic() < deadline:
            if problem := children.ended():
                raise Unavailable(problem)
            with suppress(httpx.TransportError):
                await client.get(url)
                return
            await asyncio.sleep(0.05)
    raise Unavailable(f"nothing answers at {url} after {LOAD_SECONDS:.0f} s")


async def _load(state: DemoState, fleet: Fleet, children: Children, console: Console) -> None:
    """Show how the hub fills from its sources, until everything is there."""
    wanted = {
        "hubs": len(fleet.hubs),
        "sites": len(fleet.sites),
        "stock": len(fleet.hubs) * len(COUNTED),
        "assets": len(fleet.devices),
    }
    columns = (TextColumn("{task.description:<8}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bars = {name: progress.add_task(name, total=total) for name, total in wanted.items()}
        deadline = time.monotonic() + LOAD_SECONDS
        async with httpx.AsyncClient(base_url=state.hub_url, trust_env=False, timeout=10) as client:
            while time.monotonic() < deadline:
                if problem := children.ended():
                    raise Unavailable(problem)
                answer = (await client.post("/graphql", json={"query": _COUNTS})).json()
                have = {name: answer["data"][name]["totalCount"] for name in wanted}
                for name, count in have.items():
                    progress.update(bars[name], completed=min(count, wanted[name]))
                if all(have[name] >= wanted[name] for name in wanted):
                    return
                await asyncio.sleep(0.2)
    raise Unavailable(
        f"the hub did not fill within {LOAD_SECONDS:.0f} s",
        hint="See the logs in the demo's directory, and `connector sources`.",
    )


def _welcome(state: DemoState, console: Console) -> None:
    console.print()
    console.print(f"Connector    {state.hub_url}/graphql   (GraphiQL)")
    console.print(f"Nautobot     {state.url('cmdb')}   sandbox CMDB")
    console.print(f"Tickets      {state.url('itsm')}   sandbox Request Tracker")
    console.print(f"Parcels      {state.url('parcels')}   sandbox Karrio")
    console.print("Another incident: .venv/bin/connector demo incident --priority P1")
    console.print("Ctrl-C stops everything.\n")


async def _watch(children: Children) -> None:
    while True:
        if problem := children.ended():
            raise Unavailable(problem)
        await asyncio.sleep(0.5)


async def _tell(state: DemoState, topic: str, console: Console) -> None:
    url = state.hub_url.replace("http://", "ws://") + "/graphql"
    last = ""
    async for told in listen(url, topic):
        line = told.line()
        if line == last:  # something else of it has changed, such as the day that the courier expects to deliver
            continue
        last = line
        _print_now(line, console)


async def _tell_cmdb(state: DemoState, console: Console) -> None:
    async for line in device_changes(state.url("cmdb"), state.tokens["cmdb"], since=datetime.now(UTC)):
        _print_now(line, console)


def _print_now(line: str, console: Console) -> None:
    console.print(f"[dim]{time.strftime('%H:%M:%S')}[/]  ", end="")
    console.print(line, markup=False, highlight=False, soft_wrap=True)


async def _first_incident(state: DemoState, fleet: Fleet, console: Console) -> None:
    await asyncio.sleep(FIRST_INCIDENT_AFTER_SECONDS)
    opened = await open_incident(state, choose_device(fleet, site=FIRST_INCIDENT_SITE), "P1")
    console.print(f"Opened incident {opened.number} at {opened.site}.", highlight=False)
