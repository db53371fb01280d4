"""Webhooks as a real Nautobot's worker posts them: signed, of what a person changes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from secrets import token_hex
from threading import Thread

import httpx
import pytest

from connector.sdk import AssetRecord, AuthError, Deferred, EntityKind, SourceRef, Tombstone, WebhookRequest
from tests.real import nautobot
from tests.real.connected import Source, connected
from tests.real.nautobot import Nautobot
from tests.real.server import LOOPBACK

ADDRESS = "http://10.20.30.40/webhooks/cmdb"
"""What is entered in Nautobot, which refuses the loopback network. Its proxy is the test."""
SECRET = token_hex(16)
LONGEST_WAIT = 180
"""Seconds. The worker takes some to start."""


@pytest.fixture
def posted(cmdb: Nautobot) -> Iterator[Queue[WebhookRequest]]:
    """Everything that the worker posts about devices."""
    arrived: Queue[WebhookRequest] = Queue()

    class Hub(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == ADDRESS
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            arrived.put(WebhookRequest(headers=headers, body=body, received_at=datetime.now(UTC)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    listening = ThreadingHTTPServer((LOOPBACK, nautobot.work()), Hub)
    thread = Thread(target=listening.serve_forever)
    thread.start()
    entered = {
        "name": f"hub-{token_hex(4)}", "content_types": ["dcim.device"], "payload_url": ADDRESS, "secret": SECRET,
        "type_create": True, "type_update": True, "type_delete": True, "http_method": "POST",
        "http_content_type": "application/json",
    }  # fmt: skip
    try:
        with cmdb.client() as client:
            made = client.post("/api/extras/webhooks/", json=entered).raise_for_status().json()["id"]
            yield arrived
            client.delete(f"/api/extras/webhooks/{made}/").raise_for_status()
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()


class Person:
    """Enters a device."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def make(self, serial: str) -> str:
        """A device like another one; its id."""
        like = self._client.get("/api/dcim/devices/", params={"limit": 1, "asset_tag": "AT-000001"}).raise_for_status()
        (row,) = like.json()["results"]
        fields = {name: row[name]["id"] for name in ("role", "location", "device_type")}
        entered = {"name": f"hooked-{serial}", "serial": serial, "status": "Active", **fields}
        return str(self._client.post("/api/dcim/devices/", json=entered).raise_for_status().json()["id"])

    def change(self, device: str, serial: str) -> None:
        """Another serial."""
        self._client.patch(f"/api/dcim/devices/{device}/", json={"serial": serial}).raise_for_status()

    def delete(self, device: str) -> None:
        """The device goes."""
        self._client.delete(f"/api/dcim/devices/{device}/").raise_for_status()


@pytest.fixture
def person(cmdb: Nautobot) -> Iterator[Person]:
    with cmdb.client() as client:
        yield Person(client)


@pytest.fixture
async def source(cmdb: Nautobot) -> AsyncIterator[Source]:
    settings = {"base_url": cmdb.url, "token": cmdb.token, "webhook_secret": SECRET}
    async with connected("nautobot", settings) as source:
        yield source


async def test_a_device_that_is_made_changed_and_deleted_is_told_of_each_time(
    source: Source, posted: Queue[WebhookRequest], person: Person
) -> None:
    serial = f"H-{token_hex(4)}"
    device = person.make(serial)
    ref = SourceRef(kind=EntityKind.ASSET, external_id=device)

    made = posted.get(timeout=LONGEST_WAIT)
    source.adapter.verify(made)
    flipped = replace(made, body=made.body[:-1] + bytes([made.body[-1] ^ 1]))
    with pytest.raises(AuthError):
        source.adapter.verify(flipped)
    assert source.adapter.parse(made).fetch == (ref,)
    assert await _serial(source, ref) == serial

    person.change(device, f"{serial}-2")
    changed = posted.get(timeout=LONGEST_WAIT)
    source.adapter.verify(changed)
    assert source.adapter.parse(changed).fetch == (ref,)
    assert await _serial(source, ref) == f"{serial}-2"

    person.delete(device)
    deleted = posted.get(timeout=LONGEST_WAIT)
    source.adapter.verify(deleted)
    told = source.adapter.parse(deleted)
    assert told.fetch == ()
    assert [(type(record), record.ref) for record in told.records] == [(Tombstone, ref)]
    assert posted.empty()


async def _serial(source: Source, ref: SourceRef) -> str | None:
    record = await source.adapter.fetch(ref)
    made = record.made() if isinstance(record, Deferred) else record
    assert isinstance(made, AssetRecord)
    return made.serial
