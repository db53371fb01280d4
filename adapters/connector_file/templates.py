"""Example sheets to begin with."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from connector_file.columns import COLUMNS

Example = Mapping[str, str]

_SWITCH = {"manufacturer": "Cisco", "model": "C9300-48P"}
_OTHER_SWITCH = {"manufacturer": "Cisco", "model": "C9300-48U"}
_CABLE = {"manufacturer": "Panduit", "model": "LC-LC OM4 3m"}
_SEAL = {"manufacturer": "Acme", "model": "Tamper seal"}
_BERLIN = {
    "latitude": "52.5251", "longitude": "13.3694", "time_zone": "Europe/Berlin", "region": "EMEA", "city": "Berlin",
    "country": "DE",
}  # fmt: skip

EXAMPLES: Mapping[str, Sequence[Example]] = {
    "sites": (
        {
            "code": "BER-HQ", "name": "Berlin head office", **_BERLIN, "line1": "Europaplatz 1",
            "postal_code": "10557", "access_hours": "Mon-Fri 07:00-19:00",
        },
    ),
    "hubs": (
        {
            "code": "BER", "name": "Berlin spare kit", "tier": "local", **_BERLIN, "line1": "Invalidenstraße 50",
            "postal_code": "10557", "opening_hours": "Mon-Fri 08:00-18:00", "courier_cut_offs": "12:00 17:00",
            "handling_minutes": "20",
        },
    ),
    "products": (
        {
            **_SWITCH, "asset_class": "switch", "criticality": "tier_1", "unit_cost": "4200.00", "currency": "EUR",
            "weight_g": "7600", "is_data_bearing": "no", "tracking": "serialised", "status": "active",
        },
        {
            **_OTHER_SWITCH, "asset_class": "switch", "criticality": "tier_1", "unit_cost": "4900.00",
            "currency": "EUR", "weight_g": "7600", "is_data_bearing": "no", "tracking": "serialised",
            "status": "active",
        },
        {
            **_CABLE, "asset_class": "cable", "criticality": "tier_3", "unit_cost": "14.50", "currency": "EUR",
            "weight_g": "60", "is_data_bearing": "no", "tracking": "counted", "status": "active",
        },
        {
            **_SEAL, "asset_class": "consumable", "criticality": "tier_3", "unit_cost": "0.80", "currency": "EUR",
            "weight_g": "5", "is_data_bearing": "no", "tracking": "counted", "status": "active",
        },
    ),
    "compatibilities": (
        {**_SWITCH, "substitute_manufacturer": "Cisco", "substitute_model": "C9300-48U", "preference": "1"},
    ),
    "kits": (
        {
            "name": "C9300 swap kit", **_SWITCH, "component_manufacturer": "Panduit",
            "component_model": "LC-LC OM4 3m", "quantity": "2",
            "instructions": "Label both cables before the old switch goes out; seal the new one.",
        },
        {
            "name": "C9300 swap kit", "component_manufacturer": "Acme", "component_model": "Tamper seal",
            "quantity": "1",
        },
    ),
    "assets": (
        {
            "serial": "FCW2140L0AB", "asset_tag": "IT-00042", "name": "ber-sw-1", **_SWITCH, "site": "BER-HQ",
            "state": "deployed",
        },
        {"serial": "FCW2140L0AC", "asset_tag": "IT-00043", **_OTHER_SWITCH, "hub": "BER", "state": "in_stock"},
    ),
    "stock": (
        {
            "hub": "BER", **_CABLE, "lane": "normal", "quantity": "12", "reorder_point": "4", "target": "16",
            "safety_stock": "2",
        },
        {"hub": "BER", **_SEAL, "lane": "normal", "quantity": "40"},
    ),
}  # fmt: skip
"""Example rows by stream; what they name is in another of them."""


def write_templates(directory: Path) -> list[Path]:
    """Write a CSV file with all headers and example rows for each stream that has none; returns those written.

    A file that is there already stays as it is.
    """
    directory.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for stream, columns in COLUMNS.items():
        path = directory / f"{stream}.csv"
        if path.exists():
            continue
        with path.open("x", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, [column.name for column in columns], restval="")
            writer.writeheader()
            writer.writerows(EXAMPLES[stream])
        written.append(path)
    return written
