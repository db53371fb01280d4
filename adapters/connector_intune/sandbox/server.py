"""SANDBOX: the HTTP side: tokens, lists by nextLink, batches in any order, and Graph's own way to pass over things."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connector_intune.sandbox.tenant import UNTOLD_BY_LISTS, Tenant

MOST_IN_FILTER, MOST_IN_BATCH = 15, 20
DEVICES = "deviceManagement/managedDevices"
LISTS = (DEVICES, "deviceManagement/deviceCategories", "deviceManagement/auditEvents", "users")


class GraphError(Exception):
    """An answer that is an error, as Graph writes it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        inner = {"date": "2026-03-02T09:00:00", "request-id": "3c5f2048-7991-4f5a-bfbe-2797f4e0a951"}
        self.body = {"error": {"code": code, "message": message, "innerError": inner}}


class GraphServer:
    """Answers for a tenant. client: id and secret. tokens: that are good. holes: an empty page follows each."""

    def __init__(self, tenant: Tenant, name: str, client: tuple[str, str], root: str) -> None:
        self._tenant = tenant
        self._name = name
        self._client = client
        self._root = root
        self.tokens: list[str] = []
        self.holes = False
        self.unknown: set[str] = set()
        """Properties that this cloud does not know yet."""
        self.throttled: dict[str, str] = {}
        """What comes before a path within a batch, and the seconds that its answer asks to wait."""
        self.ended: set[str] = set()
        """Places at which a list is refused, once each."""
        self._given = 0

    def app(self) -> Starlette:
        """The server."""
        return Starlette(
            routes=[
                Route(f"/{self._name}/oauth2/v2.0/token", self._token, methods=["POST"]),
                Route("/{version}/{path:path}", self._answer, methods=["GET", "POST", "PUT"]),
            ]
        )

    async def _token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        told = (form.get("client_id", ""), form.get("client_secret", ""))
        if told != self._client or form.get("scope") != f"{self._root}/.default":
            said = "AADSTS7000215: Invalid client secret provided."
            return JSONResponse({"error": "invalid_client", "error_description": said}, 401)
        self._given += 1
        self.tokens.append(f"sandbox-access-token-{self._given:06}")
        return JSONResponse({"token_type": "Bearer", "expires_in": 3599, "access_token": self.tokens[-1]})

    async def _answer(self, request: Request) -> Response:
        try:
            if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
                raise GraphError(401, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.")
            version, path = request.path_params["version"], request.path_params["path"]
            if path == "$batch":
                return JSONResponse(self._batch(version, await request.json()))
            if request.method == "GET":
                return JSONResponse(self._get(version, path, dict(request.query_params)))
            self._write(request.method, path, await request.json() if await request.body() else {})
            return Response(status_code=204)
        except GraphError as error:
            return JSONResponse(error.body, error.status)

    def _batch(self, version: str, sent: Mapping[str, Any]) -> dict[str, Any]:
        requests = sent["requests"]
        if len(requests) > MOST_IN_BATCH:
            raise GraphError(400, "BadRequest", "Number of batch request steps exceeds the maximum value of 20.")
        answers = [self._part(version, each) for each in requests]
        random.Random(len(requests)).shuffle(answers)  # noqa: S311 - protects nothing
        return {"responses": answers}

    def _part(self, version: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        path, _, query = str(asked["url"]).lstrip("/").partition("?")
        for start, seconds in self.throttled.items():
            if path.startswith(start):
                error = GraphError(429, "TooManyRequests", "Too many requests.")
                return {
                    "id": asked["id"], "status": 429, "headers": {"Retry-After": seconds}, "body": error.body,
                }  # fmt: skip
        try:
            return {"id": asked["id"], "status": 200, "body": self._get(version, path, dict(parse_qsl(query)))}
        except GraphError as error:
            return {"id": asked["id"], "status": error.status, "body": error.body}

    def _get(self, version: str, path: str, query: dict[str, str]) -> dict[str, Any]:
        columns = [name for name in query.get("$select", "").split(",") if name]
        if wrong := set(columns) & self.unknown:
            raise GraphError(400, "BadRequest", f"Could not find a property named '{wrong.pop()}' on managedDevice.")
        if path in LISTS:
            return self._list(version, path, query, columns)
        parent, _, number = path.rpartition("/")
        found = self._tenant.devices.get(number) if parent == DEVICES else None
        if found is None:
            raise GraphError(404, "ResourceNotFound", "The resource could not be found.")
        return _chosen(found, columns)

    def _list(self, version: str, path: str, query: dict[str, str], columns: list[str]) -> dict[str, Any]:
        """Along the ids, whatever `$orderby` says; what a filter does not understand is passed over."""
        if query.get("$skiptoken") in self.ended:
            self.ended.remove(query["$skiptoken"])
            raise GraphError(400, "BadRequest", "Skip token is not valid.")
        rows = sorted(self._rows(path, query.get("$filter", "")), key=lambda row: str(row["id"]))
        after, size = query.get("$skiptoken", ""), int(query.get("$top", "100"))
        behind = [row for row in rows if row["id"] > after.removesuffix("+")]
        is_hole = self.holes and bool(after) and not after.endswith("+")
        page = [] if is_hole else behind[:size]
        body: dict[str, Any] = {"@odata.count": len(page), "value": [self._listed(path, row, columns) for row in page]}
        if is_hole or len(behind) > size:
            token = f"{after}+" if is_hole else page[-1]["id"]
            kept = {name: value for name, value in query.items() if name != "$skiptoken"} | {"$skiptoken": token}
            body["@odata.nextLink"] = f"{self._root}/{version}/{path}?{urlencode(kept, quote_via=quote, safe='$')}"
        return body

    def _rows(self, path: str, told: str) -> list[dict[str, Any]]:
        tenant = self._tenant
        if path == "users":
            wanted = re.findall(r"'([^']+)'", told)
            if len(wanted) > MOST_IN_FILTER:
                said = f"Too many child clauses specified in search filter expression containing 'OR': {len(wanted)}."
                raise GraphError(400, "Request_UnsupportedQuery", said)
            return [row for row in tenant.users.values() if not told or row["id"] in wanted]
        if path.endswith("deviceCategories"):
            return [{"id": number, "displayName": name} for number, name in tenant.categories.items()]
        rows = tenant.events if path.endswith("auditEvents") else list(tenant.devices.values())
        found = re.fullmatch(r"(lastSyncDateTime|activityDateTime) gt (\S+)Z", told)
        return rows if found is None else [row for row in rows if str(row[found[1]]).removesuffix("Z") > found[2]]

    def _listed(self, path: str, row: dict[str, Any], columns: list[str]) -> dict[str, Any]:
        if path == DEVICES:
            row = {**row, **dict.fromkeys(UNTOLD_BY_LISTS)}
        return _chosen(row, columns)

    def _write(self, method: str, path: str, body: Mapping[str, Any]) -> None:
        found = re.fullmatch(rf"{DEVICES}/([^/]+)/(deviceCategory/\$ref|retire)", path)
        if found is None or found[1] not in self._tenant.devices:
            raise GraphError(404, "ResourceNotFound", "The resource could not be found.")
        if found[2] == "retire":
            if method != "POST":
                raise GraphError(405, "BadRequest", "Specified HTTP method is not allowed for the request target.")
            return self._tenant.retire(found[1])
        start, _, category = str(body.get("@odata.id", "")).rpartition("/")
        if method != "PUT" or not start.startswith(self._root) or category not in self._tenant.categories:
            raise GraphError(400, "ModelValidationFailure", "Cannot apply the reference to 'deviceCategory'.")
        return self._tenant.assign(found[1], category)


def _chosen(row: dict[str, Any], columns: list[str]) -> dict[str, Any]:
    """The columns that were asked for, and what a later release adds."""
    more = {name: value for name, value in row.items() if name.startswith("later")}
    return {name: row.get(name) for name in columns} | more if columns else row
