"""SANDBOX: the HTTP side of the sandbox of FedEx."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connector_fedex.sandbox.office import Office, Refusal

Answer: TypeAlias = Callable[[Mapping[str, Any]], dict[str, Any]]


class Counter:
    """Answers requests for an office. projects: API keys and their secrets. tokens: that are good."""

    def __init__(self, office: Office, projects: Mapping[str, str]) -> None:
        self._office = office
        self._projects = projects
        self.tokens: list[str] = []

    def app(self) -> Starlette:
        """The server."""
        office = self._office
        answers: list[tuple[str, str, Answer]] = [
            ("POST", "/rate/v1/rates/quotes", office.rates), ("POST", "/ship/v1/shipments", office.ship),
            ("PUT", "/ship/v1/shipments/cancel", office.cancel),
            ("POST", "/track/v1/trackingnumbers", office.tracked),
            ("POST", "/track/v1/referencenumbers", office.tracked_by),
            ("POST", "/pickup/v1/pickups", office.create_pickup),
            ("PUT", "/pickup/v1/pickups/cancel", office.cancel_pickup),
        ]  # fmt: skip
        routes = [Route(path, self._guarded(answer), methods=[method]) for method, path, answer in answers]
        return Starlette(routes=[Route("/oauth/token", self._token, methods=["POST"]), *routes])

    def _guarded(self, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        async def respond(request: Request) -> Response:
            try:
                if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
                    raise Refusal(401, "NOT.AUTHORIZED.ERROR", "Access token expired. Please modify your request.")
                return JSONResponse(answer(await _body(request)))
            except Refusal as refusal:
                return JSONResponse(refusal.body, status_code=refusal.status)

        return respond

    async def _token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        secret = self._projects.get(form.get("client_id", ""))
        if form.get("grant_type") != "client_credentials" or not secret or form.get("client_secret") != secret:
            refusal = Refusal(401, "NOT.AUTHORIZED.ERROR", "The given client credentials were not valid.")
            return JSONResponse(refusal.body, status_code=401)
        self.tokens.append(f"token-sandbox-{len(self.tokens):06d}-7e2a")
        return JSONResponse(
            {"access_token": self.tokens[-1], "token_type": "bearer", "expires_in": 3599, "scope": "CXS"}
        )


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        raise Refusal(400, "INVALID.INPUT.EXCEPTION", "Invalid field value in the input") from None
    if not isinstance(body, dict):
        raise Refusal(400, "INVALID.INPUT.EXCEPTION", "Invalid field value in the input")
    return body
