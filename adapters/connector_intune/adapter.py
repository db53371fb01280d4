"""The adapter: devices of a tenant's Intune, the places of their users, and swaps that are written back."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import timedelta

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
    HubRecord,
    InvalidRecord,
    NotFound,
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
from connector.sdk.answers import path_segment
from connector_intune.config import IntuneConfig
from connector_intune.graph import VERSION, Graph
from connector_intune.mapping import asset_record, columns, is_wanted, user_of
from connector_intune.people import People
from connector_intune.pulling import DEVICES, DevicesPull
from connector_intune.sites import Sites, hub_records
from connector_intune.swaps import OPERATION, Swaps

BATCH = 500


class Intune(Adapter[IntuneConfig], Pulls, Fetches, WritesAssets):
    """The Intune of one tenant as a source of sites and devices."""

    def __init__(self, config: IntuneConfig, http: SourceClient, clock: Clock) -> None:
        super().__init__(config, http, clock)
        self._graph = Graph(config, http, clock)
        self._people = People(self._graph, config)

    @classmethod
    def config_type(cls) -> type[IntuneConfig]:
        """Settings of an Intune source."""
        return IntuneConfig

    @classmethod
    def streams(cls) -> tuple[Stream, ...]:
        """Places whole, since they are told by people; devices by what synced and what the audit log names."""
        return (
            Stream("places", SiteRecord, "snapshot", batch_limit=BATCH),
            Stream("devices", AssetRecord, "incremental", overlap=timedelta(minutes=15), batch_limit=BATCH),
        )

    async def check(self) -> Health:
        """Ask for one device."""
        async with aclosing(self._graph.pages(DEVICES, {"$select": "id", "$top": "1"}, "check")) as pages:
            rows, _ = await anext(pages)
        return Health(version=VERSION, detail="devices can be read" if rows else "there is no device")

    def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:
        """Batches of one stream."""
        if stream.name == "places":
            return self._places()
        return DevicesPull(self._graph, self.config, self.clock, stream.overlap).batches(since)

    async def fetch(self, ref: SourceRef) -> Record:
        """One device, site or hub as it is now. Raises NotFound. For a site all people are read."""
        operation = f"fetch {ref}"
        if ref.kind is EntityKind.ASSET:
            return await self._device(ref, operation)
        if ref.kind in (EntityKind.SITE, EntityKind.HUB):
            for record in await self._all_places(operation):
                if record.ref == ref:
                    return record
        raise NotFound(f"{ref} is none of Intune's", operation=operation, ref=ref)

    def may_write_assets(self) -> bool:
        """Where the settings say so."""
        return self.config.write_back

    async def record_swap(self, op: RecordSwap) -> SwapReceipt:
        """Assign categories. Raises ConfigError while that is not allowed, Invalid, Conflict, NotFound."""
        if not self.config.write_back:
            raise ConfigError(
                "record swap: the settings of this source do not allow it to change devices", operation=OPERATION,
                hint="Set write_back = true and both categories, and give the app ReadWrite permissions.",
            )  # fmt: skip
        return await Swaps(self._graph, self.config).record(op)

    async def find_swap(self, op: RecordSwap) -> SwapReceipt | None:
        """The receipt of a swap that the devices show."""
        return await Swaps(self._graph, self.config).find(op)

    async def _device(self, ref: SourceRef, operation: str) -> AssetRecord:
        path = f"{DEVICES}/{path_segment(ref.external_id)}"
        row = await self._graph.one(path, {"$select": columns(self.config)}, operation, ref)
        if not is_wanted(row, self.config, self.clock.now()):
            raise NotFound(f"{ref} is no hardware by the settings", operation=operation, ref=ref)
        user = user_of(row)
        places = await self._people.places([user] if user else [], operation)
        try:
            return asset_record(row, places, self.config)
        except InvalidRecord as error:
            raise UnexpectedResponse(str(error), operation=operation, ref=ref, hint=error.hint) from error

    async def _all_places(self, operation: str) -> list[SiteRecord | HubRecord]:
        sites = Sites(self.config)
        async with aclosing(self._people.everybody(operation)) as pages:
            async for rows in pages:
                sites.add_all(rows)
        return [*hub_records(self.config), *sites.records()]

    async def _places(self) -> AsyncGenerator[Batch, None]:
        """Hubs of the settings and sites of all people, which are known when the last of them was read.

        A batch without records for each page of people says that it goes on.
        """
        sites = Sites(self.config)
        async with aclosing(self._people.everybody("pull places")) as pages:
            async for rows in pages:
                yield Batch(records=(), rejected=sites.add_all(rows))
        records: list[Record] = [*hub_records(self.config), *sites.records()]
        for start in range(BATCH, len(records), BATCH):
            yield Batch(records=tuple(records[start - BATCH : start]))
        last = max(len(records) - 1, 0) // BATCH * BATCH
        yield Batch(records=tuple(records[last:]), complete=True)
