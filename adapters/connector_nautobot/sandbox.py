"""A sandbox of Nautobot 3.2: its REST API for what the adapter reads, with the traps of the real one.

It holds a hundred thousand devices in memory, keeps them in a file if asked, and posts signed webhooks. It is for
tests and demonstrations; there is nothing in it that a production system needs.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson
from starlette.applications import Starlette

from connector.sdk import Clock, hmac_hex
from connector_nautobot.sandbox_relations import follow
from connector_nautobot.sandbox_rest import routes
from connector_nautobot.sandbox_shapes import (
    CHANGE,
    DEVICE,
    DEVICE_TYPE,
    LOCATION,
    LOCATION_TYPE,
    MANUFACTURER,
    SHAPES,
    STATUS,
    WEBHOOK,
    micros,
    shown,
)
from connector_nautobot.sandbox_store import Fields, Store

log = logging.getLogger("connector.sandbox.nautobot")

STATUSES = ("Active", "Decommissioning", "Failed", "Inventory", "Offline", "Planned", "Staged")
"""The statuses of a device in a new Nautobot."""
EVENTS = {"create": "created", "update": "updated", "delete": "deleted"}


@dataclass(frozen=True, slots=True)
class Hook:
    """Where to post changes of the three types that matter here, signed with `secret`."""

    url: str
    secret: str


class NautobotSandbox:
    """The sandbox. Objects are added by the methods here (as a bulk load: no change record, no webhook) or by REST.

    token: what clients must send. journal: file in which everything is kept; an existing one is read first.
    hooks: webhooks to register. transport: for posting them, in tests.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        token: str,
        journal: Path | None = None,
        hooks: Sequence[Hook] = (),
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.clock = clock
        self.token = token
        self.hidden: set[str] = set()
        """Content types that the token's user may not view."""
        self.is_read_only = False
        """Whether the token may only read."""
        self.store = Store(tuple(SHAPES), journal=journal)
        self._transport = transport
        self._outbox: list[tuple[str, bytes, str]] = []
        self._posted = asyncio.Event()
        if not self.rows(STATUS):
            for name in STATUSES:
                self.add(STATUS, name=name, content_types=[DEVICE, LOCATION], at=datetime(2026, 1, 1, tzinfo=UTC))
        for row in [*self.rows(WEBHOOK)]:
            self.store.drop(WEBHOOK, row["id"])
        for number, hook in enumerate(hooks, 1):
            self.add(
                WEBHOOK, name=f"hook {number}", payload_url=hook.url, secret=hook.secret,
                content_types=[DEVICE, DEVICE_TYPE, LOCATION], type_create=True, type_update=True, type_delete=True,
            )  # fmt: skip
        self.app = Starlette(routes=routes(self), lifespan=self._lifespan)

    def rows(self, content_type: str) -> list[Fields]:
        """All objects of a type."""
        return list(self.store.tables[content_type].rows.values())

    def count(self, content_type: str) -> int:
        """Number of objects of a type."""
        return len(self.store.tables[content_type].rows)

    # Loading: what a seed script does

    def add_location_type(self, name: str, *, parent: str | None = None, at: datetime | None = None) -> str:
        """Add a location type; its id."""
        return self.add(LOCATION_TYPE, name=name, parent=parent, at=at)

    def add_location(
        self,
        name: str,
        location_type: str,
        *,
        parent: str | None = None,
        at: datetime | None = None,
        **fields: Any,
    ) -> str:
        """Add a location of a type, both by id; its id. fields: as the API names them, latitude as text."""
        return self.add(LOCATION, name=name, location_type=location_type, parent=parent, at=at,
                        status=self.status("Active"), **fields)  # fmt: skip

    def add_manufacturer(self, name: str, *, at: datetime | None = None) -> str:
        """Add a manufacturer; its id."""
        return self.add(MANUFACTURER, name=name, at=at)

    def add_device_type(self, manufacturer: str, model: str, *, at: datetime | None = None, **fields: Any) -> str:
        """Add a model of a manufacturer, that by id; its id."""
        return self.add(DEVICE_TYPE, manufacturer=manufacturer, model=model, at=at, **fields)

    def add_device(
        self,
        name: str,
        *,
        device_type: str,
        location: str,
        status: str = "Active",
        at: datetime | None = None,
        **fields: Any,
    ) -> str:
        """Add a device of a type at a location, both by id, with a status by name; its id."""
        return self.add(DEVICE, name=name, device_type=device_type, location=location,
                        status=self.status(status), at=at, **fields)  # fmt: skip

    def add(self, content_type: str, *, at: datetime | None = None, **fields: Any) -> str:
        """Add an object of any type without a change record; its id."""
        now = micros(at or self.clock.now())
        given = {name: value for name, value in fields.items() if value is not None}
        row = {"id": str(uuid.uuid4()), "created": now, "last_updated": now, **given}
        self.store.put(content_type, row)
        follow(self.store, content_type, None, row, at=now)
        return str(row["id"])

    def status(self, name: str) -> str:
        """Id of a status. Raises KeyError when there is none of that name."""
        for row in self.store.tables[STATUS].rows.values():
            if row["name"] == name:
                return str(row["id"])
        raise KeyError(name)

    # Changing: what a person does in the web interface or a client by REST

    def create(self, content_type: str, fields: Fields) -> Fields:
        """Add an object, with change record and webhook."""
        row = self.store.tables[content_type].rows[self.add(content_type, **fields)]
        self._record("create", content_type, row, before=None, at=self.clock.now())
        return row

    def change(self, external_id: str, *, at: datetime | None = None, **fields: Any) -> Fields:
        """Set fields of an object; its time moves even when nothing differs, as in the real one."""
        content_type, row = self._find(external_id)
        moment = at or self.clock.now()
        before = shown(self.store, content_type, row, depth=1)
        if isinstance(fields.get("custom_fields"), dict):
            fields["custom_fields"] = {**row.get("custom_fields", {}), **fields["custom_fields"]}
        changed = {**row, **fields, "last_updated": micros(moment)}
        self.store.put(content_type, changed)
        follow(self.store, content_type, row, changed, at=micros(moment))
        self._record("update", content_type, changed, before=before, at=moment)
        return changed

    def remove(self, external_id: str, *, at: datetime | None = None) -> None:
        """Delete an object."""
        content_type, row = self._find(external_id)
        before = shown(self.store, content_type, row, depth=1)
        moment = at or self.clock.now()
        self._record("delete", content_type, row, before=before, at=moment)
        self.store.drop(content_type, external_id)
        follow(self.store, content_type, row, None, at=micros(moment))

    def _find(self, external_id: str) -> tuple[str, Fields]:
        found = self.store.find(external_id)
        if found is None:
            raise KeyError(external_id)
        return found

    def _record(self, action: str, content_type: str, row: Fields, *, before: Fields | None, at: datetime) -> None:
        """Write the change record, and put the webhooks that it calls for into the outbox."""
        request_id = str(uuid.uuid4())
        nested = shown(self.store, content_type, row, depth=1)
        self.store.put(CHANGE, {
            "id": str(uuid.uuid4()), "time": micros(at), "user_name": "admin", "request_id": request_id,
            "action": {"value": action, "label": EVENTS[action].capitalize()}, "changed_object_type": content_type,
            "changed_object_id": row["id"], "object_repr": nested["display"], "object_data": row,
            "object_data_v2": nested,
        })  # fmt: skip
        after = None if action == "delete" else nested
        body = orjson.dumps({
            "event": EVENTS[action],
            "timestamp": str(at.astimezone(UTC)),
            "model": content_type.partition(".")[2],
            "username": "admin",
            "request_id": request_id,
            "data": nested,
            "snapshots": {
                "prechange": before,
                "postchange": after,
                "differences": {"removed": _difference(before, after), "added": _difference(after, before)},
            },
        })  # fmt: skip
        for hook in self.rows(WEBHOOK):
            if hook.get("enabled", True) and content_type in hook["content_types"] and hook.get(f"type_{action}"):
                self._outbox.append((hook["payload_url"], body, sign(hook["secret"], body)))
        self._posted.set()

    # Webhooks

    def pending(self) -> list[tuple[str, bytes, str]]:
        """Webhooks that are not posted yet: address, body, signature."""
        return list(self._outbox)

    async def deliver(self) -> int:
        """Post what is in the outbox, once each; a receiver that is away misses it. The number accepted."""
        waiting, self._outbox = self._outbox, []
        accepted = 0
        if not waiting:
            return accepted
        async with httpx.AsyncClient(transport=self._transport, trust_env=False, timeout=10) as client:
            for url, body, signature in waiting:
                headers = {"Content-Type": "application/json", "X-Hook-Signature": signature}
                try:
                    answer = await client.post(url, content=body, headers=headers)
                except httpx.HTTPError as error:
                    log.warning("webhook to %s was not delivered: %s", url, type(error).__name__)
                    continue
                accepted += answer.is_success
        return accepted

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        posting = asyncio.create_task(self._deliver_as_they_come())
        yield
        posting.cancel()
        await asyncio.gather(posting, return_exceptions=True)
        self.store.close()

    async def _deliver_as_they_come(self) -> None:
        while True:
            await self._posted.wait()
            self._posted.clear()
            self.store.flush()
            await self.deliver()


def sign(secret: str, body: bytes) -> str:
    """The signature of a webhook's body."""
    return hmac_hex(secret, body, "sha512") if secret else ""


def _difference(one: Fields | None, other: Fields | None) -> Fields | None:
    """Fields of `one` that differ in `other`; None when there is no `one`."""
    if one is None:
        return None
    return {name: value for name, value in one.items() if other is None or other.get(name) != value}
