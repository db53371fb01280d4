"""How the Nautobot sandbox shows its objects: the fields of version 3.2, references nested by `depth`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from connector_nautobot.sandbox_store import Fields, Store

LOCATION, LOCATION_TYPE = "dcim.location", "dcim.locationtype"
DEVICE, DEVICE_TYPE, MANUFACTURER = "dcim.device", "dcim.devicetype", "dcim.manufacturer"
DEVICE_BAY, VIRTUAL_CHASSIS = "dcim.devicebay", "dcim.virtualchassis"
STATUS, CHANGE, WEBHOOK = "extras.status", "extras.objectchange", "extras.webhook"


@dataclass(frozen=True, slots=True)
class Shape:
    """One content type.

    blank: fields that an object has unless it says otherwise. refs: where fields point to. has_time_filters: whether
    its list can be asked by times.
    """

    path: str
    blank: Fields
    refs: dict[str, str]
    label: str = "name"
    has_time_filters: bool = True


SHAPES: dict[str, Shape] = {
    STATUS: Shape("/api/extras/statuses/", {"name": "", "content_types": [], "color": "9e9e9e", "description": ""}, {}),
    LOCATION_TYPE: Shape(
        "/api/dcim/location-types/",
        {"tree_depth": None, "name": "", "description": "", "nestable": False, "parent": None},
        {"parent": LOCATION_TYPE},
    ),
    LOCATION: Shape(
        "/api/dcim/locations/",
        {
            "tree_depth": None, "time_zone": None, "name": "", "description": "", "facility": "", "asn": None,
            "physical_address": "", "shipping_address": "", "latitude": None, "longitude": None, "contact_name": "",
            "contact_phone": "", "contact_email": "", "comments": "", "parent": None, "location_type": None,
            "status": None, "tenant": None, "custom_fields": {},
        },
        {"parent": LOCATION, "location_type": LOCATION_TYPE, "status": STATUS},
    ),
    MANUFACTURER: Shape("/api/dcim/manufacturers/", {"name": "", "description": "", "custom_fields": {}}, {}),
    DEVICE_TYPE: Shape(
        "/api/dcim/device-types/",
        {
            "subdevice_role": None, "front_image": None, "rear_image": None, "model": "", "part_number": "",
            "u_height": 1, "is_full_depth": True, "comments": "", "manufacturer": None, "device_family": None,
            "custom_fields": {},
        },
        {"manufacturer": MANUFACTURER},
        label="model",
    ),
    DEVICE: Shape(
        "/api/dcim/devices/",
        {
            "face": None, "local_config_context_data": None, "local_config_context_data_owner_object_id": None,
            "name": None, "serial": "", "asset_tag": None, "position": None, "device_redundancy_group_priority": None,
            "vc_position": None, "vc_priority": None, "comments": "", "local_config_context_schema": None,
            "local_config_context_data_owner_content_type": None, "device_type": None, "status": None, "role": None,
            "tenant": None, "platform": None, "location": None, "rack": None, "primary_ip4": None,
            "primary_ip6": None, "virtual_chassis": None, "device_redundancy_group": None, "software_version": None,
            "secrets_group": None, "controller_managed_device_group": None, "custom_fields": {}, "parent_bay": None,
        },
        {
            "device_type": DEVICE_TYPE, "status": STATUS, "location": LOCATION, "parent_bay": DEVICE_BAY,
            "virtual_chassis": VIRTUAL_CHASSIS,
        },
    ),
    DEVICE_BAY: Shape(
        "/api/dcim/device-bays/",
        {
            "name": "", "label": "", "description": "", "device": None, "installed_device": None, "custom_fields": {},
        },
        {"device": DEVICE, "installed_device": DEVICE},
        has_time_filters=False,
    ),
    VIRTUAL_CHASSIS: Shape(
        "/api/dcim/virtual-chassis/",
        {"name": "", "domain": "", "master": None, "custom_fields": {}},
        {"master": DEVICE},
    ),
    CHANGE: Shape("/api/extras/object-changes/", {"related_object_type": None, "changed_object": None}, {}, "id"),
    WEBHOOK: Shape(
        "/api/extras/webhooks/",
        {
            "name": "", "content_types": [], "type_create": False, "type_update": False, "type_delete": False,
            "payload_url": "", "enabled": True, "http_method": "POST", "http_content_type": "application/json",
            "additional_headers": "", "body_template": "", "secret": "", "ssl_verification": True,
        },
        {},
    ),
}  # fmt: skip
"""Every type that the sandbox knows, by content type."""

TYPE_OF_PATH = {shape.path: name for name, shape in SHAPES.items()}
TIMES = ("created", "last_updated", "time")


def shown(store: Store, content_type: str, row: Fields, *, depth: int = 0, base: str = "") -> Fields:
    """An object as the REST API answers it. base: scheme and host of its URLs, "" for relative ones."""
    shape = SHAPES[content_type]
    label = row.get(shape.label) or row["id"]
    url = f"{base}{shape.path}{row['id']}/"
    answer: Fields = {
        "id": row["id"],
        "object_type": content_type,
        "display": label,
        "url": url,
        "natural_slug": f"{str(label).lower().replace(' ', '-')}_{row['id'][:4]}",
        **shape.blank,
        **row,
        "notes_url": f"{url}notes/",
    }
    for name in TIMES:
        if name in row:
            answer[name] = stamp(row[name])
    for name, target in shape.refs.items():
        if row.get(name) is not None:
            answer[name] = _reference(store, target, row[name], depth, base)
    return answer


def _reference(store: Store, content_type: str, external_id: Any, depth: int, base: str) -> Fields:
    row = store.tables[content_type].rows.get(external_id)
    if depth > 0 and row is not None:
        return shown(store, content_type, row, depth=depth - 1, base=base)
    url = f"{base}{SHAPES[content_type].path}{external_id}/"
    return {"id": external_id, "object_type": content_type, "url": url}


def stamp(micros: int) -> str:
    """A time as the API writes it: UTC, `Z`, no fraction where there is none."""
    return (
        datetime.fromtimestamp(micros // 1_000_000, UTC).replace(microsecond=micros % 1_000_000).isoformat()[:-6] + "Z"
    )


def micros(at: datetime) -> int:
    """Microseconds since 1970."""
    return int(at.replace(microsecond=0).timestamp()) * 1_000_000 + at.microsecond
