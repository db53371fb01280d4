"""What devices of GLPI have to do with each other: peripherals at a computer, and what the impact analysis says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from connector.sdk import AssetRelation, RelationKind
from connector.sdk.rest import ListedRow
from connector_glpi.mapping import asset_ref
from connector_glpi.words import DEVICE_TYPES

PERIPHERALS, IMPACTS = "Computer_Item", "ImpactRelation"
"""Their lists in v1. GLPI 11 has the first under another name, and answers to this one all the same."""


class Relations:
    """All of them, by device."""

    def __init__(self, peripherals: Iterable[ListedRow], impacts: Iterable[ListedRow]) -> None:
        self._found: defaultdict[tuple[str, int], set[tuple[RelationKind, str]]] = defaultdict(set)
        for row in peripherals:
            self._both("Computer", row.get("computers_id"), row.get("itemtype"), row.get("items_id"))
        for row in impacts:
            source = _device(row.get("itemtype_source"), row.get("items_id_source"))
            impacted = _device(row.get("itemtype_impacted"), row.get("items_id_impacted"))
            if source and impacted and source != impacted:
                self._found[impacted].add((RelationKind.DEPENDS_ON, asset_ref(*source).external_id))

    def of(self, kind: str, number: int) -> tuple[AssetRelation, ...]:
        """Those of a device, from its side."""
        return tuple(AssetRelation.to(*each) for each in sorted(self._found.get((kind, number), ()))[:1000])

    def _both(self, kind: object, number: object, other_kind: object, other_number: object) -> None:
        one, other = _device(kind, number), _device(other_kind, other_number)
        if one and other and one != other:
            self._found[one].add((RelationKind.CONNECTED_TO, asset_ref(*other).external_id))
            self._found[other].add((RelationKind.CONNECTED_TO, asset_ref(*one).external_id))


def _device(kind: object, number: object) -> tuple[str, int] | None:
    is_device = kind in DEVICE_TYPES and isinstance(number, int) and number > 0
    return (str(kind), int(str(number))) if is_device else None
