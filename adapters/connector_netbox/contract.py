"""What the contract kit needs to check this adapter: the sandbox by the kit's terms, and payloads of NetBox's form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import orjson

from connector.sdk import Clock, EntityKind, IdempotencyKey, ProductKey, Record, RecordSwap, SourceRef, WebhookRequest
from connector.sdk.testing import (
    App,
    Contract,
    Golden,
    NotApplicable,
    Operation,
    OperationKind,
    Refused,
    Sandbox,
    SentWebhook,
    Signature,
)
from connector_netbox import mapping
from connector_netbox.config import NetBoxConfig
from connector_netbox.places import Hubs
from connector_netbox.sandbox import Hook, NetBoxSandbox, sign
from connector_netbox.sandbox_shapes import CHANGE, DEVICE, DEVICE_TYPE, SITE, Fields

TOKEN = "nbt_canary4c1f9b.2e7d8a5b60c3e2f1a09b8c7d6e5f4012"  # noqa: S105 - of the sandbox
SECRET = "canary-webhook-93b1c7"  # noqa: S105 - of the sandbox
PAGE = 6
LONG_AGO = timedelta(days=400)
KINDS = {"places": EntityKind.SITE, "device_types": EntityKind.PRODUCT, "devices": EntityKind.ASSET}
TYPES = {EntityKind.SITE: SITE, EntityKind.PRODUCT: DEVICE_TYPE, EntityKind.ASSET: DEVICE}


class KitSandbox(Sandbox):
    """The sandbox of NetBox as the kit wants to handle it."""

    def __init__(self, clock: Clock) -> None:
        self._long_ago = clock.now() - LONG_AGO
        self.netbox = NetBoxSandbox(clock, token=TOKEN, hooks=(Hook("http://hub.test/hook", SECRET),))
        self.netbox.add_tag("spare-hub")
        self._maker = self.netbox.add_manufacturer("Juniper", at=self._long_ago)
        self._number = 0

    def app(self) -> App:
        """The sandbox's server."""
        return self.netbox.app

    def settings(self) -> Mapping[str, object]:
        """Settings with a small page."""
        return {
            "base_url": "http://netbox.test",
            "token": TOKEN,
            "webhook_secret": SECRET,
            "hub_tags": ["spare-hub"],
            "page_size": PAGE,
            "write_back": True,
        }

    def wrong_settings(self) -> Mapping[str, object]:
        """Settings with an unknown token."""
        return {**self.settings(), "token": f"nbt_{'0' * 12}.{'0' * 40}"}

    def page_size(self, stream: str) -> int:
        """Deletions come in halves: one may erase both a site and a hub."""
        return PAGE // 2 if stream == "deletions" else PAGE

    def seed(self, stream: str, count: int, *, at: datetime, step: timedelta) -> tuple[SourceRef, ...]:
        """Sites, device types, devices, or devices that were deleted."""
        refs = tuple(self._add(stream, at=at + step * number) for number in range(count))
        if stream == "deletions":
            for number, ref in enumerate(refs):
                self.netbox.remove(DEVICE, int(ref.external_id), at=at + step * number)
        return refs

    def touch(self, ref: SourceRef, *, at: datetime) -> None:
        """Change a field that the record shows."""
        self._row(ref)
        self._number += 1
        label = "model" if ref.kind is EntityKind.PRODUCT else "name"
        self.netbox.change(TYPES[ref.kind], int(ref.external_id), at=at, **{label: f"changed {self._number}"})

    def delete(self, ref: SourceRef, *, at: datetime) -> None:
        """Delete as the API does."""
        self._row(ref)
        self.netbox.remove(TYPES[ref.kind], int(ref.external_id), at=at)

    def seed_malformed(self, stream: str, *, at: datetime) -> SourceRef | None:
        """An object without what its record needs."""
        ref = self._add(stream, at=at)
        if stream == "deletions":
            self.netbox.remove(DEVICE, int(ref.external_id), at=at)
            list(self.netbox.tables[CHANGE].values())[-1]["changed_object_id"] = None
            return None
        wrong: dict[str, Fields] = {
            "places": {"latitude": "north of here", "longitude": 1},
            "device_types": {"model": ""},
        }
        self._row(ref).update(wrong.get(stream, {"site": None, "device_type": None}))
        return ref

    def seed_unusual(self, stream: str, *, at: datetime) -> SourceRef:
        """An object with a field of the next release and a value of somebody's own."""
        ref = self._add(stream, at=at)
        if stream == "deletions":
            self.netbox.remove(DEVICE, int(ref.external_id), at=at)
            list(self.netbox.tables[CHANGE].values())[-1] |= {"mood": 7}
            return ref
        self._row(ref).update({"custom_fields": {"criticality": "galactic", "mood": 7}, "mood": {"today": "fine"}})
        if stream == "devices":
            self._row(ref)["status"] = "haunted"
        return ref

    def webhook(self, ref: SourceRef | None = None, *, at: datetime) -> SentWebhook:
        """Rename a device and take what is in the outbox."""
        ref = ref or self._add("devices", at=at)
        waiting = len(self.netbox.pending())
        self.touch(ref, at=at)
        _, body, signature = self.netbox.pending()[waiting]
        return SentWebhook(ref, WebhookRequest({"x-hook-signature": signature}, body, at))

    def webhook_of_unknown_kind(self, *, at: datetime) -> WebhookRequest:
        """A webhook about a kind of object that the adapter does not read."""
        sent = self.webhook(at=at).request
        body = orjson.dumps({**orjson.loads(sent.body), "object_type": "ipam.vlan"})
        return WebhookRequest({"x-hook-signature": sign(SECRET, body)}, body, at)

    def signature(self) -> Signature:
        """HMAC over the body, which holds the time."""
        return Signature("x-hook-signature", expires_after=timedelta(minutes=15))

    def operation(self, kind: OperationKind, key: IdempotencyKey) -> Operation:
        """A spare of another site is put in place of a device in a room of Vienna."""
        if kind is not RecordSwap:
            raise NotApplicable("NetBox is asked for nothing else")
        at, model, site = self._long_ago, self._type(), self._site()
        room = self.netbox.add_location("Room 1", site, at=at)
        depot = self.netbox.add_site("Depot", at=at)
        failed = self.netbox.add_device("vie-1", device_type=model, site=site, location=room, serial="SN-OLD", at=at)
        spare = self.netbox.add_device(
            "spare-1", device_type=model, site=depot, rack=self.netbox.add_rack("R1", depot, at=at), face="front",
            status="inventory", serial="SN-NEW", asset_tag="AT-NEW", at=at,
        )  # fmt: skip
        return RecordSwap(
            key=key, failed=_ref(EntityKind.ASSET, failed), replacement=_ref(EntityKind.ASSET, spare),
            failed_serial="SN-OLD", serial="SN-NEW", asset_tag="AT-NEW",
            product=ProductKey(manufacturer="Juniper", model="MX204"), product_ref=_ref(EntityKind.PRODUCT, model),
            site=_ref(EntityKind.SITE, site), reference="INC-1",
        )  # fmt: skip

    def effects(self, operation: Operation) -> int:
        """Changes of the record that stands for the replacement, once the failed device is out of use."""
        assert isinstance(operation, RecordSwap)  # noqa: S101 - it is the only kind
        record_id = int(operation.record.external_id)
        log = self.netbox.tables[CHANGE].values()
        changes = sum((row["changed_object_type"], row["changed_object_id"]) == (DEVICE, record_id) for row in log)
        if operation.replacement is None or operation.failed is None:
            return changes
        return changes if self._row(operation.failed).get("status") == "decommissioning" else 0

    def refused_operation(self, kind: OperationKind, key: IdempotencyKey) -> Refused:
        """An asset tag that another device has."""
        operation = self.operation(kind, key)
        assert isinstance(operation, RecordSwap)  # noqa: S101 - it is the only kind
        self.netbox.add_device(
            "other", device_type=self._type(), site=self._site(), asset_tag="AT-1", at=self._long_ago
        )
        return Refused(replace(operation, asset_tag="AT-1"), "asset_tag")

    def settings_without_write_back(self) -> Mapping[str, object]:
        """As they are by default."""
        return {name: value for name, value in self.settings().items() if name != "write_back"}

    def unknown_asset(self) -> SourceRef:
        """A device that nobody added."""
        return _ref(EntityKind.ASSET, 99_999)

    def _add(self, stream: str, *, at: datetime) -> SourceRef:
        self._number += 1
        netbox, name = self.netbox, f"{stream} {self._number:04}"
        if stream == "places":
            number = netbox.add_site(name, latitude=48.208176, longitude=16.373819, at=at)
        elif stream == "device_types":
            number = netbox.add_device_type(self._maker, name, at=at)
        else:
            serial = f"SN{self._number:08}"
            number = netbox.add_device(name, device_type=self._type(), site=self._site(), serial=serial, at=at)
        return _ref(KINDS.get(stream, EntityKind.ASSET), number)

    def _type(self) -> int:
        found = next(iter(self.netbox.tables[DEVICE_TYPE]), None)
        return found or self.netbox.add_device_type(self._maker, "MX204", at=self._long_ago)

    def _site(self) -> int:
        found = next(iter(self.netbox.tables[SITE]), None)
        return found or self.netbox.add_site("Vienna", at=self._long_ago)

    def _row(self, ref: SourceRef) -> Fields:
        row = self.netbox.tables[TYPES[ref.kind]].get(int(ref.external_id))
        if row is None:
            raise NotApplicable("what was deleted does not change any more")
        return row


def _ref(kind: EntityKind, number: int) -> SourceRef:
    return SourceRef(kind=kind, external_id=str(number))


def read_listed(_name: str, body: bytes) -> Sequence[Record]:
    """The records of a file of lists by their names, as NetBox answers them; site 2 and location 2 are hubs."""
    lists = orjson.loads(body)
    config = NetBoxConfig.model_validate({"base_url": "https://netbox.example.com", "token": "none"})
    hubs, custom, base = Hubs(frozenset({"2"}), {"2": "2", "3": "2"}), config.custom_field, "https://netbox.example.com"
    sites = {row["id"]: row for row in lists["sites"]}
    found: list[Record] = [mapping.site(row, hubs, custom) for row in lists["sites"]]
    found += [
        mapping.hub_in_site(row, sites[row["site"]["id"]], custom)
        for row in lists["locations"]
        if str(row["id"]) in hubs.locations.values()
    ]
    found += [mapping.product(row, custom) for row in lists["device_types"]]
    found += [mapping.device(row, config.asset_states(), hubs, custom, base) for row in lists["devices"]]
    return found


CONTRACT = Contract(
    adapter="netbox",
    sandbox=KitSandbox,
    golden=Golden(Path(__file__).parent / "payloads", read=read_listed),
)
