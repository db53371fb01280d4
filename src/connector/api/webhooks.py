"""Where external systems post what happened: verified, kept, and answered at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connector.api.access import error_response
from connector.ingest.inbox import receive
from connector.model.errors import InvalidInput, NotKnown
from connector.sdk.adapter import Clock
from connector.sdk.connection import Connection
from connector.sdk.errors import AuthError
from connector.sdk.webhook import WebhookRequest
from connector.storage.database.engine import Database

LARGEST_WEBHOOK = 1024 * 1024
"""Bytes."""


class Webhooks:
    """The endpoint. received: told after each webhook that was taken in, so that it is dealt with soon."""

    def __init__(
        self,
        engine: Database,
        connections: Mapping[str, Connection],
        clock: Clock,
        received: Callable[[], Awaitable[None]] | None,
    ) -> None:
        self._engine = engine
        self._connections = connections
        self._clock = clock
        self._received = received

    async def post(self, request: Request) -> Response:
        """Take a webhook in: 202, or the reply that its sender waits for."""
        name = request.path_params["source"]
        connection = self._connections.get(name)
        if connection is None:
            return error_response(404, NotKnown(f"there is no source {name!r} that is connected"))
        webhook = WebhookRequest(
            headers={key.lower(): value for key, value in request.headers.items()},
            body=await request.body(),
            received_at=self._clock.now(),
            query=dict(request.query_params),
        )
        try:
            taken = await receive(self._engine, connection, webhook)
        except AuthError as error:
            return error_response(401, error)
        except InvalidInput as error:
            return error_response(400, error)
        if self._received is not None:
            await self._received()
        if taken.reply is not None:
            return Response(taken.reply, 200, media_type="application/octet-stream")
        return JSONResponse({"accepted": True, "new": taken.is_new}, 202)
