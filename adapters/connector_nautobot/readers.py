"""One reader for each kind of object: where its rows are, and how a page of them becomes records."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import ClassVar

import orjson

from connector.sdk import EntityKind, InvalidRecord, Record, Rejected, SourceRef
from connector_nautobot import mapping
from connector_nautobot.client import NautobotClient, Row
from connector_nautobot.config import NautobotConfig
from connector_nautobot.lookup import LOCATIONS, Lookup, fingerprint, ids_in
from connector_nautobot.places import LocationUses


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
    async def records(self, rows: Sequence[Row]) -> tuple[list[Record], list[Rejected]]:
        """The records of some rows, and what could not be made one."""

    async def below(self, rows: Sequence[Row]) -> AsyncGenerator[Sequence[Row], None]:
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

    async def records(self, rows: Sequence[Row]) -> tuple[list[Record], list[Rejected]]:
        """Sites and hubs; nothing for locations that only group."""
        await self.lookup.remember(rows)
        await self.lookup.learn(ids_in(rows, "parent"))
        types, uses = await self.lookup.location_types(), LocationUses(self.config)

        def one(row: Row) -> Record | None:
            facts = mapping.facts_of_location(row, uses, types)
            return mapping.location(row, self.lookup.lineage(facts.id), self.config.custom_field)

        def ref(external_id: str) -> SourceRef:
            return self.lookup.place(external_id) or SourceRef(kind=EntityKind.SITE, external_id=external_id)

        return _made(rows, one, ref)

    async def below(self, rows: Sequence[Row]) -> AsyncGenerator[Sequence[Row], None]:
        """Everything below the locations."""
        level = [str(row.get("id")) for row in rows]
        while level:
            children = await self.client.by_ids(self.path, level, self.operation, name="parent")
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

    async def records(self, rows: Sequence[Row]) -> tuple[list[Record], list[Rejected]]:
        """Products."""
        makers = await self.lookup.manufacturers(ids_in(rows, "manufacturer"))
        return _made(
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

    async def records(self, rows: Sequence[Row]) -> tuple[list[Record], list[Rejected]]:
        """Assets."""
        statuses = await self.lookup.statuses(ids_in(rows, "status"))
        await self.lookup.learn(ids_in(rows, "location"))
        states, custom, base = self.lookup.states, self.config.custom_field, str(self.config.base_url).rstrip("/")

        def one(row: Row) -> Record:
            place = self.lookup.place(mapping.reference(row, "location"))
            return mapping.device(row, statuses, states, place, custom, base)

        return _made(rows, one, lambda external_id: SourceRef(kind=EntityKind.ASSET, external_id=external_id))


READERS: dict[str, type[Reader]] = {"locations": Locations, "device_types": DeviceTypes, "devices": Devices}
"""The reader of each stream of objects."""

READER_OF: dict[EntityKind, type[Reader]] = {
    EntityKind.SITE: Locations,
    EntityKind.HUB: Locations,
    EntityKind.PRODUCT: DeviceTypes,
    EntityKind.ASSET: Devices,
}
"""The reader of each kind of reference."""


def _made(
    rows: Sequence[Row], make: Callable[[Row], Record | None], ref: Callable[[str], SourceRef]
) -> tuple[list[Record], list[Rejected]]:
    records: list[Record] = []
    rejected: list[Rejected] = []
    for row in rows:
        try:
            record = make(row)
        except InvalidRecord as error:
            external_id = row.get("id")
            name = row.get("display") or external_id
            rejected.append(
                Rejected(
                    ref=ref(external_id) if isinstance(external_id, str) and external_id else None,
                    raw=orjson.dumps(row),
                    reason=f"{row.get('object_type', 'object')} {name!r}: {error}",
                    path=error.path,
                )
            )
        else:
            if record is not None:
                records.append(record)
    return records, rejected
