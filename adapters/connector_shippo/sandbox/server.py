"""SANDBOX: the HTTP side of the sandbox of Shippo, and the store that its labels lie in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connector_shippo.sandbox.office import ACCOUNTS, TOKENS, Office, Refusal

MOST = 100
Answer: TypeAlias = Callable[[Request], Awaitable[Response]]


class Counter:
    """Answers requests for an office."""

    def __init__(self, office: Office, token: str) -> None:
        self._office = office
        self._authorization = f"ShippoToken {token}"
        self.is_newest_first = True

    def app(self) -> Starlette:
        """The server."""
        routes: list[tuple[str, str, Answer]] = [
            ("GET", "/carrier_accounts", self._accounts), ("POST", "/shipments", self._ship),
            ("GET", "/rates/{id}", self._rate), ("POST", "/transactions", self._buy),
            ("GET", "/transactions", self._transactions), ("GET", "/transactions/{id}", self._transaction),
            ("POST", "/refunds", self._refund), ("POST", "/pickups", self._pickup), ("POST", "/tracks", self._track),
            ("GET", "/tracks/{carrier}/{number}", self._tracked),
        ]  # fmt: skip
        guarded = [Route(path, self._guarded(answer), methods=[method]) for method, path, answer in routes]
        return Starlette(routes=[*guarded, Route("/files/{name}", self._file)])

    def _guarded(self, answer: Answer) -> Answer:
        async def respond(request: Request) -> Response:
            try:
                if request.headers.get("authorization") != self._authorization:
                    raise Refusal(401, {"detail": "Token does not exist"})
                return await answer(request)
            except Refusal as refusal:
                return JSONResponse(refusal.body, status_code=refusal.status)

        return respond

    async def _accounts(self, _request: Request) -> Response:
        accounts = [
            {"object_id": account, "carrier": TOKENS[carrier], "account_id": "shippo", "active": True,
             "is_shippo_account": True, "parameters": {}, "test": True}
            for account, carrier in ACCOUNTS.items()
        ]  # fmt: skip
        return JSONResponse({"next": None, "previous": None, "results": accounts[:1]})

    async def _ship(self, request: Request) -> Response:
        return JSONResponse(self._office.create_shipment(await _body(request)), status_code=201)

    async def _rate(self, request: Request) -> Response:
        rate = self._office.rates.get(request.path_params["id"])
        if rate is None:
            raise Refusal(404, {"detail": "Not found."})
        return JSONResponse(rate)

    async def _buy(self, request: Request) -> Response:
        return JSONResponse(_shown(self._office.buy(await _body(request))), status_code=201)

    async def _transactions(self, request: Request) -> Response:
        """Newest first, by number of page."""
        asked = request.query_params
        page, size = int(asked.get("page", 1)), min(int(asked.get("results", 25)), MOST)
        found = sorted(
            reversed(self._office.transactions.values()), key=lambda each: each["object_created"],
            reverse=self.is_newest_first,
        )  # fmt: skip
        rows = [_shown(each) for each in found[(page - 1) * size : page * size]]
        address = f"{request.url.scheme}://{request.url.netloc}/transactions?results={size}&page="
        return JSONResponse({
            "next": f"{address}{page + 1}" if page * size < len(found) else None,
            "previous": f"{address}{page - 1}" if page > 1 else None, "results": rows,
        })  # fmt: skip

    async def _transaction(self, request: Request) -> Response:
        return JSONResponse(_shown(self._office.transaction(request.path_params["id"])))

    async def _refund(self, request: Request) -> Response:
        return JSONResponse(self._office.refund(await _body(request)), status_code=201)

    async def _pickup(self, request: Request) -> Response:
        return JSONResponse(self._office.create_pickup(await _body(request)), status_code=201)

    async def _track(self, request: Request) -> Response:
        asked = await _body(request)
        track = self._office.add_track(str(asked.get("carrier")), str(asked.get("tracking_number")))
        return JSONResponse(_shown(track), status_code=200)

    async def _tracked(self, request: Request) -> Response:
        return JSONResponse(_shown(self._office.track(request.path_params["carrier"], request.path_params["number"])))

    async def _file(self, request: Request) -> Response:
        """The store takes no credentials but its own, which are in the address."""
        found = self._office.files.get(request.path_params["name"])
        if found is None or "authorization" in request.headers or "Signature" not in request.query_params:
            return Response("<Error><Code>AccessDenied</Code></Error>", 403, media_type="application/xml")
        return Response(found, media_type="binary/octet-stream")


def _shown(body: Mapping[str, Any]) -> dict[str, Any]:
    """Without what the sandbox calls it."""
    return {name: value for name, value in body.items() if name != "id"}


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        raise Refusal(400, {"detail": "JSON parse error"}) from None
    if not isinstance(body, dict):
        raise Refusal(400, {"__all__": ["An object is needed."]})
    return body
