"""Locations as sites and hubs. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from connector.sdk import Address, EntityKind, HubRecord, InvalidRecord, Point, SiteRecord
from connector.sdk.rest import ListedRow, LocationNode, LocationTree, optional, valid
from connector_freshservice.assets import changed
from connector_freshservice.client import SYSTEM
from connector_freshservice.config import FreshserviceConfig


def tree_of(rows: Iterable[ListedRow], config: FreshserviceConfig) -> LocationTree:
    """All locations. Raises ConfigError for a hub that is not there."""
    nodes: list[LocationNode] = []
    for row in rows:
        number, parent = row.get("id"), row.get("parent_location_id")
        if isinstance(number, int):
            above = parent if isinstance(parent, int) else None
            nodes.append(LocationNode(number, above, (str(row.get("name") or ""),)))
    return LocationTree.of(nodes, config.hub_locations, config.sites, SYSTEM)


def place_record(row: ListedRow, places: LocationTree, config: FreshserviceConfig) -> SiteRecord | HubRecord | None:
    """The site or hub of a location; None where it stands for none of its own. Raises InvalidRecord."""
    number, name = row.get("id"), optional(row, "name")
    if not isinstance(number, int):
        raise InvalidRecord(f"location has the id {number!r:.60}", path="/id")
    if not places.stands_for_itself(number):
        return None
    if name is None:
        raise InvalidRecord(f"location {number} has no name", path="/name")
    ref, at, address = places.of_location(number), changed(row), _address(row, config)
    kind = HubRecord if ref.kind is EntityKind.HUB else SiteRecord
    point = config.points.get(str(number)) or config.points.get(name)
    return valid(
        lambda: kind(ref=ref, updated_at=at, name=name, point=Point(*point) if point else None, address=address)
    )


def _address(row: ListedRow, config: FreshserviceConfig) -> Address | None:
    told = row.get("address")
    if told is not None and not isinstance(told, dict):
        raise InvalidRecord(f"address is {told!r:.80}, expected an object", path="/address")
    there: ListedRow = told or {}
    parts = {
        "line1": optional(there, "line1"), "line2": optional(there, "line2"), "city": optional(there, "city"),
        "postal_code": optional(there, "zipcode"), "state": optional(there, "state"),
        "country": config.country(optional(there, "country")), "contact": optional(row, "contact_name"),
        "phone": optional(row, "phone"), "email": optional(row, "email"),
    }  # fmt: skip
    return valid(lambda: Address(**parts)) if any(parts.values()) else None
