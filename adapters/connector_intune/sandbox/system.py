"""SANDBOX: the whole sandbox system, as tests start it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from starlette.applications import Starlette

from connector.sdk import Clock, EntityKind, IdempotencyKey, ProductKey, RecordSwap, SourceRef
from connector.sdk.testing import Operation, OperationKind, Refused, Sandbox
from connector_intune.config import IntuneConfig
from connector_intune.sandbox.server import GraphServer
from connector_intune.sandbox.tenant import Tenant, guid, written
from connector_intune.sites import workplace

TENANT = "contoso.onmicrosoft.com"
CLIENT = ("5f1c3a52-0d8e-4a5f-9a1b-6f3f1f1f7c11", "sandbox~secret.8Q~1f9aK0b")
ROOT = "http://graph.test"
IN_USE, REPLACED, SPARE = "In use", "Replaced", "Spare"


class IntuneSandbox(Sandbox):
    """Graph in small: ids in no order, times of sync alone, filters that are passed over, columns left out of lists."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.tenant = Tenant(clock.now)
        for name in (IN_USE, REPLACED, SPARE):
            self.tenant.add_category(name)
        self.server = GraphServer(self.tenant, TENANT, CLIENT, ROOT)
        self._app = self.server.app()

    def app(self) -> Starlette:
        """The server, which is that of tokens as well."""
        return self._app

    def settings(self) -> Mapping[str, object]:
        """Settings of the adapter that fit, with small pages."""
        return {
            "base_url": ROOT, "login_url": "http://login.test", "tenant": TENANT, "client_id": CLIENT[0],
            "client_secret": CLIENT[1], "page_size": 10, "audit": True, "write_back": True,
            "categories": {SPARE: "in_stock", REPLACED: "return_pending"},
            "in_use_category": IN_USE, "failed_category": REPLACED,
        }  # fmt: skip

    def wrong_settings(self) -> Mapping[str, object]:
        """The same with a secret that has ended."""
        return {**self.settings(), "client_secret": "ended~secret.000000000000"}

    def settings_without_write_back(self) -> Mapping[str, object]:
        """The same without leave to write."""
        return {**self.settings(), "write_back": False}

    # Pulls

    def seed(self, stream: str, count: int, *, at: datetime, step: timedelta) -> tuple[SourceRef, ...]:
        """People with an office each, or devices of one person."""
        if stream == "places":
            return tuple(self.site_of(self._person()) for _ in range(count))
        user = next(iter(self.tenant.users.values()), None) or self.tenant.add_user()
        return tuple(ref_of(self.tenant.add_device(at + step * n, userId=user["id"])) for n in range(count))

    def touch(self, ref: SourceRef, *, at: datetime) -> None:
        """A device has another name and says so; the people of a site have another street."""
        if ref.kind is EntityKind.SITE:
            for person in self.tenant.users.values():
                if self.site_of(person) == ref:
                    person["streetAddress"] = f"{person['streetAddress']}a"
            return
        device = self.tenant.devices[ref.external_id]
        device.update(deviceName=f"{device['deviceName']}X", lastSyncDateTime=written(at))

    def delete(self, ref: SourceRef, *, at: datetime) -> None:
        """As a person does it; nobody has the office any more."""
        if ref.kind is not EntityKind.SITE:
            return self.tenant.delete(ref.external_id, at)
        for number, person in list(self.tenant.users.items()):
            if self.site_of(person) == ref:
                del self.tenant.users[number]
        return None

    def seed_malformed(self, stream: str, *, at: datetime) -> SourceRef | None:
        """An office that is a number, a time that is none."""
        if stream == "places":
            self.tenant.add_user(officeLocation=17)
            return None
        return ref_of(self.tenant.add_device(at, lastSyncDateTime="9999-soon"))

    def seed_unusual(self, stream: str, *, at: datetime) -> SourceRef:
        """Something of a later release."""
        if stream == "places":
            return self.site_of(self._person(country="Kosovo", usageLocation="", laterMood="sour"))
        return ref_of(self.tenant.add_device(at, managedDeviceOwnerType="shared", laterMood={"id": 1}))

    # WritesAssets

    def operation(self, kind: OperationKind, key: IdempotencyKey) -> Operation:
        """A spare that somebody of the site has enrolled replaces a device there."""
        if kind is not RecordSwap:
            return super().operation(kind, key)
        user, at = self._person(), self._clock.now()
        failed = self.tenant.add_device(at, userId=user["id"])
        spare = self.tenant.add_device(at, userId=user["id"], deviceCategoryDisplayName=SPARE)
        return RecordSwap(
            key=key, failed=ref_of(failed), replacement=ref_of(spare), failed_serial=failed["serialNumber"],
            serial=spare["serialNumber"], asset_tag=None, product=ProductKey(manufacturer="LENOVO", model="21HM"),
            product_ref=None, site=self.site_of(user), reference="INC-1",
        )  # fmt: skip

    def effects(self, operation: Operation) -> int:
        """Categories that were assigned, told by the log of writes."""
        if not isinstance(operation, RecordSwap):
            return super().effects(operation)
        failed = self.tenant.devices.get(operation.failed.external_id) if operation.failed else None
        if operation.replacement is None or (failed and failed["deviceCategoryDisplayName"] != REPLACED):
            return 0
        return self.tenant.writes.count(("PUT", operation.replacement.external_id, IN_USE))

    def keeps_serials(self) -> str:
        """Nobody writes a serial."""
        return "a serial is what the device itself says: no record comes to stand for another device"

    def refused_operation(self, kind: OperationKind, key: IdempotencyKey) -> Refused:
        """A replacement that has no record."""
        operation = self.operation(kind, key)
        if not isinstance(operation, RecordSwap):
            return super().refused_operation(kind, key)
        return Refused(replace(operation, replacement=None), "serialNumber")

    def unknown_asset(self) -> SourceRef:
        """An id that was never given."""
        return SourceRef(kind=EntityKind.ASSET, external_id=guid(9, 9))

    # Things

    def site_of(self, person: Mapping[str, Any]) -> SourceRef:
        """The site at which somebody works."""
        found = workplace(dict(person), IntuneConfig.model_validate(self.settings()))
        if found is None:
            raise ValueError(f"{person['displayName']} works nowhere")
        return found.ref()

    def _person(self, **values: Any) -> dict[str, Any]:
        return self.tenant.add_user(officeLocation=f"Office {len(self.tenant.users)}", **values)


def ref_of(device: Mapping[str, Any]) -> SourceRef:
    """A device's reference."""
    return SourceRef(kind=EntityKind.ASSET, external_id=device["id"])
