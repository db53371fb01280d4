"""A sandbox of NetBox 4.6 (or an older one): its REST API for what the adapter reads, with the traps of the real one.

It is for tests and demonstrations; there is nothing in it that a production system needs.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import orjson
from starlette.applications import Starlette

from connector.sdk import Clock, hmac_hex
from connector_netbox.sandbox_rest import routes
from connector_netbox.sandbox_shapes import (
    CHANGE,
    DEVICE,
    DEVICE_TYPE,
    LOCATION,
    MANUFACTURER,
    RACK,
    SHAPES,
    SITE,
    TAG,
    Fields,
    Tables,
    View,
    micros,
)

STATUSES = ("offline", "active", "planned", "staged", "failed", "inventory", "decommissioning")
"""The statuses of a device in a new NetBox."""
EVENTS = {"create": "created", "update": "updated", "delete": "deleted"}
HOOKED = frozenset({SITE, LOCATION, DEVICE_TYPE, DEVICE})


@dataclass(frozen=True, slots=True)
class Hook:
    """Where an event rule posts changes of sites, locations, device types and devices, signed with `secret`."""

    url: str
    secret: str


class NetBoxSandbox:
    """The sandbox. Objects are added by the methods here (as a bulk load: no change record, no webhook).

    token: what clients must send. version: of NetBox, which decides on cursors, entity tags and the form of webhooks.
    zone: TIME_ZONE of the server, in which it writes its times. hooks: where changes are posted to.
    transport: for posting them, in tests.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        token: str,
        version: tuple[int, int] = (4, 6),
        zone: str = "UTC",
        hooks: Sequence[Hook] = (),
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.clock = clock
        self.token = token
        self.token_problem: str | None = None
        """What NetBox says of a token that it knows, such as "Token expired"."""
        self.version = version
        self.max_page_size = 1000
        self.hidden: set[str] = set()
        """Object types that the token's user may not view."""
        self.is_read_only = False
        """Whether the token may only read."""
        self.statuses = {value: value.title() for value in STATUSES}
        """Label of each status by value, as FIELD_CHOICES has them."""
        self.tables: Tables = {object_type: {} for object_type in SHAPES}
        self.view = View(self.tables, self.statuses, ZoneInfo(zone))
        self._numbers = {object_type: count(1) for object_type in SHAPES}
        self._hooks = tuple(hooks)
        self._transport = transport
        self._outbox: list[tuple[str, bytes, str]] = []
        self.app = Starlette(routes=routes(self))

    # Loading: what a seed script does

    def add(self, object_type: str, *, at: datetime | None = None, **fields: Any) -> int:
        """Add an object of any type without a change record; its id."""
        now = micros(at or self.clock.now())
        number = next(self._numbers[object_type])
        slug = str(fields.get("name") or fields.get("model") or number).lower().replace(" ", "-")
        row = {"id": number, "created": now, "last_updated": now, **deepcopy(SHAPES[object_type].blank), "slug": slug}
        self.tables[object_type][number] = row | fields
        return number

    def add_tag(self, slug: str) -> int:
        """Add a tag; its id."""
        return self.add(TAG, name=slug.title(), slug=slug)

    def add_site(self, name: str, *, at: datetime | None = None, **fields: Any) -> int:
        """Add a site; its id. fields: as the API names them, references by id, tags by slug."""
        return self.add(SITE, name=name, at=at, **fields)

    def add_location(self, name: str, site: int, *, at: datetime | None = None, **fields: Any) -> int:
        """Add a location in a site; its id."""
        return self.add(LOCATION, name=name, site=site, at=at, **fields)

    def add_rack(self, name: str, site: int, *, location: int | None = None, at: datetime | None = None) -> int:
        """Add a rack in a site; its id."""
        return self.add(RACK, name=name, site=site, location=location, at=at)

    def add_manufacturer(self, name: str, *, at: datetime | None = None) -> int:
        """Add a manufacturer; its id."""
        return self.add(MANUFACTURER, name=name, at=at)

    def add_device_type(self, manufacturer: int, model: str, *, at: datetime | None = None, **fields: Any) -> int:
        """Add a model of a manufacturer; its id."""
        return self.add(DEVICE_TYPE, manufacturer=manufacturer, model=model, at=at, **fields)

    def add_device(
        self, name: str | None, *, device_type: int, site: int, at: datetime | None = None, **fields: Any
    ) -> int:
        """Add a device of a type at a site; its id."""
        return self.add(DEVICE, name=name, device_type=device_type, site=site, at=at, **fields)

    # Changing: what a person does in the web interface or a client by REST

    def change(self, object_type: str, number: int, *, at: datetime | None = None, **fields: Any) -> None:
        """Set fields of an object, with change record and webhook.

        A location that goes to another site takes along the devices in it, whose times stay as they are.
        """
        row = self.tables[object_type][number]
        moment = at or self.clock.now()
        if isinstance(fields.get("custom_fields"), dict):
            fields["custom_fields"] = {**row.get("custom_fields", {}), **fields["custom_fields"]}
        before = dict(row)
        changed = {**row, **fields, "last_updated": micros(moment)}
        self.tables[object_type][number] = changed
        if object_type == LOCATION and changed["site"] != before["site"]:
            self._take_along(number, changed["site"])
        self._record("update", object_type, changed, before=before, at=moment)

    def remove(self, object_type: str, number: int, *, at: datetime | None = None) -> None:
        """Delete an object; the locations of a site go with it."""
        row = self.tables[object_type][number]
        if object_type == SITE:
            for location in [key for key, inside in self.tables[LOCATION].items() if inside["site"] == number]:
                self.remove(LOCATION, location, at=at)
        self._record("delete", object_type, row, before=row, at=at or self.clock.now())
        del self.tables[object_type][number]

    def _take_along(self, location: int, site: int) -> None:
        for device in self.tables[DEVICE].values():
            if device.get("location") == location:
                device["site"] = site
        for number, below in self.tables[LOCATION].items():
            if below.get("parent") == location:
                below["site"] = site
                self._take_along(number, site)

    def _record(self, action: str, object_type: str, row: Fields, *, before: Fields, at: datetime) -> None:
        """Write the change record, and put the webhooks that it calls for into the outbox."""
        request_id = str(uuid.uuid4())
        after = None if action == "delete" else _flat(row)
        shown = self.view.shown(object_type, row)
        number = next(self._numbers[CHANGE])
        self.tables[CHANGE][number] = {
            "id": number, "time": micros(at), "user": None, "user_name": "admin", "request_id": request_id,
            "action": action, "changed_object_type": object_type, "changed_object_id": row["id"],
            "object_repr": shown["display"], "prechange_data": _flat(before), "postchange_data": after,
        }  # fmt: skip
        if object_type not in HOOKED:
            return
        path = shown["display_url"]
        context: Fields = {"event": EVENTS[action], "timestamp": at.astimezone(UTC).isoformat()}
        if self.version >= (4, 4):
            context["object_type"] = object_type
        if self.version < (4, 5):
            context["model"] = object_type.partition(".")[2]
        context |= {"username": "admin", "request_id": request_id, "data": shown}
        if self.version >= (4, 6):
            context["request"] = {"id": request_id, "method": "POST", "path": path, "user": "admin"}
        body = orjson.dumps(context | {"snapshots": {"prechange": _flat(before), "postchange": after}})
        self._outbox += [(hook.url, body, sign(hook.secret, body)) for hook in self._hooks]

    # Webhooks

    def pending(self) -> list[tuple[str, bytes, str]]:
        """Webhooks that are not posted yet: address, body, signature."""
        return list(self._outbox)

    async def deliver(self) -> int:
        """Post what is in the outbox, once each; a receiver that is away misses it. The number accepted."""
        waiting, self._outbox = self._outbox, []
        accepted = 0
        async with httpx.AsyncClient(transport=self._transport, trust_env=False, timeout=10) as client:
            for url, body, signature in waiting:
                headers = {"Content-Type": "application/json", **({"X-Hook-Signature": signature} if signature else {})}
                try:
                    accepted += (await client.post(url, content=body, headers=headers)).is_success
                except httpx.HTTPError:
                    continue
        return accepted


def sign(secret: str, body: bytes) -> str:
    """The signature of a webhook's body; none without a secret."""
    return hmac_hex(secret, body, "sha512") if secret else ""


def _flat(row: Fields) -> Fields:
    """An object as the change log keeps it: references as ids, choices as values."""
    return {name: value for name, value in row.items() if name not in ("id", "created", "last_updated")}
