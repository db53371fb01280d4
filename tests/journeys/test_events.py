"""A hub that is killed while it tells another system: everything arrives, and what comes twice has the same id."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import httpx
import orjson
from sqlalchemy.ext.asyncio import AsyncEngine
from standardwebhooks import Webhook
from tests.commits import eventually
from tests.factories import NOW
from tests.journeys.served import Served
from tests.loopback import Raw, answer, listening

from connector.model.refs import EntityKind
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.engine import reading, transaction
from connector.storage.outbound.deliveries import endpoint_standings

SECRET = f"whsec_{base64.b64encode(bytes([7]) * 32).decode()}"


async def test_killed_while_it_tells_everything_arrives_and_what_comes_twice_has_the_same_id(
    engine: AsyncEngine, database: str, tmp_path: Path
):
    held = asyncio.Event()
    is_killed = False

    async def reply(request: httpx.Request) -> Raw:
        Webhook(SECRET).verify(request.content, dict(request.headers))
        if not is_killed:  # it took them, and the hub never learns of it
            await held.wait()
        return answer(204)

    async with listening(reply) as system:
        portal = {"url": f"{system.url}/events", "secret": SECRET, "roles": ["viewer"], "kinds": ["ticket"]}
        environment = {
            "CONNECTOR_DATABASE": database,
            "CONNECTOR_AUTH__ANONYMOUS": "true",
            "CONNECTOR_EVENTS": orjson.dumps({"portal": portal}).decode(),
        }
        hub = Served(tmp_path, 1, environment)
        try:
            await hub.listening()
            await eventually(lambda: is_known(engine))
            async with transaction(engine) as tx:
                news = [NewChange(EntityKind.TICKET, n, "updated", {"state": ("new", "resolved")}) for n in range(30)]
                await log_changes(tx, news, actor="test", at=NOW)

            async def has_some() -> bool:
                return len(system.requests) >= 8

            await eventually(has_some)
            await hub.kill()
            is_killed = True
            held.set()
            first = len(system.requests)
            hub.start_again()

            async def is_told() -> bool:
                return len({request.headers["webhook-id"] for request in system.requests[first:]}) == 30

            await eventually(is_told, within=60)
        finally:
            held.set()
            hub.close()

    posts = {(request.headers["webhook-id"], request.content) for request in system.requests}
    assert len({number for number, _ in posts}) == len(posts) == 30
    assert len(system.requests) >= 38
    assert SECRET not in hub.log
    assert "/events" not in hub.log


async def is_known(engine: AsyncEngine) -> bool:
    """Whether the hub tells anybody yet."""
    async with reading(engine) as tx:
        return bool(await endpoint_standings(tx))
