"""Tells what happens: in the hub, as a portal would hear it over subscriptions, and in the sandbox CMDB."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import websockets

from connector.model.errors import Unavailable

PROTOCOL = "graphql-transport-ws"
RECONNECT_SECONDS = 0.5
LOOK_SECONDS = 1.0
CHANGES = "/api/extras/object-changes/"

EVENTS = {
    "tickets": "{ cursor operation ticket { number title priority state } }",
    "reservations": "{ cursor operation reservation { state hub { name } product { model } ticket { number } } }",
    "tasks": "{ cursor operation task { kind state title } }",
    "shipmentStatus": "{ cursor operation shipment { status carrier trackingNumber ticket { number } } }",
}


@dataclass(frozen=True, slots=True)
class Told:
    """One event. topic: the subscription field it came by."""

    topic: str
    event: dict[str, Any]

    def line(self) -> str:
        """What happened, in a line."""
        event = self.event
        match self.topic:
            case "tickets":
                ticket = event["ticket"]
                return f"ticket {ticket['number']} {ticket['priority']} is {ticket['state'].lower()}: {ticket['title']}"
            case "reservations":
                held = event["reservation"]
                return (
                    f"ticket {held['ticket']['number']}: {held['product']['model']} from {held['hub']['name']} "
                    f"is {held['state'].lower()}"
                )
            case "tasks":
                task = event["task"]
                return f"{task['kind'].lower()} task is {task['state'].lower()}: {task['title']}"
            case _:
                parcel = event["shipment"]
                where = f"{parcel['carrier'] or 'own transport'} {parcel['trackingNumber'] or ''}".strip()
                number = parcel["ticket"]["number"] if parcel["ticket"] else "-"
                return f"ticket {number}: shipment {where} is {parcel['status'].lower().replace('_', ' ')}"


async def listen(url: str, topic: str, *, after: str | None = None, token: str | None = None) -> AsyncIterator[Told]:
    """Events of one topic, for ever; a lost connection is taken up again where it broke.

    url: of the hub's GraphQL endpoint, `ws://...`. after: cursor of the last event known, None to begin now.
    """
    cursor = after
    while True:
        try:
            async for event in _subscribe(url, topic, cursor, token):
                cursor = event["cursor"]
                yield Told(topic, event)
        except (OSError, websockets.WebSocketException):
            await asyncio.sleep(RECONNECT_SECONDS)


async def _subscribe(url: str, topic: str, after: str | None, token: str | None) -> AsyncIterator[dict[str, Any]]:
    query = f"subscription Story($after: String) {{ {topic}(after: $after) {EVENTS[topic]} }}"
    async with websockets.connect(url, subprotocols=[websockets.Subprotocol(PROTOCOL)]) as socket:
        payload = {"authorization": f"Bearer {token}"} if token else {}
        await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
        async for text in socket:
            message = json.loads(text)
            match message["type"]:
                case "connection_ack":
                    subscribe = {"query": query, "variables": {"after": after}}
                    await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": subscribe}))
                case "ping":
                    await socket.send(json.dumps({"type": "pong"}))
                case "next":
                    if errors := message["payload"].get("errors"):
                        raise Unavailable(f"the subscription {topic!r} answered: {errors[0]['message']}")
                    yield message["payload"]["data"][topic]
                case "error":
                    raise Unavailable(f"the subscription {topic!r} is refused: {message['payload'][0]['message']}")
                case "complete":
                    return


async def device_changes(url: str, token: str, *, since: datetime) -> AsyncIterator[str]:
    """What changes about devices in the sandbox CMDB from then on, a line each, for ever."""
    seen: set[str] = set()
    headers = {"Authorization": f"Token {token}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=10) as client:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            wanted = {"action": "update", "changed_object_type": "dcim.device", "time__gte": since.isoformat()}
            try:
                answer = (await client.get(CHANGES, params=wanted)).json()
            except httpx.TransportError:
                continue  # it is asked again
            for change in answer["results"]:
                if change["id"] not in seen:
                    seen.add(change["id"])
                    yield device_line(change["object_data_v2"])


def device_line(device: Mapping[str, Any]) -> str:
    """A device of the CMDB as it is now, in a line."""
    status, place = device["status"]["name"], device["location"]["name"]
    return f"CMDB: device {device['name']} with serial {device['serial']} at {place} is {status.lower()}"
