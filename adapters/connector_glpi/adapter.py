"""The adapter: places, models, hardware and tickets of a GLPI, and writes to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

from connector.sdk import (
    Adapter,
    AddNote,
    AssetRecord,
    Batch,
    Clock,
    Cursor,
    EntityKind,
    Fetches,
    Health,
    InvalidRecord,
    NotFound,
    ProductRecord,
    Pulls,
    Receipt,
    ReceivesWebhooks,
    Record,
    RecordSwap,
    SetTicketFields,
    SetTicketState,
    SiteRecord,
    SourceClient,
    SourceRef,
    Stream,
    SwapReceipt,
    TicketRecord,
    UnexpectedResponse,
    WebhookRequest,
    WebhookResult,
    WritesAssets,
    WritesTickets,
)
from connector.sdk.rest import cursor_since
from connector.sdk.rest.swaps import require_write_back
from connector_glpi import webhook
from connector_glpi.api import Api
from connector_glpi.config import GlpiConfig
from connector_glpi.mapping import asset_record, product_of_ref, read_asset_ref, read_product_ref
from connector_glpi.names import Catalogue, Statuses
from connector_glpi.places import place_record
from connector_glpi.pulling import Reader
from connector_glpi.swaps import Swaps
from connector_glpi.v1 import V1
from connector_glpi.v2 import V2
from connector_glpi.writing import TicketWriter

OVERLAP = timedelta(minutes=5)


class Glpi(Adapter[GlpiConfig], Pulls, Fetches, ReceivesWebhooks, WritesTickets, WritesAssets):
    """One GLPI as a source of places, devices and tickets, and as the place where the hub answers."""

    def __init__(self, config: GlpiConfig, http: SourceClient, clock: Clock) -> None:
        super().__init__(config, http, clock)
        self._api: Api = V2(http, config, clock) if config.api == "v2" else V1(http, config)
        self._reader = Reader(self._api, config, clock)
        self._writer = TicketWriter(config, self._api)

    @classmethod
    def config_type(cls) -> type[GlpiConfig]:
        """Settings of a GLPI source."""
        return GlpiConfig

    @classmethod
    def streams(cls) -> tuple[Stream, ...]:
        """Places, which are few, whole; models, hardware and tickets by what changed, with what went to the bin."""
        return (
            Stream("places", SiteRecord, "snapshot"),
            Stream("models", ProductRecord, "incremental", overlap=OVERLAP),
            Stream("hardware", AssetRecord, "incremental", overlap=OVERLAP),
            Stream("tickets", TicketRecord, "incremental", overlap=OVERLAP),
        )

    async def check(self) -> Health:
        """Count what the hub's user may see of the first type of devices, and of tickets."""
        kinds: list[str] = [*self.config.device_types[:1]] if "cmdb" in self.config.roles else []
        kinds += ["Ticket"] if "itsm" in self.config.roles else []
        counts: list[str] = []
        for kind in kinds:
            walk = replace(self._api.walk(kind, "check"), size=1)
            await walk.newest()
            counts.append(f"{walk.total} of {kind}")
        return Health(detail=", ".join(counts))

    async def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:
        """Batches of one stream; nothing of what GLPI is not used for."""
        role = "itsm" if stream.name == "tickets" else "cmdb"
        if role not in self.config.roles:
            yield Batch(records=(), resume=since or "{}")
            return
        match stream.name:
            case "places":
                batches = self._reader.sites_and_hubs()
            case "models":
                batches = self._reader.models(stream, since)
            case "hardware":
                batches = self._reader.hardware(stream, since)
            case _:
                batches = self._reader.tickets(stream, since)
        try:
            async for batch in batches:
                yield batch
        finally:
            await batches.aclose()

    def cursor_since(self, stream: Stream, at: datetime) -> Cursor | None:
        """What has changed since an instant; places are always read whole."""
        return cursor_since(at) if stream.mode == "incremental" else None

    async def fetch(self, ref: SourceRef) -> Record:
        """One site, hub, product, device or ticket as it is now. Raises NotFound, also when it is in the bin."""
        operation = f"fetch {ref}"
        try:
            found = await self._fetch(ref, operation)
        except InvalidRecord as error:
            raise UnexpectedResponse(str(error), operation=operation, ref=ref, hint=error.hint) from error
        if found is None:
            raise NotFound(f"there is no {ref} in GLPI", operation=operation, ref=ref)
        return found

    async def _fetch(self, ref: SourceRef, operation: str) -> Record | None:
        is_number = ref.external_id.isascii() and ref.external_id.isdecimal()
        if ref.kind is EntityKind.ASSET and (known := read_asset_ref(ref)):
            row = await self._api.one(*known, ref, operation)
            statuses = await Statuses.read(self._api, self.config, operation)
            places = await self._reader.places()
            related = await self._reader.relations()
            of_row = related.of(*known) if related else None
            gone = row.get("is_deleted")
            return None if gone else asset_record(row, known[0], places, statuses, self.config, of_row)
        if ref.kind is EntityKind.PRODUCT and read_product_ref(ref):
            return product_of_ref(ref, await Catalogue.read(self._api, self.config, operation))
        if ref.kind is EntityKind.TICKET and is_number:
            row = await self._api.one("Ticket", int(ref.external_id), ref, operation)
            return None if row.get("is_deleted") else await self._reader.ticket_of(row, operation)
        if ref.kind in (EntityKind.SITE, EntityKind.HUB) and is_number:
            row = await self._api.one("Location", int(ref.external_id), ref, operation)
            record = place_record(row, await self._reader.places(), self.config)
            return record if record is not None and record.ref == ref else None
        return None

    def verify(self, request: WebhookRequest) -> None:
        """GLPI's signature. Raises AuthError."""
        webhook.verify(request, self.config.webhook_secret)

    def parse(self, request: WebhookRequest) -> WebhookResult:
        """The ticket or device to read again. Raises Invalid."""
        return webhook.parse(request, self.config)

    def takes(self, operation: type[object]) -> bool:
        """Tickets are written where GLPI is used for them, swaps where that is allowed."""
        if operation is RecordSwap:
            return self.may_write_assets()
        return "itsm" in self.config.roles

    async def push(self, op: AddNote | SetTicketState | SetTicketFields) -> Receipt:
        """Write on a ticket, once per key. Raises Invalid naming the column, NotFound, OutcomeUnknown."""
        return await self._writer.push(op)

    async def find(self, op: AddNote | SetTicketState | SetTicketFields) -> Receipt | None:
        """Whether the operation's effect is there."""
        return await self._writer.find(op)

    def may_write_assets(self) -> bool:
        """Where the settings say so, and devices are this GLPI's."""
        return self.config.write_back and "cmdb" in self.config.roles

    async def record_swap(self, op: RecordSwap) -> SwapReceipt:
        """Change the devices of a swap. Raises ConfigError while that is not allowed, Invalid, Conflict, NotFound."""
        require_write_back(self.config)
        return await (await self._swaps()).record(op)

    async def find_swap(self, op: RecordSwap) -> SwapReceipt | None:
        """The receipt of a swap that the devices show."""
        return await (await self._swaps()).find(op)

    async def _swaps(self) -> Swaps:
        statuses = await Statuses.read(self._api, self.config, "record swap")
        return Swaps(self._api, self.config, await self._reader.places(), statuses)
