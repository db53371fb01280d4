"""The catalogue of device types that the package brings.

Source: the community's device type library of NetBox (netbox-community/devicetype-library), released under CC0 1.0;
reduced to one row a model.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import as_file, files

_GRAMS = {"kg": Decimal(1000), "g": Decimal(1), "lb": Decimal("453.59237"), "oz": Decimal("28.349523125")}


@dataclass(frozen=True, slots=True)
class DeviceType:
    """A model as its manufacturer sells it. weight_g: grams, None where the catalogue does not say."""

    manufacturer: str
    model: str
    part_number: str | None
    height_units: Decimal
    weight_g: int | None


def device_types() -> Iterator[DeviceType]:
    """Every device type of the catalogue, in its order."""
    with as_file(files("connector.demo") / "device_types.csv") as path, path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield DeviceType(
                manufacturer=row["manufacturer"],
                model=row["model"],
                part_number=row["part_number"] or None,
                height_units=Decimal(row["u_height"] or 0),
                weight_g=_grams(row["weight"], row["weight_unit"]),
            )


def _grams(weight: str, unit: str) -> int | None:
    return int(Decimal(weight) * _GRAMS[unit]) if weight and unit in _GRAMS else None
