"""What rows refer to: names of statuses, types and manufacturers, where locations belong, bays and stacks.

Kept for one call.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import orjson

from connector.sdk import AssetState, InvalidRecord, SourceRef
from connector.sdk.rest import Row, text
from connector_nautobot import mapping
from connector_nautobot.client import NautobotClient
from connector_nautobot.config import NautobotConfig
from connector_nautobot.places import Location, LocationUses, place_of

LOCATIONS = "/api/dcim/locations/"
BAYS, STACKS = "/api/dcim/device-bays/", "/api/dcim/virtual-chassis/"
PLACES_KEPT = 50_000
"""Locations that are remembered at once; beyond that they are asked for again."""


class Lookup:
    """Answers from Nautobot, asked for when first needed."""

    def __init__(self, client: NautobotClient, config: NautobotConfig) -> None:
        self._client = client
        self._uses = LocationUses(config)
        self._tables: dict[str, dict[str, str]] = {}
        self._places: dict[str, Location] = {}
        self._refs: dict[str, SourceRef | None] = {}
        self.states: Mapping[str, AssetState] = config.asset_states()

    async def statuses(self, wanted: Iterable[str] = ()) -> dict[str, str]:
        """Name of each device status by id; read again when a wanted one is missing."""
        return await self._table("/api/extras/statuses/", wanted, (("content_types", "dcim.device"),))

    async def location_types(self, wanted: Iterable[str] = ()) -> dict[str, str]:
        """Name of each location type by id."""
        return await self._table("/api/dcim/location-types/", wanted)

    async def manufacturers(self, wanted: Iterable[str] = ()) -> dict[str, str]:
        """Name of each manufacturer by id."""
        return await self._table("/api/dcim/manufacturers/", wanted)

    async def relatives(self, bays: Iterable[str], stacks: Iterable[str]) -> mapping.Relatives:
        """Whose bays these are, and who is master of these stacks, as far as they can be seen.

        They are not kept: no two devices are in one bay, and the members of a stack mostly come in one page.
        """
        bay_rows = await self._client.by_ids(BAYS, bays, "look up device bays")
        stack_rows = await self._client.by_ids(STACKS, stacks, "look up virtual chassis")
        return mapping.Relatives(
            chassis={text(row, "id"): mapping.reference(row, "device") for row in bay_rows},
            masters={text(row, "id"): mapping.maybe_reference(row, "master") for row in stack_rows},
        )

    async def learn(self, ids: Iterable[str]) -> None:
        """Make these locations and all above them known."""
        if len(self._places) > PLACES_KEPT:
            self._places.clear()
            self._refs.clear()
        wanted = {external_id for external_id in ids if external_id not in self._places}
        while wanted:
            await self.remember(await self._client.by_ids(LOCATIONS, sorted(wanted), "pull locations"))
            missing = wanted - self._places.keys()
            above = {place.parent for external_id in wanted - missing if (place := self._places[external_id]).parent}
            wanted = {parent for parent in above if parent and parent not in self._places}

    async def remember(self, rows: Iterable[Row]) -> None:
        """Keep locations that were read anyway; one that cannot be read is left out. Raises nothing for it."""
        rows = list(rows)
        types = await self.location_types(ids_in(rows, "location_type"))
        for row in rows:
            try:
                place = mapping.facts_of_location(row, self._uses, types)
            except InvalidRecord:
                continue
            self._places[place.id] = place

    def lineage(self, external_id: str) -> list[Location]:
        """A known location, its parent, and so on to the root; empty when it is not known."""
        found: list[Location] = []
        place = self._places.get(external_id)
        while place is not None and place not in found:
            found.append(place)
            place = self._places.get(place.parent) if place.parent else None
        return found

    def place(self, external_id: str) -> SourceRef | None:
        """The hub or site that a known location belongs to."""
        if external_id not in self._refs:
            self._refs[external_id] = place_of(self.lineage(external_id))
        return self._refs[external_id]

    async def _table(
        self, path: str, wanted: Iterable[str], filters: tuple[tuple[str, str], ...] = ()
    ) -> dict[str, str]:
        known = self._tables.get(path)
        if known is None or not known.keys() >= set(wanted):
            rows = await self._client.table(path, f"look up {path.strip('/').rpartition('/')[2]}", filters)
            known = {text(row, "id"): text(row, "name") for row in rows}
            self._tables[path] = known
        return known


def ids_in(rows: Iterable[Row], name: str) -> set[str]:
    """Identifiers of what the rows' field points to; a field that is empty or cannot be read gives none."""
    return {key for row in rows if isinstance(value := row.get(name), dict) and isinstance(key := value.get("id"), str)}


def fingerprint(*tables: Mapping[str, str]) -> str:
    """Short text that differs when any id or name in the tables does."""
    content = orjson.dumps([sorted(table.items()) for table in tables])
    return hashlib.blake2b(content, digest_size=9).hexdigest()
