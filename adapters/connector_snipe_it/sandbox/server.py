"""SANDBOX: the HTTP side: lists by offset that are cut at MAX_RESULTS, and refusals with status 200."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connector_snipe_it.sandbox.inventory import Inventory, Refused, Thing

MISSING = "Asset does not exist."


class SnipeItServer:
    """Answers for an inventory. most: MAX_RESULTS. show_archived: whether the plain list has archived assets."""

    def __init__(self, inventory: Inventory, token: str, *, most: int = 500, show_archived: bool = False) -> None:
        self._inventory = inventory
        self._token = token
        self.most = most
        self.show_archived = show_archived
        self.deaf_to_offsets: set[str] = set()
        """Lists that pass over `offset`, as the models of some releases."""

    def app(self) -> Starlette:
        """The server."""
        routes: list[tuple[str, str, Callable[[Request], Any]]] = [
            ("GET", "/hardware", self._list),
            ("GET", "/hardware/byserial/{serial:path}", self._by_serial),
            ("GET", "/hardware/{id:int}", self._one),
            ("PATCH", "/hardware/{id:int}", self._change),
            ("POST", "/hardware/{id:int}/{action:str}", self._change),
            ("GET", "/{table:str}", self._list),
            ("GET", "/{table:str}/{id:int}", self._one),
        ]
        return Starlette(
            routes=[Route(f"/api/v1{path}", self._guarded(answer), methods=[method]) for method, path, answer in routes]
        )

    def _guarded(self, answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
        async def respond(request: Request) -> Response:
            if "application/json" not in request.headers.get("accept", ""):
                return Response(status_code=302, headers={"location": "/login"})
            if request.headers.get("authorization") != f"Bearer {self._token}":
                return JSONResponse({"error": "Unauthorized or unauthenticated."}, 401)
            try:
                found: Response = await answer(request)
            except Refused as refused:
                return JSONResponse({"status": "error", "messages": refused.messages, "payload": refused.payload})
            return found

        return respond

    def _table(self, request: Request) -> str:
        table = str(request.path_params.get("table", "hardware"))
        if table not in ("hardware", "locations", "models", "statuslabels"):
            raise Refused("404 endpoint not found")
        return table

    async def _list(self, request: Request) -> Response:
        table, query = self._table(request), request.query_params
        things = self._listed(table, query.get("status", ""))
        descending = query.get("order") != "asc"
        if query.get("sort") == "id":
            things.sort(key=lambda each: each.id, reverse=descending)
        else:
            # equal times come in any order, another one for each request, as from a heap that holds a page
            random.Random(str(query)).shuffle(things)  # noqa: S311 - protects nothing
            things.sort(key=lambda each: each.updated_at, reverse=descending)
        offset = 0 if table in self.deaf_to_offsets else min(int(query.get("offset", "0")), len(things))
        limit = min(int(query.get("limit", "50")), self.most)
        rows = [self._inventory.shown(table, each) for each in things[offset : offset + limit]]
        return JSONResponse({"total": len(things), "rows": rows})

    def _listed(self, table: str, status: str) -> list[Thing]:
        things = list(self._inventory.tables[table].values())
        if table == "hardware" and status == "Deleted":
            return [each for each in things if each.deleted_at is not None]
        present = [each for each in things if each.deleted_at is None]
        if table != "hardware":
            return present
        archived = [each for each in present if self._inventory.label_of(each).values["type"] == "archived"]
        if status == "Archived":
            return archived
        return present if self.show_archived else [each for each in present if each not in archived]

    async def _by_serial(self, request: Request) -> Response:
        serial = str(request.path_params["serial"]).casefold()
        found = [each for each in self._listed("hardware", "") if str(each.values.get("serial")).casefold() == serial]
        if not found:
            raise Refused(MISSING)
        return JSONResponse({"total": len(found), "rows": [self._inventory.shown("hardware", each) for each in found]})

    async def _one(self, request: Request) -> Response:
        table = self._table(request)
        thing = self._inventory.tables[table].get(int(request.path_params["id"]))
        if thing is None or (thing.deleted_at is not None and table != "hardware"):
            raise Refused(MISSING if table == "hardware" else f"{table.title()} not found")
        return JSONResponse(self._inventory.shown(table, thing))

    async def _change(self, request: Request) -> Response:
        asset = self._inventory.find("hardware", int(request.path_params["id"]))
        if asset is None:
            raise Refused("Asset not found")
        sent = await request.json()
        change = {
            None: self._inventory.update, "checkout": self._inventory.check_out, "checkin": self._inventory.check_in,
        }.get(request.path_params.get("action"))  # fmt: skip
        if change is None:
            return JSONResponse({"status": "error", "messages": "404 endpoint not found", "payload": None}, 404)
        change(asset, sent)
        return JSONResponse(
            {"status": "success", "messages": "Asset updated successfully.", "payload": {"id": asset.id}}
        )
