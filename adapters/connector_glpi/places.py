"""Locations as sites and hubs. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from connector.sdk import Address, EntityKind, HubRecord, InvalidRecord, SiteRecord
from connector.sdk.rest import ListedRow, LocationNode, LocationTree, point_of, valid
from connector_glpi.api import SYSTEM
from connector_glpi.config import GlpiConfig
from connector_glpi.mapping import changed
from connector_glpi.rows import Location, read_row


def tree_of(rows: Iterable[ListedRow], config: GlpiConfig) -> LocationTree:
    """All locations. Raises ConfigError for a hub that is not there, InvalidRecord for a row without an id."""
    nodes: list[LocationNode] = []
    for row in rows:
        location = read_row(Location, _identity(row), "location", config.time_zone)
        names = (location.name or "", location.completename or "")
        nodes.append(LocationNode(location.id, location.parent, names))
    return LocationTree.of(nodes, config.hub_locations, config.sites, SYSTEM)


def _identity(row: ListedRow) -> ListedRow:
    """Without what may be wrong in a location's address, which is said of that location alone."""
    return {name: row.get(name) for name in ("id", "name", "completename", "locations_id", "parent")}


def place_record(row: ListedRow, places: LocationTree, config: GlpiConfig) -> SiteRecord | HubRecord | None:
    """The site or hub of a location; None where it stands for none of its own. Raises InvalidRecord."""
    location = read_row(Location, row, "location", config.time_zone)
    if not places.stands_for_itself(location.id):
        return None
    if location.name is None:
        raise InvalidRecord(f"location {location.id} has no name", path="/name")
    name, ref = location.name, places.of_location(location.id)
    kind = HubRecord if ref.kind is EntityKind.HUB else SiteRecord
    return valid(
        lambda: kind(
            ref=ref, updated_at=changed(location), name=name, code=location.code,
            point=point_of({"latitude": location.latitude, "longitude": location.longitude}, name),
            address=_address(location, config),
        )
    )  # fmt: skip


def _address(location: Location, config: GlpiConfig) -> Address | None:
    lines = [line.strip() for line in (location.address or "").splitlines() if line.strip()]
    parts = {
        "line1": lines[0] if lines else None, "line2": ", ".join(lines[1:]) or None, "city": location.town,
        "postal_code": location.postcode, "state": location.state, "country": config.country(location.country),
    }  # fmt: skip
    return valid(lambda: Address(**parts)) if any(parts.values()) else None
