"""Fills an empty Nautobot with the fleet in FLEET_FILE. Runs in `nautobot-server shell`."""

import json
import os
from pathlib import Path

from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from nautobot.dcim.models import Device, DeviceType, Location, LocationType, Manufacturer
from nautobot.extras.choices import CustomFieldTypeChoices
from nautobot.extras.models import CustomField, Role, Status
from nautobot.users.models import Token

fleet = json.loads(Path(os.environ["FLEET_FILE"]).read_text(encoding="utf-8"))
of_devices = ContentType.objects.get_for_model(Device)

for owner, names in fleet["custom_fields"].items():
    model = {"location": Location, "device_type": DeviceType}[owner]
    for name in names:
        field, _ = CustomField.objects.get_or_create(
            key=name, defaults={"label": name, "type": CustomFieldTypeChoices.TYPE_TEXT}
        )
        field.content_types.add(ContentType.objects.get_for_model(model))

admin = get_user_model().objects.filter(username="admin").first()
if admin is None:
    admin = get_user_model().objects.create_superuser("admin", "", os.environ["ADMIN_PASSWORD"])
Token.objects.get_or_create(key=os.environ["API_TOKEN"], defaults={"user": admin, "write_enabled": True})

inventory, _ = Status.objects.get_or_create(name="Inventory", defaults={"color": "9e9e9e"})
inventory.content_types.add(of_devices)
statuses = {status.name: status for status in Status.objects.all()}

region_type, _ = LocationType.objects.get_or_create(name="Region")
types = {"Region": region_type}
for name in ("Site", "Hub"):
    types[name], _ = LocationType.objects.get_or_create(name=name, defaults={"parent": region_type})
    types[name].content_types.add(of_devices)
locations = {}
for place in fleet["locations"]:
    parent = locations.get(place["parent"])
    location, _ = Location.objects.get_or_create(
        name=place["name"],
        location_type=types[place["type"]],
        defaults={
            "parent": parent,
            "status": statuses["Active"],
            "facility": place["code"],
            "latitude": place["latitude"],
            "longitude": place["longitude"],
            "time_zone": place["time_zone"] or "",
            "physical_address": place["address"],
            "_custom_field_data": place["custom_fields"],
        },
    )
    locations[place["code"]] = location

device_types = {}
for entry in fleet["device_types"]:
    manufacturer, _ = Manufacturer.objects.get_or_create(name=entry["manufacturer"])
    device_type, _ = DeviceType.objects.get_or_create(
        manufacturer=manufacturer,
        model=entry["model"],
        defaults={
            "part_number": entry["part_number"] or "",
            "u_height": entry["u_height"],
            "_custom_field_data": entry["custom_fields"],
        },
    )
    device_types[entry["manufacturer"], entry["model"]] = device_type

roles = {}
for name in sorted({device["role"] for device in fleet["devices"]}):
    roles[name], _ = Role.objects.get_or_create(name=name, defaults={"color": "2196f3"})
    roles[name].content_types.add(of_devices)

known = set(Device.objects.values_list("asset_tag", flat=True))
# No change records are written this way: changes that a test wants to see in the log go through the REST API.
Device.objects.bulk_create(
    [
        Device(
            name=device["name"],
            serial=device["serial"],
            asset_tag=device["asset_tag"],
            device_type=device_types[device["manufacturer"], device["model"]],
            role=roles[device["role"]],
            status=statuses[device["status"]],
            location=locations[device["location"]],
        )
        for device in fleet["devices"]
        if device["asset_tag"] not in known
    ],
    batch_size=500,
)
print("DEVICES", Device.objects.count())  # noqa: T201
