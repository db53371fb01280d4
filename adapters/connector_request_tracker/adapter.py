"""Request Tracker 5 as a source of tickets, and as the place where the hub answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from connector.sdk import (
    Adapter,
    AddNote,
    AssetRecord,
    AuthError,
    Batch,
    CancelOrder,
    Clock,
    ConfigError,
    Cursor,
    EntityKind,
    Fetches,
    Health,
    IdempotencyKey,
    InvalidRecord,
    NotFound,
    OrderParts,
    OrderReceipt,
    OrderRecord,
    Procures,
    Pulls,
    Receipt,
    ReceivesWebhooks,
    Record,
    RecordSwap,
    Rejected,
    RequestReplacement,
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
from connector.sdk.answers import one_read, read_records, unreadable_webhook
from connector.sdk.cursors import read_instant
from connector.sdk.rest.swaps import require_write_back
from connector_request_tracker import ticket_sql, webhook
from connector_request_tracker.asset_mapping import place_records
from connector_request_tracker.assets import AssetReader
from connector_request_tracker.client import RequestTrackerClient
from connector_request_tracker.config import RequestTrackerConfig
from connector_request_tracker.cursor import Position, position_of, read_cursor, write_cursor
from connector_request_tracker.mapping import DELETED, FIELDS, hinted_ticket, rejected, ticket_record, ticket_ref
from connector_request_tracker.order_mapping import ORDER_FIELDS, is_in, order_record, order_ref
from connector_request_tracker.ordering import OrderDesk
from connector_request_tracker.removal import removed_ticket
from connector_request_tracker.swaps import Swaps
from connector_request_tracker.writing import TicketWriter

OVERLAP = timedelta(minutes=5)
PAGE_LIMIT = 100
"""Request Tracker never sends more rows than this, whatever it is asked for."""
TICKETS = Stream("tickets", TicketRecord, "incremental", overlap=OVERLAP, batch_limit=PAGE_LIMIT)
ORDERS = Stream("orders", OrderRecord, "incremental", overlap=OVERLAP, batch_limit=PAGE_LIMIT)
PLACES = Stream("places", SiteRecord, "snapshot")
ASSETS = Stream("assets", AssetRecord, "incremental", overlap=OVERLAP, batch_limit=PAGE_LIMIT)
DELETIONS = Stream("deletions", Tombstone, "incremental", overlap=OVERLAP, batch_limit=PAGE_LIMIT)


class RequestTracker(
    Adapter[RequestTrackerConfig], Pulls, Fetches, ReceivesWebhooks, WritesTickets, Procures, WritesAssets
):
    """Request Tracker 5 through REST2: tickets and assets, read and written to, and a queue that takes orders."""

    def __init__(self, config: RequestTrackerConfig, http: SourceClient, clock: Clock) -> None:
        super().__init__(config, http, clock)
        self._client = RequestTrackerClient(http)
        self._writer = TicketWriter(config, self._client)
        self._orders = OrderDesk(config, self._client, self._writer)
        self._tickets_there = ticket_sql.in_queues(config.queues, other_than=config.order_queue)
        self._orders_there = ticket_sql.in_queues([config.order_queue]) if config.order_queue else None

    @classmethod
    def config_type(cls) -> type[RequestTrackerConfig]:
        """Settings of a Request Tracker source."""
        return RequestTrackerConfig

    @classmethod
    def streams(cls) -> tuple[Stream, ...]:
        """Places before assets before tickets; tickets that can no longer be found, and orders."""
        return (PLACES, ASSETS, TICKETS, DELETIONS, ORDERS)

    async def check(self) -> Health:
        """Version, queues and time zone. Raises ConfigError when a queue or the user's time zone is wrong."""
        version = await self._client.version()
        for queue in filter(None, (*self.config.queues, self.config.order_queue)):
            try:
                await self._client.queue(queue)
            except (AuthError, NotFound) as error:
                raise ConfigError(
                    f"queue {queue!r} does not exist, or the token's user may not see it",
                    operation="check",
                    hint="Correct `queues` or `order_queue`, or grant that user SeeQueue and ShowTicket on the queue.",
                    detail=error.detail,
                ) from error
        await self._assets().catalogs()
        await self._require_utc(self._tickets_there)
        return Health(version=version)

    async def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:
        """Batches of one page each."""
        if stream.name == PLACES.name:
            yield Batch(tuple(place_records(self.config)), complete=True)
            return
        if stream.name == ASSETS.name:
            if not self.config.catalogs:
                yield Batch(records=(), resume=since)
                return
            async for batch in self._assets().batches(since):
                yield batch
            return
        position = read_cursor(since)
        where = self._orders_there if stream.name == ORDERS.name else self._tickets_there
        if where is None:
            yield Batch(records=(), resume=write_cursor(position))
            return
        if position.at is not None:
            await self._require_utc(where)
        pages = self._removal_pages(position) if stream.name == DELETIONS.name else self._pages(stream, where, position)
        async for batch in pages:
            yield batch

    def cursor_since(self, stream: Stream, at: datetime) -> Cursor | None:  # noqa: ARG002 - all of them alike
        """What has changed, or went, since an instant."""
        return write_cursor(Position(at))

    async def fetch(self, ref: SourceRef) -> Record:
        """The asset, ticket or order as it is now; a Tombstone of a ticket that was deleted or merged into another.

        What a webhook names as a ticket may be an order.

        Raises NotFound when it does not exist, is in none of our queues, or is hidden from the token's user.
        """
        if ref.kind is EntityKind.ASSET:
            return await self._fetch_asset(ref)
        scope = " OR ".join(filter(None, (self._tickets_there, self._orders_there)))
        query = ticket_sql.one_of(scope, [_number(ref)])
        page = await self._client.tickets(query, fields=FIELDS, per_page=1)
        if page.items:
            with one_read("fetch ticket", ref):
                return self._read(page.items[0])
        try:
            body = (await self._client.ticket(ticket_ref(ref.external_id), "fetch ticket")).body
        except AuthError as error:
            raise NotFound(
                f"ticket {ref.external_id} is hidden from the token's user", operation="fetch ticket", ref=ref
            ) from error
        is_merged = str(body.get("id")) != ref.external_id
        if is_merged or body.get("Status") == DELETED:
            told = body.get("LastUpdated")
            return Tombstone(ref=ref, updated_at=read_instant(told) if isinstance(told, str) else None)
        raise NotFound(f"ticket {ref.external_id} is in none of our queues", operation="fetch ticket", ref=ref)

    def verify(self, request: WebhookRequest) -> None:
        """The scrip's signature and time. Raises AuthError."""
        webhook.verify(request, self.config.webhook_secret)

    def parse(self, request: WebhookRequest) -> WebhookResult:
        """The ticket to read again; what is posted is only a hint. Raises Invalid."""
        try:
            changed = hinted_ticket(request)
        except InvalidRecord as error:
            raise unreadable_webhook(error) from None
        return WebhookResult(fetch=(changed,) if changed else ())

    async def push(self, op: AddNote | SetTicketState | SetTicketFields) -> Receipt:
        """Write on a ticket, once per key. Raises Invalid when Request Tracker refuses, Conflict on a stale ETag."""
        return await self._writer.push(op)

    async def find(self, op: AddNote | SetTicketState | SetTicketFields) -> Receipt | None:
        """Whether the operation's effect is there."""
        return await self._writer.find(op)

    async def order(self, op: RequestReplacement | OrderParts) -> OrderReceipt:
        """Open a ticket in the queue for orders, once per key. Raises ConfigError when there is no such queue."""
        return await self._orders.order(op)

    async def find_order(self, key: IdempotencyKey) -> OrderReceipt | None:
        """The order with this key."""
        return await self._orders.find(key)

    async def cancel_order(self, op: CancelOrder) -> Receipt:
        """Reject its ticket. Raises Conflict when it was sent or delivered, NotFound when there is none."""
        return await self._orders.cancel(op)

    def may_write_assets(self) -> bool:
        """Whether `write_back` allows it and there are catalogs."""
        return self.config.write_back and bool(self.config.catalogs)

    async def record_swap(self, op: RecordSwap) -> SwapReceipt:
        """Record a swap in the assets, once. Raises ConfigError, NotFound, Conflict, Invalid, OutcomeUnknown."""
        require_write_back(self.config.swaps())
        return await Swaps(self._client, self._assets(), self.config).record(op)

    async def find_swap(self, op: RecordSwap) -> SwapReceipt | None:
        """Whether the assets show the swap already."""
        return await Swaps(self._client, self._assets(), self.config).find(op)

    async def _pages(self, stream: Stream, where: str, position: Position) -> AsyncIterator[Batch]:
        fields, ref_of = (ORDER_FIELDS, order_ref) if stream.name == ORDERS.name else (FIELDS, ticket_ref)
        start, started = position, self.clock.now()
        began = start.began or started
        while True:
            query = ticket_sql.changed_tickets(where, position, OVERLAP)
            page = await self._client.tickets(
                query, fields=fields, per_page=self.config.page_size, operation=f"pull {stream.name}"
            )
            records, unread = read_records(page.items, self._read, partial(rejected, ref_of=ref_of))
            reached = position_of(page.items, "LastUpdated", f"pull {stream.name}")
            if page.has_more and position.is_exact and not position.precedes(reached):
                raise ConfigError(
                    f"the pages of {stream.name} do not advance: times are not understood as UTC",
                    operation=f"pull {stream.name}",
                    hint=UTC_HINT,
                )
            position = reached if page.items else position
            end = replace(position, began=began)
            if not page.has_more:
                end = start.end_of_pull(position, started, OVERLAP).not_after(began)
            yield Batch(records=tuple(records), rejected=tuple(unread), resume=write_cursor(end))
            if not page.has_more:
                return

    async def _removal_pages(self, position: Position) -> AsyncIterator[Batch]:
        start, started, latest = position, self.clock.now(), position.at
        began = start.began or started
        while True:
            query = ticket_sql.removals(position, OVERLAP)
            page = await self._client.transactions(query, per_page=self.config.page_size)
            removals: dict[int, Tombstone] = {}
            unread: list[Rejected] = []
            for item in page.items:
                try:
                    number, tombstone = removed_ticket(item)
                    removals[number] = tombstone
                except InvalidRecord as error:
                    unread.append(rejected(item, error))
            there = await self._findable(removals) if removals else set()
            gone = tuple(tombstone for number, tombstone in removals.items() if number not in there)
            if page.items:
                reached = position_of(page.items, "Created", "pull deletions")
                latest = max(latest, reached.at) if latest and reached.at else reached.at
                position = Position(latest, reached.id, is_exact=True)
            end = replace(position, began=began)
            if not page.has_more:
                end = start.end_of_pull(position, started, OVERLAP).not_after(began)
            yield Batch(records=gone, rejected=tuple(unread), resume=write_cursor(end))
            if not page.has_more:
                return

    async def _findable(self, numbers: dict[int, Tombstone]) -> set[int]:
        """Those tickets that a search still finds in our queues."""
        query = ticket_sql.one_of(self._tickets_there, numbers)
        page = await self._client.tickets(query, fields="Status", per_page=PAGE_LIMIT)
        try:
            return {int(item["id"]) for item in page.items}
        except (KeyError, TypeError, ValueError) as error:
            raise UnexpectedResponse(
                f"tickets are found that have no number: {error}", operation="pull deletions"
            ) from error

    def _assets(self) -> AssetReader:
        return AssetReader(self._client, self.config, self.clock, OVERLAP)

    async def _fetch_asset(self, ref: SourceRef) -> Record:
        with one_read("fetch asset", ref):
            return await self._assets().one(ref)

    async def _require_utc(self, where: str) -> None:
        """Refuse a token's user of another time zone, with whom tickets would be lost or pages never end."""
        newest = await self._client.tickets(
            where,
            fields="LastUpdated",
            per_page=1,
            order=(("orderby", "LastUpdated"), ("order", "DESC")),
        )
        if not newest.items:
            return
        last = position_of(newest.items, "LastUpdated", "check time zone")
        if last.at is None:
            return
        at = ticket_sql.moment(last.at)
        same = f"id = {last.id} AND LastUpdated >= {at} AND LastUpdated <= {at}"
        if (await self._client.tickets(same, fields="LastUpdated", per_page=1)).items:
            return
        again = await self._client.tickets(f"id = {last.id}", fields="LastUpdated", per_page=1)
        if again.items and position_of(again.items, "LastUpdated", "check time zone").at == last.at:
            raise ConfigError(
                f"ticket {last.id} was updated at {last.at.isoformat()} and is not found by that time: "
                "the token's user has a time zone other than UTC",
                operation="check",
                hint=UTC_HINT,
            )

    def _read(self, item: Any) -> TicketRecord | Tombstone | OrderRecord:
        if is_in(item, self.config.order_queue):
            return order_record(item, self.config)
        return ticket_record(item, self.config)


UTC_HINT = "Set the time zone of the token's user to UTC: Admin, Users, that user, Locale."


def _number(ref: SourceRef) -> int:
    if not ref.external_id.isdigit():
        raise NotFound(f"{ref} is no ticket of Request Tracker: its tickets have numbers", operation="fetch ticket")
    return int(ref.external_id)
