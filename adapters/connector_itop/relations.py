"""What devices have to do with each other: external keys and links that classes below PhysicalDevice have. Pure.

Source: the classes `ConnectableCI`, `DatacenterDevice`, `Enclosure` and `PDU` of iTop's data model. A query of
`PhysicalDevice` cannot show what only a class below it has, so each of these classes is asked once for a page.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pydantic import Field

from connector.sdk import AssetRelation, RelationKind
from connector.sdk.answers import Theirs
from connector.sdk.rest import ListedRow
from connector_itop.config import ItopConfig
from connector_itop.rows import read_row
from connector_itop.values import Key
from connector_itop.words import CONNECTABLE, DATACENTER, DEVICE_CLASSES

MOST: Final = 1000
"""Relations of one device that are kept."""


@dataclass(frozen=True, slots=True)
class Question:
    """A class whose attributes tell of others. classes: those of iTop's own that are below it, or are it itself."""

    kind: str
    classes: frozenset[str]
    fields: tuple[str, ...]

    def about(self, rows: Iterable[ListedRow]) -> list[int]:
        """The devices that may be of this class: a class of somebody's own may be below any."""
        kinds = [(row["id"], str(row.get("finalclass"))) for row in rows]
        return [number for number, kind in kinds if kind in self.classes or kind not in DEVICE_CLASSES]


QUESTIONS: Final = (
    Question(
        "DatacenterDevice", DATACENTER,
        ("rack_id", "enclosure_id", "powerA_id", "powerB_id", "networkdevice_list", "san_list"),
    ),
    Question("ConnectableCI", CONNECTABLE, ("networkdevice_list",)),
    Question("Enclosure", frozenset({"Enclosure"}), ("rack_id",)),
    Question("PDU", frozenset({"PDU"}), ("rack_id", "powerstart_id")),
)  # fmt: skip


class Connection(Theirs):
    """A link from a device to a network device."""

    networkdevice_id: Key = None


class Storage(Theirs):
    """A link from a device to a SAN switch."""

    san_id: Key = None


class Related(Theirs):
    """A device as far as it names others."""

    id: int = Field(gt=0)
    rack_id: Key = None
    enclosure_id: Key = None
    powerA_id: Key = None  # noqa: N815 - iTop's name
    powerB_id: Key = None  # noqa: N815 - iTop's name
    powerstart_id: Key = None
    networkdevice_list: tuple[Connection, ...] = ()
    san_list: tuple[Storage, ...] = ()


def relations_of(rows: Iterable[ListedRow], config: ItopConfig) -> tuple[AssetRelation, ...]:
    """What a device's own rows say of it, one for each class that was asked. Raises InvalidRecord."""
    found: set[tuple[RelationKind, int]] = set()
    for row in rows:
        device = read_row(Related, row, "device's relations", config)
        others = {
            *((RelationKind.CONNECTED_TO, each.networkdevice_id) for each in device.networkdevice_list),
            *((RelationKind.CONNECTED_TO, each.san_id) for each in device.san_list),
            (RelationKind.CONNECTED_TO, device.powerA_id),
            (RelationKind.CONNECTED_TO, device.powerB_id),
            (RelationKind.CONNECTED_TO, device.powerstart_id),
            (RelationKind.PART_OF, _whole(device, config)),
        }
        found |= {(kind, other) for kind, other in others if other is not None and other != device.id}
    return tuple(AssetRelation.to(kind, str(other)) for kind, other in sorted(found)[:MOST])


def _whole(device: Related, config: ItopConfig) -> int | None:
    """What a device is in: an enclosure, which is in its rack in turn, where enclosures are read; else the rack."""
    enclosure = device.enclosure_id if "Enclosure" in config.device_classes else None
    return enclosure or device.rack_id
