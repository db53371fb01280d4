"""The adapter: streams, single objects and webhooks of Nautobot."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from datetime import datetime

from connector.sdk import (
    Adapter,
    AssetRecord,
    Batch,
    Clock,
    Cursor,
    Deferred,
    Health,
    NotFound,
    ProductRecord,
    Record,
    RecordSwap,
    Rejected,
    SiteRecord,
    SourceClient,
    SourceRef,
    Stream,
    SwapReceipt,
    Tombstone,
    UnexpectedResponse,
    WebhookRequest,
    WebhookResult,
    read_ahead,
)
from connector.sdk.cursors import read_instant
from connector.sdk.rest import SentRow, cursor_since, position_of, read_cursor, require_hook, write_cursor
from connector_nautobot import webhook
from connector_nautobot.client import NautobotClient
from connector_nautobot.config import NautobotConfig
from connector_nautobot.mapping import KINDS, tombstones
from connector_nautobot.places import LocationUses
from connector_nautobot.readers import READER_OF, READERS
from connector_nautobot.swaps import Swaps

CHANGES = "/api/extras/object-changes/"


class Nautobot(Adapter[NautobotConfig]):
    """Sites, hubs, products and assets of a Nautobot, whole or by what changed, and what was deleted there.

    Where it is allowed, swaps are recorded in it.
    """

    def __init__(self, config: NautobotConfig, http: SourceClient, clock: Clock) -> None:
        super().__init__(config, http, clock)
        self._client = NautobotClient(http)
        self._uses = LocationUses(config)

    @classmethod
    def config_type(cls) -> type[NautobotConfig]:
        """Settings of a Nautobot source."""
        return NautobotConfig

    async def check(self) -> Health:
        """Ask for Nautobot's version. Raises AuthError, Transient, UnexpectedResponse."""
        version = (await self._client.status()).get("nautobot-version")
        if not isinstance(version, str):
            raise UnexpectedResponse(
                "check: the server answers, but does not name a Nautobot version",
                operation="check",
                hint="Check that base_url is the address of Nautobot itself.",
            )
        return Health(version=version)

    @classmethod
    def streams(cls) -> tuple[Stream, ...]:
        """Places before types before devices; deletions last, so that they win over what was read before."""
        return (
            Stream("locations", SiteRecord, "incremental"),
            Stream("device_types", ProductRecord, "incremental"),
            Stream("devices", AssetRecord, "incremental"),
            Stream("deletions", Tombstone, "incremental"),
        )

    def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:
        """Batches of one stream; a pull from the beginning that is not cut off ends `complete`."""
        return self._deletions(stream, since) if stream.name == "deletions" else self._objects(stream, since)

    async def _objects(self, stream: Stream, since: Cursor | None) -> AsyncGenerator[Batch, None]:
        reader, is_whole = READERS[stream.name](self._client, self.config), since is None
        progress = read_cursor(since).of("rows").begin(self.clock.now(), await reader.facts())
        walk = self._client.walk(
            reader.path,
            (),
            reader.operation,
            size=self.config.page_size,
            floor=None if progress.is_full else progress.floor,
            after=progress.position(),
        )
        async with aclosing(read_ahead(walk)) as pages:
            async for rows in pages:
                if not progress.is_full:
                    async with aclosing(reader.below(rows)) as below:
                        async for more in below:
                            batch = _batch(*await reader.pulled(more), resume=since)
                            if batch.records or batch.rejected:
                                yield batch
                progress = progress.step(position_of(rows[-1], "last_updated", reader.operation))
                since = write_cursor({"rows": progress})
                batch = _batch(*await reader.pulled(rows), resume=since)
                if batch.records or batch.rejected:
                    yield batch
        done = progress.finish(self.clock.now(), stream.overlap)
        yield Batch(records=(), resume=write_cursor({"rows": done}), complete=is_whole)

    async def _deletions(self, stream: Stream, since: Cursor | None) -> AsyncGenerator[Batch, None]:
        saved = read_cursor(since)
        feeds = {kind: saved.of(kind).begin(self.clock.now(), "") for kind in KINDS}
        for kind in KINDS:
            pages = self._client.walk(
                CHANGES,
                (("action", "delete"), ("changed_object_type", kind)),
                "pull deletions",
                size=max(1, self.config.page_size // 2),
                order="time",
                floor=feeds[kind].floor,
                after=feeds[kind].position(),
            )
            async with aclosing(pages):
                async for rows in pages:
                    feeds[kind] = feeds[kind].step(position_of(rows[-1], "time", "pull deletions"))
                    yield self._erased(kind, rows, write_cursor(feeds))
        done = {kind: progress.finish(self.clock.now(), stream.overlap) for kind, progress in feeds.items()}
        yield Batch(records=(), resume=write_cursor(done))

    def _erased(self, kind: str, rows: list[SentRow], resume: Cursor) -> Batch:
        records: list[Record] = []
        rejected: list[Rejected] = []
        for row in rows:
            external_id, at = row.get("changed_object_id"), row.get("time")
            try:
                if not isinstance(external_id, str) or not isinstance(at, str):
                    raise ValueError(f"changed_object_id is {external_id!r} and time is {at!r}, expected texts")
                records += tombstones(kind, external_id, row.get("object_data_v2"), read_instant(at), self._uses)
            except ValueError as error:
                rejected.append(Rejected(ref=None, raw=row.raw, reason=f"deletion of a {kind}: {error}"))
        return _batch(records, rejected, resume=resume)

    def cursor_since(self, stream: Stream, at: datetime) -> Cursor | None:  # noqa: ARG002 - all of them alike
        """What has changed since an instant, in all that the stream is read from."""
        return cursor_since(at)

    async def fetch(self, ref: SourceRef) -> Record:
        """One site, hub, product or asset as it is now.

        Raises NotFound, also for a location that is neither site nor hub itself.
        """
        if ref.kind not in READER_OF:
            raise NotFound(f"Nautobot holds no {ref.kind.value}", operation=f"fetch {ref}", ref=ref)
        reader = READER_OF[ref.kind](self._client, self.config)
        records, rejected = await reader.records([await self._client.one(reader.path, ref.external_id, ref)])
        if rejected:
            raise UnexpectedResponse(rejected[0].reason, operation=f"fetch {ref}", ref=ref)
        if not records:
            raise NotFound(
                f"{ref} is neither a site nor a hub itself", operation=f"fetch {ref}", ref=ref,
                hint="Its location type only groups, or it is a part of another place.",
            )  # fmt: skip
        return records[0]

    def verify(self, request: WebhookRequest) -> None:
        """Check signature and age. Raises AuthError."""
        require_hook(request, self.config.webhook_secret, within=self.config.webhook_max_age, system="Nautobot")

    def parse(self, request: WebhookRequest) -> WebhookResult:
        """Which objects to read again, or what was deleted. Raises Invalid."""
        return webhook.parse(request, self._uses)

    def may_write_assets(self) -> bool:
        """Where the settings say so."""
        return self.config.write_back

    async def record_swap(self, op: RecordSwap) -> SwapReceipt:
        """Change the devices of a swap. Raises ConfigError while that is not allowed, Invalid, Conflict, NotFound."""
        return await Swaps(self._client, self.config).record(op)

    async def find_swap(self, op: RecordSwap) -> SwapReceipt | None:
        """The receipt of a swap that the devices show."""
        return await Swaps(self._client, self.config).find(op)


def _batch(records: Sequence[Record | Deferred], rejected: Sequence[Rejected], *, resume: Cursor | None) -> Batch:
    return Batch(records=tuple(records), rejected=tuple(rejected), resume=resume)
