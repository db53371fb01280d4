"""A webhook that arrives alone."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine

from connector.ingest.receiving import Received, Receiving
from connector.sdk import Connection, WebhookRequest


async def receive(engine: AsyncEngine, connection: Connection, request: WebhookRequest) -> Received:
    return await Receiving(engine).receive(connection, request)
