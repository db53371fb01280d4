"""The adapter: places, models, devices and tickets of an iTop, and writes to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

from connector.sdk import (
    Adapter,
    AddNote,
    AssetRecord,
    Batch,
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
from connector.sdk.rest.swaps import require_write_back
from connector_itop import webhook
from connector_itop.client import Rest
from connector_itop.config import ItopConfig
from connector_itop.mapping import asset_record, number_of, place_record, product_record
from connector_itop.pulling import Reader
from connector_itop.rows import LOCATION, MODEL
from connector_itop.swaps import Swaps
from connector_itop.words import SYSTEM
from connector_itop.writing import TicketWriter, comment_of

OVERLAP = timedelta(minutes=5)


class Itop(Adapter[ItopConfig], Pulls, Fetches, ReceivesWebhooks, WritesTickets, WritesAssets):
    """One iTop as a source of places, devices and tickets, and as the place where the hub answers."""

    @classmethod
    def config_type(cls) -> type[ItopConfig]:
        """Settings of an iTop source."""
        return ItopConfig

    @classmethod
    def streams(cls) -> tuple[Stream, ...]:
        """Places and models, which are few, whole; devices and tickets by what changed."""
        return (
            Stream("places", SiteRecord, "snapshot"),
            Stream("models", ProductRecord, "snapshot"),
            Stream("hardware", AssetRecord, "incremental", overlap=OVERLAP),
            Stream("tickets", TicketRecord, "incremental", overlap=OVERLAP),
        )

    async def check(self) -> Health:
        """Count what the hub's user may see of devices and tickets, and whether it may read the history."""
        rest = self._rest()
        kinds: list[str] = ["PhysicalDevice"] if "cmdb" in self.config.roles else []
        kinds += self.config.ticket_classes[:1] if "itsm" in self.config.roles else []
        counts = [f"{(await rest.find(kind, '', (), 'check', limit=1)).total} of {kind}" for kind in kinds]
        await rest.find("CMDBChangeOp", "id = 1", (), "check the history", limit=1)
        return Health(detail=", ".join(counts))

    async def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:
        """Batches of one stream; nothing of what iTop is not used for."""
        role = "itsm" if stream.name == "tickets" else "cmdb"
        if role not in self.config.roles:
            yield Batch(records=(), resume=since or "{}")
            return
        reader = self._reader(self._rest())
        match stream.name:
            case "places":
                batches = reader.sites_and_hubs()
            case "models":
                batches = reader.models()
            case "hardware":
                batches = reader.hardware(stream, since)
            case _:
                batches = reader.tickets(stream, since)
        try:
            async for batch in batches:
                yield batch
        finally:
            await batches.aclose()

    async def fetch(self, ref: SourceRef) -> Record:
        """One site, hub, model, device or ticket as it is now. Raises NotFound."""
        operation = f"fetch {ref}"
        number = number_of(ref)
        try:
            found = None if number is None else await self._fetch(ref, number, operation)
        except InvalidRecord as error:
            raise UnexpectedResponse(str(error), operation=operation, ref=ref, hint=error.hint) from error
        if found is None:
            raise NotFound(f"there is no {ref} in {SYSTEM}", operation=operation, ref=ref)
        return found

    async def _fetch(self, ref: SourceRef, number: int, operation: str) -> Record | None:
        rest = self._rest()
        reader = self._reader(rest)
        match ref.kind:
            case EntityKind.ASSET:
                rows = await reader.devices([number], operation)
                if not rows:
                    return None
                related = await reader.related(rows, operation)
                stated = None if related is None else related.get(number, ())
                return asset_record(rows[0], await reader.places(), self.config, related=stated)
            case EntityKind.PRODUCT:
                rows = (await rest.find("Model", f"id = {number}", MODEL, operation, limit=1)).rows
                return product_record(rows[0], self.config) if rows else None
            case EntityKind.SITE | EntityKind.HUB:
                fields = [*LOCATION, *(name for name in (self.config.latitude, self.config.longitude) if name)]
                rows = (await rest.find("Location", f"id = {number}", fields, operation, limit=1)).rows
                place = place_record(rows[0], await reader.places(), self.config) if rows else None
                return place if place is not None and place.ref == ref else None
            case EntityKind.TICKET:
                return await self._fetch_ticket(reader, number, operation)
        return None

    async def _fetch_ticket(self, reader: Reader, number: int, operation: str) -> Record | None:
        found = await reader.ticket_row(number, operation)
        if found is None:
            return None
        kind, row = found
        places = await reader.places() if "cmdb" in self.config.roles else None
        records, refused = await reader.read_tickets(kind, [row], places)
        for each in refused:
            raise UnexpectedResponse(each.reason, operation=operation, ref=each.ref)
        return records[0]

    def verify(self, request: WebhookRequest) -> None:
        """The secret that webhook actions send along. Raises AuthError."""
        webhook.verify(request, self.config.webhook_secret)

    def parse(self, request: WebhookRequest) -> WebhookResult:
        """The device, model or ticket to read again. Raises Invalid."""
        return webhook.parse(request, self.config)

    def takes(self, operation: type[object]) -> bool:
        """Tickets are written where iTop is used for them, swaps where that is allowed."""
        if operation is RecordSwap:
            return self.may_write_assets()
        return "itsm" in self.config.roles

    async def push(self, op: AddNote | SetTicketState | SetTicketFields) -> Receipt:
        """Write on a ticket, once per key. Raises Invalid naming the attribute, NotFound, Conflict, OutcomeUnknown."""
        return await self._writer().push(op)

    async def find(self, op: AddNote | SetTicketState | SetTicketFields) -> Receipt | None:
        """Whether the operation's effect is there."""
        return await self._writer().find(op)

    def may_write_assets(self) -> bool:
        """Where the settings say so, and devices are this iTop's."""
        return self.config.write_back and "cmdb" in self.config.roles

    async def record_swap(self, op: RecordSwap) -> SwapReceipt:
        """Change the devices of a swap. Raises ConfigError while that is not allowed, Invalid, Conflict, NotFound."""
        require_write_back(self.config)
        return await (await self._swaps(op)).record(op)

    async def find_swap(self, op: RecordSwap) -> SwapReceipt | None:
        """The receipt of a swap that the devices show."""
        return await (await self._swaps(op)).find(op)

    def _rest(self) -> Rest:
        return Rest(self.http, self.config)

    def _reader(self, rest: Rest) -> Reader:
        return Reader(rest, self.config, self.clock)

    def _writer(self) -> TicketWriter:
        rest = self._rest()
        return TicketWriter(self.config, rest, self._reader(rest))

    async def _swaps(self, op: RecordSwap) -> Swaps:
        rest = self._rest()
        reader = self._reader(rest)
        return Swaps(rest, reader, self.config, await reader.places(), comment_of(op.key))
