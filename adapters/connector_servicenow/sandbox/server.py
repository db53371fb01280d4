"""SANDBOX: the HTTP side of the sandbox of ServiceNow: Table API, reconciliation, tokens."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connector_servicenow.sandbox.instance import Instance, Refusal, Row
from connector_servicenow.sandbox.schema import is_table, lineage
from connector_servicenow.sandbox.search import search

Answer = Callable[[Request], Awaitable[Response]]


class Server:
    """Answers requests for an instance.

    authoritative: columns that reconciliation takes from the hub's data source, None for all. by_sys_id: whether
    identification goes by the sys_id that is sent.
    """

    def __init__(self, instance: Instance, *, user: str, password: str, api_key: str, client: tuple[str, str]) -> None:
        self.instance = instance
        self.authoritative: set[str] | None = None
        self.by_sys_id = True
        self.tokens: list[str] = []
        self._basic = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
        self._api_key = api_key
        self._client = client

    def app(self) -> Starlette:
        """The server."""
        routes: list[tuple[str, str, Answer]] = [
            ("GET", "/api/now/v2/table/{table}", self._list),
            ("PATCH", "/api/now/v2/table/{table}/{sys_id}", self._patch),
            ("POST", "/api/now/identifyreconcile", self._reconcile),
            ("POST", "/api/now/identifyreconcile/query", self._reconcile),
        ]
        guarded = [Route(path, self._guarded(answer), methods=[method]) for method, path, answer in routes]
        return Starlette(routes=[*guarded, Route("/oauth_token.do", self._token, methods=["POST"])])

    def _guarded(self, answer: Answer) -> Answer:
        async def respond(request: Request) -> Response:
            proof = request.headers.get("authorization", "")
            is_known = (
                proof == self._basic
                or request.headers.get("x-sn-apikey") == self._api_key
                or (bool(self.tokens) and proof == f"Bearer {self.tokens[-1]}")
            )
            try:
                if not is_known:
                    raise Refusal(401, "User is not authenticated", "Required to provide Auth information")
                return await answer(request)
            except Refusal as refusal:
                return JSONResponse(refusal.body, status_code=refusal.status)

        return respond

    async def _token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        if form.get("grant_type") != "client_credentials" or (
            (form.get("client_id"), form.get("client_secret")) != self._client
        ):
            return JSONResponse({"error_description": "access_denied", "error": "server_error"}, status_code=401)
        self.tokens.append(f"sandbox-token-{len(self.tokens):08}")
        body = {"access_token": self.tokens[-1], "scope": "useraccount", "token_type": "Bearer", "expires_in": 1799}
        return JSONResponse(body)

    async def _list(self, request: Request) -> Response:
        table, asked = self._table(request), request.query_params
        limit, offset = int(asked.get("sysparm_limit", 10_000)), int(asked.get("sysparm_offset", 0))
        found = search(self.instance, table, asked.get("sysparm_query", ""))
        page = [row for row in found[offset : offset + limit] if row["sys_id"] not in self.instance.hidden]
        headers = {"X-Total-Count": str(len(found))}
        if offset + limit < len(found):
            headers["Link"] = f'<{request.url.include_query_params(sysparm_offset=offset + limit)}>;rel="next"'
        return JSONResponse({"result": [self._shown(row, request) for row in page]}, headers=headers)

    async def _patch(self, request: Request) -> Response:
        table, sys_id = self._table(request), request.path_params["sys_id"]
        row = self.instance.rows.get(sys_id)
        if row is None or sys_id in self.instance.hidden or table not in lineage(row["sys_class_name"]):
            raise Refusal(404, "No Record found", "Record doesn't exist or ACL restricts the record retrieval")
        display = request.query_params.get("sysparm_input_display_value") == "true"
        self.instance.patch(sys_id, {name: str(told) for name, told in (await request.json()).items()}, display=display)
        return JSONResponse({"result": self._shown(row, request)})

    async def _reconcile(self, request: Request) -> Response:
        if request.query_params.get("sysparm_data_source") not in ("ServiceNow", "Connector"):
            raise Refusal(400, "Invalid data source")
        simulate = request.url.path.endswith("/query")
        items = [self._take(item, simulate=simulate) for item in (await request.json())["items"]]
        return JSONResponse({"result": {"items": items, "relations": []}})

    def _take(self, item: dict[str, Any], *, simulate: bool) -> dict[str, Any]:
        """Identify by sys_id, else by serial, else by name; write what the data source may."""
        values: Row = dict(item["values"])
        meant = values.pop("sys_id", "")
        found = self.instance.rows.get(meant) if self.by_sys_id else None
        for column in ("serial_number", "name"):
            told = values.get(column)
            same = [row for row in self.instance.of("cmdb_ci_hardware") if told and row[column] == told]
            found = found or (same[0] if same else None)
        if found is None:
            return {"className": item["className"], "operation": "INSERT", "sysId": "Unknown", "errorCount": 0}
        taken = {
            name: told
            for name, told in values.items()
            if self.authoritative is None or name in self.authoritative
        }  # fmt: skip
        is_new = any(found.get(name) != told for name, told in taken.items())
        if not simulate:
            self.instance.patch(found["sys_id"], taken, display=False)
        operation = "UPDATE" if is_new else "NO_CHANGE"
        return {"className": item["className"], "operation": operation, "sysId": found["sys_id"], "errorCount": 0}

    def _table(self, request: Request) -> str:
        table = str(request.path_params["table"])
        if not is_table(table):
            raise Refusal(400, f"Invalid table {table}")
        return table

    def _shown(self, row: Row, request: Request) -> dict[str, Any]:
        asked = request.query_params.get("sysparm_fields")
        names = asked.split(",") if asked else list(row)
        told = {name: self.instance.column(row, name) for name in names}
        known = {name: value for name, value in told.items() if value is not None}
        if request.query_params.get("sysparm_display_value") != "all":
            return dict(known)
        return {
            name: {"display_value": self.instance.shown(row, name), "value": value} for name, value in known.items()
        }
