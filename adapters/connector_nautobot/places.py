"""What a location is for the hub: a hub, a site, a part of one of them, or a region that only groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from connector.sdk import EntityKind, SourceRef
from connector_nautobot.config import NautobotConfig


class Use(Enum):
    """What a location type stands for."""

    HUB = "hub"
    SITE = "site"
    REGION = "region"
    PART = "part"


@dataclass(frozen=True, slots=True)
class Location:
    """What is needed of a location to judge itself and what is below it."""

    id: str
    name: str
    use: Use
    parent: str | None
    latitude: object
    longitude: object
    time_zone: object
    updated_at: str


class LocationUses:
    """Reads the use of a location off the name of its type, as configured; case does not matter."""

    def __init__(self, config: NautobotConfig) -> None:
        groups = (
            (config.site_location_types, Use.SITE),
            (config.region_location_types, Use.REGION),
            (config.hub_location_types, Use.HUB),
        )
        self._uses = {name.casefold(): use for names, use in groups for name in names}
        self._otherwise = Use.PART if config.site_location_types else Use.SITE

    def of(self, type_name: str) -> Use:
        """The use of locations of this type."""
        return self._uses.get(type_name.casefold(), self._otherwise)


def place_of(lineage: Sequence[Location]) -> SourceRef | None:
    """The hub or site that a location belongs to; None when it belongs to none.

    lineage: the location, its parent, and so on to the root. A hub above wins over a site between: a room of a
    hub is the hub.
    """
    for location in lineage:
        if location.use is Use.HUB:
            return SourceRef(kind=EntityKind.HUB, external_id=location.id)
    for location in lineage:
        if location.use is Use.SITE:
            return SourceRef(kind=EntityKind.SITE, external_id=location.id)
    return None


def region_of(lineage: Sequence[Location]) -> str | None:
    """Name of the nearest region above."""
    return next((location.name for location in lineage[1:] if location.use is Use.REGION), None)
