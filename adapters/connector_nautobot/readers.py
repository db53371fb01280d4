"""One reader for each kind of object: where its rows are, and how a page of them becomes records."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial
from hashlib import blake2b
from typing import ClassVar

import orjson

from connector.sdk import Deferred, EntityKind, Record, Rejected, SourceRef
from connector.sdk.rest import Row, SentRow, made, named
from connector_nautobot import mapping
from connector_nautobot.client import NautobotClient
from connector_nautobot.config import NautobotConfig
from connector_nautobot.glances import Glance, glance
from connector_nautobot.lookup import LOCATIONS, Lookup, fingerprint, ids_in
from connector_nautobot.places import LocationUses

DIGEST_BYTES = 16
UNSEEN = ""
"""In a digest, the master of a stack that cannot be seen; one without a master has none."""
SURROUNDINGS_KEPT = 10_000
"""Begun digests that are remembered at once: one for each location and status that devices have."""


class Reader(ABC):
    """How one kind of object is read. One per call, since what it looked up may be outdated in the next."""

    path: ClassVar[str]
    operation: ClassVar[str]

    def __init__(self, client: NautobotClient, config: NautobotConfig) -> None:
        self.client = client
        self.config = config
        self.lookup = Lookup(client, config)

    @abstractmethod
    async def facts(self) -> str:
        """Fingerprint of the names that the records show although the rows do not change with them."""

    @abstractmethod
    async def records(self, rows: Sequence[SentRow]) -> tuple[list[Record], list[Rejected]]:
        """The records of some rows, and what could not be made one."""

    async def pulled(self, rows: Sequence[SentRow]) -> tuple[list[Record | Deferred], list[Rejected]]:
        """As `records`, for a pull: a record need not be made before it is known that something is new in it."""
        records, rejected = await self.records(rows)
        return [*records], rejected

    async def below(self, rows: Sequence[SentRow]) -> AsyncGenerator[Sequence[SentRow], None]:
        """Further rows whose records change with these rows, although they do not change themselves."""
        for nothing in rows[:0]:
            yield [nothing]


class Locations(Reader):
    """Sites and hubs. What a place inherits changes with its parents, which does not touch its own row."""

    path = LOCATIONS
    operation = "pull locations"

    async def facts(self) -> str:
        """Of the location types: their names say what a location is."""
        return fingerprint(await self.lookup.location_types())

    async def records(self, rows: Sequence[SentRow]) -> tuple[list[Record], list[Rejected]]:
        """Sites and hubs; nothing for locations that only group."""
        await self.lookup.remember(rows)
        await self.lookup.learn(ids_in(rows, "parent"))
        types, uses = await self.lookup.location_types(), LocationUses(self.config)

        def one(row: Row) -> Record | None:
            facts = mapping.facts_of_location(row, uses, types)
            return mapping.location(row, self.lookup.lineage(facts.id), self.config.custom_field)

        def ref(external_id: str) -> SourceRef:
            return self.lookup.place(external_id) or SourceRef(kind=EntityKind.SITE, external_id=external_id)

        return made(rows, one, ref)

    async def below(self, rows: Sequence[SentRow]) -> AsyncGenerator[Sequence[SentRow], None]:
        """Everything below the locations."""
        level = [str(row.get("id")) for row in rows]
        while level:
            children = await self.client.children(self.path, level, self.operation)
            for start in range(0, len(children), self.config.page_size):
                yield children[start : start + self.config.page_size]
            level = [str(row.get("id")) for row in children]


class DeviceTypes(Reader):
    """Products."""

    path = "/api/dcim/device-types/"
    operation = "pull device types"

    async def facts(self) -> str:
        """Of the manufacturers: a renamed one leaves its types' rows as they are."""
        return fingerprint(await self.lookup.manufacturers())

    async def records(self, rows: Sequence[SentRow]) -> tuple[list[Record], list[Rejected]]:
        """Products."""
        makers = await self.lookup.manufacturers(ids_in(rows, "manufacturer"))
        return made(
            rows,
            lambda row: mapping.product(row, makers, self.config.custom_field),
            lambda external_id: SourceRef(kind=EntityKind.PRODUCT, external_id=external_id),
        )


class Devices(Reader):
    """Assets."""

    path = "/api/dcim/devices/"
    operation = "pull devices"

    async def facts(self) -> str:
        """Of statuses and location types: their names give state and place."""
        return fingerprint(await self.lookup.statuses(), await self.lookup.location_types())

    def __init__(self, client: NautobotClient, config: NautobotConfig) -> None:
        super().__init__(client, config)
        self._begun: dict[tuple[str, str | None], blake2b] = {}

    async def records(self, rows: Sequence[SentRow]) -> tuple[list[Record], list[Rejected]]:
        """Assets."""
        relatives = await self.lookup.relatives(ids_in(rows, "parent_bay"), ids_in(rows, "virtual_chassis"))
        return made(rows, await self._mapping(ids_in(rows, "status"), ids_in(rows, "location"), relatives), _asset)

    async def pulled(self, rows: Sequence[SentRow]) -> tuple[list[Record | Deferred], list[Rejected]]:
        """Assets, made only where a row, or a name or setting that it is read with, is another than last time."""
        glances = [glance(row) for row in rows]
        unclear = [row for row, seen in zip(rows, glances, strict=True) if seen is None]
        relatives = await self.lookup.relatives(
            {seen.parent_bay.id for seen in glances if seen and seen.parent_bay} | ids_in(unclear, "parent_bay"),
            {seen.virtual_chassis.id for seen in glances if seen and seen.virtual_chassis}
            | ids_in(unclear, "virtual_chassis"),
        )
        make = await self._mapping(
            {seen.status.id for seen in glances if seen} | ids_in(unclear, "status"),
            {seen.location.id for seen in glances if seen} | ids_in(unclear, "location"),
            relatives,
        )
        statuses, kind = await self.lookup.statuses(), EntityKind.ASSET
        deferred = [
            Deferred(
                ref=SourceRef(kind=kind, external_id=seen.id),
                updated_at=seen.last_updated,
                digest=self._digest(row, seen, statuses.get(seen.status.id), relatives),
                raw=row.raw,
                make=partial(named, row, make),
            )
            for row, seen in zip(rows, glances, strict=True)
            if seen
        ]
        in_full: tuple[list[Record], list[Rejected]] = made(unclear, make, _asset)
        return [*deferred, *in_full[0]], in_full[1]

    def _digest(self, row: SentRow, seen: Glance, status: str | None, relatives: mapping.Relatives) -> bytes:
        """Of everything that the record is made from: settings and names, which many rows share, the row, relatives."""
        location = seen.location.id
        begun = self._begun.get((location, status))
        if begun is None:
            if len(self._begun) >= SURROUNDINGS_KEPT:
                self._begun.clear()
            read_with = [mapping.DEVICE_VERSION, self._base_url, self.config.custom_fields, self.lookup.states]
            names = [status, str(self.lookup.place(location))]
            content = orjson.dumps([*read_with, *names], option=orjson.OPT_SORT_KEYS)
            begun = self._begun[location, status] = blake2b(content, digest_size=DIGEST_BYTES)
        digest = begun.copy()
        digest.update(row.raw)
        if seen.parent_bay or seen.virtual_chassis:
            bay, stack = seen.parent_bay, seen.virtual_chassis
            told = [bay and relatives.chassis.get(bay.id), stack and relatives.masters.get(stack.id, UNSEEN)]
            digest.update(orjson.dumps(told))
        return digest.digest()

    async def _mapping(
        self, statuses: set[str], locations: set[str], relatives: mapping.Relatives
    ) -> Callable[[Row], Record]:
        """What makes a record of a row that names these."""
        names = await self.lookup.statuses(statuses)
        await self.lookup.learn(locations)
        states, custom, base = self.lookup.states, self.config.custom_field, self._base_url
        lookup = self.lookup

        def one(row: Row) -> Record:
            place = lookup.place(mapping.reference(row, "location"))
            related = mapping.relations_of(row, relatives)
            return mapping.device(row, names, states, place, custom, base, relations=related)

        return one

    @property
    def _base_url(self) -> str:
        return str(self.config.base_url).rstrip("/")


READERS: dict[str, type[Reader]] = {"locations": Locations, "device_types": DeviceTypes, "devices": Devices}
"""The reader of each stream of objects."""

READER_OF: dict[EntityKind, type[Reader]] = {
    EntityKind.SITE: Locations,
    EntityKind.HUB: Locations,
    EntityKind.PRODUCT: DeviceTypes,
    EntityKind.ASSET: Devices,
}
"""The reader of each kind of reference."""


def _asset(external_id: str) -> SourceRef:
    return SourceRef(kind=EntityKind.ASSET, external_id=external_id)
