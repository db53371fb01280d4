"""What the contract kit needs to check this adapter: the sandbox by the kit's terms, and recorded payloads."""

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
from connector_nautobot import mapping
from connector_nautobot.config import NautobotConfig
from connector_nautobot.places import Location, LocationUses, place_of
from connector_nautobot.sandbox import Hook, NautobotSandbox, sign
from connector_nautobot.sandbox_shapes import CHANGE, DEVICE, DEVICE_TYPE, LOCATION, STATUS

TOKEN = "canary4c1f9b2e7d8a5b60c3e2f1a09b8c7d6e5f40"  # noqa: S105 - of the sandbox
SECRET = "canary-webhook-93b1c7"  # noqa: S105 - of the sandbox
PAGE = 6
LONG_AGO = timedelta(days=400)
KINDS = {"locations": EntityKind.SITE, "device_types": EntityKind.PRODUCT, "devices": EntityKind.ASSET}
TYPES = {EntityKind.SITE: LOCATION, EntityKind.PRODUCT: DEVICE_TYPE, EntityKind.ASSET: DEVICE}


class KitSandbox(Sandbox):
    """The sandbox of Nautobot as the kit wants to handle it."""

    def __init__(self, clock: Clock) -> None:
        self._long_ago = clock.now() - LONG_AGO
        self.nautobot = NautobotSandbox(clock, token=TOKEN, hooks=(Hook("http://hub.test/hook", SECRET),))
        self._maker = self.nautobot.add_manufacturer("Juniper", at=self._long_ago)
        region_type = self.nautobot.add_location_type("Region", at=self._long_ago)
        self._site_type = self.nautobot.add_location_type("Site", parent=region_type, at=self._long_ago)
        self._room_type = self.nautobot.add_location_type("Room", parent=self._site_type, at=self._long_ago)
        self._region = self.nautobot.add_location("North", region_type, at=self._long_ago)
        self._number = 0

    def app(self) -> App:
        """The sandbox's server."""
        return self.nautobot.app

    def settings(self) -> Mapping[str, object]:
        """Settings with a small page."""
        return {
            "base_url": "http://nautobot.test",
            "token": TOKEN,
            "webhook_secret": SECRET,
            "site_location_types": ["Site"],
            "page_size": PAGE,
            "write_back": True,
        }

    def wrong_settings(self) -> Mapping[str, object]:
        """Settings with an unknown token."""
        return {**self.settings(), "token": "0" * 40}

    def page_size(self, stream: str) -> int:
        """Deletions come in halves: one may erase both a site and a hub."""
        return PAGE // 2 if stream == "deletions" else PAGE

    def seed(self, stream: str, count: int, *, at: datetime, step: timedelta) -> tuple[SourceRef, ...]:
        """Sites, device types, devices, or devices that were deleted."""
        refs = tuple(self._add(stream, at=at + step * number) for number in range(count))
        if stream == "deletions":
            for number, ref in enumerate(refs):
                self.nautobot.remove(ref.external_id, at=at + step * number)
        elif step == timedelta(0):
            return tuple(sorted(refs, key=lambda ref: ref.external_id))
        return refs

    def touch(self, ref: SourceRef, *, at: datetime) -> None:
        """Change a field that the record shows."""
        if self.nautobot.store.find(ref.external_id) is None:
            raise NotApplicable("what was deleted does not change any more")
        self._number += 1
        label = "model" if ref.kind is EntityKind.PRODUCT else "name"
        self.nautobot.change(ref.external_id, at=at, **{label: f"changed {self._number}"})

    def delete(self, ref: SourceRef, *, at: datetime) -> None:
        """Delete as the API does."""
        if self.nautobot.store.find(ref.external_id) is None:
            raise NotApplicable("what was deleted cannot be deleted again")
        self.nautobot.remove(ref.external_id, at=at)

    def seed_malformed(self, stream: str, *, at: datetime) -> SourceRef | None:
        """An object without what its record needs."""
        ref = self._add(stream, at=at)
        if stream == "deletions":
            self.nautobot.remove(ref.external_id, at=at)
            change = self.nautobot.rows("extras.objectchange")[-1]
            self.nautobot.store.put("extras.objectchange", {**change, "changed_object_id": None})
            return None
        _, row = self._row(ref)
        wrong = {"locations": {"latitude": "north of here", "longitude": "1"}, "device_types": {"model": ""}}
        self._put(ref, {**row, **wrong.get(stream, {"location": None, "device_type": None})})
        return ref

    def seed_unusual(self, stream: str, *, at: datetime) -> SourceRef:
        """An object with a field of the next release and a value of somebody's own."""
        ref = self._add(stream, at=at)
        if stream == "deletions":
            self.nautobot.remove(ref.external_id, at=at)
            change = self.nautobot.rows("extras.objectchange")[-1]
            self.nautobot.store.put("extras.objectchange", {**change, "change_context": "telepathy", "mood": 7})
            return ref
        _, row = self._row(ref)
        value: dict[str, object] = {"custom_fields": {"hub_tier": "galactic", "mood": 7}, "mood": {"today": "fine"}}
        if stream == "devices":
            value["status"] = self.nautobot.add(STATUS, name="Haunted", content_types=[DEVICE], at=self._long_ago)
        self._put(ref, {**row, **value})
        return ref

    def webhook(self, ref: SourceRef | None = None, *, at: datetime) -> SentWebhook:
        """Rename a device and take what is in the outbox."""
        ref = ref or self._add("devices", at=at)
        waiting = len(self.nautobot.pending())
        self.touch(ref, at=at)
        _, body, signature = self.nautobot.pending()[waiting]
        return SentWebhook(ref, WebhookRequest({"x-hook-signature": signature}, body, at))

    def webhook_of_unknown_kind(self, *, at: datetime) -> WebhookRequest:
        """A webhook about a kind of object that the adapter does not read."""
        sent = self.webhook(at=at).request
        body = orjson.dumps({**orjson.loads(sent.body), "model": "vlan"})
        return WebhookRequest({"x-hook-signature": sign(SECRET, body)}, body, at)

    def signature(self) -> Signature:
        """HMAC over the body, which holds the time."""
        return Signature("x-hook-signature", expires_after=timedelta(minutes=15))

    def operation(self, kind: OperationKind, key: IdempotencyKey) -> Operation:
        """A spare of another region is put in place of a device in a room of Vienna."""
        if kind is not RecordSwap:
            raise NotApplicable("Nautobot is asked for nothing else")
        at, model, site = self._long_ago, self._type(), self._site()
        room = self.nautobot.add_location("Room 1", self._room_type, parent=site, at=at)
        depot = self.nautobot.add_location("Depot", self._site_type, parent=self._region, at=at)
        failed = self.nautobot.add_device("vie-1", device_type=model, location=room, serial="SN-OLD", at=at)
        spare = self.nautobot.add_device(
            "spare-1", device_type=model, location=depot, status="Inventory", serial="SN-NEW", asset_tag="AT-NEW", at=at
        )
        return RecordSwap(
            key=key, failed=_asset_ref(failed), replacement=_asset_ref(spare), failed_serial="SN-OLD", serial="SN-NEW",
            asset_tag="AT-NEW", product=ProductKey(manufacturer="Juniper", model="MX204"),
            product_ref=SourceRef(kind=EntityKind.PRODUCT, external_id=model),
            site=SourceRef(kind=EntityKind.SITE, external_id=site), reference="INC-1",
        )  # fmt: skip

    def effects(self, operation: Operation) -> int:
        """Changes of the record that stands for the replacement, once the failed device is out of use."""
        assert isinstance(operation, RecordSwap)  # noqa: S101 - it is the only kind
        record_id = operation.record.external_id
        changes = [row for row in self.nautobot.rows(CHANGE) if row["changed_object_id"] == record_id]
        if operation.replacement is None or operation.failed is None:
            return len(changes)
        _, failed = self._row(operation.failed)
        return len(changes) if failed["status"] == self.nautobot.status("Decommissioning") else 0

    def refused_operation(self, kind: OperationKind, key: IdempotencyKey) -> Refused:
        """An asset tag that another device has."""
        operation = self.operation(kind, key)
        assert isinstance(operation, RecordSwap)  # noqa: S101 - it is the only kind
        self.nautobot.add_device(
            "other", device_type=self._type(), location=self._site(), asset_tag="AT-1", at=self._long_ago
        )
        return Refused(replace(operation, asset_tag="AT-1"), "asset_tag")

    def settings_without_write_back(self) -> Mapping[str, object]:
        """As they are by default."""
        return {name: value for name, value in self.settings().items() if name != "write_back"}

    def unknown_asset(self) -> SourceRef:
        """A device that nobody added."""
        return _asset_ref("00000000-0000-4000-8000-000000000000")

    def _add(self, stream: str, *, at: datetime) -> SourceRef:
        self._number += 1
        nautobot, name = self.nautobot, f"{stream} {self._number:04}"
        if stream == "locations":
            external_id = nautobot.add_location(
                name, self._site_type, parent=self._region, latitude="48.208176", longitude="16.373819", at=at
            )
        elif stream == "device_types":
            external_id = nautobot.add_device_type(self._maker, name, at=at)
        else:
            external_id = nautobot.add_device(
                name, device_type=self._type(), location=self._site(), serial=f"SN{self._number:08}", at=at
            )
        return SourceRef(kind=KINDS.get(stream, EntityKind.ASSET), external_id=external_id)

    def _type(self) -> str:
        rows = self.nautobot.rows(DEVICE_TYPE)
        return str(rows[0]["id"]) if rows else self.nautobot.add_device_type(self._maker, "MX204", at=self._long_ago)

    def _site(self) -> str:
        sites = [row for row in self.nautobot.rows(LOCATION) if row["location_type"] == self._site_type]
        if sites:
            return str(sites[0]["id"])
        return self.nautobot.add_location("Vienna", self._site_type, parent=self._region, at=self._long_ago)

    def _row(self, ref: SourceRef) -> tuple[str, dict[str, object]]:
        content_type = TYPES[ref.kind]
        return content_type, self.nautobot.store.tables[content_type].rows[ref.external_id]

    def _put(self, ref: SourceRef, row: dict[str, object]) -> None:
        self.nautobot.store.put(TYPES[ref.kind], row)


def _asset_ref(external_id: str) -> SourceRef:
    return SourceRef(kind=EntityKind.ASSET, external_id=external_id)


def read_recorded(_name: str, body: bytes) -> Sequence[Record]:
    """The records of a recorded file: lists of a real Nautobot by their names, as the adapter asks for them."""
    lists = orjson.loads(body)
    config = NautobotConfig.model_validate({"base_url": "https://nautobot.example.com", "token": "none"})
    uses, custom = LocationUses(config), config.custom_field
    names = {
        table: {row["id"]: row["name"] for row in lists.get(table, [])}
        for table in ("location_types", "manufacturers", "statuses")
    }
    places = {row["id"]: mapping.facts_of_location(row, uses, names["location_types"]) for row in lists["locations"]}

    def lineage(external_id: str) -> list[Location]:
        place = places[external_id]
        return [place, *(lineage(place.parent) if place.parent else [])]

    found: list[Record | None] = [mapping.location(row, lineage(row["id"]), custom) for row in lists["locations"]]
    found += [mapping.product(row, names["manufacturers"], custom) for row in lists["device_types"]]
    relatives = mapping.Relatives(
        chassis={row["id"]: row["device"]["id"] for row in lists["device_bays"]},
        masters={row["id"]: (row["master"] or {}).get("id") for row in lists["virtual_chassis"]},
    )
    for row in lists["devices"]:
        related = mapping.relations_of(row, relatives)
        place = place_of(lineage(row["location"]["id"]))
        base = "https://nautobot.example.com"
        states = config.asset_states()
        found.append(mapping.device(row, names["statuses"], states, place, custom, base, relations=related))
    return [record for record in found if record is not None]


CONTRACT = Contract(
    adapter="nautobot",
    sandbox=KitSandbox,
    golden=Golden(Path(__file__).parent / "payloads", read=read_recorded),
)
