"""What the streams are read from: of each type of devices, and of tickets, a list and what lies in the bin."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from functools import partial
from hashlib import blake2b

from connector.sdk import Batch, Clock, Cursor, EntityKind, InvalidRecord, NotFound, Record, Rejected, Stream
from connector.sdk.answers import rejected
from connector.sdk.rest import ListedPart, ListedPull, ListedRow, LocationTree, ReadRows, of_kind, read_each
from connector_glpi.api import Api
from connector_glpi.config import GlpiConfig
from connector_glpi.mapping import VERSION, asset_record, asset_ref, product_record, tombstone
from connector_glpi.names import Catalogue, Statuses
from connector_glpi.places import place_record, tree_of
from connector_glpi.relations import IMPACTS, PERIPHERALS, Relations
from connector_glpi.rows import Details, Device, changed_at, read_row
from connector_glpi.tickets import ticket_record, ticket_ref, ticket_tombstone
from connector_glpi.words import DEVICE_TYPES, DeviceType

Made = tuple[tuple[Record, ...], tuple[Rejected, ...]]


class Reader:
    """Reads one GLPI, for the length of one call."""

    def __init__(self, api: Api, config: GlpiConfig, clock: Clock) -> None:
        self._api = api
        self._config = config
        self._clock = clock

    async def places(self) -> LocationTree:
        """The tree of all locations, as it is now; nothing of it is needed where each is a site."""
        if not self._config.hub_locations and self._config.sites == "every":
            return tree_of((), self._config)
        rows: list[ListedRow] = []
        async with aclosing(self._api.walk("Location", "read locations").along_ids()) as pages:
            async for page in pages:
                rows += page
        return tree_of(rows, self._config)

    async def sites_and_hubs(self) -> AsyncGenerator[Batch, None]:
        """All locations. The last batch is complete where as many rows were seen as the list has."""
        places, walk = await self.places(), self._api.walk("Location", "pull Location")

        def read(row: ListedRow) -> Record | None:
            return place_record(row, places, self._config)

        async with aclosing(walk.along_ids()) as pages:
            async for rows in pages:
                records, refused = read_each(rows, read, of_kind(EntityKind.SITE))
                yield Batch(records=records, rejected=refused, total=walk.total)
        yield Batch(records=(), complete=walk.seen >= walk.total)

    async def models(self, stream: Stream, since: Cursor | None) -> AsyncGenerator[Batch, None]:
        """Products: what devices are, since only they name the manufacturer of their model."""
        catalogue = await Catalogue.read(self._api, self._config, "read models")

        async def read(kind: DeviceType, rows: Sequence[ListedRow]) -> Made:
            made, refused = read_each(
                rows, lambda row: product_record(row, kind, catalogue, self._config), partial(asset_ref, kind)
            )
            return tuple({record.ref: record for record in made}.values()), tuple(replace(r, ref=None) for r in refused)

        parts = [self._part(kind, partial(read, kind)) for kind in self._config.device_types]
        async with aclosing(self._pull(parts, stream, catalogue.told()).batches(since)) as batches:
            async for batch in batches:
                yield batch

    async def hardware(self, stream: Stream, since: Cursor | None) -> AsyncGenerator[Batch, None]:
        """Devices of all types, and those in the bin."""
        places = await self.places()
        statuses = await Statuses.read(self._api, self._config, "read statuses")

        known: list[Relations | None] = []

        async def read(kind: DeviceType, rows: Sequence[ListedRow]) -> Made:
            if not known and rows:  # nothing changed: nothing is asked
                known.append(await self.relations())
            related = known[0] if known else None

            def made(row: ListedRow) -> Record | None:
                of_row = related.of(kind, row["id"]) if related else None
                return asset_record(row, kind, places, statuses, self._config, of_row)

            return read_each(rows, made, partial(asset_ref, kind))

        async def gone(kind: DeviceType, rows: Sequence[ListedRow]) -> Made:
            return read_each(rows, lambda row: tombstone(row, kind, self._config), partial(asset_ref, kind))

        parts: list[ListedPart] = []
        for kind in self._config.device_types:
            parts += self._part(kind, partial(read, kind)), self._bin(kind, partial(gone, kind))
        meanings = sorted(f"{name}={state}" for name, state in self._config.states.items())
        told = [*statuses.told(), *places.told(), *meanings]
        async with aclosing(self._pull(parts, stream, told).batches(since)) as batches:
            async for batch in batches:
                yield batch

    async def relations(self) -> Relations | None:
        """What devices have to do with each other; None where GLPI tells nothing of it, or is not asked."""
        if not self._config.read_relations:
            return None
        peripherals = await self._api.rows(PERIPHERALS, "read relations")
        impacts = await self._api.rows(IMPACTS, "read relations")
        return None if peripherals is None and impacts is None else Relations(peripherals or (), impacts or ())

    async def tickets(self, stream: Stream, since: Cursor | None) -> AsyncGenerator[Batch, None]:
        """Tickets, and those in the bin."""
        places = await self._places_of_tickets()

        async def read(rows: Sequence[ListedRow]) -> Made:
            records: list[Record] = []
            refused: list[Rejected] = []
            for row in rows:
                try:
                    records.append(await self.ticket(row, places, "pull tickets"))
                except InvalidRecord as error:
                    refused.append(rejected(row, error, ticket_ref(row["id"])))
            return tuple(records), tuple(refused)

        async def gone(rows: Sequence[ListedRow]) -> Made:
            return read_each(rows, lambda row: ticket_tombstone(row, self._config), ticket_ref)

        parts = [self._part("Ticket", read), self._bin("Ticket", gone)]
        pull = self._pull(parts, stream, [], keeps_all=False)
        async with aclosing(pull.batches(since)) as batches:
            async for batch in batches:
                yield batch

    async def ticket_of(self, row: ListedRow, operation: str) -> Record:
        """A ticket by itself. Raises InvalidRecord."""
        return await self.ticket(row, await self._places_of_tickets(), operation)

    async def _places_of_tickets(self) -> LocationTree | None:
        """None where places are not read of this GLPI."""
        return await self.places() if "cmdb" in self._config.roles else None

    async def ticket(self, row: ListedRow, places: LocationTree | None, operation: str) -> Record:
        """A ticket with all that GLPI tells of it; its Tombstone when it went meanwhile. Raises InvalidRecord."""
        ticket_record(row, Details(), places, self._config)  # what cannot be read is not asked about
        try:
            details = await self._details(row, places, operation)
        except NotFound:
            return ticket_tombstone(row, self._config)
        return ticket_record(row, details, places, self._config)

    async def _details(self, row: ListedRow, places: LocationTree | None, operation: str) -> Details:
        members = await self._api.members(row, operation) if self._config.read_people else ()
        items = await self._api.items(row, operation) if self._config.read_items else ()
        links = await self._api.links(row, operation) if self._config.read_links else ()
        device: Device | None = None
        first = next((item for item in items if item.kind in DEVICE_TYPES), None)
        if places is None and first is not None:
            device = await self._device(first.kind, first.number, operation)
        return Details(tuple(members), tuple(items), tuple(links), device)

    async def _device(self, kind: str, number: int, operation: str) -> Device | None:
        """A device of a ticket, where devices are not read of this GLPI; None when it is hidden or gone."""
        try:
            row = await self._api.one(kind, number, None, operation)
        except NotFound:
            return None
        return read_row(Device, row, kind, self._config.time_zone)

    def _part(self, kind: str, read: ReadRows) -> ListedPart:
        return ListedPart(kind, self._api.walk(kind, f"pull {kind}"), read)

    def _bin(self, kind: str, read: ReadRows) -> ListedPart:
        walk = self._api.walk(kind, f"pull {kind}", deleted=True)
        return ListedPart(f"{kind}-", walk, read, is_gone=True)

    def _pull(
        self, parts: Sequence[ListedPart], stream: Stream, told: Iterable[str], *, keeps_all: bool = True
    ) -> ListedPull:
        facts = "\n".join([VERSION, self._config.time_zone, *told]).encode()
        zone = self._config.time_zone

        def at(row: ListedRow, *, latest: bool = False) -> datetime:
            return changed_at(row, zone, latest=latest)

        return ListedPull(
            parts, self._clock, stream.overlap, blake2b(facts, digest_size=9).hexdigest(), at,
            history=None if keeps_all else self._config.history, sweeps=keeps_all,
        )  # fmt: skip
