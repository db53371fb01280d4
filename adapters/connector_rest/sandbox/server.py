"""Depot Desk over HTTP: a bearer token, lists that are paged in four ways, notes and changes of tickets."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connector.sdk import Clock
from connector_rest.sandbox.desk import DESK_TIME, LISTS, Desk, Refusal

LARGEST_PAGE = 100
BY_CURSOR = frozenset({"substitutes", "tickets", "parcels"})


class DeskServer:
    """The ASGI application."""

    def __init__(self, desk: Desk, token: str, clock: Clock) -> None:
        self._desk = desk
        self._token = token
        self._clock = clock
        self.app = Starlette(
            routes=[
                Route("/api/me", self._me),
                Route("/api/tickets/{key}/notes", self._notes, methods=["GET", "POST"]),
                Route("/api/tickets/{key}", self._ticket, methods=["GET", "PATCH"]),
                Route("/api/{list}", self._list),
            ]
        )

    def _refused(self, request: Request) -> Response | None:
        given = request.headers.get("authorization", "")
        if hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
            return None
        return JSONResponse({"error": "the token is not known"}, 401)

    async def _me(self, request: Request) -> Response:
        return self._refused(request) or JSONResponse({"user": "connector", "version": "3.2"})

    async def _list(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        name, query = request.path_params["list"], request.query_params
        stream = LISTS.get(name)
        if stream is None:
            return JSONResponse({"error": "there is no such list"}, 404)
        since = _since(query.get("changed_since"), stream)
        rows = self._desk.rows(stream, by_time=query.get("sort") == "changed", since=since)
        size = min(int(query.get("per_page") or query.get("take") or 20), LARGEST_PAGE)
        if name in BY_CURSOR:
            return self._by_cursor(stream, rows, size, query.get("after"))
        start = int(query["skip"]) if "skip" in query else (int(query.get("page", 1)) - 1) * size
        page, meta = rows[start : start + size], {"total": len(rows), "more": start + size < len(rows)}
        headers = {}
        if meta["more"]:
            following = request.url.include_query_params(page=int(query.get("page", 1)) + 1)
            headers["link"] = f'<{following}>; rel="next"'
        return JSONResponse({"data": page, "meta": meta}, headers=headers)

    def _by_cursor(self, stream: str, rows: list[dict[str, Any]], size: int, after: str | None) -> Response:
        """A page by key: the cursor is the place of the last row, wherever rows before it went."""

        def place(row: dict[str, Any]) -> tuple[str, str]:
            return self._desk.stamps[row["id"]].isoformat() if stream == "tickets" else "", row["id"]

        if after is not None:
            at, key = json.loads(after)
            rows = [row for row in rows if place(row) > (at, key)]
        page = rows[:size]
        following = json.dumps(place(page[-1])) if len(rows) > size else None
        return JSONResponse({"data": page, "meta": {"next": following}})

    async def _ticket(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        row = self._desk.lists["tickets"].get(request.path_params["key"])
        if row is None:
            return JSONResponse({"error": "there is no such ticket"}, 404)
        tag = f'"{hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()[:16]}"'
        if request.method == "PATCH":
            if request.headers.get("if-match", tag) != tag:
                return JSONResponse({"error": "the ticket has changed"}, 412)
            try:
                self._desk.change(row["id"], await request.json(), self._clock.now())
            except Refusal as refusal:
                return JSONResponse({"errors": refusal.fields}, 422)
        return JSONResponse(row, headers={"ETag": tag} if request.method == "GET" else {})

    async def _notes(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        key = request.path_params["key"]
        if key not in self._desk.lists["tickets"]:
            return JSONResponse({"error": "there is no such ticket"}, 404)
        if request.method == "POST":
            try:
                return JSONResponse(self._desk.add_note(key, await request.json()), 201)
            except Refusal as refusal:
                return JSONResponse({"errors": refusal.fields}, 422)
        return JSONResponse({"data": self._desk.notes.get(key, [])})


def _since(text: str | None, stream: str) -> datetime | None:
    if text is None:
        return None
    at = datetime.fromisoformat(text)
    return (at.replace(tzinfo=DESK_TIME) if stream == "tickets" else at).astimezone(UTC)
