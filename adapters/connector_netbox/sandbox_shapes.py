"""How the NetBox sandbox shows its objects: the fields of version 4.6 that matter here, references nested in brief."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

Fields: TypeAlias = dict[str, Any]
"""Own fields of an object: references are ids, choices values, tags slugs, times microseconds since 1970 or None."""
Tables: TypeAlias = dict[str, dict[int, Fields]]

REGION, GROUP, SITE, LOCATION = "dcim.region", "dcim.sitegroup", "dcim.site", "dcim.location"
MANUFACTURER, DEVICE_TYPE, DEVICE, RACK = "dcim.manufacturer", "dcim.devicetype", "dcim.device", "dcim.rack"
ROLE, TENANT, TAG, CHANGE = "dcim.devicerole", "tenancy.tenant", "extras.tag", "core.objectchange"


@dataclass(frozen=True, slots=True)
class Shape:
    """One object type. blank: fields that an object has unless it says otherwise. refs: where fields point to.

    brief: what another object shows of it, beside id, url and display. choices: fields with value and label.
    """

    path: str
    blank: Fields
    refs: dict[str, str] = field(default_factory=dict)
    brief: tuple[str, ...] = ("name", "slug", "description")
    choices: tuple[str, ...] = ()
    label: str = "name"


COMMON: Fields = {"description": "", "owner": None, "comments": "", "tags": [], "custom_fields": {}}
NAMED: Fields = {"name": "", "slug": "", **COMMON}
NESTED: Fields = {**NAMED, "parent": None}

SHAPES: dict[str, Shape] = {
    TAG: Shape("/api/extras/tags/", {"name": "", "slug": "", "color": "9e9e9e", "description": "", "weight": 1000}),
    TENANT: Shape("/api/tenancy/tenants/", NAMED),
    REGION: Shape("/api/dcim/regions/", NESTED, {"parent": REGION}),
    GROUP: Shape("/api/dcim/site-groups/", NESTED, {"parent": GROUP}),
    SITE: Shape(
        "/api/dcim/sites/",
        {
            **NAMED, "status": "active", "region": None, "group": None, "tenant": None, "facility": "",
            "time_zone": None, "physical_address": "", "shipping_address": "", "latitude": None, "longitude": None,
            "asns": [],
        },
        {"region": REGION, "group": GROUP, "tenant": TENANT},
        choices=("status",),
    ),
    LOCATION: Shape(
        "/api/dcim/locations/",
        {**NESTED, "site": None, "status": "active", "tenant": None, "facility": ""},
        {"site": SITE, "parent": LOCATION, "tenant": TENANT},
        choices=("status",),
    ),
    RACK: Shape(
        "/api/dcim/racks/",
        {"name": "", **COMMON, "site": None, "location": None, "u_height": 42},
        {"site": SITE, "location": LOCATION},
        brief=("name", "description"),
    ),
    ROLE: Shape("/api/dcim/device-roles/", {**NESTED, "color": "9e9e9e", "vm_role": True}),
    MANUFACTURER: Shape("/api/dcim/manufacturers/", NAMED),
    DEVICE_TYPE: Shape(
        "/api/dcim/device-types/",
        {
            "manufacturer": None, "default_platform": None, "model": "", "slug": "", "part_number": "",
            "u_height": 1.0, "exclude_from_utilization": False, "is_full_depth": True, "subdevice_role": None,
            "airflow": None, "weight": None, "weight_unit": None, "front_image": None, "rear_image": None, **COMMON,
        },
        {"manufacturer": MANUFACTURER},
        brief=("manufacturer", "model", "slug", "description", "device_count"),
        choices=("weight_unit",),
        label="model",
    ),
    DEVICE: Shape(
        "/api/dcim/devices/",
        {
            "name": None, "device_type": None, "role": None, "tenant": None, "platform": None, "serial": "",
            "asset_tag": None, "site": None, "location": None, "rack": None, "position": None, "face": None,
            "latitude": None, "longitude": None, "parent_device": None, "status": "active", "airflow": None,
            "primary_ip": None, "cluster": None, "virtual_chassis": None, "config_context": {},
            "local_context_data": None, **COMMON,
        },
        {
            "device_type": DEVICE_TYPE, "role": ROLE, "tenant": TENANT, "site": SITE, "location": LOCATION,
            "rack": RACK,
        },
        brief=("name", "description"),
        choices=("status", "face"),
    ),
    CHANGE: Shape("/api/core/object-changes/", {"message": "", "changed_object": None}, choices=("action",)),
}  # fmt: skip
"""Every type that the sandbox knows."""

LABELS = {"weight_unit": {"kg": "Kilograms", "g": "Grams", "lb": "Pounds", "oz": "Ounces"}}


class View:
    """Shows objects as the REST API does. labels: of the statuses that are configured; zone: TIME_ZONE."""

    def __init__(self, tables: Tables, labels: dict[str, str], zone: ZoneInfo) -> None:
        self.tables = tables
        self.labels = labels
        self.zone = zone

    def shown(self, object_type: str, row: Fields, *, base: str = "") -> Fields:
        """An object in full. base: scheme and host of its URLs, "" for relative ones."""
        shape = SHAPES[object_type]
        answer: Fields = {**self._head(object_type, row, base), **shape.blank, **row}
        for name in ("created", "last_updated", "time"):
            if name in row:
                answer[name] = self.stamp(row[name])
        for name, target in shape.refs.items():
            found = self.tables[target].get(row.get(name) or 0)
            answer[name] = None if found is None else self.brief(target, found, base=base)
        for name in shape.choices:
            value = row.get(name, shape.blank.get(name))
            answer[name] = None if value in (None, "") else {"value": value, "label": self._label(name, value)}
        if "tags" in shape.blank:
            slugs = row.get("tags", [])
            answer["tags"] = [
                self.brief(TAG, tag, base=base) for tag in self.tables[TAG].values() if tag["slug"] in slugs
            ]
        answer |= self._counts(object_type, row)
        return answer

    def brief(self, object_type: str, row: Fields, *, base: str = "") -> Fields:
        """An object as others show it."""
        shape = SHAPES[object_type]
        full = {**shape.blank, **row, **self._counts(object_type, row)}
        answer = {**self._head(object_type, row, base), **{name: full.get(name, "") for name in shape.brief}}
        if "manufacturer" in answer:
            maker = self.tables[MANUFACTURER].get(row["manufacturer"])
            answer["manufacturer"] = None if maker is None else self.brief(MANUFACTURER, maker, base=base)
        return answer

    def stamp(self, micros: int | None) -> str | None:
        """A time as the API writes it: in the server's zone, no fraction where there is none."""
        if micros is None:
            return None
        at = datetime.fromtimestamp(micros // 1_000_000, UTC).replace(microsecond=micros % 1_000_000)
        return at.astimezone(self.zone).isoformat().replace("+00:00", "Z")

    def etag(self, row: Fields) -> str | None:
        """The weak tag of an object: when it changed."""
        changed = row.get("last_updated") or row.get("created")
        stamp = self.stamp(changed)
        return None if stamp is None else f'W/"{stamp.replace("Z", "+00:00")}"'

    def _head(self, object_type: str, row: Fields, base: str) -> Fields:
        path = f"{SHAPES[object_type].path}{row['id']}/"
        display = row.get(SHAPES[object_type].label) or f"{object_type} ({row['id']})"
        return {
            "id": row["id"],
            "url": f"{base}{path}",
            "display_url": f"{base}{path.removeprefix('/api')}",
            "display": display,
        }

    def _label(self, name: str, value: str) -> str:
        return LABELS.get(name, self.labels).get(value, "" if name == "status" else value.title())

    def _counts(self, object_type: str, row: Fields) -> Fields:
        """Counts that move without the object's time moving."""
        names = {SITE: "site", DEVICE_TYPE: "device_type", LOCATION: "location"}
        if object_type not in names:
            return {}
        devices = self.tables[DEVICE].values()
        return {"device_count": sum(device.get(names[object_type]) == row["id"] for device in devices)}


def micros(at: datetime) -> int:
    """Microseconds since 1970."""
    return int(at.replace(microsecond=0).timestamp()) * 1_000_000 + at.microsecond
