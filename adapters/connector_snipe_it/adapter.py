"""The adapter: locations, models and hardware of a Snipe-IT, and swaps that are written back."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from datetime import datetime, timedelta

from connector.sdk import (
    Adapter,
    AssetRecord,
    Batch,
    Clock,
    ConfigError,
    Cursor,
    EntityKind,
    Fetches,
    Health,
    InvalidRecord,
    NotFound,
    ProductRecord,
    Pulls,
    Record,
    RecordSwap,
    SiteRecord,
    SourceClient,
    SourceRef,
    Stream,
    SwapReceipt,
    UnexpectedResponse,
    WritesAssets,
)
from connector.sdk.rest import ListWalk, cursor_since, of_kind, read_each
from connector_snipe_it.client import Row, SnipeItClient
from connector_snipe_it.config import SnipeItConfig
from connector_snipe_it.mapping import asset_record, product_record
from connector_snipe_it.places import Places, place_record, places_of
from connector_snipe_it.pulling import hardware_pull
from connector_snipe_it.swaps import OPERATION, Swaps

PATHS = {EntityKind.SITE: "locations", EntityKind.HUB: "locations", EntityKind.PRODUCT: "models",
         EntityKind.ASSET: "hardware"}  # fmt: skip
"""Where things of a kind are."""


class SnipeIt(Adapter[SnipeItConfig], Pulls, Fetches, WritesAssets):
    """One Snipe-IT as a source of places, products and devices."""

    def __init__(self, config: SnipeItConfig, http: SourceClient, clock: Clock) -> None:
        super().__init__(config, http, clock)
        self._client = SnipeItClient(http)

    @classmethod
    def config_type(cls) -> type[SnipeItConfig]:
        """Settings of a Snipe-IT source."""
        return SnipeItConfig

    @classmethod
    def streams(cls) -> tuple[Stream, ...]:
        """Places and models, which are few, whole; hardware by what changed, with what was deleted."""
        return (
            Stream("places", SiteRecord, "snapshot"),
            Stream("models", ProductRecord, "snapshot"),
            Stream("hardware", AssetRecord, "incremental", overlap=timedelta(minutes=5)),
        )

    async def check(self) -> Health:
        """Count the hardware that the token's user may see."""
        listing = await self._client.part("hardware", {"limit": 1}, "check")
        return Health(detail=f"{listing.total} assets")

    def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:
        """Batches of one stream."""
        if stream.name == "hardware":
            return self._hardware(stream, since)
        if stream.name == "places":
            return self._sites_and_hubs()
        return self._snapshot(EntityKind.PRODUCT, lambda row: product_record(row, self.config))

    def cursor_since(self, stream: Stream, at: datetime) -> Cursor | None:
        """What has changed since an instant; places are always read whole."""
        return cursor_since(at) if stream.mode == "incremental" else None

    async def fetch(self, ref: SourceRef) -> Record:
        """One site, hub, product or device as it is now. Raises NotFound, also when it was deleted."""
        operation = f"fetch {ref}"
        path = PATHS.get(ref.kind)
        if path is None or not (ref.external_id.isascii() and ref.external_id.isdecimal()):
            raise NotFound(f"{ref} is none of Snipe-IT's", operation=operation, ref=ref)
        row = await self._client.one(f"{path}/{ref.external_id}", ref, operation)
        if row.get("deleted_at"):
            raise NotFound(f"{ref} was deleted", operation=operation, ref=ref)
        try:
            if ref.kind is EntityKind.PRODUCT:
                return product_record(row, self.config)
            places = await self._places()
            if ref.kind is EntityKind.ASSET:
                return asset_record(row, places, self.config)
            if places.of_location(int(ref.external_id)) != ref:
                raise NotFound(f"{ref} stands for no {ref.kind.value} of its own", operation=operation, ref=ref)
            return place_record(row, places, self.config)
        except InvalidRecord as error:
            raise UnexpectedResponse(str(error), operation=operation, ref=ref, hint=error.hint) from error

    def may_write_assets(self) -> bool:
        """Where the settings say so."""
        return self.config.write_back

    async def record_swap(self, op: RecordSwap) -> SwapReceipt:
        """Change the assets of a swap. Raises ConfigError while that is not allowed, Invalid, Conflict, NotFound."""
        if not self.config.write_back:
            raise ConfigError(
                "record swap: the settings of this source do not allow it to change assets", operation=OPERATION,
                hint="Set write_back = true in the source's settings, with a user who may edit and check out assets.",
            )  # fmt: skip
        return await (await self._swaps()).record(op)

    async def find_swap(self, op: RecordSwap) -> SwapReceipt | None:
        """The receipt of a swap that the assets show."""
        return await (await self._swaps()).find(op)

    async def _swaps(self) -> Swaps:
        return Swaps(self._client, self.config, await self._places())

    async def _places(self) -> Places:
        """The tree of all locations, as it is now; nothing of it is needed where each is a site."""
        if not self.config.hub_locations and self.config.sites == "every":
            return places_of((), self.config)
        walk, rows = self._walk(EntityKind.SITE, "read locations"), list[Row]()
        async with aclosing(walk.along_ids()) as pages:
            async for page in pages:
                rows += page
        return places_of(rows, self.config)

    def _walk(self, kind: EntityKind, operation: str) -> ListWalk:
        return self._client.walk(PATHS[kind], self.config.page_size, operation)

    async def _sites_and_hubs(self) -> AsyncGenerator[Batch, None]:
        places = await self._places()

        def read(row: Row) -> Record | None:
            number = row.get("id")
            is_own = not isinstance(number, int) or places.stands_for_itself(number)
            return place_record(row, places, self.config) if is_own else None

        async with aclosing(self._snapshot(EntityKind.SITE, read)) as batches:
            async for batch in batches:
                yield batch

    async def _snapshot(self, kind: EntityKind, read: Callable[[Row], Record | None]) -> AsyncGenerator[Batch, None]:
        """A list, whole. It is complete where as many rows were seen as it has."""
        walk = self._walk(kind, f"pull {PATHS[kind]}")
        async with aclosing(walk.along_ids()) as pages:
            async for rows in pages:
                records, rejected = read_each(rows, read, of_kind(kind))
                yield Batch(records=records, rejected=rejected, total=walk.total)
        yield Batch(records=(), complete=walk.seen >= walk.total)

    async def _hardware(self, stream: Stream, since: Cursor | None) -> AsyncGenerator[Batch, None]:
        pull = hardware_pull(self._client, self.config, await self._places(), self.clock, stream.overlap)
        async with aclosing(pull.batches(since)) as batches:
            async for batch in batches:
                yield batch
