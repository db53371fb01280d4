"""Reads the tickets that changed, along Zendesk's own cursor.

The export leaves out the last minute and orders by when a change was made known, so that its cursor goes on exactly
where it stopped, and nothing is read twice for fear of late changes.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from connector.sdk import Batch, Cursor, Record, Rejected, SourceRef, UnexpectedResponse
from connector.sdk.answers import read_records
from connector.sdk.cursors import load_cursor, read_instant
from connector_zendesk.client import Page, ZendeskClient
from connector_zendesk.config import ZendeskConfig
from connector_zendesk.mapping import Beside, read_ticket, rejected, ticket_record
from connector_zendesk.names import Names, is_id, read_fields, read_statuses


class TicketPull:
    """Reads tickets for an adapter."""

    def __init__(self, config: ZendeskConfig, client: ZendeskClient) -> None:
        self._config = config
        self._client = client

    async def batches(self, after: str | None, since: datetime | None) -> AsyncIterator[Batch]:
        """Batches of a page each; a page is asked for when it is wanted. since: where there is no cursor of Zendesk's.

        From the time that the settings name when there is neither.
        """
        begin = since or self._config.start
        start = int(begin.timestamp()) if begin else 0
        names = await self.names("pull tickets")
        while True:
            page = await self._client.changed(after, start, size=self._config.page_size)
            if not page.is_last and page.after in (None, after):
                raise UnexpectedResponse(
                    "the export says that there is more, and its cursor stands still",
                    operation="pull tickets",
                    hint="The next pull asks again; if this stays, compare with the API version in the README.",
                )
            after = page.after
            records, refused = self._made(page, names)
            yield Batch(records=records, rejected=refused, resume=write_cursor(after, since=since))
            if page.is_last:
                return

    async def record(self, ref: SourceRef) -> Record:
        """A ticket as it is now. Raises NotFound, InvalidRecord."""
        operation = "fetch ticket"
        body = await self._client.ticket(ref, operation)
        names = await self.names(operation)
        return ticket_record(read_ticket(body["ticket"]), Beside.of(body), names, self._config)

    async def names(self, operation: str) -> Names:
        """Custom fields and statuses, as far as the settings name some."""
        named = self._config.named_fields().values()
        fields = await self._client.ticket_fields(operation) if any(not is_id(name) for name in named) else []
        rows = await self._client.custom_statuses(operation) if self._config.named_statuses() else []
        return Names(read_fields(fields), read_statuses(rows))

    def _made(self, page: Page, names: Names) -> tuple[tuple[Record, ...], tuple[Rejected, ...]]:
        beside = Beside.of(page.body)

        def read(row: Any) -> Record:
            return ticket_record(read_ticket(row), beside, names, self._config)

        return read_records(page.tickets, read, rejected)


def write_cursor(after: str | None, *, since: datetime | None = None) -> Cursor:
    """Zendesk's cursor as the hub keeps it; None before the first ticket there ever was, since an instant or ever."""
    kept = {"after": after} | ({"since": since.isoformat()} if after is None and since is not None else {})
    return json.dumps(kept, separators=(",", ":"))


def read_cursor(cursor: Cursor | None) -> tuple[str | None, datetime | None]:
    """Zendesk's cursor, and since when there is one to be. Raises ConfigError when it is not one of this adapter."""

    def read(saved: Any) -> tuple[str | None, datetime | None]:
        after, since = saved["after"], saved.get("since")
        if after is not None and not isinstance(after, str):
            raise TypeError(after)
        return after, None if since is None else read_instant(since)

    return (None, None) if cursor is None else load_cursor(cursor, read, adapter="Zendesk")
