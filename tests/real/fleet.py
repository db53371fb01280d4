"""The fleet that the real systems are loaded with: the demo's, in the words of Nautobot and of the file adapter."""

from __future__ import annotations

from connector.demo.fleet import MODELS, Fleet, Model, Place, catalogue_entry

LOCATION_FIELDS = ("city", "postal_code", "country")
PRODUCT_FIELDS = ("asset_class", "criticality", "unit_cost_cents", "currency", "weight_g", "is_data_bearing")


def nautobot_objects(fleet: Fleet) -> dict[str, object]:
    """The fleet as `inside/nautobot_load.py` reads it: regions, sites and hubs, device types, devices."""
    places = (*fleet.sites, *fleet.hubs)
    regions: list[dict[str, object]] = [
        {"code": name, "name": name, "type": "Region", "parent": None, "latitude": None, "longitude": None,
         "time_zone": None, "address": "", "custom_fields": {}}
        for name in sorted({place.region for place in places})
    ]  # fmt: skip
    return {
        "custom_fields": {"location": LOCATION_FIELDS, "device_type": PRODUCT_FIELDS},
        "locations": [*regions, *map(_location, places)],
        "device_types": [_device_type(model) for model in MODELS],
        "devices": [
            {
                "name": device.name,
                "serial": device.serial,
                "asset_tag": device.asset_tag,
                "manufacturer": device.model.manufacturer,
                "model": device.model.model,
                "role": device.model.asset_class,
                "status": "Inventory" if device.is_spare else "Active",
                "location": device.place.code,
            }
            for device in fleet.devices
        ],
    }


def _location(place: Place) -> dict[str, object]:
    return {
        "code": place.code,
        "name": place.name,
        "type": "Site" if place.tier is None else "Hub",
        "parent": place.region,
        "latitude": f"{place.point.latitude:.6f}",
        "longitude": f"{place.point.longitude:.6f}",
        "time_zone": place.time_zone,
        "address": place.street,
        "custom_fields": {"city": place.city, "postal_code": place.postal_code, "country": place.country},
    }


def _device_type(model: Model) -> dict[str, object]:
    entry = catalogue_entry(model)
    return {
        "manufacturer": model.manufacturer,
        "model": model.model,
        "part_number": entry.part_number,
        "u_height": int(entry.height_units),
        "custom_fields": {
            "asset_class": model.asset_class,
            "criticality": model.criticality,
            "unit_cost_cents": str(model.cost_cents),
            "currency": "USD",
            "weight_g": str(model.weight_g),
            "is_data_bearing": str(model.is_data_bearing).lower(),
        },
    }
