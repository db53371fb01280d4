"""Keys that the hub keeps in its database: what of them is kept, who comes in, and until when."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
import websockets
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.access import Access, Admitted, ApiKey, Unauthenticated
from connector.api.kept_keys import KeptKeys
from connector.api.tokens import PATTERN, START, digest_of, is_token, new_token
from connector.model.errors import InvalidInput, NotKnown
from connector.model.principals import Principal
from connector.storage import tables
from connector.storage.access.keys import KeptKey, NewKey, add_key, list_keys, revoke_key
from connector.storage.database.engine import reading, transaction
from tests.api.conftest import OpenHub, connected, served, until
from tests.api.test_queries import statements
from tests.api.test_subscriptions import TASKS, begin, give_task
from tests.conftest import MovableClock

LOOK = timedelta(seconds=5)


async def made(engine: AsyncEngine, clock: MovableClock, name: str = "robot", **values: Any) -> str:
    """The token of a new key."""
    token = new_token()
    given_ = {"roles": ("dispatcher",), "regions": None, "expires_at": None, **values}
    async with transaction(engine) as tx:
        await add_key(tx, NewKey(name, digest_of(token), token[:START], **given_), by="cli:ada", at=clock.now())
    return token


async def revoked(engine: AsyncEngine, clock: MovableClock, name: str = "robot") -> None:
    async with transaction(engine) as tx:
        await revoke_key(tx, name, by="cli:ada", at=clock.now())


async def kept(engine: AsyncEngine, *, every: bool = False) -> list[KeptKey]:
    async with reading(engine) as tx:
        return await list_keys(tx, revoked=every)


@asynccontextmanager
async def taken(engine: AsyncEngine, clock: MovableClock, **options: Any) -> AsyncIterator[KeptKeys]:
    keys = KeptKeys(engine, clock, **options)
    try:
        yield keys
    finally:
        await keys.aclose()


async def admitted(keys: KeptKeys, token: str) -> Admitted:
    found = await keys.admit(token)
    assert found is not None
    return found


@given(st.data())
def test_a_token_is_found_by_its_pattern_and_a_wrong_sign_by_its_checksum(data: st.DataObject):
    token = new_token()
    place = data.draw(st.integers(4, len(token) - 1))
    sign = data.draw(st.sampled_from("0aZ9-ß"))

    assert PATTERN.search(f"key={token};") is not None
    assert is_token(token)
    assert is_token(changed := token[:place] + sign + token[place + 1 :]) == (changed == token)
    assert not is_token(f"{token}0")


async def test_the_database_and_its_log_hold_no_token(engine: AsyncEngine, clock: MovableClock):
    token = await made(engine, clock)

    async with reading(engine) as tx:
        rows = [dict(row) for row in (await tx.execute(select(tables.api_key))).mappings()]
        log = [row.fields for row in await tx.execute(select(tables.change.c.fields))]

    assert token not in str(rows)
    assert rows[0]["digest"] == digest_of(token)
    assert log == [{"name": [None, "robot"], "start": [None, token[:10]], "roles": [None, ["dispatcher"]]}]


async def test_a_kept_key_says_who_comes_in_with_which_roles_and_regions(engine: AsyncEngine, clock: MovableClock):
    until = clock.now() + timedelta(days=1)
    token = await made(engine, clock, regions=("EU",), expires_at=until)

    async with taken(engine, clock) as keys:
        found = await admitted(keys, token)

        assert found.principal == Principal("key:robot", frozenset({"dispatcher"}), frozenset({"EU"}))
        assert found.until == until
        assert await keys.admit("no-key-at-all") is None
        with pytest.raises(Unauthenticated, match="a key that this hub does not know, or that was revoked"):
            await keys.admit(new_token())
        clock.advance(timedelta(days=1))
        with pytest.raises(Unauthenticated, match="the key 'robot' expired at 2026-11-26 09:00Z"):
            await keys.admit(token)


async def test_a_revoked_key_is_refused_within_seconds_and_a_new_one_is_taken(engine: AsyncEngine, clock: MovableClock):
    first = await made(engine, clock)
    async with taken(engine, clock) as keys:
        await keys.admit(first)
        await revoked(engine, clock)
        second = await made(engine, clock)

        clock.advance(timedelta(seconds=1))
        assert (await admitted(keys, second)).principal.name == "key:robot"
        with pytest.raises(Unauthenticated, match="revoked"):
            await keys.admit(first)

    assert [(key.revoked_by, key.start) for key in await kept(engine, every=True)] == [
        (None, second[:10]),
        ("cli:ada", first[:10]),
    ]


async def test_many_requests_read_the_keys_once_and_note_their_use_once_a_minute(
    engine: AsyncEngine, clock: MovableClock
):
    token = await made(engine, clock)
    began = clock.now()

    async with taken(engine, clock) as keys, taken(engine, clock) as other:
        with statements(engine) as seen:
            for _ in range(50):
                await keys.admit(token)
                with pytest.raises(Unauthenticated):
                    await keys.admit(new_token())
            await keys.aclose()
        await other.admit(token)
        await other.aclose()
        first = [key.last_used_at for key in await kept(engine)]
        clock.advance(timedelta(seconds=59))
        await keys.admit(token)
        await keys.aclose()
        second = [key.last_used_at for key in await kept(engine)]
        clock.advance(timedelta(seconds=1))
        await keys.admit(token)

    assert len([text for text in seen if "FROM api_key" in text]) == 1
    assert first == second == [began]
    assert [key.last_used_at for key in await kept(engine)] == [began + timedelta(minutes=1)]


async def test_a_use_that_cannot_be_noted_is_in_nobodys_way(
    engine: AsyncEngine, clock: MovableClock, caplog: pytest.LogCaptureFixture
):
    token = await made(engine, clock)
    async with taken(engine, clock, fresh=timedelta(hours=1)) as keys:
        await keys.admit(token)
        await keys.aclose()
        clock.advance(timedelta(minutes=1))
        async with transaction(engine) as tx:
            await tx.execute(tables.api_key.update().values(last_used_at=None))
            await tx.exec_driver_sql("ALTER TABLE api_key RENAME COLUMN last_used_at TO used_at")
        with caplog.at_level(logging.WARNING):
            found = await admitted(keys, token)
            await keys.aclose()

    assert found.principal.name == "key:robot"
    assert "the use of key 'robot' could not be noted" in caplog.text


async def test_keys_of_the_configuration_and_kept_ones_come_in_side_by_side(
    open_hub: OpenHub, engine: AsyncEngine, clock: MovableClock
):
    token, ada = await made(engine, clock), "the-token-of-ada-1234"
    async with taken(engine, clock) as keys:
        access = Access(None, keys=[ApiKey.of(ada, Principal("ada", frozenset({"viewer"})))], others=[keys.admit])

        found = [(await access.check(f"Bearer {shown}")).principal.name for shown in (ada, token)]

        assert found == ["ada", "key:robot"]
        for wrong in (None, "Bearer", "Bearer ", "Bearer cnk_x", f"Basic {token}"):
            with pytest.raises(Unauthenticated):
                await access.check(wrong)


async def test_a_socket_of_a_key_that_is_revoked_is_closed(open_hub: OpenHub, engine: AsyncEngine, clock: MovableClock):
    token = await made(engine, clock)
    async with (
        taken(engine, clock, fresh=timedelta(seconds=0.02)) as keys,
        open_hub(others=(keys.admit,)) as hub,
        served(hub.app) as address,
        connected(address, {"authorization": f"Bearer {token}"}) as socket,
    ):
        await socket.subscribe("query { me { name } }")
        assert await socket.event() == {"name": "key:robot"}
        await socket.receive()
        await socket.subscribe("subscription { tickets { cursor } }", "2")

        await revoked(engine, clock)
        clock.advance(LOOK)
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await socket.receive()

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4403
    assert "revoked" in closed.value.rcvd.reason


async def rename(engine: AsyncEngine, table: str, to: str) -> None:
    async with transaction(engine) as tx:
        await tx.exec_driver_sql(f"ALTER TABLE {table} RENAME TO {to}")


async def test_while_the_keys_cannot_be_read_sockets_stay_and_others_are_told_to_try_again(
    open_hub: OpenHub, engine: AsyncEngine, clock: MovableClock, caplog: pytest.LogCaptureFixture
):
    token = await made(engine, clock)
    bearer = {"authorization": f"Bearer {token}"}
    async with (
        taken(engine, clock, fresh=timedelta(seconds=0.02)) as keys,
        open_hub(others=(keys.admit,)) as hub,
        served(hub.app) as address,
        connected(address, bearer) as socket,
    ):
        await begin(hub, socket, TASKS)
        await keys.aclose()

        await rename(engine, "api_key", "api_key_away")
        clock.advance(LOOK)
        await until(lambda: "the keys cannot be read" in caplog.text)
        asked = [await hub.client.post("/graphql", json={"query": "{ feedCursor }"}, headers=bearer) for _ in "ab"]
        with pytest.raises(websockets.ConnectionClosed) as closed:
            async with connected(address, bearer):
                pass
        await rename(engine, "api_key_away", "api_key")
        clock.advance(LOOK)
        await give_task(engine, "1")

        assert (await socket.event())["task"]["title"] == "Task 1"
        again = await hub.client.post("/graphql", json={"query": "{ feedCursor }"}, headers=bearer)
    assert again.json().keys() == {"data"}
    for answer in asked:
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert answer.json()["errors"][0] == {
            "message": "the token cannot be checked: the hub cannot read its keys",
            "extensions": {"code": "UNAVAILABLE", "hint": "Try again in 5 seconds."},
        }
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1013
    assert caplog.text.count("the keys cannot be read") == 1


async def test_names_are_given_once_and_what_is_wrong_with_a_key_is_said(engine: AsyncEngine, clock: MovableClock):
    await made(engine, clock)

    with pytest.raises(InvalidInput, match="there is a key 'robot' already, cnk_"):
        await made(engine, clock)
    with pytest.raises(InvalidInput, match="would have expired at 2026-11-25 09:00Z, which is past"):
        await made(engine, clock, "late", expires_at=clock.now())
    with pytest.raises(NotKnown, match="there is no living key 'other'; there are: 'robot'"):
        await revoked(engine, clock, "other")
