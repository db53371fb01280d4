"""Reads and writes version 2 of Zendesk's Ticketing API. Knows no records."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from connector.sdk import ClientCredentials, SourceClient, SourceRef, UnexpectedResponse
from connector.sdk.answers import json_list, json_object

API = "api/v2"
EXPORT = f"{API}/incremental/tickets/cursor"
WHERE = "Check that base_url is the address of Zendesk, `https://NAME.zendesk.com`, without `/api/v2`."
BESIDE = "users,groups,organizations,slas,dates"
"""What comes along with tickets, so that no ticket costs a request of its own."""
LIST_PAGE = 100
MOST_PAGES = 1000
"""Of a list. A ticket has 5,000 comments at most, an account a few hundred fields."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the export. after: its cursor, None where there never was a ticket. body: with what came along."""

    tickets: list[Any]
    after: str | None
    is_last: bool
    body: dict[str, Any]


class ZendeskClient:
    """Calls of the interface, each named by what it asks for. tokens: None where each request has its proof anyway."""

    def __init__(self, http: SourceClient, tokens: ClientCredentials | None) -> None:
        self._http = http
        self._tokens = tokens

    async def me(self, operation: str) -> dict[str, Any]:
        """Who the credentials are of; a user without an id for whoever gives none."""
        return _inner(await self._get("users/me", operation), "user", operation)

    async def changed(self, after: str | None, start: int, *, size: int) -> Page:
        """A page of the export behind a cursor, or from a time on, in seconds since 1970."""
        operation = "pull tickets"
        where: dict[str, str | int] = {"start_time": start} if after is None else {"cursor": after}
        params = {**where, "per_page": size, "include": BESIDE}
        response = await self._send("GET", EXPORT, operation, params=params)
        body = json_object(self._http.json(response, operation=operation), operation, hint=WHERE)
        told, is_last = body.get("after_cursor"), body.get("end_of_stream")
        if not isinstance(is_last, bool) or not isinstance(told, str | None):
            raise UnexpectedResponse(
                "the answer to pull tickets has no `end_of_stream`, or a cursor that is no text",
                operation=operation, hint=WHERE,
            )  # fmt: skip
        return Page(json_list(body, "tickets", operation, hint=WHERE), told or after, is_last, body)

    async def ticket(self, ref: SourceRef, operation: str) -> dict[str, Any]:
        """A ticket and what comes along, as an answer of one ticket. Raises NotFound."""
        body = await self._get(f"tickets/{ref.external_id}", operation, ref=ref, params={"include": BESIDE})
        _inner(body, "ticket", operation)
        return body

    async def update(self, ref: SourceRef, change: Mapping[str, object], operation: str) -> dict[str, Any]:
        """Change a ticket; the ticket then and the audit of the change. Raises Invalid, Conflict."""
        path = f"{API}/tickets/{ref.external_id}"
        response = await self._send("PUT", path, operation, ref=ref, json={"ticket": change})
        body = json_object(self._http.json(response, operation=operation), operation, hint=WHERE, ref=ref)
        _inner(body, "ticket", operation)
        return body

    def audits(self, ref: SourceRef, operation: str) -> AsyncIterator[dict[str, Any]]:
        """What happened to a ticket."""
        return self._listed(f"tickets/{ref.external_id}/audits", "audits", operation, ref)

    async def ticket_fields(self, operation: str) -> list[dict[str, Any]]:
        """All fields of tickets."""
        return [each async for each in self._listed("ticket_fields", "ticket_fields", operation)]

    async def groups(self, operation: str) -> list[dict[str, Any]]:
        """All groups of agents."""
        return [each async for each in self._listed("groups", "groups", operation)]

    async def custom_statuses(self, operation: str) -> list[dict[str, Any]]:
        """All statuses, those of Zendesk's own included; they do not come in pages."""
        return _objects(await self._get("custom_statuses", operation), "custom_statuses", operation)

    async def _listed(
        self, path: str, name: str, operation: str, ref: SourceRef | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """All of a list, by Zendesk's cursors."""
        params: dict[str, str | int] = {"page[size]": LIST_PAGE}
        for _ in range(MOST_PAGES):
            body = await self._get(path, operation, ref=ref, params=params)
            for each in _objects(body, name, operation):
                yield each
            meta = _inner(body, "meta", operation)
            after = meta.get("after_cursor")
            if not meta.get("has_more"):
                return
            if not isinstance(after, str) or after == params.get("page[after]"):
                break
            params["page[after]"] = after
        raise UnexpectedResponse(f"the list of {name} does not end", operation=operation, ref=ref, hint=WHERE)

    async def _get(self, path: str, operation: str, **asked: Any) -> dict[str, Any]:
        response = await self._send("GET", f"{API}/{path}", operation, **asked)
        return json_object(self._http.json(response, operation=operation), operation, hint=WHERE)

    async def _send(self, method: str, path: str, operation: str, **asked: Any) -> httpx.Response:
        async def send(proof: dict[str, str]) -> httpx.Response:
            return await self._http.request(method, path, operation=operation, headers=proof, **asked)

        return await self._tokens.sent(send) if self._tokens else await send({})


def _inner(body: Mapping[str, Any], name: str, operation: str) -> dict[str, Any]:
    return json_object(body.get(name), f"{operation} (`{name}`)", hint=WHERE)


def _objects(body: Mapping[str, Any], name: str, operation: str) -> list[dict[str, Any]]:
    return [json_object(each, f"{operation} (`{name}`)") for each in json_list(body, name, operation, hint=WHERE)]
