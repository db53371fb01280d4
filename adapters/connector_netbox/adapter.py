"""The adapter: streams, single objects and webhooks of NetBox."""

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
    EntityKind,
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
from connector.sdk.rest import (
    Position,
    Progress,
    SentRow,
    cursor_since,
    position_of,
    read_cursor,
    require_hook,
    row_id,
    write_cursor,
)
from connector_netbox import webhook
from connector_netbox.client import NetBoxClient
from connector_netbox.config import NetBoxConfig
from connector_netbox.lookup import Lookup
from connector_netbox.mapping import KINDS, tombstones
from connector_netbox.places import LOCATION
from connector_netbox.readers import Devices, DeviceTypes, HubLocations, Part, Sites, facts_of, parts_of
from connector_netbox.swaps import Swaps

CHANGES = "/api/core/object-changes/"
CHANGE_FIELDS = "id,time,changed_object_type,changed_object_id"


class NetBox(Adapter[NetBoxConfig]):
    """Sites, hubs, products and assets of a NetBox, whole or by what changed, and what was deleted there.

    Where it is allowed, swaps are recorded in it.
    """

    def __init__(self, config: NetBoxConfig, http: SourceClient, clock: Clock) -> None:
        super().__init__(config, http, clock)
        self._client = NetBoxClient(http)

    @classmethod
    def config_type(cls) -> type[NetBoxConfig]:
        """Settings of a NetBox source."""
        return NetBoxConfig

    async def check(self) -> Health:
        """Ask for NetBox's version. Raises AuthError, Transient, UnexpectedResponse."""
        version = (await self._client.status()).get("netbox-version")
        if not isinstance(version, str):
            raise UnexpectedResponse(
                "check: the server answers, but does not name a NetBox version",
                operation="check",
                hint="Check that base_url is the address of NetBox itself.",
            )
        return Health(version=version)

    @classmethod
    def streams(cls) -> tuple[Stream, ...]:
        """Places before types before devices; deletions last, so that they win over what was read before."""
        return (
            Stream("places", SiteRecord, "incremental"),
            Stream("device_types", ProductRecord, "incremental"),
            Stream("devices", AssetRecord, "incremental"),
            Stream("deletions", Tombstone, "incremental"),
        )

    def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:
        """Batches of one stream; a pull from the beginning that is not cut off ends `complete`."""
        return self._deletions(stream, since) if stream.name == "deletions" else self._objects(stream, since)

    async def _objects(self, stream: Stream, since: Cursor | None) -> AsyncGenerator[Batch, None]:
        lookup, saved, resume = Lookup(self._client, self.config), read_cursor(since), since
        parts, facts = parts_of(stream.name, self._client, self.config, lookup), await facts_of(stream.name, lookup)
        feeds = {part.name: saved.of(part.name).begin(self.clock.now(), facts) for part in parts}
        for part in parts:
            if feeds[part.name].is_full and feeds[part.name].at is None:
                latest = await self._client.latest(part.path, part.operation)
                feeds[part.name] = feeds[part.name].step(Position(latest, ""))
            async with aclosing(read_ahead(self._rows(part, feeds[part.name]))) as pages:
                async for rows in pages:
                    progress = feeds[part.name]
                    if not progress.is_full:
                        async with aclosing(part.below(rows)) as below:
                            async for records, rejected in below:
                                if batch := _batch(records, rejected, resume):
                                    yield batch
                    feeds[part.name] = progress.step(_behind(rows, progress, part.operation))
                    resume = write_cursor(feeds)
                    if batch := _batch(*await part.pulled(rows), resume):
                        yield batch
        done = {name: progress.finish(self.clock.now(), stream.overlap) for name, progress in feeds.items()}
        yield Batch(records=(), resume=write_cursor(done), complete=since is None)

    async def _rows(self, part: Part, progress: Progress) -> AsyncGenerator[list[SentRow], None]:
        """Everything along the ids, or what changed along the times."""
        size = self.config.page_size
        if not progress.is_full:
            pages = self._client.changed(
                part.path, (), part.operation, part.fields,
                size=size, floor=progress.floor, after=progress.position(),
            )  # fmt: skip
        elif part.only_changes:
            return
        else:
            pages = self._client.everything(part.path, (), part.operation, part.fields, size=size, after=progress.id)
        async with aclosing(pages):
            async for rows in pages:
                yield rows

    async def _deletions(self, stream: Stream, since: Cursor | None) -> AsyncGenerator[Batch, None]:
        """One kind of object after the other: before 4.6, NetBox takes only the last of several that are asked for."""
        saved = read_cursor(since)
        feeds = {kind: saved.of(kind).begin(self.clock.now(), "") for kind in KINDS}
        for kind in KINDS:
            pages = self._client.changed(
                CHANGES, (("action", "delete"), ("changed_object_type", kind)), "pull deletions", CHANGE_FIELDS,
                size=max(1, self.config.page_size // 2), order="time", bound="time_after",
                floor=feeds[kind].floor, after=feeds[kind].position(),
            )  # fmt: skip
            async with aclosing(pages):
                async for rows in pages:
                    feeds[kind] = feeds[kind].step(position_of(rows[-1], "time", "pull deletions"))
                    if batch := _batch(*self._erased(rows), write_cursor(feeds)):
                        yield batch
        done = {kind: progress.finish(self.clock.now(), stream.overlap) for kind, progress in feeds.items()}
        yield Batch(records=(), resume=write_cursor(done))

    def _erased(self, rows: list[SentRow]) -> tuple[list[Record], list[Rejected]]:
        records: list[Record] = []
        rejected: list[Rejected] = []
        for row in rows:
            kind, at = row.get("changed_object_type"), row.get("time")
            external_id = row_id({"id": row.get("changed_object_id")})
            try:
                if external_id is None or not isinstance(at, str) or not isinstance(kind, str):
                    raise ValueError(f"changed_object_id is {row.get('changed_object_id')!r} and time is {at!r}")
                records += tombstones(kind, external_id, read_instant(at), has_hub_locations=bool(self.config.hub_tags))
            except (ValueError, OverflowError) as error:
                rejected.append(Rejected(ref=None, raw=row.raw, reason=f"deletion of a {kind}: {error}"))
        return records, rejected

    def cursor_since(self, stream: Stream, at: datetime) -> Cursor | None:  # noqa: ARG002 - all of them alike
        """What has changed since an instant, in all that the stream is read from."""
        return cursor_since(at)

    async def fetch(self, ref: SourceRef) -> Record:
        """One site, hub, product or asset as it is now.

        Raises NotFound, also for a location that is no hub.
        """
        number = ref.external_id.removeprefix(LOCATION) if ref.kind is EntityKind.HUB else ref.external_id
        part_type: type[Part] | None = {
            EntityKind.SITE: Sites, EntityKind.HUB: HubLocations if number != ref.external_id else Sites,
            EntityKind.PRODUCT: DeviceTypes, EntityKind.ASSET: Devices,
        }.get(ref.kind)  # fmt: skip
        if part_type is None or not (number.isascii() and number.isdigit()):
            raise NotFound(f"NetBox holds no {ref}", operation=f"fetch {ref}", ref=ref)
        part = part_type(self._client, self.config, Lookup(self._client, self.config))
        row, _ = await self._client.one(part.path, ref, number, part.fields)
        records, rejected = await (part.records([row]) if isinstance(part, Devices) else part.pulled([row]))
        if rejected:
            raise UnexpectedResponse(rejected[0].reason, operation=f"fetch {ref}", ref=ref)
        if not records:
            raise NotFound(
                f"{ref} is no hub", operation=f"fetch {ref}", ref=ref, hint="Its location has none of hub_tags."
            )
        record = records[0]
        if isinstance(record, Deferred):
            raise TypeError(f"{ref} was asked for at once")
        return record

    def verify(self, request: WebhookRequest) -> None:
        """Check signature and age. Raises AuthError."""
        require_hook(request, self.config.webhook_secret, within=self.config.webhook_max_age, system="NetBox")

    def parse(self, request: WebhookRequest) -> WebhookResult:
        """Which objects to read again, or what was deleted. Raises Invalid."""
        return webhook.parse(request, has_hub_locations=bool(self.config.hub_tags))

    def may_write_assets(self) -> bool:
        """Where the settings say so."""
        return self.config.write_back

    async def record_swap(self, op: RecordSwap) -> SwapReceipt:
        """Change the devices of a swap. Raises ConfigError while that is not allowed, Invalid, Conflict, NotFound."""
        return await Swaps(self._client, self.config).record(op)

    async def find_swap(self, op: RecordSwap) -> SwapReceipt | None:
        """The receipt of a swap that the devices show."""
        return await Swaps(self._client, self.config).find(op)


def _behind(rows: list[SentRow], progress: Progress, operation: str) -> Position:
    """Where a pull stands after these rows; along the ids, the time stays the latest that there was when it began."""
    if not progress.is_full:
        return position_of(rows[-1], "last_updated", operation)
    return Position(progress.at or "", row_id(rows[-1]) or "")


def _batch(records: Sequence[Record | Deferred], rejected: Sequence[Rejected], resume: Cursor | None) -> Batch | None:
    """A batch, if there is anything in it."""
    if not records and not rejected:
        return None
    return Batch(records=tuple(records), rejected=tuple(rejected), resume=resume)
