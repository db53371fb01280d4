"""Which sites and locations are hubs, and where what stands in them belongs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from connector.sdk import EntityKind, InvalidRecord, SourceRef
from connector.sdk.rest import Row, row_id

LOCATION = "location-"
"""What the hub's identifier of a location begins with: NetBox numbers sites and locations each for themselves."""


@dataclass(frozen=True, slots=True)
class Hubs:
    """Sites that are hubs, and the nearest location above or at each location that is one, by their ids."""

    sites: frozenset[str]
    locations: Mapping[str, str]

    def of_site(self, site: str) -> SourceRef:
        """What a site is here."""
        return SourceRef(kind=EntityKind.HUB if site in self.sites else EntityKind.SITE, external_id=site)

    def of_device(self, site: str, location: str | None) -> SourceRef:
        """Where a device belongs: to the hub that its location is in, else to its site."""
        hub = self.locations.get(location) if location is not None else None
        return self.of_site(site) if hub is None else of_location(hub)


def of_location(location: str) -> SourceRef:
    """A location as a hub."""
    return SourceRef(kind=EntityKind.HUB, external_id=f"{LOCATION}{location}")


def reference(row: Row, name: str) -> str:
    """Identifier of what a field points to. Raises InvalidRecord."""
    found = maybe_reference(row, name)
    if found is None:
        raise InvalidRecord(f"field {name!r} is {row.get(name)!r}, expected a reference with an id", path=f"/{name}")
    return found


def maybe_reference(row: Row, name: str) -> str | None:
    """Identifier of what a field points to, None when it points to nothing. Raises InvalidRecord."""
    value = row.get(name)
    if value is None:
        return None
    external_id = row_id(value) if isinstance(value, dict) else None
    if external_id is None:
        raise InvalidRecord(f"field {name!r} is {value!r}, expected a reference with an id", path=f"/{name}")
    return external_id
