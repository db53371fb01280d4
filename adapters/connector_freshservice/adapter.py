"""The adapter: places, products, assets and tickets of a Freshservice, and writes to it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from datetime import timedelta
from functools import partial

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
from connector.sdk.rest import of_kind, read_each
from connector.sdk.rest.swaps import OPERATION, require_write_back
from connector_freshservice import webhook
from connector_freshservice.assets import product_record
from connector_freshservice.client import FreshserviceClient
from connector_freshservice.config import FreshserviceConfig
from connector_freshservice.names import is_id
from connector_freshservice.places import place_record, tree_of
from connector_freshservice.pulling import Reader
from connector_freshservice.swaps import Swaps
from connector_freshservice.writing import TicketWriter

OVERLAP = timedelta(minutes=5)


class Freshservice(Adapter[FreshserviceConfig], Pulls, Fetches, ReceivesWebhooks, WritesTickets, WritesAssets):
    """One Freshservice as a source of places, devices and tickets, and as the place where the hub answers."""

    def __init__(self, config: FreshserviceConfig, http: SourceClient, clock: Clock) -> None:
        super().__init__(config, http, clock)
        self._client = FreshserviceClient(http)
        self._reader = Reader(self._client, config, clock)
        self._writer = TicketWriter(config, self._client, self._reader)

    @classmethod
    def config_type(cls) -> type[FreshserviceConfig]:
        """Settings of a Freshservice source."""
        return FreshserviceConfig

    @classmethod
    def streams(cls) -> tuple[Stream, ...]:
        """Places and products, which are few, whole; assets and tickets by what changed, with what was deleted."""
        return (
            Stream("places", SiteRecord, "snapshot"),
            Stream("models", ProductRecord, "snapshot"),
            Stream("hardware", AssetRecord, "incremental", overlap=OVERLAP),
            Stream("tickets", TicketRecord, "incremental", overlap=OVERLAP),
        )

    async def check(self) -> Health:
        """Whether the key opens what is read, and what the settings name is there. Raises ConfigError, AuthError."""
        operation, config = "check", self.config
        if "cmdb" in config.roles:
            await self._reader.types(operation)
            await self._client.page("assets", "assets", {}, operation, number=1, size=1)
            if self.config.read_relations:
                await self._reader.relation_types(operation)
        if "itsm" in config.roles:
            await self._client.page("tickets", "tickets", {}, operation, number=1, size=1)
            statuses = [each for each in (*config.ticket_states, *config.written_states.values()) if not is_id(each)]
            if statuses or config.named_fields():
                form = await self._reader.form(next(iter(config.workspaces), None), operation)
                form.require_fields(config.named_fields())
                form.require_statuses(statuses)
        return Health(version="2", detail=f"reads {' and '.join(sorted(config.roles))}")

    async def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:
        """Batches of one stream; nothing of what Freshservice is not used for."""
        role = "itsm" if stream.name == "tickets" else "cmdb"
        if role not in self.config.roles:
            yield Batch(records=(), resume=since or "{}")
            return
        match stream.name:
            case "places":
                batches = self._sites_and_hubs()
            case "models":
                batches = self._products()
            case "hardware":
                batches = self._reader.hardware(since, stream.overlap)
            case _:
                batches = self._reader.tickets(since, stream.overlap)
        try:
            async for batch in batches:
                yield batch
        finally:
            await batches.aclose()

    async def fetch(self, ref: SourceRef) -> Record:
        """One site, hub, product, asset or ticket as it is now. Raises NotFound, also when it is in the trash."""
        operation = f"fetch {ref}"
        try:
            found = await self._fetch(ref, operation)
        except InvalidRecord as error:
            raise UnexpectedResponse(str(error), operation=operation, ref=ref, hint=error.hint) from error
        if found is None:
            raise NotFound(f"there is no {ref} in Freshservice", operation=operation, ref=ref)
        return found

    async def _fetch(self, ref: SourceRef, operation: str) -> Record | None:
        match ref.kind:
            case EntityKind.TICKET if "itsm" in self.config.roles:
                return await self._reader.ticket(ref, operation)
            case EntityKind.ASSET if "cmdb" in self.config.roles:
                return await self._reader.asset(ref, operation)
            case EntityKind.PRODUCT if "cmdb" in self.config.roles:
                row = await self._client.one("products", "product", ref, operation)
                return product_record(row, await self._reader.types(operation))
            case EntityKind.SITE | EntityKind.HUB if "cmdb" in self.config.roles:
                rows = await self._reader.locations(operation)
                row = next((each for each in rows if str(each.get("id")) == ref.external_id), {})
                record = place_record(row, tree_of(rows, self.config), self.config) if row else None
                return record if record is not None and record.ref == ref else None
            case _:
                return None

    def verify(self, request: WebhookRequest) -> None:
        """The secret that the workflow sends along. Raises AuthError."""
        webhook.verify(request, self.config.webhook_secret)

    def parse(self, request: WebhookRequest) -> WebhookResult:
        """The ticket or asset to read again. Raises Invalid."""
        return webhook.parse(request)

    def takes(self, operation: type[object]) -> bool:
        """Tickets are written where Freshservice is used for them, swaps where that is allowed."""
        return self.may_write_assets() if operation is RecordSwap else "itsm" in self.config.roles

    async def push(self, op: AddNote | SetTicketState | SetTicketFields) -> Receipt:
        """Write on a ticket, once per key. Raises Invalid naming the field, NotFound, OutcomeUnknown."""
        return await self._writer.push(op)

    async def find(self, op: AddNote | SetTicketState | SetTicketFields) -> Receipt | None:
        """Whether the operation took effect, or what it asks for is so already."""
        return await self._writer.find(op)

    def may_write_assets(self) -> bool:
        """Where the settings say so, and assets are this Freshservice's."""
        return self.config.write_back and "cmdb" in self.config.roles

    async def record_swap(self, op: RecordSwap) -> SwapReceipt:
        """Change the assets of a swap. Raises ConfigError while that is not allowed, Invalid, Conflict, NotFound."""
        require_write_back(self.config)
        return await (await self._swaps()).record(op)

    async def find_swap(self, op: RecordSwap) -> SwapReceipt | None:
        """The receipt of a swap that the assets show."""
        return await (await self._swaps()).find(op)

    async def _swaps(self) -> Swaps:
        places = await self._reader.places(OPERATION)
        return Swaps(self._client, self.config, places, await self._reader.types(OPERATION))

    async def _sites_and_hubs(self) -> AsyncGenerator[Batch, None]:
        """All locations."""
        make = partial(place_record, places=await self._reader.places("pull places"), config=self.config)
        walk = self._client.pages("locations", "locations", self.config.page_size, "pull places")
        async for rows in walk.rows():
            records, refused = read_each(rows, make, of_kind(EntityKind.SITE))
            yield Batch(records=records, rejected=refused)
        yield Batch(records=(), complete=True)

    async def _products(self) -> AsyncGenerator[Batch, None]:
        """All products of the types that are read."""
        make = partial(product_record, types=await self._reader.types("pull models"))
        walk = self._client.pages("products", "products", self.config.page_size, "pull models")
        async for rows in walk.rows():
            records, refused = read_each(rows, make, of_kind(EntityKind.PRODUCT))
            yield Batch(records=records, rejected=refused)
        yield Batch(records=(), complete=True)
