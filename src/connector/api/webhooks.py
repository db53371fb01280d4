"""Where external systems post what happened: verified, kept, and answered at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from connector.api.access import error_response
from connector.api.refusals import Refusals
from connector.ingest.receiving import Receiving
from connector.model.errors import InvalidInput, NotKnown, Overloaded, Unavailable
from connector.sdk.adapter import Clock, ShowsPages
from connector.sdk.connection import Connection
from connector.sdk.errors import AuthError
from connector.sdk.webhook import WebhookRequest
from connector.storage.database.engine import Database
from connector.telemetry.metrics import WEBHOOKS
from connector.telemetry.tally import Tally

LARGEST_WEBHOOK = 1024 * 1024
"""Bytes."""
_PAGE = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
"""What the page of an adapter may do: have its own style, and send its form to where it is from."""


class Webhooks:
    """The endpoint. received: told after each webhook that was taken in, so that it is dealt with soon. tally: what
    became of each is counted there.

    refusals: where webhooks are counted that their source did not send.
    """

    def __init__(
        self,
        engine: Database,
        connections: Mapping[str, Connection],
        clock: Clock,
        received: Callable[[], Awaitable[None]] | None,
        tally: Tally,
        refusals: Refusals | None = None,
    ) -> None:
        self._receiving = Receiving(engine)
        self._connections = connections
        self._clock = clock
        self._received = received
        self._refusals = refusals
        self._tally = tally

    async def post(self, request: Request) -> Response:
        """Take a webhook in: 202, or the reply that its sender waits for; a page, where a browser sent it."""
        try:
            connection = self._connection(request)
        except NotKnown as error:
            return error_response(404, error)
        webhook, outcome = await self._webhook(request), "failed"
        try:
            taken = await self._receiving.receive(connection, webhook)
            outcome = "new" if taken.is_new else "repeated"
        except AuthError as error:
            outcome = "forged"
            if self._refusals is not None:
                self._refusals.note(error, request.scope, at=f"webhooks/{request.path_params['source']} ")
            return error_response(401, error)
        except InvalidInput as error:
            outcome = "refused"
            return error_response(400, error)
        except Unavailable as error:
            outcome = "overloaded" if isinstance(error, Overloaded) else "unavailable"
            raise
        finally:
            self._tally.count(WEBHOOKS, connection.name, outcome)
        if self._received is not None:
            await self._received()
        if taken.reply is not None:
            return Response(taken.reply, 200, media_type="application/octet-stream")
        if isinstance(connection.adapter, ShowsPages) and "text/html" in webhook.headers.get("accept", ""):
            return _page(await connection.adapter.page(webhook), 202)
        return JSONResponse({"accepted": True, "new": taken.is_new}, 202)

    async def show(self, request: Request) -> Response:
        """The page of a source's webhooks, for people who were given its address; 405 where there is none."""
        connection = self._connections.get(request.path_params["source"])
        if connection is None or not isinstance(connection.adapter, ShowsPages):
            return Response("Method Not Allowed", 405, headers={"allow": "POST"}, media_type="text/plain")
        try:
            return _page(await connection.adapter.page(await self._webhook(request)), 200)
        except AuthError as error:
            return error_response(401, error)

    def _connection(self, request: Request) -> Connection:
        name = request.path_params["source"]
        if name not in self._connections:
            raise NotKnown(f"there is no source {name!r} that is connected")
        return self._connections[name]

    async def _webhook(self, request: Request) -> WebhookRequest:
        return WebhookRequest(
            headers={key.lower(): value for key, value in request.headers.items()},
            body=await request.body(),
            received_at=self._clock.now(),
            query=dict(request.query_params),
        )


def _page(html: str, status: int) -> Response:
    headers = {"content-security-policy": _PAGE, "cache-control": "no-store", "referrer-policy": "no-referrer"}
    return HTMLResponse(html, status, headers=headers)
