"""Request Tracker 5 as a source of tickets, and as the place where the hub answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from connector.sdk import (
    Adapter,
    AddNote,
    AuthError,
    Batch,
    Clock,
    ConfigError,
    Cursor,
    Fetches,
    Health,
    Invalid,
    InvalidRecord,
    NotFound,
    Pulls,
    Receipt,
    ReceivesWebhooks,
    Record,
    Rejected,
    SetTicketFields,
    SetTicketState,
    SourceClient,
    SourceRef,
    Stream,
    TicketRecord,
    Tombstone,
    UnexpectedResponse,
    WebhookRequest,
    WebhookResult,
    WritesTickets,
)
from connector_request_tracker import ticket_sql, webhook
from connector_request_tracker.client import RequestTrackerClient
from connector_request_tracker.config import RequestTrackerConfig
from connector_request_tracker.cursor import Position, read_cursor, read_time, write_cursor
from connector_request_tracker.mapping import DELETED, FIELDS, hinted_ticket, rejected, ticket_record
from connector_request_tracker.removal import removed_ticket
from connector_request_tracker.writing import TicketWriter

OVERLAP = timedelta(minutes=5)
PAGE_LIMIT = 100
"""Request Tracker never sends more rows than this, whatever it is asked for."""
TICKETS = Stream("tickets", TicketRecord, "incremental", overlap=OVERLAP, batch_limit=PAGE_LIMIT)
DELETIONS = Stream("deletions", Tombstone, "incremental", overlap=OVERLAP, batch_limit=PAGE_LIMIT)


class RequestTracker(Adapter[RequestTrackerConfig], Pulls, Fetches, ReceivesWebhooks, WritesTickets):
    """Tickets of Request Tracker 5 through REST2: pulled, fetched, announced by a scrip, and written to."""

    def __init__(self, config: RequestTrackerConfig, http: SourceClient, clock: Clock) -> None:
        super().__init__(config, http, clock)
        self._client = RequestTrackerClient(http)
        self._writer = TicketWriter(config, self._client)

    @classmethod
    def config_type(cls) -> type[RequestTrackerConfig]:
        """Settings of a Request Tracker source."""
        return RequestTrackerConfig

    @classmethod
    def streams(cls) -> tuple[Stream, ...]:
        """Tickets, and those that can no longer be found."""
        return (TICKETS, DELETIONS)

    async def check(self) -> Health:
        """Version, queues and time zone. Raises ConfigError when a queue or the user's time zone is wrong."""
        version = await self._client.version()
        for queue in self.config.queues:
            try:
                await self._client.queue(queue)
            except (AuthError, NotFound) as error:
                raise ConfigError(
                    f"queue {queue!r} does not exist, or the token's user may not see it",
                    operation="check",
                    hint="Correct the setting `queues`, or grant SeeQueue and ShowTicket on the queue to that user.",
                    detail=error.detail,
                ) from error
        await self._require_utc()
        return Health(version=version)

    async def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:
        """Batches of one page each."""
        position = read_cursor(since)
        if position.at is not None:
            await self._require_utc()
        pages = self._ticket_pages(position) if stream.name == TICKETS.name else self._removal_pages(position)
        async for batch in pages:
            yield batch

    async def fetch(self, ref: SourceRef) -> Record:
        """The ticket as it is now; a Tombstone when it was deleted or merged into another.

        Raises NotFound when it does not exist, is in none of our queues, or is hidden from the token's user.
        """
        query = ticket_sql.one_of(self.config.queues, [_number(ref)])
        page = await self._client.tickets(query, fields=FIELDS, per_page=1)
        if page.items:
            return self._read(page.items[0])
        try:
            body = (await self._client.ticket(ref, "fetch ticket")).body
        except AuthError as error:
            raise NotFound(
                f"ticket {ref.external_id} is hidden from the token's user", operation="fetch ticket", ref=ref
            ) from error
        is_merged = str(body.get("id")) != ref.external_id
        if is_merged or body.get("Status") == DELETED:
            told = body.get("LastUpdated")
            return Tombstone(ref=ref, updated_at=read_time(told) if isinstance(told, str) else None)
        raise NotFound(f"ticket {ref.external_id} is in none of our queues", operation="fetch ticket", ref=ref)

    def verify(self, request: WebhookRequest) -> None:
        """The scrip's signature and time. Raises AuthError."""
        webhook.verify(request, self.config.webhook_secret)

    def parse(self, request: WebhookRequest) -> WebhookResult:
        """The ticket to read again; what is posted is only a hint. Raises Invalid."""
        try:
            changed = hinted_ticket(request)
        except InvalidRecord as error:
            raise Invalid(str(error), operation="parse webhook", fields={error.path or "": error.message}) from None
        return WebhookResult(fetch=(changed,) if changed else ())

    async def push(self, op: AddNote | SetTicketState | SetTicketFields) -> Receipt:
        """Write on a ticket, once per key. Raises Invalid when Request Tracker refuses, Conflict on a stale ETag."""
        return await self._writer.push(op)

    async def find(self, op: AddNote | SetTicketState | SetTicketFields) -> Receipt | None:
        """Whether the operation's effect is there."""
        return await self._writer.find(op)

    async def _ticket_pages(self, position: Position) -> AsyncIterator[Batch]:
        start, started = position, self.clock.now()
        while True:
            query = ticket_sql.changed_tickets(self.config.queues, position, OVERLAP)
            page = await self._client.tickets(query, fields=FIELDS, per_page=self.config.page_size)
            records: list[Record] = []
            unread: list[Rejected] = []
            for item in page.items:
                try:
                    records.append(self._read(item))
                except InvalidRecord as error:
                    unread.append(rejected(item, error))
            reached = _last(page.items, "LastUpdated", "pull tickets")
            if page.has_more and position.is_exact and not position.precedes(reached):
                raise ConfigError(
                    "the pages of tickets do not advance: times are not understood as UTC",
                    operation="pull tickets",
                    hint=UTC_HINT,
                )
            position = reached if page.items else position
            end = position if page.has_more else start.end_of_pull(position, started, OVERLAP)
            yield Batch(records=tuple(records), rejected=tuple(unread), resume=write_cursor(end))
            if not page.has_more:
                return

    async def _removal_pages(self, position: Position) -> AsyncIterator[Batch]:
        start, started, latest = position, self.clock.now(), position.at
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
                reached = _last(page.items, "Created", "pull deletions")
                latest = max(latest, reached.at) if latest and reached.at else reached.at
                position = Position(latest, reached.id, is_exact=True)
            end = position if page.has_more else start.end_of_pull(position, started, OVERLAP)
            yield Batch(records=gone, rejected=tuple(unread), resume=write_cursor(end))
            if not page.has_more:
                return

    async def _findable(self, numbers: dict[int, Tombstone]) -> set[int]:
        """Those tickets that a search still finds in our queues."""
        query = ticket_sql.one_of(self.config.queues, numbers)
        page = await self._client.tickets(query, fields="Status", per_page=PAGE_LIMIT)
        return {int(item["id"]) for item in page.items}

    async def _require_utc(self) -> None:
        """Refuse a token's user of another time zone, with whom tickets would be lost or pages never end."""
        newest = await self._client.tickets(
            ticket_sql.in_queues(self.config.queues),
            fields="LastUpdated",
            per_page=1,
            order=(("orderby", "LastUpdated"), ("order", "DESC")),
        )
        if not newest.items:
            return
        last = _last(newest.items, "LastUpdated", "check time zone")
        if last.at is None:
            return
        at = ticket_sql.moment(last.at)
        same = f"id = {last.id} AND LastUpdated >= {at} AND LastUpdated <= {at}"
        if (await self._client.tickets(same, fields="LastUpdated", per_page=1)).items:
            return
        again = await self._client.tickets(f"id = {last.id}", fields="LastUpdated", per_page=1)
        if again.items and _last(again.items, "LastUpdated", "check time zone").at == last.at:
            raise ConfigError(
                f"ticket {last.id} was updated at {last.at.isoformat()} and is not found by that time: "
                "the token's user has a time zone other than UTC",
                operation="check",
                hint=UTC_HINT,
            )

    def _read(self, item: Any) -> TicketRecord | Tombstone:
        return ticket_record(item, self.config)


UTC_HINT = "Set the time zone of the token's user to UTC: Admin, Users, that user, Locale."


def _number(ref: SourceRef) -> int:
    if not ref.external_id.isdigit():
        raise NotFound(f"{ref} is no ticket of Request Tracker: its tickets have numbers", operation="fetch ticket")
    return int(ref.external_id)


def _last(items: tuple[Any, ...], column: str, operation: str) -> Position:
    """The position of the last row that has one."""
    for item in reversed(items):
        try:
            return Position(read_time(item[column]), int(item["id"]), is_exact=True)
        except (KeyError, TypeError, ValueError):
            continue
    if not items:
        return Position()
    raise UnexpectedResponse(
        f"none of {len(items)} rows of {operation} has both {column} and id: there is no way to go on behind them",
        operation=operation,
        hint="Check that the server is Request Tracker 5.",
    )
