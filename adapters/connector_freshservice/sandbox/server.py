"""SANDBOX: the HTTP side: numbered pages with a link to the next, what comes along when it is asked for, limits."""

from __future__ import annotations

import random
import re
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connector.sdk.cursors import read_instant
from connector_freshservice.sandbox.account import (
    AGENTS,
    PRIMARY,
    RELATIONSHIP_TYPES,
    REQUESTER,
    Account,
    Refusal,
    Row,
)

MOST = 100
DEFAULT = 30
SHOWN_WITHOUT_SINCE = timedelta(days=30)
Answer: TypeAlias = Callable[[Request], Awaitable[Response]]


class Server:
    """Answers for an account. left: requests before a 429, None without end. last_page: the last that is shown."""

    def __init__(self, account: Account, authorization: str) -> None:
        self._account = account
        self._authorization = authorization
        self.left: int | None = None
        self.last_page = 300
        self.is_since_exclusive = False
        self.shows_fields = True

    def app(self) -> Starlette:
        """The server."""
        routes: list[tuple[str, str, Answer]] = [
            ("GET", "/tickets", self._tickets),
            ("GET", "/tickets/{id:int}", self._ticket),
            ("PUT", "/tickets/{id:int}", self._update_ticket),
            ("GET", "/tickets/{id:int}/conversations", self._conversations),
            ("POST", "/tickets/{id:int}/{kind:str}", self._talk),
            ("GET", "/ticket_form_fields", self._form),
            ("GET", "/agents", self._agents),
            ("GET", "/assets", self._assets),
            ("GET", "/assets/{id:int}", self._asset),
            ("PUT", "/assets/{id:int}", self._update_asset),
            ("GET", "/assets/{id:int}/relationships", self._relationships_of),
            ("GET", "/relationships", self._relationships),
            ("GET", "/relationship_types", self._relationship_types),
            ("GET", "/asset_types", self._types),
            ("GET", "/{table:str}", self._list),
            ("GET", "/products/{id:int}", self._product),
        ]
        return Starlette(
            routes=[Route(f"/api/v2{path}", self._guarded(answer), methods=[method]) for method, path, answer in routes]
        )

    def _guarded(self, answer: Answer) -> Answer:
        async def respond(request: Request) -> Response:
            if request.headers.get("authorization") != self._authorization:
                told = {"code": "invalid_credentials", "message": "You have to be logged in to perform this action."}
                return JSONResponse(told, 401)
            if self.left == 0:
                return JSONResponse({"message": "You have exceeded the limit"}, 429, headers={"retry-after": "21"})
            if self.left is not None:
                self.left -= 1
            try:
                return await answer(request)
            except Refusal as refusal:
                return (
                    Response(status_code=404) if refusal.status == 404 else JSONResponse(refusal.body, refusal.status)
                )

        return respond

    # Lists

    async def _tickets(self, request: Request) -> Response:
        query = request.query_params
        kind, since = query.get("filter"), query.get("updated_since")
        rows = [each for each in self._account.tables["tickets"].values() if _is_in(each, query)]
        flag = {"deleted": "deleted", "spam": "spam"}.get(str(kind))
        rows = [each for each in rows if (each[flag] if flag else not (each["deleted"] or each["spam"]))]
        if since:
            floor = read_instant(since)
            rows = [
                each for each in rows if each["updated_at"] > floor
                or (each["updated_at"] == floor and not self.is_since_exclusive)
            ]  # fmt: skip
        else:
            rows = [each for each in rows if each["created_at"] > self._account.now() - SHOWN_WITHOUT_SINCE]
        rows.sort(key=lambda each: each["created_at"], reverse=query.get("order_type") != "asc")
        return self._page(request, "tickets", [self._shown_ticket(each, query) for each in rows])

    async def _assets(self, request: Request) -> Response:
        query = request.query_params
        is_trash = query.get("trashed") == "true"
        rows = [each for each in self._account.tables["assets"].values() if _is_in(each, query)]
        rows = [each for each in rows if bool(each["trashed"]) is is_trash]
        if search := re.fullmatch(r"\"serial_number:'(.*)'\"", query.get("search", "")):
            told = search[1].replace("\\'", "'").replace("\\\\", "\\")
            shown = {each["id"]: str(each["type_fields"].get("serial_number_25")) for each in rows}
            rows = [each for each in rows if told.casefold() in shown[each["id"]].casefold()]
        order = query.get("order_by", "created_at")
        # equal times come in any order, another one for each request
        random.Random(str(query)).shuffle(rows)  # noqa: S311 - protects nothing
        rows.sort(key=lambda each: each[order], reverse=query.get("order_type") != "asc")
        return self._page(request, "assets", [_shown_asset(each, query) for each in rows])

    async def _list(self, request: Request) -> Response:
        table = str(request.path_params["table"])
        if table not in ("locations", "products"):
            raise Refusal(404)
        rows = sorted(self._account.tables[table].values(), key=lambda each: str(each.get("name")))
        return self._page(request, table, [_shown(each) for each in rows])

    async def _types(self, request: Request) -> Response:
        return self._page(request, "asset_types", list(self._account.types.values()))

    async def _relationships(self, request: Request) -> Response:
        return self._page(request, "relationships", self._related())

    async def _relationships_of(self, request: Request) -> Response:
        number = self._account.asset(request.path_params["id"])["display_id"]
        rows = [
            each for each in self._related()
            if (each["primary_type"], each["primary_id"]) == ("asset", number)
            or (each["secondary_type"], each["secondary_id"]) == ("asset", number)
        ]  # fmt: skip
        return self._page(request, "relationships", rows)

    def _related(self) -> list[Row]:
        """The newest first."""
        return [_shown(each) for each in reversed(self._account.tables["relationships"].values())]

    async def _relationship_types(self, request: Request) -> Response:
        rows = [
            {"id": number, "downstream_relation": downstream, "upstream_relation": upstream, "is_default": True}
            for number, (downstream, upstream) in RELATIONSHIP_TYPES.items()
        ]
        return self._page(request, "relationship_types", rows)

    async def _conversations(self, request: Request) -> Response:
        number = self._account.find("tickets", request.path_params["id"])["id"]
        rows = [each for each in self._account.tables["conversations"].values() if each["ticket_id"] == number]
        return self._page(request, "conversations", [_shown(each) for each in rows])

    async def _agents(self, request: Request) -> Response:
        wanted = request.query_params.get("email")
        rows = [{"id": number, "email": email} for number, (_, email) in AGENTS.items() if wanted in (None, email)]
        return self._page(request, "agents", rows)

    def _page(self, request: Request, name: str, rows: list[Row]) -> Response:
        number, size = int(request.query_params.get("page", "1")), int(request.query_params.get("per_page", DEFAULT))
        if not 0 < size <= MOST:
            raise Refusal(400, ("per_page", "It should be a positive number up to 100", "invalid_value"))
        if number > self.last_page:
            why = f"You cannot access {name} beyond the {self.last_page}th page. Please provide a smaller page number."
            raise Refusal(400, ("page", why, "invalid_value"))
        start = (number - 1) * size
        headers = {"x-ratelimit-total": "500", "x-ratelimit-used-currentrequest": "1"}
        if start + size < len(rows):
            headers["link"] = f'<{request.url.include_query_params(page=number + 1)}>;rel="next"'
        return JSONResponse({name: rows[start : start + size]}, headers=headers)

    # Single objects

    async def _ticket(self, request: Request) -> Response:
        ticket = self._account.find("tickets", request.path_params["id"])
        return JSONResponse({"ticket": self._shown_ticket(ticket, request.query_params, is_one=True)})

    async def _update_ticket(self, request: Request) -> Response:
        ticket = self._account.find("tickets", request.path_params["id"])
        self._account.update_ticket(ticket, await request.json())
        return JSONResponse({"ticket": self._shown_ticket(ticket, request.query_params)})

    async def _talk(self, request: Request) -> Response:
        ticket = self._account.find("tickets", request.path_params["id"])
        is_reply = request.path_params["kind"] == "reply"
        made = self._account.talk(ticket, await request.json(), is_reply=is_reply)
        return JSONResponse({"conversation": _shown(made)}, 201)

    async def _form(self, _request: Request) -> Response:
        if not self.shows_fields:
            told = {"code": "access_denied", "message": "You are not authorized to perform this action."}
            return JSONResponse(told, 403)
        return JSONResponse({"ticket_fields": self._account.form()})

    async def _asset(self, request: Request) -> Response:
        asset = self._account.asset(request.path_params["id"])
        return JSONResponse({"asset": _shown_asset(asset, request.query_params)})

    async def _update_asset(self, request: Request) -> Response:
        asset = self._account.asset(request.path_params["id"])
        self._account.update_asset(asset, await request.json())
        return JSONResponse({"asset": _shown_asset(asset, request.query_params)})

    async def _product(self, request: Request) -> Response:
        return JSONResponse({"product": _shown(self._account.find("products", request.path_params["id"]))})

    def _shown_ticket(self, ticket: Row, query: QueryParams, *, is_one: bool = False) -> Row:
        shown = _shown(ticket)
        asked = set(query.get("include", "").split(","))
        beside: dict[str, Any] = {
            "requester": REQUESTER,
            "stats": {"resolved_at": shown.pop("resolved_at", None), "closed_at": None},
        }
        linked, parent = shown.pop("assets", []), shown.pop("parent_id", None)
        if is_one:
            beside["assets"] = [self._shown_item(each) for each in linked]
            beside["related_tickets"] = {"parent_id": parent} if parent else {"child_ids": []}
        return shown | {name: value for name, value in beside.items() if name in asked}

    def _shown_item(self, number: int) -> Row:
        """An asset as tickets show it: without serial and tag."""
        asset = self._account.tables["assets"][number]
        return {"name": asset["name"], "display_id": asset["display_id"], "ci_type_id": asset["asset_type_id"]}


def _is_in(row: Row, query: QueryParams) -> bool:
    """Whether a row is of the workspace that is asked for."""
    return bool(row["workspace_id"] == int(query.get("workspace_id", PRIMARY)))


def _shown_asset(asset: Row, query: QueryParams) -> Row:
    shown = _shown(asset)
    del shown["trashed"]
    if "type_fields" not in query.get("include", ""):
        del shown["type_fields"]
    return shown


def _shown(row: Row) -> Row:
    return {
        name: value.strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, datetime) else value
        for name, value in row.items()
    }
