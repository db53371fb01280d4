"""The REST endpoints of the Nautobot sandbox: lists, objects, changes to them, status."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from connector_nautobot.sandbox_lists import BadFilter, neighbours, select
from connector_nautobot.sandbox_relations import refusal
from connector_nautobot.sandbox_shapes import DEVICE, DEVICE_TYPE, LOCATION, SHAPES, VIRTUAL_CHASSIS, shown
from connector_nautobot.sandbox_store import Fields

if TYPE_CHECKING:
    from connector_nautobot.sandbox import NautobotSandbox

API_VERSION = "3.2"
NAUTOBOT_VERSION = "3.2.7"
DEEPEST = 10
USED_BY = {
    LOCATION: ((DEVICE, "location"), (LOCATION, "parent")),
    DEVICE_TYPE: ((DEVICE, "device_type"),),
    DEVICE: ((VIRTUAL_CHASSIS, "master"),),
}
"""What keeps an object from being deleted: (content type, its field)."""

READ_ONLY = frozenset({"parent_bay"})

Endpoint = Callable[[Request], Awaitable[Response]]


class Refused(Exception):  # noqa: N818 - says what happened
    """The request is answered with this status and body."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


def routes(sandbox: NautobotSandbox) -> list[BaseRoute]:
    """All endpoints."""
    found: list[BaseRoute] = [Route("/api/status/", _guarded(sandbox, _status))]
    for content_type, shape in SHAPES.items():
        endpoints = _Endpoints(sandbox, content_type)
        found.append(Route(shape.path, _guarded(sandbox, endpoints.list), methods=["GET", "POST"]))
        found.append(
            Route(f"{shape.path}{{id}}/", _guarded(sandbox, endpoints.one), methods=["GET", "PATCH", "DELETE"])
        )
    return found


def _guarded(sandbox: NautobotSandbox, endpoint: Endpoint) -> Endpoint:
    """The token first; errors as the real API words them; the version header on every answer."""

    async def guarded(request: Request) -> Response:
        try:
            _require_token(sandbox, request)
            return await endpoint(request)
        except Refused as refused:
            return _answer(refused.body, refused.status)
        except BadFilter as bad:
            return _answer(bad.errors, 400)

    return guarded


def _require_token(sandbox: NautobotSandbox, request: Request) -> None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme != "Token":
        raise Refused(403, {"detail": "Authentication credentials were not provided."})
    if token.strip() != sandbox.token:
        raise Refused(403, {"detail": "Invalid token"})


async def _status(_request: Request) -> Response:
    return _answer({"django-version": "5.2.19", "nautobot-version": NAUTOBOT_VERSION, "celery-workers-running": 1})


class _Endpoints:
    """List and object endpoints of one content type."""

    def __init__(self, sandbox: NautobotSandbox, content_type: str) -> None:
        self._sandbox = sandbox
        self._type = content_type
        self._table = sandbox.store.tables[content_type]

    async def list(self, request: Request) -> Response:
        self._require_permission(request)
        if request.method == "POST":
            row = self._sandbox.create(self._type, self._given(await _json(request), row=None))
            return _answer(self._shown(request, row), 201)
        count, rows = select(self._sandbox.store, self._type, request.query_params)
        depth, base = _depth(request), _base(request)
        following, previous = neighbours(f"{base}{SHAPES[self._type].path}", request.query_params, count)
        results = [shown(self._sandbox.store, self._type, row, depth=depth, base=base) for row in rows]
        return _answer({"count": count, "next": following, "previous": previous, "results": results})

    async def one(self, request: Request) -> Response:
        self._require_permission(request)
        row = self._table.rows.get(request.path_params["id"])
        if row is None:
            name = self._type.partition(".")[2].capitalize()
            raise Refused(404, {"detail": f"No {name} matches the given query."})
        if request.method == "DELETE":
            self._require_unused(row)
            self._sandbox.remove(row["id"])
            return Response(status_code=204, headers={"API-Version": API_VERSION})
        if request.method == "PATCH":
            row = self._sandbox.change(row["id"], **self._given(await _json(request), row=row))
        return _answer(self._shown(request, row))

    def _require_permission(self, request: Request) -> None:
        is_refused = request.method != "GET" and self._sandbox.is_read_only
        if is_refused or self._type in self._sandbox.hidden:
            raise Refused(403, {"detail": "You do not have permission to perform this action."})

    def _shown(self, request: Request, row: Fields) -> Fields:
        return shown(self._sandbox.store, self._type, row, depth=_depth(request), base=_base(request))

    def _given(self, body: Fields, *, row: Fields | None) -> Fields:
        """The fields of a body that exist; others are ignored without a word, as in the real API."""
        shape = SHAPES[self._type]
        fields = {name: value for name, value in body.items() if name in shape.blank and name not in READ_ONLY}
        for name, target in shape.refs.items():
            if fields.get(name) is not None:
                fields[name] = self._resolved(name, target, fields[name])
        tag = fields.get("asset_tag")
        if tag and any(other.get("asset_tag") == tag and other is not row for other in self._table.rows.values()):
            raise Refused(400, {"asset_tag": ["device with this Asset tag already exists."]})
        refused = refusal(self._sandbox.store, self._type, row, fields)
        if refused:
            raise Refused(400, refused)
        for name in ("latitude", "longitude"):
            if fields.get(name) is not None:
                fields[name] = _degrees(name, fields[name])
        return fields

    def _resolved(self, name: str, content_type: str, value: Any) -> str:
        """The id of an object that is named by id, label or attributes."""
        rows = self._sandbox.store.tables[content_type].rows
        label = SHAPES[content_type].label
        wanted = value if isinstance(value, dict) else {"id" if value in rows else label: value}
        for row in rows.values():
            if all(row.get(key) == part for key, part in wanted.items()):
                return str(row["id"])
        text = f"Related object not found using the provided attributes: {wanted}"
        raise Refused(400, {name: [text]})

    def _require_unused(self, row: Fields) -> None:
        users = [
            other
            for content_type, name in USED_BY.get(self._type, ())
            for other in self._sandbox.rows(content_type)
            if other.get(name) == row["id"]
        ]
        if users:
            names = ", ".join(f"{user.get('name') or user['id']} ({user['id']})" for user in users)
            text = f"Unable to delete object. {len(users)} dependent objects were found: {names}"
            raise Refused(409, {"detail": text})


def _degrees(name: str, value: object) -> str:
    """A coordinate as it is kept: text with six decimals."""
    whole, _, fraction = str(value).lstrip("-").partition(".")
    if len(whole) + max(6, len(fraction)) > (8 if name == "latitude" else 9):
        most = 8 if name == "latitude" else 9
        raise Refused(400, {name: [f"Ensure that there are no more than {most} digits in total."]})
    return f"{float(str(value)):.6f}"


def _depth(request: Request) -> int:
    text = request.query_params.get("depth", "0")
    if not text.isdigit() or int(text) > DEEPEST:
        raise Refused(400, {"detail": f"The depth parameter must be an integer between 0 and {DEEPEST}"})
    return int(text)


def _base(request: Request) -> str:
    """Scheme and host as the client named them: behind a proxy that is not the client's own address of it."""
    return f"{request.url.scheme}://{request.headers.get('host', 'localhost')}"


async def _json(request: Request) -> Fields:
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise Refused(400, {"detail": f"JSON parse error - {error}"}) from error
    if not isinstance(body, dict):
        raise Refused(400, {"non_field_errors": ["Invalid data. Expected a dictionary."]})
    return body


def _answer(body: object, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, headers={"API-Version": API_VERSION}, media_type="application/json")
