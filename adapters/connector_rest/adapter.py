"""A system with a REST interface, by a document: its lists as streams, its tickets as a place to write to."""

from __future__ import annotations

from collections.abc import AsyncIterator

from connector.sdk import (
    Adapter,
    AddNote,
    Batch,
    Clock,
    ConfigError,
    Cursor,
    Health,
    InvalidRecord,
    Pulls,
    Receipt,
    SetTicketFields,
    SetTicketState,
    Shown,
    SourceClient,
    Stream,
    Tombstone,
    WritesTickets,
)
from connector.sdk.facts import RowReader
from connector.sdk.facts.kinds import KINDS, STREAM_OF
from connector_rest.client import RestClient
from connector_rest.config import RestConfig
from connector_rest.credentials import Credentials
from connector_rest.definition import StreamFacts
from connector_rest.walking import BATCH_LIMIT, StreamWalk
from connector_rest.writing import TicketWriter

USUALLY_CHANGES = frozenset({"assets", "tickets"})
"""Streams that are long in most systems, and are asked for what changed."""


class Rest(Adapter[RestConfig], Pulls, WritesTickets):
    """Any system that answers in JSON. What it can do is what its document says."""

    def __init__(self, config: RestConfig, http: SourceClient, clock: Clock) -> None:
        super().__init__(config, http, clock)
        definition = config.definition
        self._credentials = Credentials(config, http, clock)
        self._client = RestClient(http, self._credentials, max_bytes=definition.max_bytes)
        self._writer = TicketWriter(definition, self._client)
        self._readers = {
            name: RowReader.of(name, facts, definition.spelling(facts), needs_time=facts.changes is not None)
            for name, facts in definition.streams.items()
        }
        described = tuple(_stream(name, facts, self._readers[name]) for name, facts in definition.streams.items())
        ranks = {kind.record: rank for rank, kind in enumerate(KINDS.values())}
        streams = tuple(sorted(described, key=lambda stream: ranks[stream.record]))
        self.streams = lambda: streams  # type: ignore[method-assign]  # those of this source, not of all that there may be

    @classmethod
    def config_type(cls) -> type[RestConfig]:
        """Settings of a source that a document describes."""
        return RestConfig

    @classmethod
    def streams(cls) -> tuple[Stream, ...]:
        """What a document may describe, under the usual names; an instance has those that its document describes."""
        return tuple(
            Stream(
                name,
                KINDS[record].record,
                "incremental" if name in USUALLY_CHANGES else "snapshot",
                batch_limit=BATCH_LIMIT,
            )
            for name, record in STREAM_OF.items()
        )

    async def check(self) -> Health:
        """The request that the document names, else the first page of the first list."""
        check, definition = self.config.definition.check, self.config.definition
        if check is None:
            name, facts = next(iter(definition.streams.items()))
            rows = await self._walk(name, facts).first_page(facts.changes)
            return Health(detail=f"{definition.system}: {len(rows)} rows on the first page of {name}")
        answer = await self._client.get(check.path, list(check.params.items()), "check")
        version = None
        if check.version is not None:
            try:
                version = check.version.search(answer)
            except InvalidRecord as error:
                raise ConfigError(f"check.version: {error}", operation="check") from None
        shown = self.http.redact(str(version))[:100] if isinstance(version, str | int | float) else None
        return Health(version=shown, detail=definition.system)

    async def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:
        """Batches of a page or less."""
        facts = self._facts(stream)
        walk = self._walk(stream.name, facts)
        changes = facts.changes
        if changes is None:
            batches = walk.snapshot()
        elif changes.is_sorted:
            batches = walk.changes(changes, since)
        else:
            batches = walk.unsorted_changes(changes, since)
        try:
            async for batch in batches:
                yield batch
        finally:
            await batches.aclose()

    async def preview(self, stream: Stream) -> tuple[Shown, ...]:
        """The rows of the first page, each with what becomes of it."""
        facts = self._facts(stream)
        walk = self._walk(stream.name, facts)
        shown = []
        for row in await walk.first_page(facts.changes):
            mapped = walk.map([row])
            raw = walk.raw(row)
            if mapped.rejected:
                shown.append(Shown(raw, None, f"rejected: {mapped.rejected[0].reason}"))
            elif not mapped.records:
                shown.append(Shown(raw, None, "passed over by `skip`"))
            else:
                record = mapped.records[0]
                shown.append(Shown(raw, record, "is gone" if isinstance(record, Tombstone) else ""))
        return tuple(shown)

    def takes(self, operation: type[object]) -> bool:
        """Whether the document says how to do it."""
        return self._writer.facts(operation) is not None

    async def push(self, op: AddNote | SetTicketState | SetTicketFields) -> Receipt:
        """Write on a ticket, once per key. Raises Invalid naming the field, ConfigError where nobody said how."""
        return await self._writer.push(op)

    async def find(self, op: AddNote | SetTicketState | SetTicketFields) -> Receipt | None:
        """Whether an earlier attempt took effect, where the document says how to look."""
        return await self._writer.find(op)

    def _facts(self, stream: Stream) -> StreamFacts:
        facts = self.config.definition.streams.get(stream.name)
        if facts is None:
            raise ConfigError(
                f"the document of {self.config.definition.system!r} describes no stream {stream.name!r}",
                operation=f"pull {stream.name}",
                hint=f"It describes {', '.join(self.config.definition.streams)}.",
            )
        return facts

    def _walk(self, name: str, facts: StreamFacts) -> StreamWalk:
        definition = self.config.definition
        asked = definition.asked_in(facts, facts.changes) if facts.changes else definition.spelling(facts)
        return StreamWalk(
            self._client, name, facts, self._readers[name], asked, now=self.clock.now(), max_pages=definition.max_pages
        )


def _stream(name: str, facts: StreamFacts, reader: RowReader) -> Stream:
    if facts.changes is None:
        return Stream(name, reader.kind.record, "snapshot", batch_limit=BATCH_LIMIT)
    return Stream(name, reader.kind.record, "incremental", overlap=facts.changes.overlap, batch_limit=BATCH_LIMIT)
