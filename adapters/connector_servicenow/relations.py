"""From rows of cmdb_rel_ci, and the parent of an asset, to relations between devices. Pure.

A type is named by what its parent is to its child and the other way round: `Contains::Contained by`.
"""

from __future__ import annotations

from collections.abc import Iterable

from connector.sdk import AssetRelation, RelationKind
from connector.sdk.rest import Row
from connector_servicenow.columns import value
from connector_servicenow.config import ServiceNowConfig
from connector_servicenow.words import FROM_CHILD, RelationWord

TABLE = "cmdb_rel_ci"
STATED: dict[RelationWord, RelationKind] = {
    "contains": RelationKind.PART_OF,
    "part_of": RelationKind.PART_OF,
    "needed_by": RelationKind.DEPENDS_ON,
    "depends_on": RelationKind.DEPENDS_ON,
    "connected_to": RelationKind.CONNECTED_TO,
}
"""What a word says of the end that has the relation here."""


def relation_columns(config: ServiceNowConfig) -> tuple[str, ...]:
    """The columns to ask for: both ends, and where devices are assets the assets behind them."""
    assets = ("parent.asset", "child.asset") if config.device_table == "alm_hardware" else ()
    return ("sys_id", "sys_updated_on", "type.name", "parent", "child", *assets)


def types_of(side: str, config: ServiceNowConfig) -> list[str]:
    """The types of which the relation is the parent's, or the child's."""
    return sorted(name for name, word in config.relations.items() if (word in FROM_CHILD) is (side == "child"))


def item_of(row: Row, config: ServiceNowConfig) -> str | None:
    """The configuration item of a device. Raises InvalidRecord."""
    return value(row, "ci" if config.device_table == "alm_hardware" else "sys_id")


def relations_of(row: Row, found: Iterable[tuple[str, Row]], config: ServiceNowConfig) -> tuple[AssetRelation, ...]:
    """What is said of a device. found: the side that it is on, and the row. Raises InvalidRecord."""
    asset = config.device_table == "alm_hardware"
    stated: list[AssetRelation] = []
    if asset and (whole := value(row, "parent")) is not None:
        stated.append(AssetRelation.to(RelationKind.PART_OF, whole))
    for side, each in found:
        other = value(each, ("parent" if side == "child" else "child") + (".asset" if asset else ""))
        word = config.relations.get(value(each, "type.name") or "")
        if other is not None and word is not None:
            stated.append(AssetRelation.to(STATED[word], other))
    return tuple(sorted(dict.fromkeys(stated), key=lambda each: (each.kind, each.other.external_id)))
