"""SANDBOX: the HTTP side of the sandbox of EasyPost, and the object store that its labels lie in."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connector_easypost.sandbox.office import Office, Refusal

RELEASE = "easypost-202511250000-sandbox"
MOST = 100
Answer: TypeAlias = Callable[[Request], Awaitable[Response]]


class Counter:
    """Answers requests for an office."""

    def __init__(self, office: Office, api_key: str) -> None:
        self._office = office
        self._credentials = "Basic " + base64.b64encode(f"{api_key}:".encode()).decode()

    def app(self) -> Starlette:
        """The server. An id in a path ends at a full stop, as Rails reads them: what follows is a format."""
        routes: list[tuple[str, str, Answer]] = [
            ("GET", "/v2/trackers", self._trackers), ("POST", "/v2/trackers", self._track),
            ("POST", "/v2/shipments", self._create), ("GET", "/v2/shipments/{id}", self._shipment),
            ("POST", "/v2/shipments/{id}/rerate", self._rerate), ("POST", "/v2/shipments/{id}/buy", self._buy),
            ("GET", "/v2/shipments/{id}/label", self._convert), ("POST", "/v2/shipments/{id}/refund", self._refund),
            ("POST", "/v2/pickups", self._new_pickup), ("GET", "/v2/pickups/{id}", self._pickup),
            ("POST", "/v2/pickups/{id}/buy", self._buy_pickup),
            ("POST", "/v2/pickups/{id}/cancel", self._cancel_pickup),
        ]  # fmt: skip
        guarded = [Route(path, self._guarded(answer), methods=[method]) for method, path, answer in routes]
        return Starlette(routes=[*guarded, Route("/files/postage_label/{day}/{name}", self._file)])

    def _guarded(self, answer: Answer) -> Answer:
        async def respond(request: Request) -> Response:
            try:
                if request.headers.get("authorization") != self._credentials:
                    raise Refusal(401, "UNAUTHORIZED", "The request is not authenticated.")
                if "." in request.path_params.get("id", ""):
                    raise Refusal(404, "NOT_FOUND", "The requested resource could not be found.")
                response = await answer(request)
            except Refusal as refusal:
                response = JSONResponse(refusal.body, status_code=refusal.status)
            response.headers["x-version-label"] = RELEASE
            return response

        return respond

    async def _create(self, request: Request) -> Response:
        asked = await _body(request, "shipment")
        return JSONResponse(self._office.create_shipment(asked), status_code=201)

    async def _shipment(self, request: Request) -> Response:
        return JSONResponse(self._of(request))

    async def _rerate(self, request: Request) -> Response:
        return JSONResponse(self._office.rerate(self._of(request)))

    async def _buy(self, request: Request) -> Response:
        return JSONResponse(self._office.buy(self._of(request), await _body(request)))

    async def _convert(self, request: Request) -> Response:
        return JSONResponse(self._office.convert(self._of(request), request.query_params.get("file_format", "")))

    async def _refund(self, request: Request) -> Response:
        return JSONResponse(self._office.refund(self._of(request)))

    async def _track(self, request: Request) -> Response:
        """201 for a new tracker, 200 for one that was there."""
        asked, before = await _body(request, "tracker"), len(self._office.trackers)
        if not asked.get("tracking_code"):
            raise Refusal(422, "PARAMETER.REQUIRED", "Missing required parameter.", "tracking_code")
        tracker = self._office.add_tracker(str(asked["tracking_code"]), str(asked.get("carrier")))
        return JSONResponse(tracker, status_code=201 if len(self._office.trackers) > before else 200)

    async def _trackers(self, request: Request) -> Response:
        asked = request.query_params
        rows = sorted(self._office.trackers.values(), key=lambda row: (row["created_at"], row["id"]), reverse=True)
        if "tracking_code" in asked:
            rows = [row for row in rows if row["tracking_code"] == asked["tracking_code"]]
        if "before_id" in asked:
            ids = [row["id"] for row in rows]
            if asked["before_id"] not in ids:
                raise Refusal(404, "TRACKER.NOT_FOUND", "The tracker(s) could not be found.")
            rows = rows[ids.index(asked["before_id"]) + 1 :]
        size = min(int(asked.get("page_size", "20")), MOST)
        return JSONResponse({"trackers": rows[:size], "has_more": len(rows) > size})

    async def _new_pickup(self, request: Request) -> Response:
        return JSONResponse(self._office.create_pickup(await _body(request, "pickup")))

    async def _pickup(self, request: Request) -> Response:
        return JSONResponse(self._office.pickup(request.path_params["id"]))

    async def _buy_pickup(self, request: Request) -> Response:
        pickup = self._office.pickup(request.path_params["id"])
        return JSONResponse(self._office.buy_pickup(pickup, await _body(request)))

    async def _cancel_pickup(self, request: Request) -> Response:
        return JSONResponse(self._office.cancel_pickup(self._office.pickup(request.path_params["id"])))

    async def _file(self, request: Request) -> Response:
        """S3 refuses credentials that are not its own, even for what everybody may read."""
        if "authorization" in request.headers:
            return Response("<Error><Code>InvalidArgument</Code></Error>", 400, media_type="application/xml")
        found = self._office.files.get(request.path_params["name"])
        if found is None:
            return Response("<Error><Code>AccessDenied</Code></Error>", 403, media_type="application/xml")
        return Response(found, media_type="binary/octet-stream")

    def _of(self, request: Request) -> dict[str, Any]:
        return self._office.shipment(request.path_params["id"])


async def _body(request: Request, key: str | None = None) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        raise Refusal(400, "BAD_REQUEST", "The request was not understood.") from None
    asked = body.get(key) if key and isinstance(body, dict) else body
    if not isinstance(asked, dict) or (key and not asked):
        raise Refusal(422, "PARAMETER.REQUIRED", "cannot be blank", key)
    return asked
