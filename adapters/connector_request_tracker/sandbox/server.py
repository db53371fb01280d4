"""SANDBOX: the HTTP side of the sandbox of Request Tracker, answers in the shape of version 5.0.3."""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connector_request_tracker.sandbox.desk import REFS, Attachment, Desk, Refusal, SandboxTicket, Transaction
from connector_request_tracker.sandbox.search import BadQuery, Column, parse
from connector_request_tracker.sandbox.shelf import CATALOGS, SandboxAsset, Shelf

ROOT = "/REST/2.0"
VERSION = "5.0.3 (sandbox)"
USER = "hub"
LARGEST_PAGE = 100


class Desktop:
    """Answers requests for a desk. changed: is called after each request that changed something."""

    def __init__(self, desk: Desk, shelf: Shelf, token: str, zone: str, changed: Callable[[], Awaitable[None]]) -> None:
        self._desk = desk
        self._shelf = shelf
        self._token = token
        self.zone = ZoneInfo(zone)
        self._changed = changed

    def app(self) -> Starlette:
        """The server."""
        routes: list[tuple[str, str, Callable[[Request], Awaitable[Response]]]] = [
            ("GET", "/rt", self._version),
            ("GET", "/queue/{name}", self._queue),
            ("GET", "/tickets", self._tickets),
            ("POST", "/tickets/bulk", self._create_many),
            ("POST", "/ticket", self._create),
            ("GET", "/ticket/{id:int}", self._ticket),
            ("PUT", "/ticket/{id:int}", self._update),
            ("GET", "/ticket/{id:int}/history", self._history),
            ("GET", "/ticket/{id:int}/attachments", self._attachments),
            ("POST", "/ticket/{id:int}/{kind}", self._write),
            ("GET", "/transactions", self._transactions),
            ("GET", "/catalog/{name}", self._catalog),
            ("GET", "/assets", self._assets),
            ("GET", "/asset/{id:int}", self._asset),
            ("PUT", "/asset/{id:int}", self._update_asset),
        ]
        return Starlette(
            routes=[Route(ROOT + path, self._guarded(answer), methods=[method]) for method, path, answer in routes],
            exception_handlers={404: self._missing},
        )

    async def _missing(self, _request: Request, _error: Exception) -> Response:
        return JSONResponse({"message": "Not Found"}, status_code=404)

    def _guarded(self, answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def respond(request: Request) -> Response:
            if request.headers.get("authorization") != f"token {self._token}":
                return JSONResponse({"message": "Unauthorized"}, status_code=401)
            try:
                response = await answer(request)
            except Refusal as refusal:
                response = JSONResponse({"message": refusal.message}, status_code=refusal.status)
            except BadQuery as error:
                response = JSONResponse({"message": str(error)}, status_code=400)
            await self._changed()
            return response

        return respond

    async def _version(self, _request: Request) -> Response:
        return JSONResponse({"Version": VERSION})

    async def _queue(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._desk.queues:
            raise Refusal(403, "Forbidden")
        return JSONResponse({"id": self._desk.queues.index(name) + 1, "Name": name})

    async def _catalog(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in CATALOGS:
            raise Refusal(403, "Forbidden")
        return JSONResponse({"id": CATALOGS.index(name) + 1, "Name": name})

    async def _assets(self, request: Request) -> Response:
        found = self._shelf.search(request.query_params.get("query", ""))
        _sort(found, request, {"id": lambda a: a.id, "LastUpdated": lambda a: a.last_updated})
        fields = {"id", "type", "_url", *request.query_params.get("fields", "").split(",")}

        def shown(asset: SandboxAsset) -> dict[str, Any]:
            whole = self._shelf.shown(asset, f"{str(request.base_url).rstrip('/')}{ROOT}")
            return {name: told for name, told in whole.items() if name in fields}

        return _page(request, found, shown, is_counted=False)

    async def _asset(self, request: Request) -> Response:
        asset = self._known_asset(request)
        return JSONResponse(
            self._shelf.shown(asset, f"{str(request.base_url).rstrip('/')}{ROOT}") | {"id": asset.id},
            headers={"ETag": asset.etag},
        )

    async def _update_asset(self, request: Request) -> Response:
        asset = self._known_asset(request)
        expected = request.headers.get("if-match")
        if expected and expected not in ("*", asset.etag):
            raise Refusal(412, "Precondition Failed")
        return JSONResponse(self._shelf.update(asset, await _body(request)))

    def _known_asset(self, request: Request) -> SandboxAsset:
        asset = self._shelf.assets.get(request.path_params["id"])
        if asset is None:
            raise Refusal(404, "Not Found")
        return asset

    async def _tickets(self, request: Request) -> Response:
        query = request.query_params.get("query", "")
        wanted = parse(query, self._ticket_column, self.zone)
        tickets = [ticket for ticket in self._desk.visible() if wanted(ticket)]
        _sort(
            tickets,
            request,
            {"id": lambda t: t.id, "LastUpdated": lambda t: t.last_updated, "Created": lambda t: t.created},
        )
        fields = [name for name in request.query_params.get("fields", "").split(",") if name]
        expand = bool(request.query_params.get("fields[Queue]"))

        def shown(ticket: SandboxTicket) -> dict[str, Any]:
            whole = self._whole(request, ticket, expand)
            told = {name: whole[name] for name in fields if name in whole}
            return {"type": "ticket", "id": str(ticket.id), "_url": _url(request, "ticket", ticket.id)} | told

        return _page(request, tickets, shown, is_counted=True)

    async def _ticket(self, request: Request) -> Response:
        ticket = self._known(request)
        if ticket.id != request.path_params["id"]:
            return JSONResponse({"id": str(ticket.id), "type": "ticket", "_url": _url(request, "ticket", ticket.id)})
        headers = {"ETag": self._desk.etag(ticket), "Last-Modified": ticket.last_updated}
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        expand = bool(request.query_params.get("fields[Queue]"))
        return JSONResponse(self._whole(request, ticket, expand) | {"id": ticket.id}, headers=headers)

    async def _create(self, request: Request) -> Response:
        ticket = self._desk.create(await _body(request), USER)
        told = {"id": str(ticket.id), "type": "ticket", "_url": _url(request, "ticket", ticket.id)}
        return JSONResponse(told, status_code=201, headers={"Location": f"{ROOT}/ticket/{ticket.id}"})

    async def _create_many(self, request: Request) -> Response:
        answers: list[dict[str, Any]] = []
        for body in await request.json():
            try:
                ticket = self._desk.create(body, USER)
            except Refusal as refusal:
                answers.append({"message": refusal.message})
            else:
                answers.append({"id": str(ticket.id), "type": "ticket", "_url": _url(request, "ticket", ticket.id)})
        return JSONResponse(answers, status_code=201, headers={"Location": f"{ROOT}/tickets/bulk"})

    async def _update(self, request: Request) -> Response:
        ticket = self._known(request)
        expected = request.headers.get("if-match")
        if expected and expected not in ("*", self._desk.etag(ticket)):
            raise Refusal(412, "Precondition Failed")
        return JSONResponse(self._desk.update(ticket, await _body(request), USER))

    async def _write(self, request: Request) -> Response:
        kind = request.path_params["kind"]
        if kind not in ("comment", "correspond"):
            raise Refusal(404, "Not Found")
        body = await _body(request)
        if body.get("Content") and not body.get("ContentType"):
            raise Refusal(400, "ContentType is a required field for application/json")
        ticket = self._desk.find(request.path_params["id"])
        if ticket is None:
            raise Refusal(400, "Permission Denied")
        transaction = self._desk.write(ticket, kind.capitalize(), str(body.get("Content") or ""), USER)
        said = ["Comments added" if kind == "comment" else "Correspondence added"]
        change: dict[str, Any] = {name: body[name] for name in ("Status", "CustomFields") if name in body}
        said += self._desk.update(ticket, change, USER)
        return JSONResponse(said, status_code=201, headers={"Location": f"{ROOT}/transaction/{transaction.id}"})

    async def _history(self, request: Request) -> Response:
        history = self._desk.history(self._known(request))
        return _page(request, history, lambda each: self._told(request, each), is_counted=False)

    async def _transactions(self, request: Request) -> Response:
        wanted = parse(request.query_params.get("query", ""), _transaction_column, self.zone)
        found = [transaction for transaction in self._desk.transactions if wanted(transaction)]
        _sort(found, request, {"id": lambda t: t.id, "Created": lambda t: t.created})
        return _page(request, found, lambda each: self._told(request, each), is_counted=False)

    async def _attachments(self, request: Request) -> Response:
        ticket = self._desk.find(request.path_params["id"])
        found = [a for a in self._desk.attachments if ticket and self._desk.find(a.ticket) is ticket]
        for condition in json.loads(request.query_params.get("query") or "[]"):
            if condition["field"] == "ContentType":
                found = [each for each in found if each.content_type == condition["value"]]

        def shown(each: Attachment) -> dict[str, Any]:
            return {
                "type": "attachment", "id": str(each.id), "_url": _url(request, "attachment", each.id),
                "Content": each.content, "ContentType": each.content_type, "Created": each.created,
                "TransactionId": str(each.transaction),
            }  # fmt: skip

        return _page(request, found, shown, is_counted=False)

    def _known(self, request: Request) -> SandboxTicket:
        ticket = self._desk.find(request.path_params["id"])
        if ticket is None:
            raise Refusal(404, "Not Found")
        return ticket

    def _whole(self, request: Request, ticket: SandboxTicket, expand_queue: bool) -> dict[str, Any]:
        queue = {"type": "queue", "id": str(self._desk.queues.index(ticket.queue) + 1)}
        return {
            "id": str(ticket.id), "Subject": ticket.subject, "Status": ticket.status, "Priority": str(ticket.priority),
            "Created": ticket.created, "LastUpdated": ticket.last_updated, "Resolved": ticket.resolved,
            "Due": ticket.due, "Queue": queue | ({"Name": ticket.queue} if expand_queue else {}),
            "Owner": _user(request, ticket.owner), "Requestor": [_user(request, name) for name in ticket.requestors],
            "CustomFields": [
                {"type": "customfield", "id": str(number), "_url": _url(request, "customfield", number),
                 "name": name, "values": ticket.fields.get(name, [])}
                for number, name in enumerate(self._desk.fields, 1)
            ],
            "_hyperlinks": self._hyperlinks(request, ticket),
        } | ticket.extra  # fmt: skip

    def _hyperlinks(self, request: Request, ticket: SandboxTicket) -> list[dict[str, Any]]:
        itself = {"ref": "self", "type": "ticket", "id": str(ticket.id), "_url": _url(request, "ticket", ticket.id)}
        return [itself] + [
            {"ref": REFS[name], "type": "ticket", "id": number, "_url": _url(request, "ticket", number)}
            for name, number in ticket.links
        ]

    def _told(self, request: Request, each: Transaction) -> dict[str, Any]:
        return {
            "type": "transaction", "id": str(each.id), "_url": _url(request, "transaction", each.id),
            "Type": each.type, "Field": each.field, "OldValue": each.old, "NewValue": each.new,
            "Created": each.created, "Creator": _user(request, each.creator), "ObjectType": "RT::Ticket",
            "ObjectId": str(each.ticket or ""),
        }  # fmt: skip

    def _ticket_column(self, name: str) -> Column | None:
        columns = {
            "id": Column("number", lambda t: t.id),
            "Queue": Column("text", lambda t: t.queue),
            "Status": Column("text", lambda t: t.status),
            "Subject": Column("text", lambda t: t.subject),
            "Owner": Column("text", lambda t: t.owner),
            "Priority": Column("number", lambda t: t.priority),
            "Created": Column("time", lambda t: datetime.fromisoformat(t.created)),
            "LastUpdated": Column("time", lambda t: datetime.fromisoformat(t.last_updated)),
        }
        if name.startswith("CF.{") and name.endswith("}"):
            return Column("values", lambda t: t.fields.get(name[4:-1], []))
        return columns.get(name)


def _transaction_column(name: str) -> Column | None:
    columns = {
        "id": Column("number", lambda t: t.id),
        "ObjectType": Column("text", lambda _: "RT::Ticket"),
        "ObjectId": Column("number", lambda t: t.ticket),
        "Type": Column("text", lambda t: t.type),
        "Field": Column("text", lambda t: t.field),
        "OldValue": Column("text", lambda t: t.old),
        "NewValue": Column("text", lambda t: t.new),
        "Created": Column("time", lambda t: datetime.fromisoformat(t.created)),
    }
    return columns.get(name)


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        raise Refusal(400, "JSON object must be a HASH") from None
    if not isinstance(body, dict):
        raise Refusal(400, "JSON object must be a HASH")
    return body


def _page(
    request: Request, rows: Sequence[Any], shown: Callable[[Any], dict[str, Any]], *, is_counted: bool
) -> Response:
    """One page. More than 100 rows are never sent, whatever was asked for; some lists do not say their length."""
    asked, number = request.query_params.get("per_page", ""), request.query_params.get("page", "")
    size = min(int(asked) if asked.isdigit() and int(asked) else 20, LARGEST_PAGE)
    page = int(number) if number.isdigit() and int(number) else 1
    items = [shown(row) for row in rows[(page - 1) * size : page * size]]
    pages = math.ceil(len(rows) / size)
    body: dict[str, Any] = {
        "count": len(items), "total": len(rows) if is_counted else None, "per_page": size, "page": page,
        "items": items, "pages": pages if is_counted else None,
    }  # fmt: skip
    if is_counted and page < pages:
        body["next_page"] = str(request.url.include_query_params(page=page + 1))
    return JSONResponse(body)


def _sort(rows: list[Any], request: Request, columns: dict[str, Callable[[Any], Any]]) -> None:
    orders = request.query_params.getlist("order")
    keys = [
        (columns[name], orders[number].upper() == "DESC" if number < len(orders) else False)
        for number, name in enumerate(request.query_params.getlist("orderby"))
        if name in columns
    ]
    rows.sort(key=columns["id"])
    for key, is_descending in reversed(keys):
        rows.sort(key=key, reverse=is_descending)


def _user(request: Request, name: str) -> dict[str, str]:
    return {"type": "user", "id": name, "_url": _url(request, "user", name)}


def _url(request: Request, kind: str, name: object) -> str:
    return f"{str(request.base_url).rstrip('/')}{ROOT}/{kind}/{name}"
