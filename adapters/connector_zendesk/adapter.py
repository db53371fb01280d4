"""Zendesk Support as a source of tickets, and as the place where the hub answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from connector.sdk import (
    Adapter,
    AddNote,
    AuthError,
    Batch,
    ClientCredentials,
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
from connector_zendesk import webhook
from connector_zendesk.client import ZendeskClient
from connector_zendesk.config import ZendeskConfig
from connector_zendesk.names import Names, read_fields, read_statuses
from connector_zendesk.pulling import TicketPull, read_cursor, write_cursor
from connector_zendesk.writing import TicketWriter

TICKETS = Stream("tickets", TicketRecord, "incremental", overlap=timedelta(0), batch_limit=1000)
"""Zendesk holds back the last minute itself, so that nothing needs to be read twice."""


class Zendesk(Adapter[ZendeskConfig], Pulls, Fetches, ReceivesWebhooks, WritesTickets):
    """Zendesk Support through version 2 of its Ticketing API: tickets that are read and written to."""

    def __init__(self, config: ZendeskConfig, http: SourceClient, clock: Clock) -> None:
        super().__init__(config, http, clock)
        self._client = ZendeskClient(http, _tokens(config, http, clock))
        self._pull = TicketPull(config, self._client)
        self._writer = TicketWriter(config, self._client)

    @classmethod
    def config_type(cls) -> type[ZendeskConfig]:
        """Settings of a Zendesk source."""
        return ZendeskConfig

    @classmethod
    def streams(cls) -> tuple[Stream, ...]:
        """Tickets, deleted ones included."""
        return (TICKETS,)

    async def check(self) -> Health:
        """Who the hub is, that it may export, and that what the settings name is there. Raises ConfigError."""
        operation = "check"
        me = await self._client.me(operation)
        if me.get("id") is None:
            raise AuthError("Zendesk takes the hub for an anonymous visitor", operation=operation)
        if me.get("role") != "admin":
            raise ConfigError(
                f"the hub's account is {me.get('role')!r}, and only administrators may export tickets",
                operation=operation, hint="Give the account the role Administrator in Zendesk.",
            )  # fmt: skip
        fields, statuses = self.config.named_fields(), self.config.named_statuses()
        names = Names(
            read_fields(await self._client.ticket_fields(operation) if fields else []),
            read_statuses(await self._client.custom_statuses(operation) if statuses else []),
        )
        names.require_fields(fields)
        names.require_statuses(statuses)
        return Health(version="2", detail=f"reads and writes as {me.get('email')}")

    async def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:  # noqa: ARG002 - the only one
        """Batches of a page each."""
        async for batch in self._pull.batches(*read_cursor(since)):
            yield batch

    def cursor_since(self, stream: Stream, at: datetime) -> Cursor | None:  # noqa: ARG002 - all of them alike
        """Tickets that have changed since an instant."""
        return write_cursor(None, since=at)

    async def fetch(self, ref: SourceRef) -> Record:
        """The ticket as it is now; a Tombstone when it is in a group that this source does not read.

        Raises NotFound when it was deleted.
        """
        with one_read("fetch ticket", ref):
            return await self._pull.record(_numbered(ref))

    def verify(self, request: WebhookRequest) -> None:
        """Zendesk's signature and its time. Raises AuthError."""
        webhook.verify(request, self.config.webhook_secret, self.config.webhook_tolerance)

    def parse(self, request: WebhookRequest) -> WebhookResult:
        """The ticket to read again. Raises Invalid."""
        return webhook.parse(request)

    async def push(self, op: AddNote | SetTicketState | SetTicketFields) -> Receipt:
        """Write on a ticket, once per key.

        Raises Invalid when Zendesk refuses, naming the field; Conflict when the ticket is closed, or was changed since
        it was read.
        """
        _numbered(op.ticket)
        return await self._writer.push(op)

    async def find(self, op: AddNote | SetTicketState | SetTicketFields) -> Receipt | None:
        """Whether the operation took effect, or what it asks for is so already."""
        _numbered(op.ticket)
        return await self._writer.find(op)


def _tokens(config: ZendeskConfig, http: SourceClient, clock: Clock) -> ClientCredentials | None:
    form = config.token_form()
    if form is None:
        return None
    return ClientCredentials(
        http,
        clock,
        url=f"{str(config.base_url).rstrip('/')}/oauth/tokens",
        form=form,
        hint="Check client_id, which is the client's identifier and not its number, client_secret and scope, and that "
        "the OAuth client is confidential.",
    )


def _numbered(ref: SourceRef) -> SourceRef:
    """The reference of a ticket, whose id is part of an address. Raises NotFound for one that is none of Zendesk's."""
    if not (ref.external_id.isascii() and ref.external_id.isdigit()):
        raise NotFound(f"{ref} is no ticket of Zendesk's: its tickets have numbers", operation="read ticket", ref=ref)
    return ref
