"""SANDBOX: api.php/v2: tokens, lists with filters, objects with names, and refusals as objects."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connector_glpi.sandbox.inventory import COLUMNS, Inventory, Refused, Row
from connector_glpi.words import DEVICE_TYPES, MODEL_COLUMNS

GROUPS: dict[str, set[str]] = {
    "Assets": {*DEVICE_TYPES}, "Assistance": {"Ticket"},
    "Dropdowns": {"Location", "State", "Manufacturer", *(f"{kind}Model" for kind in DEVICE_TYPES)},
}  # fmt: skip
SHOWN = {
    "states_id": "status", "locations_id": "location", "manufacturers_id": "manufacturer", "users_id": "user",
    "itilcategories_id": "category", **dict.fromkeys(MODEL_COLUMNS.values(), "model"),
}  # fmt: skip
HIDDEN = {
    "is_template",
    "closedate",
    "solvedate",
    "time_to_resolve",
    "users_id_recipient",
    "groups_id",
    "users_id_tech",
}


class ApiError(Exception):
    """An answer that is an object."""

    def __init__(self, status: int, code: str, title: str, **more: Any) -> None:
        super().__init__(title)
        self.answer = JSONResponse({"status": code, "title": title, "detail": None, **more}, status)


class HighLevel:
    """Answers for an inventory. form: with which a token is given out. loses_way: answers 404 to what it has added."""

    def __init__(self, inventory: Inventory, zone: str, form: dict[str, str]) -> None:
        self._inventory = inventory
        self.zone = ZoneInfo(zone)
        self._form = form
        self.tokens: set[str] = set()
        self.hidden: set[tuple[str, int]] = set()
        self.loses_way = False
        self._given = 0

    def routes(self) -> list[Route]:
        """Of the server."""
        return [
            Route("/api.php/token", self._token, methods=["POST"]),
            Route("/api.php/v{version}/{path:path}", self._answer, methods=["GET", "POST", "PATCH"]),
        ]

    async def _token(self, request: Request) -> Response:
        if dict(parse_qsl((await request.body()).decode())) != self._form:
            return JSONResponse({"error": "invalid_grant", "error_description": "The credentials are incorrect."}, 400)
        self._given += 1
        token = f"eyJ-token-{self._given:04}-c41f"
        self.tokens.add(token)
        return JSONResponse({"token_type": "Bearer", "expires_in": 3600, "access_token": token, "refresh_token": "r"})

    async def _answer(self, request: Request) -> Response:
        try:
            return await self._respond(request)
        except ApiError as error:
            return error.answer

    async def _respond(self, request: Request) -> Response:
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            raise ApiError(401, "ERROR_UNAUTHENTICATED", "You are not authenticated")
        group, kind, *rest = str(request.path_params["path"]).split("/")
        if kind not in GROUPS.get(group, ()):
            raise ApiError(404, "ERROR_ITEM_NOT_FOUND", "Not found")
        if not rest:
            return self._listed(kind, request)
        row = self._inventory.tables[kind].get(int(rest[0]))
        if row is None or (kind, row["id"]) in self.hidden:
            raise ApiError(404, "ERROR_ITEM_NOT_FOUND", "Not found")
        if rest[1:] == ["Timeline", "Followup"]:
            return self._timeline(row) if request.method == "GET" else self._add(row, await request.json())
        if rest[1:] == ["TeamMember"] and request.method == "POST":
            return self._join(row, await request.json())
        if request.method == "PATCH":
            self._change(kind, row, await request.json())
        return JSONResponse(self._shown(kind, row))

    def _listed(self, kind: str, request: Request) -> Response:
        query = request.query_params
        rows = [row for row in self._inventory.tables[kind].values() if (kind, row["id"]) not in self.hidden]
        for name, *values in re.findall(r"""(\w+)==(?:"([^"]*)"|'([^']*)'|([^;]+))""", query.get("filter", "")):
            text = "".join(values)
            wanted: object = int(text == "true") if name.startswith("is_") else text.casefold()
            rows = [row for row in rows if _comparable(row.get(name)) == wanted]
        random.Random(str(query)).shuffle(rows)  # noqa: S311 - equal values come in any order
        column, _, direction = query.get("sort", "id:asc").partition(":")
        rows.sort(key=lambda row: row[column], reverse=direction == "desc")
        start, limit = int(query.get("start", "0")), int(query.get("limit", "100"))
        part = [self._shown(kind, row) for row in rows[start : start + limit]]
        headers = {"Content-Range": f"{start}-{max(0, start + limit - 1)}/{len(rows)}"}
        return JSONResponse(part, 206 if start + limit < len(rows) else 200, headers)

    def _timeline(self, ticket: Row) -> Response:
        rows = [row for row in self._inventory.tables["ITILFollowup"].values() if row["items_id"] == ticket["id"]]
        return JSONResponse([{"type": "Followup", "item": self._plain(row)} for row in rows])

    def _add(self, ticket: Row, sent: Row) -> Response:
        values = {**sent, "itemtype": "Ticket", "items_id": ticket["id"], "is_private": int(sent["is_private"])}
        row = self._done(lambda: self._inventory.add_followup(values), "create")
        if self.loses_way:
            raise ApiError(404, "ERROR_ITEM_NOT_FOUND", "Item not found")
        return JSONResponse(
            {"id": row["id"], "href": f"/Assistance/Ticket/{ticket['id']}/Timeline/Followup/{row['id']}"}
        )

    def _join(self, ticket: Row, sent: Row) -> Response:
        kind, column = {"User": ("Ticket_User", "users_id"), "Group": ("Group_Ticket", "groups_id")}[sent["type"]]
        values = {"tickets_id": ticket["id"], column: sent["id"], "type": {"requester": 1, "assigned": 2}[sent["role"]]}
        self._done(lambda: self._inventory.join(kind, values), "create")
        return JSONResponse(self._team(ticket["id"]))

    def _change(self, kind: str, row: Row, sent: Row) -> None:
        columns = {shown: column for column, shown in SHOWN.items() if column in COLUMNS[kind]}
        columns |= {"external_id": "externalid"}
        values = {
            columns.get(name, name): value["id"] if isinstance(value, dict) else value for name, value in sent.items()
        }
        self._done(lambda: self._inventory.change(kind, row, values), "update")

    @staticmethod
    def _done(change: Callable[[], Any], action: str) -> Any:
        try:
            return change()
        except Refused as refused:
            told = [{"priority": "error", "message": str(refused)}]
            raise ApiError(500, "ERROR", f"Failed to {action} item(s)", additional_messages=told) from None

    def _shown(self, kind: str, row: Row) -> Row:
        shown: Row = {}
        for name, value in self._plain(row).items():
            if name == "status" and kind == "Ticket":
                shown["status"] = {"id": value, "name": f"Status {value}"}
            elif name == "locations_id" and kind == "Location":
                shown["parent"] = self._reference("locations_id", value)
            elif name == "entities_id":
                shown["entity"] = {"id": value, "name": "Root entity", "completename": "Root entity"}
            elif name in SHOWN:
                shown[SHOWN[name]] = self._reference(name, value, kind)
            elif name not in HIDDEN:
                shown["external_id" if name == "externalid" else name] = value
        if kind == "Ticket":
            shown["team"] = self._team(row["id"])
        return shown

    def _reference(self, column: str, number: Any, kind: str = "") -> Row | None:
        if column in MODEL_COLUMNS.values():
            named = self._inventory.tables[f"{kind}Model"].get(number)
        else:
            table = {"states_id": "State", "locations_id": "Location", "manufacturers_id": "Manufacturer",
                     "users_id": "User", "itilcategories_id": "ITILCategory"}[column]  # fmt: skip
            named = self._inventory.tables[table].get(number) if isinstance(number, int) else None
            if not isinstance(number, int):
                return {"id": number, "name": None}
        return {"id": named["id"], "name": named["name"]} if named else None

    def _team(self, ticket: int) -> list[Row]:
        roles = {1: "requester", 2: "assigned", 3: "observer"}
        found: list[Row] = []
        for table, kind, column in (("Ticket_User", "User", "users_id"), ("Group_Ticket", "Group", "groups_id")):
            for row in self._inventory.tables[table].values():
                if row["tickets_id"] == ticket:
                    name = self._inventory.name_of(column, row[column])
                    found.append({"id": row[column], "type": kind, "role": roles[row["type"]], "name": name})
        return found

    def _plain(self, row: Row) -> Row:
        return {
            name: self._time(value) if isinstance(value, datetime) else bool(value) if name.startswith("is_") else value
            for name, value in row.items()
        }

    def _time(self, at: datetime) -> str:
        return at.astimezone(self.zone).isoformat(timespec="seconds")


def _comparable(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value
