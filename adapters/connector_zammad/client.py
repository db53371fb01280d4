"""Reads and writes version 1 of Zammad's REST interface. Knows no records."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from connector.sdk import AuthError, SourceClient, SourceRef, UnexpectedResponse
from connector.sdk.answers import json_object
from connector_zammad.refusals import closed_for_maintenance

API = "api/v1"
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
WHERE = "Check that base_url is the address of Zammad, without `/api/v1`."
EXPANDED = {"expand": "true"}
"""Names of group, state, priority and people beside their ids."""


class ZammadClient:
    """Calls of the interface, each named by what it asks for."""

    def __init__(self, http: SourceClient) -> None:
        self._http = http

    async def me(self, operation: str) -> dict[str, Any]:
        """Who the credentials are of."""
        return _object(await self._call("GET", "users/me", operation), operation)

    async def user(self, user_id: int, operation: str) -> dict[str, Any]:
        """A person. Raises NotFound."""
        return _object(await self._call("GET", f"users/{user_id}", operation), operation)

    async def state_types(self, operation: str) -> dict[str, str]:
        """Name of each state that is in use -> its type. Raises AuthError for whoever may see no tickets."""
        rows = _list(await self._call("GET", "ticket_states", operation, params=EXPANDED), operation)
        states = [row for row in rows if row.get("active") is not False]
        return {str(row.get("name")): str(row.get("state_type")) for row in states}

    async def changed(self, since: datetime | None, *, page: int, size: int) -> list[dict[str, Any]]:
        """A page of what changed at `since` or later, by the time of the change, then by id.

        A condition is looked up in the database. A `query` would ask the search engine, which lags behind, shows no
        more than 10,000 and answers with an empty list when it fails.
        """
        operation = "pull tickets"
        at = (since or BEGINNING).astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        condition = {"ticket.updated_at": {"operator": "after (absolute)", "value": at}}
        params = EXPANDED | {"sort_by": "updated_at,id", "order_by": "asc,asc"}
        asked = [*params.items(), ("page", page), ("per_page", size)]
        body = await self._call(
            "POST", "tickets/search", operation, params=asked, json={"condition": condition}, reads=True
        )
        return _list(body, operation)

    async def ticket(self, ref: SourceRef, operation: str) -> dict[str, Any]:
        """A ticket as it is now. Raises NotFound."""
        return _object(await self._call("GET", _ticket(ref), operation, ref=ref, params=EXPANDED), operation)

    async def update(self, ref: SourceRef, change: Mapping[str, object], operation: str) -> dict[str, Any]:
        """Change a ticket; what it is then. Raises Invalid."""
        body = await self._call("PUT", _ticket(ref), operation, ref=ref, params=EXPANDED, json=change)
        return _object(body, operation)

    async def links(self, ticket_id: int, operation: str) -> list[dict[str, Any]]:
        """What a ticket is linked to."""
        params = [("link_object", "Ticket"), ("link_object_value", ticket_id)]
        body = _object(await self._call("GET", "links", operation, params=params), operation)
        return _list(body.get("links"), operation)

    async def add_link(self, ref: SourceRef, kind: str, number: str, operation: str) -> None:
        """Link a ticket to another. kind: what the other one is to it. number: of the other one. Raises Invalid."""
        body = {
            "link_type": kind, "link_object_source": "Ticket", "link_object_source_number": number,
            "link_object_target": "Ticket", "link_object_target_value": int(ref.external_id),
        }  # fmt: skip
        await self._call("POST", "links/add", operation, ref=ref, json=body)

    async def article(self, article_id: int, operation: str) -> dict[str, Any]:
        """One article. Raises NotFound."""
        return _object(await self._call("GET", f"ticket_articles/{article_id}", operation), operation)

    async def articles(self, ref: SourceRef, operation: str) -> list[dict[str, Any]]:
        """All articles of a ticket, oldest first; they do not come in pages."""
        path = f"ticket_articles/by_ticket/{ref.external_id}"
        return _list(await self._call("GET", path, operation, ref=ref), operation)

    async def add_article(self, ref: SourceRef, article: Mapping[str, object], operation: str) -> dict[str, Any]:
        """Write an article; what is kept of it. Raises Invalid."""
        return _object(await self._call("POST", "ticket_articles", operation, ref=ref, json=article), operation)

    async def _call(self, method: str, path: str, operation: str, **asked: Any) -> object:
        try:
            response = await self._http.request(method, f"{API}/{path}", operation=operation, **asked)
        except AuthError as error:
            passing = closed_for_maintenance(error)
            if passing is None:
                raise
            raise passing from error
        return self._http.json(response, operation=operation)


def _ticket(ref: SourceRef) -> str:
    return f"tickets/{ref.external_id}"


def _object(body: object, operation: str) -> dict[str, Any]:
    return json_object(body, operation, hint=WHERE)


def _list(body: object, operation: str) -> list[dict[str, Any]]:
    if isinstance(body, list) and all(isinstance(each, dict) for each in body):
        return body
    raise UnexpectedResponse(f"the answer to {operation} is no list of objects", operation=operation, hint=WHERE)
