"""SANDBOX: the HTTP side of the sandbox of Zendesk, answers in the shapes of version 2 of the Ticketing API."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connector.sdk import Clock
from connector_zendesk.sandbox.account import FIELDS, GROUPS, ORGANIZATIONS, USERS, Account, Refusal, text

ROOT = "/api/v2"
USUAL_S, SHORTEST_S, LONGEST_S = 1800, 300, 172_800
"""How long a token lasts, in seconds."""

Answer = Callable[[Request], Awaitable[Response]]


class Server:
    """Answers requests for an account. authorization: the header of the only user. exports_left: before a 429.

    client: identifier and secret of the OAuth client. tokens: that were given out, with scopes and end.
    """

    def __init__(self, account: Account, clock: Clock, *, authorization: str, client: tuple[str, str]) -> None:
        self._account = account
        self._clock = clock
        self._client = client
        self.authorization = authorization
        self.tokens: dict[str, tuple[frozenset[str], datetime]] = {}
        self._numbers = count()
        self.exports_left: int | None = None
        self.list_page = 100
        self.knows_slas = True

    def app(self) -> Starlette:
        """The server."""
        routes: list[tuple[str, str, Answer]] = [
            ("GET", "/users/me", self._me),
            ("GET", "/incremental/tickets/cursor", self._export),
            ("GET", "/tickets/{id}", self._ticket),
            ("PUT", "/tickets/{id}", self._update),
            ("GET", "/tickets/{id}/audits", self._audits),
            ("GET", "/ticket_fields", self._fields),
            ("GET", "/groups", self._groups),
            ("GET", "/custom_statuses", self._statuses),
        ]
        guarded = [Route(ROOT + path, self._guarded(answer), methods=[method]) for method, path, answer in routes]
        return Starlette(routes=[*guarded, Route("/oauth/tokens", self._token, methods=["POST"])])

    def shown(self, ticket: Mapping[str, Any]) -> dict[str, Any]:
        """A ticket by ids."""
        told: dict[str, Any] = {
            name: text(value) if isinstance(value, datetime) else value for name, value in ticket.items()
        }
        told.pop("generated_at")
        values = [{"id": each, "value": value} for each, value in told.pop("custom").items()]
        return {**told, "custom_fields": values, "fields": values}

    def _guarded(self, answer: Answer) -> Answer:
        async def respond(request: Request) -> Response:
            try:
                self._admit(request)
                return await answer(request)
            except Refusal as refusal:
                return JSONResponse(refusal.body, status_code=refusal.status)

        return respond

    def _admit(self, request: Request) -> None:
        kind, _, token = (proof := request.headers.get("authorization", "")).partition(" ")
        if proof == self.authorization:
            return
        if kind != "Bearer":
            raise Refusal(401, "Couldn't authenticate you", "")
        scopes, until = self.tokens.get(token, (frozenset(), self._clock.now()))
        if until <= self._clock.now():
            raise Refusal(401, "invalid_token", "The access token provided is expired, revoked or malformed.")
        needed = "read" if request.method == "GET" else "write"
        if not scopes & {needed, f"tickets:{needed}"}:
            raise Refusal(403, "Forbidden", "You do not have access to this page.")

    async def _token(self, request: Request) -> Response:
        """A token by the client's credentials, whose end is told only if one was asked for."""
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        if (form.get("client_id"), form.get("client_secret")) != self._client:
            return _no_token(401, "invalid_client", "Client authentication failed.")
        if form.get("grant_type") != "client_credentials":
            return _no_token(400, "unsupported_grant_type", "The grant type is not supported.")
        asked = form.get("expires_in")
        seconds = int(asked or USUAL_S)
        if not SHORTEST_S <= seconds <= LONGEST_S:
            return _no_token(400, "invalid_request", "expires_in is out of bounds.")
        token = f"sandbox-access-token-{next(self._numbers):06}"
        self.tokens[token] = frozenset(form.get("scope", "").split()), self._clock.now() + timedelta(seconds=seconds)
        told = {"expires_in": seconds} if asked else {}
        return JSONResponse({"access_token": token, "token_type": "bearer", "scope": form.get("scope", ""), **told})

    async def _me(self, _request: Request) -> Response:
        return JSONResponse({"user": self._account.me})

    async def _export(self, request: Request) -> Response:
        """Along the time of each change, then the id; a cursor is `TIME||ID|` in Base64."""
        if self.exports_left is not None:
            if self.exports_left == 0:
                return JSONResponse({"error": "APIRateLimitExceeded"}, status_code=429, headers={"Retry-After": "37"})
            self.exports_left -= 1
        asked = request.query_params
        behind = _position(asked.get("cursor"), asked.get("start_time"))
        settled = [each for each in self._account.tickets.values() if self._account.is_settled(each)]
        rows = sorted((each for each in settled if _place(each) > behind), key=_place)
        size = min(int(asked.get("per_page", 1000)), 1000)
        page, is_last = rows[:size], len(rows) <= size
        after = _cursor(_place(page[-1])) if page else asked.get("cursor")
        tickets = [{**self.shown(each), "generated_timestamp": _place(each)[0]} for each in page]
        body = {"after_cursor": after, "after_url": None, "before_cursor": None, "end_of_stream": is_last}
        return JSONResponse(body | self._beside(request, tickets, "tickets"))

    async def _ticket(self, request: Request) -> Response:
        found = self.shown(self._account.find(request.path_params["id"]))
        body = self._beside(request, [found], "tickets")
        [ticket] = body.pop("tickets")
        return JSONResponse({"ticket": ticket, **body})

    async def _update(self, request: Request) -> Response:
        ticket = self._account.find(request.path_params["id"])
        asked = json.loads(await request.body())["ticket"]
        audit = self._account.update(ticket, asked)
        return JSONResponse({"ticket": self.shown(ticket), "audit": audit})

    async def _audits(self, request: Request) -> Response:
        ticket = self._account.find(request.path_params["id"])
        return self._page(
            request, "audits", [each for each in self._account.audits if each["ticket_id"] == ticket["id"]]
        )

    async def _fields(self, request: Request) -> Response:
        return self._page(request, "ticket_fields", FIELDS)

    async def _groups(self, request: Request) -> Response:
        return self._page(request, "groups", list(GROUPS.values()))

    async def _statuses(self, _request: Request) -> Response:
        return JSONResponse({"custom_statuses": self._account.statuses})

    def _page(self, request: Request, name: str, rows: Sequence[Mapping[str, Any]]) -> Response:
        """A page by cursor."""
        asked = request.query_params
        start = int(asked.get("page[after]", 0))
        end = start + min(int(asked.get("page[size]", 100)), self.list_page)
        meta = {"has_more": end < len(rows), "after_cursor": str(end), "before_cursor": None}
        return JSONResponse({name: list(rows[start:end]), "meta": meta, "links": {}})

    def _beside(self, request: Request, tickets: list[dict[str, Any]], name: str) -> dict[str, Any]:
        """What `include` asks for."""
        wanted = request.query_params.get("include", "").split(",")
        body: dict[str, Any] = {name: tickets}
        people = {each[role] for each in tickets for role in ("requester_id", "assignee_id")}
        sides: tuple[tuple[str, Mapping[int, Any], set[Any]], ...] = (
            ("users", USERS, people),
            ("groups", GROUPS, {each["group_id"] for each in tickets}),
            ("organizations", ORGANIZATIONS, {each["organization_id"] for each in tickets}),
        )
        for side, known, ids in sides:
            if side in wanted:
                body[side] = [known[each] for each in sorted(each for each in ids if each in known)]
        for each in tickets:
            for part in ("slas", "dates"):
                if part not in wanted or (part == "slas" and not self.knows_slas):
                    each.pop(part, None)
        return body


def _no_token(status: int, error: str, description: str) -> Response:
    return JSONResponse({"error": error, "error_description": description}, status_code=status)


def _place(ticket: Mapping[str, Any]) -> tuple[int, int]:
    return int(ticket["generated_at"].timestamp()), int(ticket["id"])


def _cursor(place: tuple[int, int]) -> str:
    return base64.b64encode(f"{place[0]}.0||{place[1]}|".encode()).decode()


def _position(cursor: str | None, start: str | None) -> tuple[int, int]:
    if cursor:
        at, _, ticket_id, _ = base64.b64decode(cursor).decode().split("|")
        return int(float(at)), int(ticket_id)
    if start is None:
        raise Refusal(400, "InvalidValue", "start_time: is required")
    return int(start), 0
