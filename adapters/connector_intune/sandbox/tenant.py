"""SANDBOX: what a tenant holds: devices, people, categories, the audit log, and what was written."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

NOBODY = "00000000-0000-0000-0000-000000000000"
UNTOLD_BY_LISTS = ("notes", "ethernetMacAddress", "iccid", "udid")


def guid(kind: int, number: int) -> str:
    """An id as Microsoft writes them; the ones of a kind are in no order."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{kind}/{number}"))


def written(at: datetime) -> str:
    """A time as Graph writes it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Tenant:
    """One tenant. now: the time there. writes: what was asked for: method, id, value."""

    now: Callable[[], datetime]
    devices: dict[str, dict[str, Any]] = field(default_factory=dict)
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    categories: dict[str, str] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    writes: list[tuple[str, str, str]] = field(default_factory=list)
    made: int = 0

    def add_category(self, name: str) -> str:
        """A device category; its id."""
        self.made += 1
        number = guid(3, self.made)
        self.categories[number] = name
        return number

    def add_user(self, **values: Any) -> dict[str, Any]:
        """A person."""
        self.made += 1
        usual = {
            "id": guid(2, self.made), "displayName": f"Person {self.made}", "officeLocation": "HQ Munich",
            "city": "Munich", "state": "Bavaria", "country": "Germany", "usageLocation": "DE",
            "streetAddress": "Marienplatz 1", "postalCode": "80331",
        }  # fmt: skip
        person = usual | values
        self.users[person["id"]] = person
        return person

    def add_device(self, at: datetime, **values: Any) -> dict[str, Any]:
        """A device that last talked to Intune at `at`."""
        self.made += 1
        usual = {
            "id": guid(1, self.made), "deviceName": f"PC-{self.made:05}", "serialNumber": f"PF{self.made:06}",
            "imei": "", "meid": "", "manufacturer": "LENOVO", "model": "21HM", "operatingSystem": "Windows",
            "managedDeviceOwnerType": "company", "complianceState": "compliant", "userId": NOBODY,
            "userPrincipalName": "", "userDisplayName": "", "enrolledDateTime": written(at),
            "lastSyncDateTime": written(at), "deviceCategoryDisplayName": "Unknown", "managementState": "managed",
            "wiFiMacAddress": "001122334455", "notes": "kept", "iccid": "", "udid": "",
            "ethernetMacAddress": "665544332211",
        }  # fmt: skip
        device = usual | values
        self.devices[device["id"]] = device
        return device

    def note(self, number: str, what: str, at: datetime) -> None:
        """An event of the audit log about a device."""
        self.made += 1
        self.events.append(
            {
                "id": guid(4, self.made), "displayName": f"{what} managedDevice", "componentName": "ManagedDevice",
                "activityType": f"{what} ManagedDevice", "activityDateTime": written(at).replace("Z", ".7552025Z"),
                "activityResult": "Success", "category": "Device",
                "resources": [{"auditResourceType": "ManagedDevice", "resourceId": number, "displayName": None}],
            }
        )  # fmt: skip

    def delete(self, number: str, at: datetime) -> None:
        """As a person does it."""
        del self.devices[number]
        self.note(number, "Delete", at)

    def assign(self, number: str, category: str) -> None:
        """Give a device a category; when it last synced stays as it was."""
        self.devices[number]["deviceCategoryDisplayName"] = self.categories[category]
        self.writes.append(("PUT", number, self.categories[category]))
        self.note(number, "Update", self.now())

    def retire(self, number: str) -> None:
        """Tell a device to leave; it goes when it next talks to Intune."""
        device = self.devices[number]
        device["managementState"] = "retirePending"
        self.writes.append(("POST", number, "retire"))
