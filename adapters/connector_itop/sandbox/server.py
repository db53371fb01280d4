"""SANDBOX: webservices/rest.php, which answers 200 whatever comes."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connector.sdk.markup import text_of_html
from connector_itop.sandbox.inventory import CLASSES, KEYS, LOGS, Inventory, Refused, Row, parents_of
from connector_itop.sandbox.oql import read_query

SQL = "%Y-%m-%d %H:%M:%S"


class Services:
    """Answers for an inventory. form: how the pages show times. hidden: classes that the user may not read."""

    def __init__(self, inventory: Inventory, zone: str, *, user: str, password: str, token: str) -> None:
        self._inventory = inventory
        self._zone = ZoneInfo(zone)
        self._login = (user, password)
        self._token = token
        self.form = SQL
        self.hidden: set[str] = set()
        self.page: str | None = None

    def routes(self) -> list[Route]:
        """Of the server."""
        return [Route("/webservices/rest.php", self._answer, methods=["POST", "GET"])]

    async def _answer(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        if self.page is not None:
            return Response(self.page, media_type="text/html")
        try:
            self._require_user(request, form)
            if request.query_params.get("version") not in ("1.0", "1.1", "1.2", "1.3", "1.4"):
                raise Refused("Error: There is no service available for this version", 10)
            told = json.loads(form.get("json_data", "null"))
            if not told:
                raise Refused("Error: Missing parameter 'json_data'", 3)
            return JSONResponse(self._respond(told))
        except Refused as refused:
            return JSONResponse({"code": refused.code, "message": str(refused)})

    def _require_user(self, request: Request, form: Mapping[str, str]) -> None:
        pair = base64.b64encode(":".join(self._login).encode()).decode()
        is_known = (
            request.headers.get("auth-token") == self._token
            or request.headers.get("authorization") == f"Basic {pair}"
            or (form.get("auth_user"), form.get("auth_pwd")) == self._login
        )
        if not is_known:
            raise Refused("Error: Invalid login", 1)

    def _respond(self, told: Mapping[str, Any]) -> Row:
        kind = str(told.get("class"))
        if kind not in CLASSES or kind in self._inventory.absent:
            raise Refused(f"Error: class: '{kind}' is not a valid class'")
        shown = [name.strip() for name in str(told.get("output_fields", "id,friendlyname")).split(",")]
        for name in shown:
            if name != "id" and not self._has(kind, name):
                raise Refused(f"Error: output_fields: invalid attribute code '{name}'")
        match told.get("operation"):
            case "core/get":
                return self._found(kind, told, shown)
            case "core/update":
                row = self._one(kind, told)
                self._inventory.change(row, self._values(row, told["fields"]), str(told["comment"]))
                return self._shown([row], shown, "")
            case "core/apply_stimulus":
                row = self._one(kind, told)
                values = self._values(row, told["fields"])
                self._inventory.apply(row, told["stimulus"], values, str(told["comment"]))
                return self._shown([row], shown, "")
            case operation:
                raise Refused(f"Error: Unknown verb '{operation}' in version '1.3'", 11)

    def _found(self, kind: str, told: Mapping[str, Any], shown: list[str]) -> Row:
        if kind in self.hidden:
            raise Refused(f"The current user does not have enough permissions for reading data of class {kind}", 1)
        rows = self._selected(kind, str(told["key"]))
        order = random.Random(json.dumps(told))  # noqa: S311 - equal names come in any order
        order.shuffle(rows)
        rows.sort(key=lambda row: str(row.get("date") or row.get("name") or ""))
        limit, page = int(told.get("limit", 0)), int(told.get("page", 1))
        part = rows[limit * (page - 1) : limit * page] if limit else rows
        return self._shown(part, shown, f"Found: {len(rows)}")

    def _selected(self, kind: str, query: str) -> list[Row]:
        asked, fits = read_query(query)
        if kind not in parents_of(asked):
            raise Refused(f"Error: Query failed to execute (query = {query})")
        rows = [row for each in CLASSES if asked in parents_of(each) for row in self._inventory.objects[each].values()]
        return [row for row in rows if fits(partial(self._attribute, row, asked))]

    def _one(self, kind: str, told: Mapping[str, Any]) -> Row:
        rows = self._selected(kind, str(told["key"]))
        if len(rows) != 1:
            what = "No item found" if not rows else f"Several items found ({len(rows)})"
            raise Refused(f"Error: {what} for query: {told['key']}")
        return rows[0]

    def _values(self, row: Row, told: Mapping[str, Any]) -> Row:
        values: Row = {}
        for name, value in told.items():
            if name not in CLASSES[row["finalclass"]][1] or name in self._inventory.lacking:
                raise Refused(f"Error: {name}: Unknown attribute")
            values[name] = self._value(row, name, value)
        return values

    def _value(self, row: Row, name: str, value: Any) -> Any:
        if name in LOGS:
            item = value["add_item"]
            is_text = item.get("format") == "text"
            message = str(item["message"]) if is_text else text_of_html(item["message"])
            return (*row[name], {"date": self._inventory.now(), "user_login": "Hub", "message": message})
        if name not in KEYS:
            return value
        if isinstance(value, dict):
            found = [
                each["id"]
                for kind in CLASSES
                if KEYS[name] in parents_of(kind)
                for each in self._inventory.objects[kind].values()
                if all(str(each.get(at)) == wanted for at, wanted in value.items())
            ]
            if len(found) != 1:
                raise Refused(f"Error: {name}: No item found with criteria: {json.dumps(value)}")
            return found[0]
        if not str(value or "0").isdecimal():
            raise Refused(f"Error: {name}: Wrong format for key")
        number = int(value or 0)
        if number and self._inventory.find(KEYS[name], number) is None:
            raise Refused(f"Error: {name}: Invalid object {KEYS[name]}::{number}")
        return number

    def _shown(self, rows: list[Row], names: list[str], message: str) -> Row:
        objects = {
            f"{row['finalclass']}::{row['id']}": {
                "code": 0, "message": "", "class": row["finalclass"], "key": str(row["id"]),
                "fields": {name: self._told(row, name) for name in names},
            }
            for row in rows
        }  # fmt: skip
        return {"objects": objects or None, "code": 0, "message": message or None}

    def _told(self, row: Row, name: str) -> Any:
        value = self._attribute(row, row["finalclass"], name, in_query=False)
        if name in LOGS:
            return {"entries": [{**each, "date": self._time(each["date"], SQL)} for each in value]}
        if isinstance(value, tuple):
            return [dict(each) for each in value]
        return value if isinstance(value, list | dict) else str(value)

    def _attribute(self, row: Row, kind: str, name: str, *, in_query: bool = True) -> Any:
        """What an attribute is: of the object itself, or of what it refers to."""
        if name != "id" and not self._has(kind, name):
            raise Refused(f"Error: Query failed to execute (unknown attribute {name})")
        if name in row:
            value = row[name]
            if value is None:
                return ""
            form = SQL if in_query or "objclass" in row else self.form
            return self._time(value, form) if isinstance(value, datetime) else value
        if name == "friendlyname":
            return self._inventory.named(row["finalclass"], row["id"])
        key = "org_id" if name == "organization_name" else f"{name.removesuffix('_name')}_id"
        key = name.removesuffix("_friendlyname") if name.endswith("_friendlyname") else key
        return self._inventory.named(KEYS[key], row[key])

    def _has(self, kind: str, name: str) -> bool:
        attributes = CLASSES[kind][1]
        keys = [key for key in KEYS if key in attributes]
        external = {f"{key}_friendlyname" for key in keys} | {f"{key.removesuffix('_id')}_name" for key in keys}
        if "FunctionalCI" in parents_of(kind):
            external = external - {"org_name"} | {"organization_name"}
        known = name in attributes or name in external or name in ("finalclass", "friendlyname")
        return known and name not in self._inventory.lacking

    def _time(self, at: datetime, form: str) -> str:
        return at.astimezone(self._zone).strftime(form)
