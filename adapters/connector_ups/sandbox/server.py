"""SANDBOX: the HTTP side of the sandbox of UPS."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from connector_ups.sandbox.office import Office, Refusal

Answer: TypeAlias = Callable[[Request], Awaitable[Response]]


class Counter:
    """Answers requests for an office. tokens: those that were given out and are good."""

    def __init__(self, office: Office, client_id: str, client_secret: str) -> None:
        self._office = office
        self._basic = "Basic " + base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
        self.tokens: list[str] = []

    def app(self) -> Starlette:
        """The server: as UPS has it below /api, and without it, as Prism asks for it."""
        routes: list[tuple[str, str, Answer]] = [
            ("POST", "/rating/v2409/{option}", self._rates), ("POST", "/shipments/v2409/ship", self._ship),
            ("DELETE", "/shipments/v2409/void/cancel/{number}", self._void),
            ("POST", "/labels/v1/recovery", self._recover),
            ("GET", "/track/v1/details/{number}", self._track),
            ("GET", "/track/v1/reference/details/{reference}", self._track_reference),
            ("POST", "/track/v2/subscription/standard/package", self._subscribe),
            ("POST", "/subscription/standard/package", self._subscribe),
            ("POST", "/pickupcreation/v2409/pickup", self._create_pickup),
            ("GET", "/shipments/v2409/pickup/oncall", self._pending),
            ("DELETE", "/shipments/v2409/pickup/02", self._cancel),
        ]  # fmt: skip
        guarded = [Route(path, self._guarded(answer), methods=[method]) for method, path, answer in routes]
        token = Route("/security/v1/oauth/token", self._token, methods=["POST"])
        return Starlette(routes=[token, Mount("/api", routes=guarded), *guarded])

    def _guarded(self, answer: Answer) -> Answer:
        async def respond(request: Request) -> Response:
            try:
                if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
                    raise Refusal(401, "250002", "Invalid Authentication Information.")
                return await answer(request)
            except Refusal as refusal:
                return JSONResponse(refusal.body, status_code=refusal.status)

        return respond

    async def _token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        if request.headers.get("authorization") != self._basic or form.get("grant_type") != "client_credentials":
            return JSONResponse(Refusal(401, "10401", "ClientId is Invalid").body, status_code=401)
        self.tokens.append(f"token-sandbox-{len(self.tokens):06d}-9c1f")
        told = {"token_type": "Bearer", "issued_at": "1764158400000", "client_id": "sandbox", "scope": ""}
        return JSONResponse({**told, "access_token": self.tokens[-1], "expires_in": "14399", "status": "approved"})

    async def _rates(self, request: Request) -> Response:
        return JSONResponse(self._office.rates(request.path_params["option"], await _body(request)))

    async def _ship(self, request: Request) -> Response:
        return JSONResponse(self._office.ship(await _body(request)))

    async def _recover(self, request: Request) -> Response:
        return JSONResponse(self._office.recover(await _body(request)))

    async def _void(self, request: Request) -> Response:
        return JSONResponse(self._office.void(request.path_params["number"]))

    async def _track(self, request: Request) -> Response:
        return JSONResponse(self._office.tracked(request.path_params["number"]))

    async def _track_reference(self, request: Request) -> Response:
        return JSONResponse(self._office.tracked_by(request.path_params["reference"]))

    async def _subscribe(self, request: Request) -> Response:
        return JSONResponse(self._office.subscribe(await _body(request)))

    async def _create_pickup(self, request: Request) -> Response:
        return JSONResponse(self._office.create_pickup(await _body(request)))

    async def _pending(self, _request: Request) -> Response:
        return JSONResponse(self._office.pending_pickups())

    async def _cancel(self, request: Request) -> Response:
        return JSONResponse(self._office.cancel_pickup(request.headers.get("prn", "")))


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        raise Refusal(400, "10002", "The document is not well formed") from None
    if not isinstance(body, dict):
        raise Refusal(400, "10002", "The document is not valid")
    return body
