"""PagerDuty as a source of tickets, and as the place where the hub answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

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
from connector_pagerduty import webhook
from connector_pagerduty.client import PagerDutyClient
from connector_pagerduty.config import PagerDutyConfig
from connector_pagerduty.cursor import Position, read_cursor, write_cursor
from connector_pagerduty.mapping import is_in_scope, ticket_record
from connector_pagerduty.pulling import OVERLAP, IncidentPull
from connector_pagerduty.refusals import LOST_ACCESS, error_code
from connector_pagerduty.shapes import read_incident
from connector_pagerduty.writing import IncidentWriter

INCIDENTS = Stream("incidents", TicketRecord, "incremental", overlap=OVERLAP, batch_limit=100)


class PagerDuty(Adapter[PagerDutyConfig], Pulls, Fetches, ReceivesWebhooks, WritesTickets):
    """PagerDuty's REST API 2 and webhooks 3: incidents that are read and written to."""

    def __init__(self, config: PagerDutyConfig, http: SourceClient, clock: Clock) -> None:
        super().__init__(config, http, clock)
        self._client = PagerDutyClient(http)
        self._pull = IncidentPull(config, self._client, clock)
        self._writer = IncidentWriter(config, self._client)

    @classmethod
    def config_type(cls) -> type[PagerDutyConfig]:
        """Settings of a PagerDuty source."""
        return PagerDutyConfig

    @classmethod
    def streams(cls) -> tuple[Stream, ...]:
        """Incidents."""
        return (INCIDENTS,)

    async def check(self) -> Health:
        """What the account's plan allows, and the services and teams. Raises ConfigError when one does not exist."""
        abilities = await self._client.abilities()
        if self.config.teams and "teams" not in abilities:
            raise ConfigError(
                "the account has no teams, and the setting `teams` names some",
                operation="check",
                hint="Leave `teams` empty, or choose by `services`.",
            )
        for ask, kind, ids in (
            (self._client.service, "service", self.config.services),
            (self._client.team, "team", self.config.teams),
        ):
            for each in ids:
                try:
                    await ask(each)
                except NotFound as error:
                    raise ConfigError(
                        f"{kind} {each!r} does not exist, or the key may not see it",
                        operation="check",
                        hint=f"Correct `{kind}s`: an id is the last part of the {kind}'s address in PagerDuty.",
                        detail=error.detail,
                    ) from error
        detail = f"writes as {self.config.from_email}" if self.config.from_email else "read only: no from_email"
        return Health(version="2", detail=detail)

    async def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:  # noqa: ARG002 - the only one
        """Batches of one page each."""
        async for batch in self._pull.batches(read_cursor(since)):
            yield batch

    def cursor_since(self, stream: Stream, at: datetime) -> Cursor | None:  # noqa: ARG002 - all of them alike
        """Incidents to which something has happened since an instant, and those that are open."""
        return write_cursor(Position(at))

    async def fetch(self, ref: SourceRef) -> Record:
        """The incident as it is now. Raises NotFound, also when the settings do not ask for it or it is hidden."""
        try:
            item = await self._client.incident(ref, "fetch incident", with_details=self.config.read_details)
        except AuthError as error:
            if error_code(error) != LOST_ACCESS:
                raise
            raise NotFound(f"{ref} is hidden from the key's user", operation="fetch incident", ref=ref) from error
        with one_read("fetch incident", ref):
            incident = read_incident(item)
        if not is_in_scope(incident, self.config):
            raise NotFound(
                f"incident {incident.incident_number} is of none of the services and teams that are read",
                operation="fetch incident",
                ref=ref,
            )
        with one_read("fetch incident", ref):
            return ticket_record(incident, self.config)

    def verify(self, request: WebhookRequest) -> None:
        """One of the signatures. Raises AuthError."""
        webhook.verify(request, self.config.webhook_secret)

    def parse(self, request: WebhookRequest) -> WebhookResult:
        """The incident to read again. Raises Invalid."""
        return webhook.parse(request)

    async def push(self, op: AddNote | SetTicketState | SetTicketFields) -> Receipt:
        """Write on an incident, once per key. Raises Invalid when PagerDuty refuses, Conflict when it is resolved."""
        return await self._writer.push(op)

    async def find(self, op: AddNote | SetTicketState | SetTicketFields) -> Receipt | None:
        """Whether the operation's effect is there."""
        return await self._writer.find(op)
