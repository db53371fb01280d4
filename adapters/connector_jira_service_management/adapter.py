"""Jira Service Management in the cloud as a source of tickets, and as the place where the hub answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

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
from connector.sdk.answers import one_read, read_records
from connector_jira_service_management import webhook
from connector_jira_service_management.client import JiraClient, Page
from connector_jira_service_management.config import JiraServiceManagementConfig
from connector_jira_service_management.cursor import Position, read_cursor, write_cursor
from connector_jira_service_management.jql import changed_since, times_in
from connector_jira_service_management.mapping import configured_fields, fields_of, rejected, ticket_record
from connector_jira_service_management.walk import walk
from connector_jira_service_management.writing import TicketWriter

OVERLAP = timedelta(minutes=10)
"""Jira's search shows a change some seconds after it was made, now and then minutes."""
PAGE_LIMIT = 100
_T = TypeVar("_T")
TICKETS = Stream("tickets", TicketRecord, "incremental", overlap=OVERLAP, batch_limit=PAGE_LIMIT)


class JiraServiceManagement(
    Adapter[JiraServiceManagementConfig], Pulls, Fetches, ReceivesWebhooks, WritesTickets
):  # fmt: skip
    """Jira in the cloud through version 3 of its REST interface: issues that are read and written to."""

    def __init__(self, config: JiraServiceManagementConfig, http: SourceClient, clock: Clock) -> None:
        super().__init__(config, http, clock)
        self._client = JiraClient(http)
        self._writer = TicketWriter(config, self._client)
        self._fields = fields_of(config)

    @classmethod
    def config_type(cls) -> type[JiraServiceManagementConfig]:
        """Settings of a Jira Service Management source."""
        return JiraServiceManagementConfig

    @classmethod
    def streams(cls) -> tuple[Stream, ...]:
        """Tickets. No search tells which were deleted: webhooks do."""
        return (TICKETS,)

    async def check(self) -> Health:
        """Account, projects and fields. Raises ConfigError when one of them is not there."""
        zone = await self._client.time_zone("check")
        for key in self.config.projects:
            try:
                await self._client.project(key)
            except NotFound as error:
                raise ConfigError(
                    f"project {key!r} does not exist, or the token's account may not see it",
                    operation="check",
                    hint="Correct `projects`, or grant that account the permission Browse Projects.",
                    detail=error.detail,
                ) from error
        await self._require_fields()
        version = await self._client.version()
        return Health(version=version, detail=f"times in queries are read in {zone.key}")

    async def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:  # noqa: ARG002 - the only one
        """Batches of at most a page."""
        start, started = read_cursor(since), self.clock.now()
        began = start.began or started
        times = times_in(await self._client.time_zone("pull tickets"))

        async def ask(floor: datetime | None, token: str | None) -> Page:
            jql = changed_since(self.config.projects, self.config.issue_types, floor, times)
            return await self._client.search(jql, fields=self._fields, size=self.config.page_size, token=token)

        async for step in walk(ask, start.floor(OVERLAP), start.within(), times.asked):
            records, unread = read_records(step.items, lambda item: ticket_record(item, self.config), rejected)
            end = replace(step.here, began=began)
            if step.is_last:
                end = start.end_of_pull(step.here, started, OVERLAP).not_after(began)
            yield Batch(records, unread, resume=write_cursor(end))

    def cursor_since(self, stream: Stream, at: datetime) -> Cursor | None:  # noqa: ARG002 - all of them alike
        """Tickets that have changed since an instant."""
        return write_cursor(Position(at, is_exact=True))

    async def fetch(self, ref: SourceRef) -> Record:
        """The issue as it is now; a Tombstone when it was moved where this source does not read.

        Raises NotFound when it was deleted or is hidden from the account, AuthError when that account sees nothing: to
        whoever is not known to it, Jira says that an issue does not exist; UnexpectedResponse when it cannot be read.
        """
        issue = await self._believing(self._client.issue(ref, "fetch ticket", fields=self._fields), "fetch ticket")
        with one_read("fetch ticket", ref):
            return ticket_record(issue, self.config)

    def verify(self, request: WebhookRequest) -> None:
        """Jira's signature. Raises AuthError."""
        webhook.verify(request, self.config.webhook_secret)

    def parse(self, request: WebhookRequest) -> WebhookResult:
        """The issues to read again, or that one was deleted. Raises Invalid."""
        return webhook.parse(request)

    async def push(self, op: AddNote | SetTicketState | SetTicketFields) -> Receipt:
        """Write on an issue, once per key. Raises Invalid when Jira refuses, naming the field."""
        return await self._believing(self._writer.push(op), "write on ticket")

    async def find(self, op: AddNote | SetTicketState | SetTicketFields) -> Receipt | None:
        """Whether the operation took effect, or what it asks for is so already."""
        return await self._believing(self._writer.find(op), "look at ticket")

    async def _believing(self, answer: Awaitable[_T], operation: str) -> _T:
        """The answer; that an issue is not there only where the account would see it. Raises NotFound, AuthError."""
        try:
            return await answer
        except NotFound:
            await self._require_sight(operation)
            raise

    async def _require_sight(self, operation: str) -> None:
        """Refuse to take for gone what the account merely cannot see. Raises AuthError."""
        await self._client.time_zone(operation)
        for key in self.config.projects:
            try:
                await self._client.project(key)
            except NotFound as error:
                raise AuthError(
                    f"the token's account does not see project {key!r} any more",
                    operation=operation,
                    hint="Grant it the permission Browse Projects, or take the project out of `projects`.",
                    detail=error.detail,
                ) from error

    async def _require_fields(self) -> None:
        wanted = configured_fields(self.config)
        if not wanted:
            return
        there = await self._client.field_ids()
        missing = [f"{setting} = {field!r}" for setting, field in wanted.items() if field not in there]
        if missing:
            raise ConfigError(
                f"these settings name fields that are not there: {', '.join(missing)}",
                operation="check",
                hint="Take the identifiers from `/rest/api/3/field` of the site.",
            )
