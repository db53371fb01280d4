"""Locations as sites and hubs, and which of them stands for what is below it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from connector.sdk import Address, EntityKind, HubRecord, InvalidRecord, Point, SiteRecord
from connector.sdk.rest import LocationNode, LocationTree, valid
from connector_snipe_it.client import SYSTEM, Row, plain
from connector_snipe_it.config import SnipeItConfig
from connector_snipe_it.times import changed_at

Places: TypeAlias = LocationTree
"""The tree of locations."""


def places_of(rows: Iterable[Row], config: SnipeItConfig) -> Places:
    """The tree of all locations. Raises ConfigError for a hub that is not there, rather than make it a site."""
    nodes: list[LocationNode] = []
    for row in rows:
        number, parent = row.get("id"), row.get("parent")
        if isinstance(number, int):
            above = parent.get("id") if isinstance(parent, dict) else None
            above = above if isinstance(above, int) else None
            nodes.append(LocationNode(number, above, (plain(row.get("name")) or "",)))
    return LocationTree.of(nodes, config.hub_locations, config.sites, SYSTEM)


def place_record(row: Row, places: Places, config: SnipeItConfig) -> SiteRecord | HubRecord:
    """The site or hub of a location that stands for itself. Raises InvalidRecord."""
    number, name = row.get("id"), plain(row.get("name"))
    if not isinstance(number, int):
        raise InvalidRecord(f"location has the id {number!r}", path="/id")
    if name is None:
        raise InvalidRecord(f"location {number} has no name", path="/name")
    ref = places.of_location(number)
    kind = HubRecord if ref.kind is EntityKind.HUB else SiteRecord
    point = config.points.get(str(number)) or config.points.get(name)
    address = _address(row)
    return valid(
        lambda: kind(
            ref=ref, updated_at=changed_at(row, config.time_zone), name=name,
            point=Point(*point) if point else None, address=address,
        )
    )  # fmt: skip


def _address(row: Row) -> Address | None:
    manager = row.get("manager")
    person = manager if isinstance(manager, dict) else {}
    parts = {
        "line1": plain(row.get("address")), "line2": plain(row.get("address2")), "city": plain(row.get("city")),
        "postal_code": plain(row.get("zip")), "state": plain(row.get("state")), "country": plain(row.get("country")),
        "contact": plain(person.get("name")), "phone": plain(row.get("phone")) or plain(person.get("phone")),
        "email": plain(person.get("email")),
    }  # fmt: skip
    return valid(lambda: Address(**parts)) if any(parts.values()) else None
