"""The REST endpoints of the NetBox sandbox: lists, objects, changes to them, status."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from connector_netbox.sandbox_lists import BadRequest, page_of
from connector_netbox.sandbox_shapes import (
    CHANGE,
    DEVICE,
    DEVICE_TYPE,
    LOCATION,
    RACK,
    ROLE,
    SHAPES,
    SITE,
    Fields,
)

if TYPE_CHECKING:
    from connector_netbox.sandbox import NetBoxSandbox

USED_BY = {
    SITE: ((DEVICE, "site"),),
    LOCATION: ((DEVICE, "location"), (RACK, "location")),
    DEVICE_TYPE: ((DEVICE, "device_type"),),
    ROLE: ((DEVICE, "role"),),
}
"""What keeps an object from being deleted: (object type, its field)."""
NO_PERMISSION = "You do not have permission to perform this action."

Endpoint = Callable[[Request], Awaitable[Response]]


class Refused(Exception):  # noqa: N818 - says what happened
    """The request is answered with this status and body."""

    def __init__(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = headers


def routes(sandbox: NetBoxSandbox) -> list[BaseRoute]:
    """All endpoints."""

    async def status(_request: Request) -> Response:
        version = ".".join(map(str, sandbox.version))
        return _answer({"django-version": "5.2.9", "netbox-version": f"{version}.8", "plugins": {}})

    found: list[BaseRoute] = [Route("/api/status/", _guarded(sandbox, status))]
    for object_type, shape in SHAPES.items():
        endpoints = _Endpoints(sandbox, object_type)
        found.append(Route(shape.path, _guarded(sandbox, endpoints.list)))
        found.append(
            Route(f"{shape.path}{{id:int}}/", _guarded(sandbox, endpoints.one), methods=["GET", "PATCH", "DELETE"])
        )
    return found


def _guarded(sandbox: NetBoxSandbox, endpoint: Endpoint) -> Endpoint:
    """The token first; errors as the real API words them; the version header on every answer."""

    async def guarded(request: Request) -> Response:
        try:
            _require_token(sandbox, request)
            response = await endpoint(request)
        except Refused as refused:
            response = _answer(refused.body, refused.status, refused.headers)
        except BadRequest as bad:
            response = _answer(bad.body, 400)
        response.headers["API-Version"] = ".".join(map(str, sandbox.version))
        return response

    return guarded


def _require_token(sandbox: NetBoxSandbox, request: Request) -> None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() not in ("token", "bearer"):
        raise Refused(403, {"detail": "Authentication credentials were not provided."})
    kind = 2 if token.startswith("nbt_") and sandbox.version >= (4, 5) else 1
    if token != sandbox.token or (kind == 1 and scheme.lower() != "token"):
        raise Refused(403, {"detail": f"Invalid v{kind} token"})
    if sandbox.token_problem:
        raise Refused(403, {"detail": sandbox.token_problem})


class _Endpoints:
    """List and object endpoints of one object type."""

    def __init__(self, sandbox: NetBoxSandbox, object_type: str) -> None:
        self._sandbox = sandbox
        self._type = object_type

    async def list(self, request: Request) -> Response:
        self._require_permission(request)
        base = _base(request)
        url = f"{base}{SHAPES[self._type].path}"
        frame, rows = page_of(
            self._sandbox.tables, self._type, request.query_params, url,
            largest=self._sandbox.max_page_size, has_start=self._sandbox.version >= (4, 6),
        )  # fmt: skip
        shown = [_only(self._sandbox.view.shown(self._type, row, base=base), request) for row in rows]
        return _answer({**frame, "results": shown})

    async def one(self, request: Request) -> Response:
        self._require_permission(request)
        row = self._sandbox.tables[self._type].get(request.path_params["id"])
        if row is None:
            name = SHAPES[self._type].path.rstrip("/").rpartition("/")[2]
            raise Refused(404, {"detail": f"No {name} matches the given query."})
        if request.method != "GET":
            self._require_match(request, row)
        if request.method == "DELETE":
            self._require_unused(row)
            self._sandbox.remove(self._type, row["id"])
            return Response(status_code=204)
        if request.method == "PATCH":
            given = self._given(await _json(request), row)
            self._sandbox.change(self._type, row["id"], **given)
            row = self._sandbox.tables[self._type][row["id"]]
        etag = self._sandbox.view.etag(row) if self._sandbox.version >= (4, 6) else None
        shown = _only(self._sandbox.view.shown(self._type, row, base=_base(request)), request)
        return _answer(shown, headers={"ETag": etag} if etag else None)

    def _require_permission(self, request: Request) -> None:
        is_refused = request.method != "GET" and (self._sandbox.is_read_only or self._type == CHANGE)
        if is_refused or self._type in self._sandbox.hidden:
            raise Refused(403, {"detail": NO_PERMISSION})

    def _require_match(self, request: Request, row: Fields) -> None:
        wanted = [tag.strip() for tag in request.headers.get("if-match", "").split(",") if tag.strip() not in ("", "*")]
        etag = self._sandbox.view.etag(row)
        if wanted and etag and self._sandbox.version >= (4, 6) and etag not in wanted:
            raise Refused(412, {"detail": "Precondition failed."}, {"ETag": etag})

    def _given(self, body: Fields, row: Fields) -> Fields:
        """The fields of a body that exist, checked as the model checks them."""
        shape = SHAPES[self._type]
        fields = {name: value for name, value in body.items() if name in shape.blank}
        for name, target in shape.refs.items():
            if fields.get(name) is not None:
                fields[name] = self._related(name, target, fields[name])
        if "status" in fields:
            self._require_choice(fields["status"])
        for key in fields.get("custom_fields", {}):
            if key not in row.get("custom_fields", {}):
                text = f"Custom field '{key}' does not exist for this object type."
                raise Refused(400, {"custom_fields": {key: [text]}})
        others = [other for other in self._sandbox.tables[self._type].values() if other is not row]
        tag = fields.get("asset_tag")
        if tag and any(other.get("asset_tag") == tag for other in others):
            raise Refused(400, {"asset_tag": ["device with this asset tag already exists."]})
        if self._type == DEVICE:
            self._require_one_place({**shape.blank, **row, **fields})
        return fields

    def _related(self, name: str, target: str, value: Any) -> int:
        rows = self._sandbox.tables[target]
        if isinstance(value, int) and value in rows:
            return value
        if isinstance(value, dict):
            found = [row for row in rows.values() if all(row.get(key) == part for key, part in value.items())]
            if len(found) == 1:
                return int(found[0]["id"])
            text = f"Related object not found using the provided attributes: {value}"
        else:
            text = f"Related object not found using the provided numeric ID: {value}"
        raise Refused(400, {name: [text]})

    def _require_choice(self, value: object) -> None:
        if isinstance(value, dict | list):
            text = 'Value must be passed directly (e.g. "foo": 123); do not use a dictionary or list.'
            raise Refused(400, {"status": [text]})
        if value not in self._sandbox.statuses:
            raise Refused(400, {"status": [f"{value} is not a valid choice."]})

    def _require_one_place(self, device: Fields) -> None:
        tables = self._sandbox.tables
        rack, location = tables[RACK].get(device["rack"] or 0), tables[LOCATION].get(device["location"] or 0)
        site = tables[SITE].get(device["site"] or 0)
        if site is None:
            raise Refused(400, {"site": ["This field may not be null."]})
        if rack and rack["site"] != site["id"]:
            raise Refused(400, {"rack": [f"Rack {rack['name']} does not belong to site {site['name']}."]})
        if location and location["site"] != site["id"]:
            raise Refused(400, {"location": [f"Location {location['name']} does not belong to site {site['name']}."]})
        if rack and location and rack.get("location") != location["id"]:
            raise Refused(400, {"rack": [f"Rack {rack['name']} does not belong to location {location['name']}."]})
        if rack is None and device["face"]:
            raise Refused(400, {"face": ["Cannot select a rack face without assigning a rack."]})
        if rack is None and device["position"]:
            raise Refused(400, {"position": ["Cannot select a rack position without assigning a rack."]})

    def _require_unused(self, row: Fields) -> None:
        users = [
            other
            for object_type, name in USED_BY.get(self._type, ())
            for other in self._sandbox.tables[object_type].values()
            if other.get(name) == row["id"]
        ]
        if users:
            names = ", ".join(f"{user.get('name') or user['id']} ({user['id']})" for user in users)
            text = f"Unable to delete object. {len(users)} dependent objects were found: {names}"
            raise Refused(409, {"detail": text})


def _only(shown: Fields, request: Request) -> Fields:
    """The fields that were asked for."""
    names = request.query_params.get("fields")
    return shown if not names else {name: shown[name] for name in names.split(",") if name in shown}


def _base(request: Request) -> str:
    return f"{request.url.scheme}://{request.headers.get('host', 'localhost')}"


async def _json(request: Request) -> Fields:
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise Refused(400, {"detail": f"JSON parse error - {error}"}) from error
    if not isinstance(body, dict):
        raise Refused(400, {"non_field_errors": ["Invalid data. Expected a dictionary."]})
    return body


def _answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), status, headers=headers, media_type="application/json")
