"""Reads the tickets that changed, page by page, and what Zammad tells of each only when it is asked.

A page is asked for by time, from the last ticket on, and never by its number: tickets that change meanwhile leave the
list, and a page by number would begin behind some that nobody has read. Only where one instant fills more than a page
are its pages counted, and then the row before each page is looked at, too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeAlias, TypeVar

from connector.sdk import (
    AuthError,
    Batch,
    Clock,
    InvalidRecord,
    NotFound,
    Record,
    Rejected,
    SourceRef,
    Tombstone,
    UnexpectedResponse,
)
from connector.sdk.cursors import read_instant
from connector_zammad.client import ZammadClient
from connector_zammad.config import ZammadConfig
from connector_zammad.cursor import Position, write_cursor
from connector_zammad.mapping import (
    Details,
    Ticket,
    read_article,
    read_links,
    read_ticket,
    rejected,
    ticket_record,
)

OVERLAP = timedelta(minutes=5)
"""A long transaction shows its changes later than it dates them."""
LEAST_CAP = 20
"""A page that has fewer tickets was not cut off by a limit of Zammad's own, whatever its version."""
MOST_TRIES = 20
"""Times that an instant is read again before the order of its tickets is taken for none."""

Row: TypeAlias = dict[str, Any]
_T = TypeVar("_T")


class TicketPull:
    """Reads tickets for an adapter."""

    def __init__(self, config: ZammadConfig, client: ZammadClient, clock: Clock) -> None:
        self._config = config
        self._client = client
        self._clock = clock

    async def batches(self, start: Position) -> AsyncIterator[Batch]:
        """Batches of at most a page; a page is asked for when it is wanted."""
        started = self._clock.now()
        began = start.began or started
        state_types = await self._client.state_types("pull tickets")
        async for rows, here, is_last in self._walk(start):
            made = [await self._made(row, state_types) for row in rows]
            end = replace(here, began=began)
            if is_last:
                end = start.end_of_pull(here, started, OVERLAP).not_after(began)
            yield Batch(
                records=tuple(each for each in made if not isinstance(each, Rejected)),
                rejected=tuple(each for each in made if isinstance(each, Rejected)),
                resume=write_cursor(end),
            )

    async def record(self, body: Row) -> Record:
        """The record of a ticket, with its details. Raises InvalidRecord, NotFound when it is gone meanwhile."""
        return await self._of(read_ticket(body), body, await self._client.state_types("fetch ticket"))

    async def seen(self, answer: Awaitable[_T], ref: SourceRef, operation: str) -> _T:
        """The answer. Raises NotFound for a ticket that the account may not see or change, AuthError for all of them.

        Zammad says 403 to both. To whoever may see tickets at all it tells the states of tickets.
        """
        try:
            return await answer
        except AuthError as error:
            await self._client.state_types(operation)
            raise NotFound(
                f"{operation}: Zammad does not allow it for ticket {ref.external_id}",
                operation=operation,
                ref=ref,
                hint="The ticket is in a group that the account may not read, or not change: see the account's roles.",
                detail=error.detail,
            ) from error

    async def _walk(self, start: Position) -> AsyncIterator[tuple[list[Row], Position, bool]]:
        """Rows that were not read before, the position behind them, and whether they are the last."""
        size = self._config.page_size
        here = start if start.is_exact else Position()
        floor = start.floor(OVERLAP)
        page, counted, last_id, tries = 1, 0, None, 0
        while True:
            rows = await self._client.changed(floor, page=page, size=size)
            if page > 1 and not await self._is_next(floor, counted, last_id):
                page, counted, tries = 1, 0, tries + 1
                if tries > MOST_TRIES:
                    raise _unordered(floor)
                continue
            new = [row for row in rows if not _is_read(row, here)]
            for row in rows:
                if stamp := _stamp(row):
                    here = here.after(*stamp)
            is_last = len(rows) < min(size, LEAST_CAP)
            if new or is_last:
                yield new, here, is_last
            if is_last:
                return
            if here.at is not None and (floor is None or here.at > floor):
                floor, page, counted, tries = here.at, 1, 0, 0
            else:
                page, counted, last_id = page + 1, counted + len(rows), rows[-1].get("id")

    async def _is_next(self, floor: datetime | None, counted: int, last_id: object) -> bool:
        """Whether the ticket that was read last still stands right before the page that was read just now."""
        before = await self._client.changed(floor, page=counted, size=1)
        return bool(before) and before[0].get("id") == last_id

    async def _made(self, row: Row, state_types: Mapping[str, str]) -> Record | Rejected:
        try:
            ticket = read_ticket(row)
            return await self._of(ticket, row, state_types)
        except InvalidRecord as error:
            return rejected(row, error)
        except NotFound:
            return Tombstone(ref=ticket.ref, updated_at=ticket.updated_at)

    async def _of(self, ticket: Ticket, body: Row, state_types: Mapping[str, str]) -> Record:
        details = await self._details(ticket) if self._is_wanted(ticket) else Details()
        return ticket_record(ticket, body, details, state_types, self._config)

    def _is_wanted(self, ticket: Ticket) -> bool:
        return not self._config.groups or ticket.group in self._config.groups

    async def _details(self, ticket: Ticket) -> Details:
        links: list[Row] = []
        article: Row | None = None
        if self._config.read_links:
            links = await self.seen(self._client.links(ticket.id, "read links"), ticket.ref, "read links")
        if self._config.read_descriptions and ticket.first_article is not None:
            asked = self._client.article(ticket.first_article, "read description")
            article = await self.seen(asked, ticket.ref, "read description")
        return Details(read_links(links), read_article(article) if article is not None else None)


def _unordered(at: datetime | None) -> UnexpectedResponse:
    return UnexpectedResponse(
        f"the tickets that changed at {at} come in another order each time",
        operation="pull tickets",
        hint="Compare Zammad's version with that in the adapter's README: pages must be sorted by `updated_at,id`.",
    )


def _stamp(row: Row) -> tuple[datetime, int] | None:
    """When a ticket changed, and its id; None where it cannot be read."""
    try:
        return read_instant(row["updated_at"]), int(row["id"])
    except (KeyError, TypeError, ValueError):
        return None


def _is_read(row: Row, here: Position) -> bool:
    stamp = _stamp(row)
    return stamp is not None and here.is_behind(*stamp)
