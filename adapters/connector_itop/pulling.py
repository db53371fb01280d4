"""What the streams are read from: locations and models whole, devices and tickets by iTop's history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from functools import partial
from hashlib import blake2b

from connector.sdk import Batch, Clock, Cursor, EntityKind, InvalidRecord, Record, Rejected, Stream, Tombstone
from connector.sdk.answers import TheirsT, rejected
from connector.sdk.rest import ListedRow, LocationTree, of_kind, read_each
from connector_itop.client import Found, Rest
from connector_itop.config import ItopConfig
from connector_itop.history import HistoryPull, Made, Part, ReadChanges
from connector_itop.mapping import VERSION, asset_record, place_record, places_of, product_record, ref_of
from connector_itop.refusals import NoSuchClass
from connector_itop.relations import QUESTIONS
from connector_itop.rows import (
    CHANGE,
    DEVICE,
    LOCATION,
    MODEL,
    TICKET,
    TICKET_OPTIONAL,
    Caller,
    Change,
    Device,
    Ticket,
    changed_at,
    read_entry,
    read_row,
)
from connector_itop.tickets import Beside, affected, ticket_record
from connector_itop.values import asked, one_of, with_ids
from connector_itop.walking import IdWalk
from connector_itop.words import CI_ROOT, DEVICE_ROOT, TICKET_ROOT, TicketClass

DELETION = "CMDBChangeOpDelete"
MOST_ENTRIES = 10
"""Entries of the history for each device of a page, on average, that are asked for at once."""


class Reader:
    """Reads one iTop, for the length of one call."""

    def __init__(self, rest: Rest, config: ItopConfig, clock: Clock) -> None:
        self._rest = rest
        self._config = config
        self._clock = clock
        self._absent: set[str] = set()

    def walk(
        self, kind: str, fields: Sequence[str], operation: str, *, where: str = "", optional: Sequence[str] = ()
    ) -> IdWalk:
        """All objects of a class that fit."""

        async def ask(ids: str, limit: int) -> Found:
            condition = f"{where} AND {ids}" if where else ids
            return await self._rest.find(kind, condition, fields, operation, limit=limit, optional=optional)

        return IdWalk(ask, self._config.page_size)

    # Places and models

    async def places(self) -> LocationTree:
        """Which locations are hubs; nothing is asked where none is."""
        if not self._config.hub_locations:
            return places_of((), self._config)
        rows: list[ListedRow] = []
        async with aclosing(self.walk("Location", ("name",), "read locations").objects()) as pages:
            async for page in pages:
                rows += page
        return places_of(rows, self._config)

    async def sites_and_hubs(self) -> AsyncGenerator[Batch, None]:
        """All locations of the organizations that are read."""
        places = await self.places()
        fields = [*LOCATION, *(name for name in (self._config.latitude, self._config.longitude) if name)]
        walk = self.walk("Location", fields, "pull places", where=self._of_organizations("org_name"))

        def read(row: ListedRow) -> Record:
            return place_record(row, places, self._config)

        async with aclosing(_whole(walk, read, EntityKind.SITE)) as batches:
            async for batch in batches:
                yield batch

    async def models(self) -> AsyncGenerator[Batch, None]:
        """All models, of whatever devices."""
        walk = self.walk("Model", MODEL, "pull models")
        async with aclosing(_whole(walk, partial(product_record, config=self._config), EntityKind.PRODUCT)) as batches:
            async for batch in batches:
                yield batch

    # Devices

    async def hardware(self, stream: Stream, since: Cursor | None) -> AsyncGenerator[Batch, None]:
        """Devices of all classes."""
        places = await self.places()
        classes = self._config.device_classes

        entries = (*classes, CI_ROOT, DEVICE_ROOT)

        async def made(rows: Sequence[ListedRow], times: Mapping[int, datetime], as_of: datetime | None = None) -> Made:
            related = await self.related(rows, "read relations")

            def record(row: ListedRow) -> Record:
                stated = None if related is None else related.get(row["id"], ())
                return asset_record(row, places, self._config, times.get(row["id"], as_of), stated)

            return read_each(rows, record, of_kind(EntityKind.ASSET))

        async def read(rows: Sequence[ListedRow], as_of: datetime | None) -> Made:
            return await made(rows, await self._changed([row["id"] for row in rows], entries), as_of)

        async def changes(told: Sequence[Change]) -> Made:
            changed, gone = await self._sorted(told, classes, EntityKind.ASSET)
            rows = await self.devices(changed, "pull hardware") if changed else []
            records, refused = await made(rows, changed)
            return (*records, *gone), refused

        part = Part(self._walk_of_devices("pull hardware"), read)
        told = [*classes, *places.told(), *map(repr, sorted(self._config.asset_states().items()))]
        told += ["relations"] if self._config.read_relations else []
        pull = self._pull([part], entries, changes, stream, told, sweeps=True)
        async with aclosing(pull.batches(since)) as batches:
            async for batch in batches:
                yield batch

    async def devices(self, ids: Iterable[int], operation: str, *, whole: bool = True) -> list[ListedRow]:
        """Devices with these ids; not those of other classes, or that are hidden. whole: contacts included."""
        wanted = sorted(set(ids))
        rows: list[ListedRow] = []
        for start in range(0, len(wanted), self._config.page_size):
            where = f"{self._of_devices()} AND {with_ids(wanted[start : start + self._config.page_size])}"
            found = await self._rest.find(
                DEVICE_ROOT, where, self._device_fields() if whole else DEVICE, operation, limit=self._config.page_size
            )
            rows += found.rows
        return rows

    async def related(self, rows: Sequence[ListedRow], operation: str) -> Mapping[int, Sequence[ListedRow]] | None:
        """What devices have to do with others, for at most a page of them; None where that is not asked."""
        if not self._config.read_relations:
            return None
        found: defaultdict[int, list[ListedRow]] = defaultdict(list)
        for question in QUESTIONS:
            ids = question.about(rows)
            if not ids or question.kind in self._absent:
                continue
            try:
                told = await self._rest.find(
                    question.kind, with_ids(ids), (), operation, limit=self._config.page_size, optional=question.fields
                )
            except NoSuchClass:
                self._absent.add(question.kind)
                continue
            for row in told.rows:
                found[row["id"]].append(row)
        return found

    def _walk_of_devices(self, operation: str) -> IdWalk:
        return self.walk(DEVICE_ROOT, self._device_fields(), operation, where=self._of_devices())

    def _device_fields(self) -> Sequence[str]:
        return (*DEVICE, "contacts_list") if self._config.read_contacts else DEVICE

    def _of_devices(self) -> str:
        conditions = [one_of("finalclass", self._config.device_classes), self._of_organizations("organization_name")]
        return " AND ".join(filter(None, conditions))

    # Tickets

    async def tickets(self, stream: Stream, since: Cursor | None) -> AsyncGenerator[Batch, None]:
        """Tickets of all classes."""
        places = await self.places() if "cmdb" in self._config.roles else None
        classes = self._config.ticket_classes

        async def changes(entries: Sequence[Change]) -> Made:
            changed, gone = await self._sorted(entries, classes, EntityKind.TICKET)
            records: list[Record] = []
            refused: list[Rejected] = []
            for kind in classes if changed else ():
                made, wrong = await self.read_tickets(kind, await self._tickets_with(kind, changed), places)
                records += made
                refused += wrong
            return (*records, *gone), tuple(refused)

        recent = asked(self._clock.now() - self._config.history, self._config.time_zone)
        parts = [
            Part(self._walk_of_tickets(kind, f"last_update >= '{recent}'"), partial(self._read_part, kind, places))
            for kind in classes
        ]
        pull = self._pull(parts, (*classes, TICKET_ROOT), changes, stream, classes, sweeps=False)
        async with aclosing(pull.batches(since)) as batches:
            async for batch in batches:
                yield batch

    async def _read_part(
        self,
        kind: TicketClass,
        places: LocationTree | None,
        rows: Sequence[ListedRow],
        as_of: datetime | None,  # noqa: ARG002 - tickets have a time of change of their own
    ) -> Made:
        return await self.read_tickets(kind, rows, places)

    async def read_tickets(self, kind: TicketClass, rows: Sequence[ListedRow], places: LocationTree | None) -> Made:
        """Records of tickets, with what their devices and callers tell."""
        records: list[Record] = []
        refused: list[Rejected] = []
        beside = await self._beside(rows, places)
        for row in rows:
            try:
                records.append(ticket_record(row, kind, beside, self._config))
            except InvalidRecord as error:
                refused.append(rejected(row, error, ref_of(EntityKind.TICKET, row["id"])))
        return tuple(records), tuple(refused)

    async def ticket_row(self, number: int, operation: str) -> tuple[TicketClass, ListedRow] | None:
        """A ticket with its class; None where there is none."""
        for kind in self._config.ticket_classes:
            for row in await self._tickets_with(kind, [number], operation):
                return kind, row
        return None

    async def _tickets_with(
        self, kind: TicketClass, ids: Iterable[int], operation: str = "pull tickets"
    ) -> list[ListedRow]:
        walk = self._walk_of_tickets(kind, with_ids(ids), operation)
        return (await walk.ask("id > 0", self._config.page_size)).rows

    def _walk_of_tickets(self, kind: TicketClass, where: str, operation: str = "pull tickets") -> IdWalk:
        condition = " AND ".join(filter(None, [where, self._of_organizations("org_name")]))
        return self.walk(kind, TICKET, operation, where=condition, optional=TICKET_OPTIONAL)

    async def _beside(self, rows: Sequence[ListedRow], places: LocationTree | None) -> Beside:
        """Two questions for a page of tickets, where there is something to ask."""
        tickets = _readable(Ticket, rows, self._config)
        items = {item for ticket in tickets for item in affected(ticket)}
        devices = await self.devices(items, "read devices of tickets", whole=False) if items else []
        callers = {ticket.caller_id for ticket in tickets if ticket.caller_id}
        people: list[ListedRow] = []
        if callers and self._config.site_of_caller:
            found = await self._rest.find(
                "Person", with_ids(callers), ("location_id", "location_name"), "read callers",
                limit=self._config.page_size,
            )  # fmt: skip
            people = found.rows
        return Beside(
            {each.id: each for each in _readable(Device, devices, self._config)},
            {each.id: each for each in _readable(Caller, people, self._config)},
            places,
        )

    # The history

    async def _changed(self, ids: Sequence[int], classes: Sequence[str]) -> dict[int, datetime]:
        """When objects changed last, where one answer shows all entries about them; else nothing is said of any."""
        where = f"{one_of('objclass', classes)} AND objkey IN ({', '.join(map(str, ids))})"
        most = MOST_ENTRIES * self._config.page_size
        found = await self._rest.find("CMDBChangeOp", where, CHANGE, "read history", limit=most)
        return self._times(found.rows) if found.total <= len(found.rows) else {}

    def _times(self, rows: Sequence[ListedRow]) -> dict[int, datetime]:
        times: dict[int, datetime] = {}
        for row in rows:
            entry = read_entry(row, self._config)
            at = changed_at(entry, self._config)
            times[entry.objkey] = max(at, times.get(entry.objkey, at))
        return times

    async def _sorted(
        self, entries: Sequence[Change], classes: Sequence[str], kind: EntityKind
    ) -> tuple[dict[int, datetime], tuple[Record, ...]]:
        """When which objects changed, and what is gone: of a deletion the entry itself tells the object's class."""
        deletions = [entry.id for entry in entries if entry.finalclass == DELETION]
        gone: dict[int, datetime] = {}
        if deletions:
            where = f"{one_of('fclass', classes)} AND {with_ids(deletions)}"
            found = await self._rest.find(
                DELETION, where, (*CHANGE, "fclass"), "read deletions", limit=self._config.page_size
            )
            gone = self._times(found.rows)
        changed = self._times([entry.model_dump() for entry in entries if entry.finalclass != DELETION])
        return (
            {number: at for number, at in changed.items() if number not in gone and number > 0},
            tuple(Tombstone(ref=ref_of(kind, number), updated_at=at) for number, at in gone.items()),
        )

    def _pull(
        self,
        parts: Sequence[Part],
        classes: Sequence[str],
        changes: ReadChanges,
        stream: Stream,
        told: Iterable[str],
        *,
        sweeps: bool,
    ) -> HistoryPull:
        facts = "\n".join([VERSION, self._config.time_zone, *self._config.organizations, *told]).encode()
        entries = self.walk("CMDBChangeOp", CHANGE, "read history", where=one_of("objclass", classes))
        return HistoryPull(
            parts, entries, changes, self._clock, stream.overlap, blake2b(facts, digest_size=9).hexdigest(),
            self._config, sweeps,
        )  # fmt: skip

    def _of_organizations(self, attribute: str) -> str:
        return one_of(attribute, self._config.organizations) if self._config.organizations else ""


async def _whole(walk: IdWalk, read: Callable[[ListedRow], Record], kind: EntityKind) -> AsyncGenerator[Batch, None]:
    """A list in batches, the last of which is complete."""
    async with aclosing(walk.objects()) as pages:
        async for rows in pages:
            records, refused = read_each(rows, read, of_kind(kind))
            yield Batch(records=records, rejected=refused)
    yield Batch(records=(), complete=True)


def _readable(kind: type[TheirsT], rows: Sequence[ListedRow], config: ItopConfig) -> list[TheirsT]:
    """Those that can be read; the others are rejected where they become records."""
    found: list[TheirsT] = []
    for row in rows:
        try:
            found.append(read_row(kind, row, "object", config))
        except InvalidRecord:
            continue
    return found
