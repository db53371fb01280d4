"""Reads and writes Request Tracker's REST2 interface. Knows no records.

Failures look like successes there: a refused change is answered 200 with English sentences, a message to a ticket
that does not exist 400 "Permission Denied". What is returned here is what was said, and the adapter looks again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import httpx

from connector.sdk import SourceClient, SourceRef, UnexpectedResponse
from connector.sdk.answers import json_list, json_object, path_segment

Condition: TypeAlias = tuple[str, str, str]
"""Column, operator and value."""
Params: TypeAlias = tuple[tuple[str, str | int], ...]

API = "REST/2.0"
WHERE = "Check that base_url is the address of Request Tracker 5 and that REST2 is not switched off."
CHANGED = (("orderby", "LastUpdated"), ("order", "ASC"), ("orderby", "id"), ("order", "ASC"))
BY_ID = (("orderby", "id"), ("order", "ASC"))


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list. has_more: the server says so, or does not say that this was all."""

    items: tuple[Any, ...]
    has_more: bool


@dataclass(frozen=True, slots=True)
class Found:
    """A ticket or asset as it is read by its number. etag: what a change must be based on."""

    body: dict[str, Any]
    etag: str | None


class RequestTrackerClient:
    """Calls of REST2, each named by what it asks for."""

    def __init__(self, http: SourceClient) -> None:
        self._http = http

    async def version(self) -> str | None:
        """The server's version."""
        body = json_object(await self._get("rt", "check"), "check", hint=WHERE)
        return str(body["Version"]) if "Version" in body else None

    async def queue(self, name: str) -> None:
        """Ask for a queue. Raises AuthError, the server's answer also to a queue that does not exist."""
        await self._get(f"queue/{path_segment(name)}", "check queue")

    async def tickets(
        self,
        query: str,
        *,
        fields: str,
        per_page: int,
        order: tuple[tuple[str, str], ...] = CHANGED,
        operation: str = "pull tickets",
    ) -> Page:
        """The first page of tickets that TicketSQL finds."""
        params: Params = (
            ("query", query),
            *order,
            ("fields", fields),
            ("fields[Queue]", "Name"),
            ("per_page", per_page),
        )
        return await self._page("tickets", operation, params)

    async def catalog(self, name: str) -> str:
        """The number of a catalog of assets. Raises AuthError, the server's answer also to one that does not exist."""
        path = f"catalog/{path_segment(name)}"
        body = json_object(await self._get(path, "read catalogs"), "read catalogs", hint=WHERE)
        return str(body.get("id"))

    async def assets(
        self, where: Sequence[Condition], *, fields: str, per_page: int, order: tuple[tuple[str, str], ...] = CHANGED
    ) -> tuple[Any, ...]:
        """The first page of assets that meet all conditions; those on one column where one of them holds."""
        query = [{"field": field, "operator": sign, "value": value} for field, sign, value in where]
        params: Params = (("query", json.dumps(query)), *order, ("fields", fields), ("per_page", per_page))
        return (await self._page("assets", "pull assets", params)).items

    async def asset(self, ref: SourceRef, operation: str) -> Found:
        """An asset as it is now. Raises NotFound."""
        path = f"{API}/asset/{path_segment(ref.external_id)}"
        response = await self._http.request("GET", path, operation=operation, ref=ref)
        return Found(self._object(response, operation), response.headers.get("etag"))

    async def update_asset(
        self, ref: SourceRef, change: dict[str, object], etag: str | None, operation: str
    ) -> list[str]:
        """Ask for a change of an asset; what the server says to it. Raises Conflict when it changed since `etag`."""
        return await self._update(f"{API}/asset/{path_segment(ref.external_id)}", ref, change, etag, operation)

    async def transactions(self, query: str, *, per_page: int) -> Page:
        """The first page of transactions that the query finds, by id."""
        params: Params = (("query", query), *BY_ID, ("fields", "Type,Created,ObjectId"), ("per_page", per_page))
        return await self._page("transactions", "pull deletions", params)

    async def texts(self, ticket: SourceRef, page: int) -> Page:
        """A page of the plain texts that were written on a ticket, oldest first."""
        params: Params = (
            ("query", json.dumps([{"field": "ContentType", "value": "text/plain"}])),
            *BY_ID,
            ("fields", "Content,TransactionId,Created"),
            ("per_page", 100),
            ("page", page),
        )
        return await self._page(f"ticket/{ticket.external_id}/attachments", "find note", params, ticket)

    async def ticket(self, ref: SourceRef, operation: str) -> Found:
        """A ticket as it is now. Raises NotFound."""
        response = await self._http.request("GET", _ticket(ref), operation=operation, ref=ref)
        return Found(self._object(response, operation), response.headers.get("etag"))

    async def open_ticket(self, body: dict[str, object], operation: str) -> str:
        """Open a ticket; its number. Raises Invalid when the queue refuses it."""
        response = await self._http.request("POST", f"{API}/ticket", operation=operation, json=body)
        made = self._object(response, operation)
        if not str(made.get("id", "")).isdigit():
            raise UnexpectedResponse(
                f"the answer to {operation} names no ticket", operation=operation, hint="Check the API version."
            )
        return str(made["id"])

    async def update(self, ref: SourceRef, change: dict[str, object], etag: str | None, operation: str) -> list[str]:
        """Ask for a change; what the server says to it. Raises Conflict when the ticket changed since `etag`."""
        return await self._update(_ticket(ref), ref, change, etag, operation)

    async def _update(
        self, path: str, ref: SourceRef, change: dict[str, object], etag: str | None, operation: str
    ) -> list[str]:
        headers = {"If-Match": etag} if etag else None
        response = await self._http.request("PUT", path, operation=operation, json=change, headers=headers, ref=ref)
        said = self._http.json(response, operation=operation)
        return [str(sentence) for sentence in said] if isinstance(said, list) else [str(said)]

    async def add_message(self, ref: SourceRef, kind: str, text: str) -> str:
        """Write a plain text on a ticket, as `comment` (private) or `correspond` (public); its transaction's id."""
        response = await self._http.request(
            "POST",
            f"{_ticket(ref)}/{kind}",
            operation="add note",
            json={"Content": text, "ContentType": "text/plain"},
            ref=ref,
        )
        location = str(response.headers.get("location", ""))
        return location.rstrip("/").rpartition("/")[2]

    def _object(self, response: httpx.Response, operation: str) -> dict[str, Any]:
        return json_object(self._http.json(response, operation=operation), operation, hint=WHERE)

    async def _get(self, path: str, operation: str) -> object:
        response = await self._http.request("GET", f"{API}/{path}", operation=operation)
        return self._http.json(response, operation=operation)

    async def _page(self, path: str, operation: str, params: Params, ref: SourceRef | None = None) -> Page:
        response = await self._http.request("GET", f"{API}/{path}", operation=operation, params=params, ref=ref)
        body = self._object(response, operation)
        items = json_list(body, "items", operation, hint=WHERE)
        is_counted = body.get("total") is not None
        return Page(tuple(items), bool(body.get("next_page")) if is_counted else bool(items))


def _ticket(ref: SourceRef) -> str:
    return f"{API}/ticket/{path_segment(ref.external_id)}"
