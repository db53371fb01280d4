"""SANDBOX: the HTTP side of the sandbox of Zammad, answers in the shapes of version 1 of the interface."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connector_zammad.sandbox.desk import PEOPLE, Article, Desk, Refusal

ROOT = "/api/v1"
CAP = 200
REVERSED = {"parent": "child", "child": "parent", "normal": "normal"}

Answer = Callable[[Request], Awaitable[Response]]


class Server:
    """Answers requests for a desk. authorization: the header of the only account. cap: rows of a page.

    is_in_order: tickets of one time come in the same order each time.
    """

    def __init__(self, desk: Desk, authorization: str) -> None:
        self._desk = desk
        self.authorization = authorization
        self.cap = CAP
        self.is_in_maintenance = False
        self.may_see_tickets = True
        self.is_in_order = True

    def app(self) -> Starlette:
        """The server."""
        routes: list[tuple[str, str, Answer]] = [
            ("GET", "/users/me", self._me),
            ("GET", "/users/{id}", self._user),
            ("GET", "/ticket_states", self._states),
            ("POST", "/tickets/search", self._search),
            ("GET", "/tickets/{id}", self._ticket),
            ("PUT", "/tickets/{id}", self._update),
            ("GET", "/links", self._links),
            ("POST", "/links/add", self._link),
            ("GET", "/ticket_articles/by_ticket/{id}", self._articles),
            ("GET", "/ticket_articles/{id}", self._article),
            ("POST", "/ticket_articles", self._write),
        ]
        return Starlette(
            routes=[Route(ROOT + path, self._guarded(answer), methods=[method]) for method, path, answer in routes]
        )

    def shown(self, ticket: Mapping[str, Any]) -> dict[str, Any]:
        """A ticket with the names of what it refers to."""
        told = {name: _time(value) if isinstance(value, datetime) else value for name, value in ticket.items()}
        articles = [each.id for each in self._desk.articles if each.ticket == ticket["id"]]
        ids = {f"{name}_id": self._desk.person(ticket[name], name).id for name in ("owner", "customer")}
        return {**told, **ids, "article_ids": articles[::-1], "article_count": len(articles)}

    def article(self, each: Article) -> dict[str, Any]:
        """An article."""
        return {
            "id": each.id, "ticket_id": each.ticket, "subject": each.subject, "body": each.body,
            "content_type": each.content_type, "internal": each.internal, "type": "note",
            "created_by": each.author.login, "created_by_id": each.author.id, "created_at": _time(each.at),
            "updated_at": _time(each.at), "preferences": {}, "attachments": [],
        }  # fmt: skip

    def _guarded(self, answer: Answer) -> Answer:
        async def respond(request: Request) -> Response:
            try:
                self._require_access(request)
                return await answer(request)
            except Refusal as refusal:
                return JSONResponse(refusal.body, status_code=refusal.status)

        return respond

    def _require_access(self, request: Request) -> None:
        given = request.headers.get("authorization")
        if not given:
            raise Refusal(403, "Authentication required")
        if given != self.authorization:
            raise Refusal(401, "Can't find User for Token")
        if self.is_in_maintenance:
            raise Refusal(403, "Maintenance mode enabled!")
        if not self.may_see_tickets and "/users/" not in request.url.path:
            raise Refusal(403, "Not authorized (token)!")

    async def _me(self, _request: Request) -> Response:
        return JSONResponse({"id": self._desk.me.id, "login": self._desk.me.login, "email": self._desk.me.email})

    async def _user(self, request: Request) -> Response:
        found = next((each for each in PEOPLE if str(each.id) == request.path_params["id"]), None)
        if found is None:
            raise Refusal(404, "Couldn't find User")
        return JSONResponse({"id": found.id, "login": found.login, "email": found.email})

    async def _states(self, request: Request) -> Response:
        is_expanded = request.query_params.get("expand") == "true"
        rows = [
            {"id": number, "name": name, "state_type_id": number, "active": True}
            | ({"state_type": kind} if is_expanded else {})
            for number, (name, kind) in enumerate(self._desk.state_types.items(), 1)
        ]
        unused = {"id": 99, "name": "removed", "state_type_id": 7, "state_type": "removed", "active": False}
        return JSONResponse([*rows, unused])

    async def _search(self, request: Request) -> Response:
        """By a condition on the time of change; a page in the order that is asked for, by the database."""
        asked = request.query_params
        ((name, condition),) = (await _body(request))["condition"].items()
        if name != "ticket.updated_at" or condition["operator"] != "after (absolute)":
            raise Refusal(422, f"invalid selector {name}, {condition['operator']}")
        since = datetime.fromisoformat(condition["value"])
        tickets = self._desk.tickets.values()
        found = [each for each in tickets if each["updated_at"] >= since and self._desk.is_visible(each)]
        by, order = asked.get("sort_by", "updated_at").split(","), asked.get("order_by", "desc").split(",")
        for column, direction in reversed(list(zip(by, order, strict=True))):
            found.sort(key=lambda each, column=column: each[column], reverse=direction == "desc")  # type: ignore[misc]
        size = min(int(asked.get("per_page", 50)), self.cap)
        if not self.is_in_order:
            found = found[size:] + found[:size]
        start = (int(asked.get("page", 1)) - 1) * size
        return JSONResponse([self._asked(request, each) for each in found[start : start + size]])

    async def _ticket(self, request: Request) -> Response:
        return JSONResponse(self._asked(request, self._desk.find(request.path_params["id"])))

    async def _update(self, request: Request) -> Response:
        ticket = self._desk.find(request.path_params["id"])
        self._desk.update(ticket, await _body(request))
        return JSONResponse(self._asked(request, ticket))

    async def _link(self, request: Request) -> Response:
        asked = await request.json()
        kind, target = asked["link_type"], int(asked["link_object_target_value"])
        number = asked["link_object_source_number"]
        source = next((each["id"] for each in self._desk.tickets.values() if each["number"] == number), None)
        if source is None or target not in self._desk.tickets:
            return JSONResponse({"error": "Couldn't find Ticket", "error_human": "Couldn't find Ticket"}, 404)
        if (kind, source, target) in self._desk.links:
            return JSONResponse({"error": "Link already exists", "error_human": "Link already exists"}, 422)
        self._desk.link(kind, source, target)
        return JSONResponse({"id": len(self._desk.links)}, 201)

    async def _links(self, request: Request) -> Response:
        wanted = int(request.query_params["link_object_value"])
        here = [(REVERSED[kind], to) for kind, source, to in self._desk.links if source == wanted]
        there = [(kind, source) for kind, source, to in self._desk.links if to == wanted]
        links = [
            {"link_type": kind, "link_object": "Ticket", "link_object_value": other} for kind, other in [*here, *there]
        ]
        return JSONResponse({"links": links, "assets": {}})

    async def _articles(self, request: Request) -> Response:
        ticket = self._desk.find(request.path_params["id"])
        return JSONResponse([self.article(each) for each in self._desk.articles if each.ticket == ticket["id"]])

    async def _article(self, request: Request) -> Response:
        wanted = request.path_params["id"]
        found = next((each for each in self._desk.articles if str(each.id) == wanted), None)
        if found is None:
            raise Refusal(404, f"Couldn't find Ticket::Article with 'id'={wanted}")
        self._desk.find(found.ticket)
        return JSONResponse(self.article(found))

    async def _write(self, request: Request) -> Response:
        asked = await _body(request)
        made = self._desk.write(self._desk.find(asked.get("ticket_id")), asked)
        return JSONResponse(self.article(made), status_code=201)

    def _asked(self, request: Request, ticket: Mapping[str, Any]) -> dict[str, Any]:
        """With names where they are asked for."""
        told = self.shown(ticket)
        if request.query_params.get("expand") == "true":
            return told
        names = ("group", "state", "priority", "owner", "customer")
        return {name: value for name, value in told.items() if name not in names}


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except ValueError:
        raise Refusal(400, "Bad Request") from None
    return body if isinstance(body, dict) else {}


def _time(at: datetime) -> str:
    """As Zammad writes it: UTC, milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
