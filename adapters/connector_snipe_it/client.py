"""Speaks Snipe-IT's REST API: lists with their total, single objects, and refusals that come with status 200."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any, TypeAlias

from connector.sdk import Conflict, Invalid, NotFound, SourceClient, SourceRef, UnexpectedResponse
from connector.sdk.answers import json_list, json_object, path_segment, refusal, said
from connector.sdk.rest import ListedRow, Listing, ListWalk

SYSTEM = "Snipe-IT"
API = "api/v1"
Row: TypeAlias = ListedRow
ALONG_IDS = {"sort": "id", "order": "asc"}
NEWEST_FIRST = {"sort": "updated_at", "order": "desc"}


class SnipeItClient:
    """Requests of one source."""

    def __init__(self, http: SourceClient) -> None:
        self._http = http

    async def part(self, path: str, params: Mapping[str, str | int], operation: str) -> Listing:
        """A part of a list. Raises UnexpectedResponse where Snipe-IT refuses it behind a status 200."""
        body = await self._get(path, params, operation)
        if body.get("status") == "error":
            raise UnexpectedResponse(
                f"{operation}: {SYSTEM} answers {self._messages(body)!r}", operation=operation,
                hint="Check that the token's user may view it.",
            )  # fmt: skip
        rows, total = json_list(body, "rows", operation), body.get("total")
        if not all(isinstance(row, dict) for row in rows) or not isinstance(total, int):
            raise UnexpectedResponse(f"the answer to {operation} is no list with its total", operation=operation)
        return Listing(rows, total)

    def walk(self, path: str, size: int, operation: str, params: Mapping[str, str] | None = None) -> ListWalk:
        """A list, to be walked along its ids or asked for its newest page."""

        async def ask(newest: bool, offset: int, limit: int) -> Listing:
            order = NEWEST_FIRST if newest else ALONG_IDS
            return await self.part(path, {**(params or {}), **order, "offset": offset, "limit": limit}, operation)

        hint = "Some releases of Snipe-IT pass over `offset` in some lists: see the adapter's README."
        return ListWalk(ask, size, path, operation, hint)

    async def one(self, path: str, ref: SourceRef, operation: str) -> Row:
        """One object. Raises NotFound, which Snipe-IT says with status 200, in the language of the token's user."""
        body = await self._get(path, {}, operation, ref)
        if body.get("status") == "error":
            raise NotFound(f"{operation}: {SYSTEM} answers {self._messages(body)!r}", operation=operation, ref=ref)
        if "id" not in body:
            raise UnexpectedResponse(f"the answer to {operation} has no id", operation=operation, ref=ref)
        return body

    async def with_serial(self, serial: str, operation: str) -> list[Row]:
        """Hardware that shows a serial. None is an error to Snipe-IT, which looks like any other."""
        body = await self._get(f"hardware/byserial/{path_segment(serial)}", {}, operation)
        return [] if body.get("status") == "error" else json_list(body, "rows", operation)

    async def change(
        self, method: str, path: str, values: Mapping[str, object], operation: str, ref: SourceRef
    ) -> None:
        """Write. Raises Invalid naming the fields, Conflict where the state of things forbids it."""
        try:
            response = await self._http.request(
                method, f"{API}/{path}", operation=operation, json=dict(values), ref=ref
            )
        except Invalid as error:
            raise refusal(error, SYSTEM, _fields(said(error))) from None
        body = json_object(self._http.json(response, operation=operation), operation, ref=ref)
        if body.get("status") == "success":
            return
        told = self._messages(body)
        fields = _fields(body)
        if fields:
            reasons = "; ".join(f"{name}: {why}" for name, why in fields.items())[:600]
            raise Invalid(
                f"{SYSTEM} refuses to {operation}: {reasons}", fields=fields, operation=operation, ref=ref, detail=told
            )
        if body.get("status") == "error":
            raise Conflict(f"{SYSTEM} refuses to {operation}: {told}", operation=operation, ref=ref)
        raise UnexpectedResponse(
            f"the answer to {operation} says neither success nor error", operation=operation, ref=ref
        )

    async def _get(
        self, path: str, params: Mapping[str, str | int], operation: str, ref: SourceRef | None = None
    ) -> dict[str, Any]:
        response = await self._http.request("GET", f"{API}/{path}", operation=operation, params=params, ref=ref)
        return json_object(self._http.json(response, operation=operation), operation, ref=ref)

    def _messages(self, body: Mapping[str, Any]) -> str:
        return self._http.redact(str(body.get("messages")))[:300]


def plain(value: object) -> str | None:
    """A text as a person entered it: Snipe-IT escapes texts for web pages. None where there is none."""
    text = html.unescape(value).strip() if isinstance(value, str) else ""
    return text or None


def _fields(body: Mapping[str, Any]) -> dict[str, str]:
    """Reasons by field, where the messages are that."""
    messages = body.get("messages")
    if not isinstance(messages, dict):
        return {}
    return {
        str(name)[:100]: (" ".join(map(str, why)) if isinstance(why, list) else str(why))[:300]
        for name, why in messages.items()
    }
