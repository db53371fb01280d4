"""Who was not let in stands in the audit log, counted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import websockets
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.access import Unauthenticated
from connector.api.kept_keys import KeptKeys
from connector.api.refusals import ELSEWHERE, MOST_ADDRESSES, Refusals
from connector.model.refs import EntityKind
from connector.storage.database.engine import reading
from connector.storage.tables import change
from tests.api.conftest import TOKEN, OpenHub, connected, served
from tests.api.test_kept_keys import made
from tests.conftest import MovableClock
from tests.ingest.adapters import scripted

ASKED = {"query": "{ __typename }"}


async def logged(engine: AsyncEngine, kind: EntityKind = EntityKind.AUDIT) -> list[tuple[str, dict[str, Any]]]:
    async with reading(engine) as tx:
        rows = await tx.execute(
            select(change.c.actor, change.c.fields).where(change.c.kind == kind).order_by(change.c.id)
        )
        return [(row.actor, row.fields) for row in rows]


async def test_refused_requests_of_all_kinds_are_counted_by_address(
    engine: AsyncEngine, clock: MovableClock, open_hub: OpenHub
):
    _, connection = scripted(clock)
    refusals = Refusals(engine, clock)
    async with open_hub(token=TOKEN, connections={"cmdb": connection}, refusals=refusals) as hub:
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Bearer {TOKEN}"}):
            await hub.client.post("/graphql", json=ASKED, headers=headers)
        await hub.client.get("/labels/1", headers={"authorization": ""})
        await hub.client.post("/webhooks/cmdb", content=b"{}", headers={"x-signature": "forged"})
    await refusals.write()
    await refusals.write()

    assert await logged(engine) == [
        (
            "hub",
            {
                "event": [None, "refused"],
                "refusals": [None, {"127.0.0.1": {"UNAUTHENTICATED": 3, "webhooks/cmdb SOURCE_AUTH": 1}}],
            },
        )
    ]
    assert TOKEN not in str(await logged(engine))


async def test_a_refused_socket_is_counted(engine: AsyncEngine, clock: MovableClock, open_hub: OpenHub):
    refusals = Refusals(engine, clock)
    async with open_hub(token=TOKEN, refusals=refusals) as hub, served(hub.app) as url:
        with pytest.raises(websockets.ConnectionClosed):
            async with connected(url, {"authorization": "Bearer wrong"}):
                pass
    await refusals.write()

    [(_, fields)] = await logged(engine)
    assert fields["refusals"][1] == {"127.0.0.1": {"UNAUTHENTICATED": 1}}


async def test_however_many_addresses_there_are_a_hundred_are_told_apart(engine: AsyncEngine, clock: MovableClock):
    refusals = Refusals(engine, clock)
    for number in range(MOST_ADDRESSES + 5):
        refusals.not_admitted(Unauthenticated("no"), {"type": "http", "client": (f"10.0.0.{number}", 1)})
    await refusals.write()

    [(_, fields)] = await logged(engine)
    assert len(fields["refusals"][1]) == MOST_ADDRESSES + 1
    assert fields["refusals"][1][ELSEWHERE] == {"UNAUTHENTICATED": 5}


async def test_what_cannot_be_written_is_written_the_next_time(
    engine: AsyncEngine, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
):
    refusals = Refusals(engine, clock)
    refusals.not_admitted(Unauthenticated("no"), {"type": "http", "client": ("10.0.0.1", 1)})
    with monkeypatch.context() as patched:
        patched.setattr("connector.api.refusals.record_event", _away)
        with pytest.raises(ConnectionError):
            await refusals.write()
    await refusals.write()

    [(_, fields)] = await logged(engine)
    assert fields["refusals"][1] == {"10.0.0.1": {"UNAUTHENTICATED": 1}}


async def _away(*_given: Any, **_named: Any) -> None:
    raise ConnectionError("away")


async def test_the_first_use_of_a_key_is_logged_and_no_other(engine: AsyncEngine, clock: MovableClock):
    token = await made(engine, clock)
    for _ in range(2):
        keys = KeptKeys(engine, clock)
        await keys.admit(token)
        await keys.aclose()
        clock.advance(timedelta(minutes=5))

    log = await logged(engine, EntityKind.API_KEY)
    assert [actor for actor, _ in log] == ["cli:ada", "key:robot"]
    assert log[1][1] == {"last_used_at": [None, "2026-11-25T09:00:00Z"]}
