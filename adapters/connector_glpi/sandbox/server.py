"""SANDBOX: apirest.php: sessions, lists by range, single items, and refusals as a pair of code and message."""

from __future__ import annotations

import base64
import json
import random
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connector_glpi.sandbox.inventory import COLUMNS, JOINS, Inventory, Refused, Row

RESOURCES = {"initSession", "killSession", "changeActiveProfile", "changeActiveEntities"}
FORM = "%Y-%m-%d %H:%M:%S"
DOCS = "; view documentation in your browser at http://glpi.test/apirest.php/#"


class ApiError(Exception):
    """An answer `[code, message]`."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.answer = JSONResponse([code, message], status)


class Apirest:
    """Answers for an inventory. zone: in which it shows times. hidden: items that the user has no right to see.

    anchors: whether `^` and `$` hold a text that is searched for to its beginning and end.
    """

    def __init__(self, inventory: Inventory, zone: str, *, app_token: str, user_token: str, login: str) -> None:
        self._inventory = inventory
        self.zone = ZoneInfo(zone)
        self._app_token = app_token
        self._proofs = (f"user_token {user_token}", f"Basic {base64.b64encode(login.encode()).decode()}")
        self.sessions: dict[str, dict[str, int]] = {}
        self.profiles = {4, 6}
        self.entities = {0: {0, 1}, 1: {1}}
        self.hidden: set[tuple[str, int]] = set()
        self.without_right: set[str] = set()
        self.anchors = True
        self._opened = 0

    def routes(self) -> list[Route]:
        """Of the server."""
        return [Route("/apirest.php/{path:path}", self._answer, methods=["GET", "POST", "PUT"])]

    async def _answer(self, request: Request) -> Response:
        try:
            return await self._respond(request)
        except ApiError as error:
            return error.answer

    async def _respond(self, request: Request) -> Response:
        token = request.headers.get("app-token", "")
        if token != self._app_token:
            code = "ERROR_WRONG_APP_TOKEN_PARAMETER" if token else "ERROR_APP_TOKEN_PARAMETERS_MISSING"
            raise ApiError(400, code, f"parameter app_token seems wrong{DOCS}{code}")
        body = await request.body()
        if body and request.method == "GET":
            raise ApiError(400, "ERROR_JSON_PAYLOAD_FORBIDDEN", "GET Request should not have json payload (http body)")
        sent = json.loads(body) if body else {}
        parts = str(request.path_params["path"]).strip("/").split("/")
        if parts[0] == "initSession":
            return self._open(request)
        session = self.sessions.get(request.headers.get("session-token", ""))
        if "session-token" not in request.headers:
            raise ApiError(400, "ERROR_SESSION_TOKEN_MISSING", "parameter session_token is missing or empty")
        if session is None:
            raise ApiError(401, "ERROR_SESSION_TOKEN_INVALID", "session_token seems invalid")
        if parts[0] in RESOURCES:
            return self._enter(parts[0], session, sent)
        handle: Callable[[list[str], Request, dict[str, int], Row], Response] = {
            "GET": self._read, "POST": self._create, "PUT": self._update,
        }[request.method]  # fmt: skip
        return handle(parts, request, session, sent)

    def _open(self, request: Request) -> Response:
        proof = request.headers.get("authorization")
        if proof is None:
            raise ApiError(
                400, "ERROR_LOGIN_PARAMETERS_MISSING", "parameter(s) login, password or user_token are missing"
            )
        if proof not in self._proofs:
            code = "ERROR_GLPI_LOGIN_USER_TOKEN" if proof.startswith("user_token") else "ERROR_GLPI_LOGIN"
            raise ApiError(401, code, "parameter user_token seems invalid")
        self._opened += 1
        token = f"session-{self._opened:04}-83af7e620c83"
        self.sessions[token] = {"profile": 4, "entity": 0}
        return JSONResponse({"session_token": token})

    def _enter(self, resource: str, session: dict[str, int], sent: Row) -> Response:
        if resource == "changeActiveProfile":
            if sent.get("profiles_id") not in self.profiles:
                raise ApiError(404, "ERROR_ITEM_NOT_FOUND", "Item not found")
            session["profile"] = sent["profiles_id"]
        elif resource == "changeActiveEntities":
            if sent.get("entities_id") not in self.entities:
                return JSONResponse(False)
            session["entity"] = sent["entities_id"]
        return JSONResponse(True)

    def _table(self, kind: str) -> dict[int, Row]:
        if kind not in COLUMNS:
            code = "ERROR_RESOURCE_NOT_FOUND_NOR_COMMONDBTM"
            raise ApiError(400, code, f"resource not found or not an instance of CommonDBTM{DOCS}{code}")
        if kind in self.without_right:
            raise ApiError(403, "ERROR_RIGHT_MISSING", "You don't have permission to perform this action.")
        return self._inventory.tables[kind]

    def _item(self, kind: str, number: str) -> Row:
        row = self._table(kind).get(int(number))
        if row is None:
            raise ApiError(404, "ERROR_ITEM_NOT_FOUND", "Item not found")
        if (kind, row["id"]) in self.hidden:
            raise ApiError(403, "ERROR_RIGHT_MISSING", "You don't have permission to perform this action.")
        return row

    def _read(self, parts: list[str], request: Request, session: dict[str, int], _: Row) -> Response:
        if len(parts) == 2:
            return JSONResponse(self._shown(self._item(parts[0], parts[1]), request))
        kind = parts[-1]
        rows = list(self._table(kind).values())
        if len(parts) == 3:
            rows = self._children(rows, kind, parts[0], self._item(parts[0], parts[1])["id"])
        return self._listed(kind, rows, request, session)

    @staticmethod
    def _children(rows: list[Row], kind: str, parent: str, number: int) -> list[Row]:
        """Rows of a parent; where a class refers to it by another name, all rows, as GLPI does it."""
        column = f"{parent.lower()}s_id"
        if column in COLUMNS[kind]:
            return [row for row in rows if row[column] == number]
        if "itemtype" in COLUMNS[kind]:
            return [row for row in rows if row["itemtype"] == parent and row["items_id"] == number]
        return rows

    def _listed(self, kind: str, rows: list[Row], request: Request, session: dict[str, int]) -> Response:
        query, columns = request.query_params, {"id": 0, "date_mod": None, **COLUMNS[kind]}
        sort, descending = query.get("sort", "id"), query.get("order", "ASC").upper() == "DESC"
        if sort not in columns:
            raise ApiError(400, "ERROR", f"sort param is not a field of glpi_{kind.lower()}s{DOCS}ERROR")
        if "is_deleted" in columns:
            rows = [row for row in rows if row["is_deleted"] == int(query.get("is_deleted", "0"))]
        if "entities_id" in columns:
            rows = [row for row in rows if row["entities_id"] in self.entities[session["entity"]]]
        for name, text in query.items():
            if found := re.fullmatch(r"searchText\[(\w+)\]", name):
                rows = [row for row in rows if _is_like(row.get(found[1]), text if self.anchors else text.strip("^$"))]
        # equal values come in any order, another one for each request
        random.Random(str(query)).shuffle(rows)  # noqa: S311 - protects nothing
        dated = [row for row in rows if row.get(sort) is not None]
        undated = [row for row in rows if row.get(sort) is None]
        dated.sort(key=lambda row: row[sort], reverse=descending)
        rows = [*dated, *undated] if descending else [*undated, *dated]
        told = query.get("range", "0-49")
        if not re.fullmatch(r"\d+-\d+", told):
            raise ApiError(400, "ERROR", f"range must be in format : [start-end] with integers{DOCS}ERROR")
        start, end = map(int, told.split("-"))
        if start > len(rows):
            code = "ERROR_RANGE_EXCEED_TOTAL"
            raise ApiError(400, code, f"Provided range exceed total count of data: {len(rows)}{DOCS}{code}")
        part = [self._shown(row, request) for row in rows[start : end + 1]]
        headers = {"Accept-Range": f"{kind} 990"}
        if rows:
            headers["Content-Range"] = f"{start}-{min(end, len(rows) - 1)}/{len(rows)}"
        return JSONResponse(part, 206 if len(part) < len(rows) else 200, headers)

    def _create(self, parts: list[str], request: Request, session: dict[str, int], sent: Row) -> Response:  # noqa: ARG002
        try:
            given = self._input(sent)
            row = self._inventory.join(parts[0], given) if parts[0] in JOINS else self._inventory.add_followup(given)
        except Refused as refused:
            raise ApiError(400, "ERROR_GLPI_ADD", str(refused)) from None
        return JSONResponse({"id": row["id"], "message": ""}, 201)

    def _update(self, parts: list[str], request: Request, session: dict[str, int], sent: Row) -> Response:  # noqa: ARG002
        row = self._inventory.tables[parts[0]].get(int(parts[1]))
        if row is None or (parts[0], row["id"]) in self.hidden:
            raise ApiError(400, "ERROR_GLPI_UPDATE", "You don't have permission to perform this action.")
        try:
            self._inventory.change(parts[0], row, self._input(sent))
        except Refused as refused:
            raise ApiError(400, "ERROR_GLPI_UPDATE", str(refused)) from None
        return JSONResponse([{parts[1]: True, "message": ""}])

    @staticmethod
    def _input(sent: Row) -> Row:
        found = sent.get("input")
        if not isinstance(found, dict):
            raise ApiError(400, "ERROR_BAD_ARRAY", "input parameter must be an array of objects")
        return found

    def _shown(self, row: Row, request: Request) -> Row:
        shown = {name: self._time(value) if isinstance(value, datetime) else value for name, value in row.items()}
        names = [value for name, value in request.query_params.items() if name.startswith("add_keys_names[")]
        if names:
            shown["_keys_names"] = {
                name: self._inventory.name_of(name, row[name]) for name in names if row.get(name) is not None
            }
        return shown

    def _time(self, at: datetime) -> str:
        return at.astimezone(self.zone).strftime(FORM)


def _is_like(value: Any, text: str) -> bool:
    """LIKE, in any case; `^` and `$` hold it to the beginning and the end."""
    have, wanted = str(value or "").casefold(), text.casefold()
    starts, ends = wanted.startswith("^"), wanted.endswith("$")
    wanted = wanted.removeprefix("^").removesuffix("$")
    if starts and ends:
        return have == wanted
    return have.startswith(wanted) if starts else have.endswith(wanted) if ends else wanted in have
