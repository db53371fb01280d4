"""Opens an incident in the sandbox service desk, as a user would, and waits until the hub has it."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from typing import Any

import httpx

from connector.demo.fleet import Device, Fleet, Place
from connector.demo.home import DemoState
from connector.demo.systems import QUEUE
from connector.model.errors import InvalidInput, NotKnown, Unavailable

WAIT_SECONDS = 30.0
_SYMPTOMS = {
    "switch": "does not power on after the maintenance window",
    "router": "reboots every few minutes",
    "firewall": "lost both power supplies",
    "access_point": "is offline, its LED stays dark",
    "server": "shows a failed system board",
    "console_server": "does not answer on any port",
    "power": "reports a dead battery and switched off",
}
_FIND = "query Find($number: String!) { tickets(first: 1, filter: {number: {eq: $number}}) { edges { node { id } } } }"


@dataclass(frozen=True, slots=True)
class Opened:
    """An incident that was opened. external_id: the service desk's; id: the hub's, once it knows the ticket."""

    external_id: str
    number: str
    id: str
    priority: str
    title: str
    asset_tag: str
    site: str
    url: str


def choose_device(fleet: Fleet, *, asset_tag: str | None = None, site: str | None = None) -> Device:
    """A device in use: the named one, or any at the named site, or any. Raises NotKnown, InvalidInput."""
    in_use = [device for device in fleet.devices if not device.is_spare]
    if asset_tag is not None:
        for device in in_use:
            if device.asset_tag == asset_tag:
                return device
        raise NotKnown(
            f"no device in use has the asset tag {asset_tag!r}",
            hint="They run from AT-000001; see `assets` in GraphQL.",
        )
    if site is not None:
        in_use = [device for device in in_use if device.place.code == site.upper()]
        if not in_use:
            raise InvalidInput(f"there is no site {site!r}", hint="Sites have the IATA code of their city, e.g. BER.")
    return random.choice(in_use)  # noqa: S311 - any will do


async def open_incident(state: DemoState, device: Device, priority: str) -> Opened:
    """Open the ticket and wait for the hub to hear of it. Raises Unavailable when either does not answer."""
    title = f"{device.model.model} {device.name} {_SYMPTOMS[device.model.asset_class]}"
    external_id = await _create(state, device.place, device, priority, title)
    return Opened(
        external_id=external_id,
        number=external_id,
        id=await _known_to_hub(state, external_id),
        priority=priority,
        title=title,
        asset_tag=device.asset_tag,
        site=device.place.name,
        url=f"{state.url('itsm')}/Ticket/Display.html?id={external_id}",
    )


async def _create(state: DemoState, place: Place, device: Device, priority: str, title: str) -> str:
    ticket = {
        "Queue": QUEUE,
        "Subject": title,
        "Content": f"Reported from {place.name}. Device {device.name}, serial {device.serial}.",
        "Requestor": f"service.desk@{place.code.lower()}.example.com",
        "CustomFields": {"Asset Tag": device.asset_tag, "Hub Priority": priority},
    }
    headers = {"Authorization": f"token {state.tokens['itsm']}"}
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            answer = await client.post(f"{state.url('itsm')}/REST/2.0/ticket", json=ticket, headers=headers)
            answer.raise_for_status()
    except httpx.HTTPError as error:
        raise Unavailable(
            f"the sandbox service desk did not take the ticket: {type(error).__name__}",
            hint="Is the demo running? Start it with `make run`.",
        ) from error
    body: dict[str, Any] = answer.json()
    return str(body["id"])


async def _known_to_hub(state: DemoState, number: str) -> str:
    deadline = time.monotonic() + WAIT_SECONDS
    async with httpx.AsyncClient(base_url=state.hub_url, trust_env=False, timeout=10) as client:
        while time.monotonic() < deadline:
            try:
                answer = await client.post("/graphql", json={"query": _FIND, "variables": {"number": number}})
                edges = answer.json()["data"]["tickets"]["edges"]
            except httpx.HTTPError as error:
                raise Unavailable(
                    f"the hub at {state.hub_url} does not answer: {type(error).__name__}",
                    hint="Is the demo running? Start it with `make run`.",
                ) from error
            if edges:
                return str(edges[0]["node"]["id"])
            await asyncio.sleep(0.1)
    raise Unavailable(
        f"the hub did not hear of ticket {number} within {WAIT_SECONDS:.0f} s",
        hint="`connector sources` shows how the service desk's source fares.",
    )
