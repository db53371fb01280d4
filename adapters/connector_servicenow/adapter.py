"""The adapter: places, models, hardware, tickets and deletions of a ServiceNow instance, and writes to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from connector.sdk import (
    Adapter,
    AddNote,
    AssetRecord,
    AuthError,
    Batch,
    ClientCredentials,
    Clock,
    Cursor,
    Deferred,
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
    Tombstone,
    UnexpectedResponse,
    WebhookRequest,
    WebhookResult,
    WritesAssets,
    WritesTickets,
)
from connector.sdk.rest import cursor_since
from connector_servicenow import webhook
from connector_servicenow.client import ServiceNowClient
from connector_servicenow.config import ServiceNowConfig
from connector_servicenow.parts import Devices, Locations, Models, Part, Stockrooms, Tickets, parts_of
from connector_servicenow.pulling import Pull
from connector_servicenow.query import is_sys_id
from connector_servicenow.swaps import Swaps
from connector_servicenow.writing import TicketWriter

OVERLAP = timedelta(minutes=5)
SWEPT = frozenset({"places", "models", "hardware"})
"""Streams of which a pull from the beginning shows everything there is."""


class ServiceNow(Adapter[ServiceNowConfig], Pulls, Fetches, ReceivesWebhooks, WritesTickets, WritesAssets):
    """One instance as a source of places, devices and tickets, and as the place where the hub answers."""

    def __init__(self, config: ServiceNowConfig, http: SourceClient, clock: Clock) -> None:
        super().__init__(config, http, clock)
        self._client = ServiceNowClient(http, _tokens(config, http, clock), page_size=config.page_size)
        self._writer = TicketWriter(config, self._client)

    @classmethod
    def config_type(cls) -> type[ServiceNowConfig]:
        """Settings of a ServiceNow source."""
        return ServiceNowConfig

    @classmethod
    def streams(cls) -> tuple[Stream, ...]:
        """Places before models before hardware before tickets; deletions last, so that they win over what was read."""
        return (
            Stream("places", SiteRecord, "incremental", overlap=OVERLAP),
            Stream("models", ProductRecord, "incremental", overlap=OVERLAP),
            Stream("hardware", AssetRecord, "incremental", overlap=OVERLAP),
            Stream("tickets", TicketRecord, "incremental", overlap=OVERLAP),
            Stream("deletions", Tombstone, "incremental", overlap=OVERLAP),
        )

    async def check(self) -> Health:
        """Read one row of each table that matters most. Raises AuthError when there are rows and none may be read."""
        tables: list[str] = [self.config.device_table] if "cmdb" in self.config.roles else []
        tables += self.config.ticket_tables[:1] if "itsm" in self.config.roles else ()
        counts: list[str] = []
        for table in tables:
            page = await self._client.page(table, "ORDERBYsys_id", ["sys_id"], "check", limit=10)
            if page.total and not page.rows:
                raise AuthError(
                    f"check: {table} has {page.total} rows, and the user sees none of the first ten",
                    operation="check",
                    hint="Grant the hub's user a role that may read the table: see the adapter's README.",
                )
            counts.append(f"{page.total if page.total is not None else 'some'} rows in {table}")
        return Health(detail=", ".join(counts))

    def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:
        """Batches of one stream; a pull of the CMDB from the beginning that is not cut off ends `complete`."""
        parts = parts_of(stream.name, self._client, self.config)
        return Pull(parts, self.clock, stream.overlap).batches(since, sweeps=stream.name in SWEPT)

    def cursor_since(self, stream: Stream, at: datetime) -> Cursor | None:  # noqa: ARG002 - all of them alike
        """What has changed since an instant, in all that the stream is read from."""
        return cursor_since(at)

    async def fetch(self, ref: SourceRef) -> Record:
        """One site, hub, product, device or ticket as it is now. Raises NotFound, also when it is hidden."""
        operation = f"fetch {ref}"
        for part in self._parts_of(ref) if is_sys_id(ref.external_id) else ():
            rows = await self._client.find(
                part.table, "sys_id", ref.external_id, part.fields, operation, where=part.where
            )  # fmt: skip
            if not rows:
                continue
            records, rejected = await part.read(rows[:1])
            if rejected:
                raise UnexpectedResponse(rejected[0].reason, operation=operation, ref=ref)
            return self._made(records[0], ref)
        raise NotFound(f"there is no {ref}, or the user may not see it", operation=operation, ref=ref)

    def _parts_of(self, ref: SourceRef) -> tuple[Part, ...]:
        """Where a thing of this kind may be."""
        kinds: dict[EntityKind, type[Locations] | type[Stockrooms] | type[Models] | type[Devices]] = {
            EntityKind.SITE: Locations,
            EntityKind.HUB: Stockrooms,
            EntityKind.PRODUCT: Models,
            EntityKind.ASSET: Devices,
        }
        if ref.kind is EntityKind.TICKET:
            return tuple(Tickets(self._client, self.config, table) for table in self.config.ticket_tables)
        return (kinds[ref.kind](self._client, self.config),) if ref.kind in kinds else ()

    @staticmethod
    def _made(record: Record | Deferred, ref: SourceRef) -> Record:
        if not isinstance(record, Deferred):
            return record
        try:
            return record.make()
        except InvalidRecord as error:
            raise UnexpectedResponse(str(error), operation=f"fetch {ref}", ref=ref, hint=error.hint) from error

    def verify(self, request: WebhookRequest) -> None:
        """Check signature and age. Raises AuthError."""
        webhook.verify(request, self.config.webhook_secret, within=self.config.webhook_max_age)

    def parse(self, request: WebhookRequest) -> WebhookResult:
        """Which row to read again, or that it was deleted. Raises Invalid."""
        return webhook.parse(request, self.config)

    def takes(self, operation: type[object]) -> bool:
        """Tickets are written where the instance is used for them, swaps where that is allowed."""
        if operation is RecordSwap:
            return self.may_write_assets()
        return "itsm" in self.config.roles

    async def push(self, op: AddNote | SetTicketState | SetTicketFields) -> Receipt:
        """Write on a ticket, once per key. Raises Invalid naming the column, Conflict when it is over."""
        return await self._writer.push(op)

    async def find(self, op: AddNote | SetTicketState | SetTicketFields) -> Receipt | None:
        """Whether the operation's effect is there."""
        return await self._writer.find(op)

    def may_write_assets(self) -> bool:
        """Where the settings say so, and devices are this instance's."""
        return self.config.write_back and "cmdb" in self.config.roles

    async def record_swap(self, op: RecordSwap) -> SwapReceipt:
        """Change the devices of a swap. Raises ConfigError while that is not allowed, Invalid, Conflict, NotFound."""
        return await Swaps(self._client, self.config).record(op)

    async def find_swap(self, op: RecordSwap) -> SwapReceipt | None:
        """The receipt of a swap that the devices show."""
        return await Swaps(self._client, self.config).find(op)


def _tokens(config: ServiceNowConfig, http: SourceClient, clock: Clock) -> ClientCredentials | None:
    if config.client_id is None or config.client_secret is None:
        return None
    form = {"client_id": config.client_id, "client_secret": config.client_secret.get_secret_value()}
    return ClientCredentials(
        http,
        clock,
        url=f"{str(config.base_url).rstrip('/')}/oauth_token.do",
        form=form,
        hint="Check client_id and client_secret, that glide.oauth.inbound.client.credential.grant_type.enabled is "
        "true, and that the application registry names a user.",
    )
