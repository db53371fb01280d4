"""SANDBOX: the HTTP side of the sandbox of DHL."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connector_dhl.sandbox.office import Office, Refusal

Answer: TypeAlias = Callable[[Request], Awaitable[Response]]


class Counter:
    """Answers requests for an office. key, secret: of the app for MyDHL API. tracking_key: of the one that tracks."""

    def __init__(self, office: Office, key: str, secret: str, tracking_key: str) -> None:
        self._office = office
        self._proof = f"Basic {b64encode(f'{key}:{secret}'.encode()).decode()}"
        self._tracking_key = tracking_key

    def app(self) -> Starlette:
        """The server: MyDHL API below /mydhlapi, Shipment Tracking - Unified below /track."""
        api = "/mydhlapi"
        return Starlette(
            routes=[
                Route(f"{api}/rates", self._express(self._rates), methods=["POST"]),
                Route(f"{api}/shipments", self._express(self._ship), methods=["POST"]),
                Route(f"{api}/shipments/{{number}}/tracking", self._express(self._track)),
                Route(f"{api}/tracking", self._express(self._track_reference)),
                Route(f"{api}/pickups", self._express(self._create_pickup), methods=["POST"]),
                Route(f"{api}/pickups/{{number}}", self._express(self._cancel_pickup), methods=["DELETE"]),
                Route("/track/shipments", self._anywhere),
            ]
        )

    def _express(self, answer: Answer) -> Answer:
        async def respond(request: Request) -> Response:
            if request.headers.get("authorization") != self._proof:
                refusal = Refusal(401, "Unauthorized", "Invalid Credentials")
                return JSONResponse(refusal.body, status_code=401)
            try:
                if "x-version" not in request.headers:
                    raise Refusal(400, "Missing parameters", "Missing mandatory parameters: x-version")
                return await answer(request)
            except Refusal as refusal:
                return JSONResponse(refusal.body, status_code=refusal.status)

        return respond

    async def _rates(self, request: Request) -> Response:
        return JSONResponse(self._office.rates(await _body(request)))

    async def _ship(self, request: Request) -> Response:
        return JSONResponse(self._office.ship(await _body(request)), status_code=201)

    async def _track(self, request: Request) -> Response:
        return JSONResponse(self._office.tracked(request.path_params["number"], request.query_params))

    async def _track_reference(self, request: Request) -> Response:
        return JSONResponse(self._office.tracked_by(request.query_params))

    async def _create_pickup(self, request: Request) -> Response:
        return JSONResponse(self._office.create_pickup(await _body(request)), status_code=201)

    async def _cancel_pickup(self, request: Request) -> Response:
        self._office.cancel_pickup(request.path_params["number"], request.query_params)
        return Response(status_code=200)

    async def _anywhere(self, request: Request) -> Response:
        if request.headers.get("dhl-api-key") != self._tracking_key:
            return JSONResponse({"title": "Unauthorized", "status": 401}, status_code=401)
        try:
            return JSONResponse(self._office.tracked_anywhere(request.query_params["trackingNumber"]))
        except Refusal as refusal:
            return JSONResponse({**refusal.body, "status": refusal.status}, status_code=refusal.status)


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refusal(422, "Validation error", "#/: expected an object")
    return body
