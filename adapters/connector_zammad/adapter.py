"""Zammad as a source of tickets, and as the place where the hub answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

from connector.sdk import (
    Adapter,
    AddNote,
    Batch,
    Clock,
    ConfigError,
    Cursor,
    Fetches,
    Health,
    NotFound,
    Pulls,
    Receipt,
    ReceivesWebhooks,
    Record,
    SetTicketFields,
    SetTicketState,
    SourceClient,
    SourceRef,
    Stream,
    TicketRecord,
    WebhookRequest,
    WebhookResult,
    WritesTickets,
)
from connector.sdk.answers import one_read
from connector_zammad import webhook
from connector_zammad.client import ZammadClient
from connector_zammad.config import ZammadConfig
from connector_zammad.cursor import Position, read_cursor, write_cursor
from connector_zammad.pulling import OVERLAP, TicketPull
from connector_zammad.writing import TicketWriter

TICKETS = Stream("tickets", TicketRecord, "incremental", overlap=OVERLAP, batch_limit=200)


class Zammad(Adapter[ZammadConfig], Pulls, Fetches, ReceivesWebhooks, WritesTickets):
    """Zammad through version 1 of its REST interface: tickets that are read and written to."""

    def __init__(self, config: ZammadConfig, http: SourceClient, clock: Clock) -> None:
        super().__init__(config, http, clock)
        self._client = ZammadClient(http)
        self._pull = TicketPull(config, self._client, clock)
        self._writer = TicketWriter(config, self._client, clock)

    @classmethod
    def config_type(cls) -> type[ZammadConfig]:
        """Settings of a Zammad source."""
        return ZammadConfig

    @classmethod
    def streams(cls) -> tuple[Stream, ...]:
        """Tickets. Nothing tells which were deleted."""
        return (TICKETS,)

    async def check(self) -> Health:
        """Who the hub is, that it may see tickets, and that what the settings name is there. Raises ConfigError."""
        me = await self._client.me("check")
        types = await self._client.state_types("check")
        unknown = [f"{state.value} = {name!r}" for state, name in self.config.statuses.items() if name not in types]
        if unknown:
            raise ConfigError(
                f"`statuses` names states that are not in use: {', '.join(unknown)}",
                operation="check",
                hint=f"Zammad has {', '.join(types)}.",
            )
        await self._require_attributes()
        return Health(version="1", detail=f"reads and writes as {me.get('login')}")

    async def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:  # noqa: ARG002 - the only one
        """Batches of at most a page."""
        async for batch in self._pull.batches(read_cursor(since)):
            yield batch

    def cursor_since(self, stream: Stream, at: datetime) -> Cursor | None:  # noqa: ARG002 - all of them alike
        """Tickets that have changed since an instant."""
        return write_cursor(Position(at, is_exact=True))

    async def fetch(self, ref: SourceRef) -> Record:
        """The ticket as it is now; a Tombstone when it is in a group that this source does not read.

        Raises NotFound when it was deleted or the account may not see it, AuthError when that sees no tickets at all.
        """
        operation = "fetch ticket"
        body = await self._pull.seen(self._client.ticket(_numbered(ref), operation), ref, operation)
        with one_read(operation, ref):
            return await self._pull.record(body)

    def verify(self, request: WebhookRequest) -> None:
        """Zammad's signature. Raises AuthError."""
        webhook.verify(request, self.config.webhook_secret)

    def parse(self, request: WebhookRequest) -> WebhookResult:
        """The ticket to read again. Raises Invalid."""
        return webhook.parse(request)

    async def push(self, op: AddNote | SetTicketState | SetTicketFields) -> Receipt:
        """Write on a ticket, once per key. Raises Invalid when Zammad refuses, naming the field."""
        _numbered(op.ticket)
        return await self._pull.seen(self._writer.push(op), op.ticket, "write on ticket")

    async def find(self, op: AddNote | SetTicketState | SetTicketFields) -> Receipt | None:
        """Whether the operation took effect, or what it asks for is so already."""
        _numbered(op.ticket)
        return await self._pull.seen(self._writer.find(op), op.ticket, "look at ticket")

    async def _require_attributes(self) -> None:
        """Refuse settings that name attributes which tickets do not have, as far as there is a ticket to tell."""
        named = {name: getattr(self.config, name) for name in self.config.model_fields_set if name.endswith("_field")}
        rows = await self._client.changed(None, page=1, size=1) if named else []
        if not rows:
            return
        missing = [f"{name} = {value!r}" for name, value in named.items() if value and value not in rows[0]]
        if missing:
            raise ConfigError(
                f"these settings name attributes that tickets do not have: {', '.join(sorted(missing))}",
                operation="check",
                hint="Take the name from the column Name under Objects in Zammad.",
            )


def _numbered(ref: SourceRef) -> SourceRef:
    """The reference of a ticket, whose id is part of an address. Raises NotFound for one that is none of Zammad's."""
    if not (ref.external_id.isascii() and ref.external_id.isdigit()):
        raise NotFound(f"{ref} is no ticket of Zammad's: its tickets have numbers", operation="read ticket", ref=ref)
    return ref
