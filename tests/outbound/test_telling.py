"""Other systems are told what happens, whatever they answer: each test has a real server on loopback be told."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from sqlalchemy.ext.asyncio import AsyncEngine
from standardwebhooks import Webhook
from tests.commits import eventually
from tests.conftest import MovableClock
from tests.factories import NOW, make_site, make_source, make_ticket
from tests.loopback import Loopback, Raw, answer, listening

from connector.api.schema.nodes import global_id
from connector.model.refs import EntityKind
from connector.outbound.posting import Endpoint, Poster
from connector.outbound.telling import ATTEMPTS, Telling
from connector.storage import tables
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.engine import open_engine, reading, transaction
from connector.storage.database.presence import HOLDER
from connector.storage.database.rows import update_logged
from connector.storage.outbound.deliveries import (
    PAGE,
    EndpointStanding,
    add_endpoints,
    dead_letters,
    discard_dead,
    enable_endpoint,
    endpoint_standings,
    release_events,
    revive_dead,
    rewind_endpoint,
)
from connector.storage.query import EVERYTHING, Sight

SECRET, BEFORE = (f"whsec_{base64.b64encode(bytes([n]) * 32).decode()}" for n in (1, 2))
TICKET = EntityKind.TICKET
Reply = Callable[[httpx.Request], Awaitable[Raw]]


async def takes(_request: httpx.Request) -> Raw:
    return answer(204)


class Sender:
    """Tells one endpoint, step by step."""

    def __init__(self, engine: AsyncEngine, url: str, clock: Any, *, holder: str = "me", **values: Any) -> None:
        self.endpoint = Endpoint("portal", f"{url}/hook-path", (SECRET,), **{"kinds": (TICKET,), **values})
        engine.update_execution_options(**{HOLDER: holder})
        self.telling = Telling(engine, [self.endpoint], clock=clock, holder=holder, timeout_s=0.5, poll_s=0.02)
        self.poster = Poster(self.endpoint, clock, timeout_s=0.5)

    async def send(self) -> int:
        """Everything that is due now."""
        count = 0
        while done := await self.telling.step(self.endpoint, self.poster):
            count += done
        return count


@asynccontextmanager
async def sending(engine: AsyncEngine, system: Loopback, clock: Any, **values: Any) -> AsyncIterator[Sender]:
    async with transaction(engine) as tx:
        await add_endpoints(tx, ["portal"])
    sender = Sender(engine, system.url, clock, **values)
    try:
        yield sender
    finally:
        await sender.poster.aclose()


async def write(engine: AsyncEngine, *ids: int) -> None:
    """Commit changes of tickets with these ids, one after the other."""
    async with transaction(engine) as tx:
        changes = [NewChange(TICKET, i, "updated", {"state": ("new", "in_progress")}) for i in ids]
        await log_changes(tx, changes, actor="test", at=NOW)


async def standing(engine: AsyncEngine) -> EndpointStanding:
    async with reading(engine) as tx:
        [found] = await endpoint_standings(tx)
    return found


def told(system: Loopback) -> list[tuple[str, int]]:
    """Id of each post and the ticket that it is about."""
    subjects = {global_id("Ticket", number): number for number in range(1_500)}
    posts = [(request.headers["webhook-id"], orjson.loads(request.content)) for request in system.requests]
    return [(number, subjects[body["subject"]]) for number, body in posts]


async def test_an_event_is_a_signed_cloud_event_that_receivers_verify_by_either_secret(engine: AsyncEngine):
    clock = MovableClock(datetime.now(UTC))
    async with listening(takes) as system, sending(engine, system, clock, source="https://hub.example.com") as sender:
        sender.endpoint = replace(sender.endpoint, secrets=(SECRET, BEFORE))
        await sender.poster.aclose()
        sender.poster = Poster(sender.endpoint, clock)
        await write(engine, 7)
        assert await sender.send() == 1

    [request] = system.requests
    headers = dict(request.headers)
    assert (request.method, request.url.path) == ("POST", "/hook-path")
    for secret in (SECRET, BEFORE):
        Webhook(secret).verify(request.content, headers)
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(SECRET).verify(request.content + b" ", headers)
    event = from_structured_event(HTTPMessage(headers, request.content))
    assert (event.get_id(), event.get_source(), event.get_type(), event.get_subject(), event.get_time()) == (
        "1", "https://hub.example.com", "connector.ticket.updated", global_id("Ticket", 7), NOW,
    )  # fmt: skip
    assert event.get_data() == {
        "id": global_id("Ticket", 7), "cursor": "1", "operation": "updated", "actor": "test", "before": "new",
        "after": "in_progress", "changes": [{"field": "state", "before": "new", "after": "in_progress"}],
    }  # fmt: skip
    assert (await standing(engine)).waiting == 0
    assert headers["webhook-id"] == "1"


async def test_what_fails_comes_again_with_its_id_before_later_news_of_its_thing_and_holds_up_no_other(
    engine: AsyncEngine, clock: MovableClock
):
    answers = {"1": [500, 200]}

    async def reply(request: httpx.Request) -> Raw:
        waiting = answers.get(request.headers["webhook-id"], [])
        return answer(waiting.pop(0) if waiting else 200)

    async with listening(reply) as system, sending(engine, system, clock) as sender:
        await write(engine, 1, 1, 2)
        await sender.send()
        at_first = told(system)
        clock.advance(timedelta(seconds=5))
        await sender.send()

    assert sorted(at_first) == [("1", 1), ("3", 2)]
    assert told(system)[2:] == [("1", 1), ("2", 1)]
    assert (await standing(engine)).failures == 0


@pytest.mark.parametrize("status", [429, 503])
async def test_an_endpoint_that_says_when_to_come_again_is_left_alone_until_then(
    engine: AsyncEngine, clock: MovableClock, status: int
):
    answers = [answer(status, retry_after="3600")]

    async def reply(_request: httpx.Request) -> Raw:
        return answers.pop() if answers else answer(200)

    async with listening(reply) as system, sending(engine, system, clock) as sender:
        await write(engine, 1)
        await sender.send()
        await write(engine, 2)
        clock.advance(timedelta(seconds=3_599))
        assert await sender.send() == 0
        clock.advance(timedelta(seconds=1))
        await sender.send()

    assert sorted(told(system)) == [("1", 1), ("1", 1), ("2", 2)]


async def test_an_endpoint_that_is_gone_is_told_nothing_until_it_is_enabled_and_then_everything(
    engine: AsyncEngine, clock: MovableClock
):
    status = [410]

    async def reply(_request: httpx.Request) -> Raw:
        return answer(status[0])

    async with listening(reply) as system, sending(engine, system, clock) as sender:
        await write(engine, 1)
        await sender.send()
        await write(engine, 2)
        clock.advance(timedelta(days=9))
        assert await sender.send() == 0
        found = await standing(engine)
        status[0] = 200
        async with transaction(engine) as tx:
            await enable_endpoint(tx, "portal")
        await sender.send()

    assert (found.disabled_at, found.error) == (clock.now() - timedelta(days=9), "answered 410: it is gone for good")
    assert told(system) == [("1", 1), ("1", 1), ("2", 2)]


async def test_one_that_takes_a_post_and_never_answers_or_cuts_it_off_is_posted_the_same_again(
    engine: AsyncEngine, clock: MovableClock
):
    never = asyncio.Event()
    turns: list[str] = ["hangs", "cuts", "answers"]

    async def reply(_request: httpx.Request) -> Raw:
        turn = turns.pop(0)
        if turn == "hangs":
            await never.wait()
        return Raw(200, (("content-length", "9"),), (b"o",), is_cut=True) if turn == "cuts" else answer(200)

    async def broken(request: httpx.Request) -> Raw:
        if turns[0] == "cuts":
            turns.pop(0)
            raise OSError("the connection ends without an answer")
        return await reply(request)

    async with listening(broken) as system, sending(engine, system, clock) as sender:
        await write(engine, 1)
        errors = []
        for _ in range(3):
            await sender.send()
            errors.append((await standing(engine)).error)
            clock.advance(timedelta(minutes=5))
        never.set()

    assert errors == ["no answer within 0.5 s", "no answer: RemoteProtocolError", None]
    assert told(system) == [("1", 1)] * 3
    assert len({request.content for request in system.requests}) == 1


async def test_after_the_last_try_it_is_a_dead_letter_which_can_be_told_again_or_forgotten(
    engine: AsyncEngine, clock: MovableClock
):
    status = [500]

    async def reply(_request: httpx.Request) -> Raw:
        return answer(status[0])

    async with listening(reply) as system, sending(engine, system, clock) as sender:
        await write(engine, 1)
        for _ in range(ATTEMPTS + 2):
            await sender.send()
            clock.advance(timedelta(hours=6))
        tries = len(system.requests)
        async with reading(engine) as tx:
            [letter] = await dead_letters(tx, "portal", limit=10)
        status[0] = 200
        async with transaction(engine) as tx:
            assert await revive_dead(tx, "portal") == 1
        await sender.send()
        async with transaction(engine) as tx:
            assert await discard_dead(tx, "portal") == 0

    assert tries == ATTEMPTS
    assert (letter.position, letter.entity_id, letter.attempts, letter.error) == (1, 1, ATTEMPTS, "answered 500")
    assert told(system)[-1] == ("1", 1)
    assert (await standing(engine)).dead == 0


async def test_one_that_is_away_for_days_costs_a_page_of_rows_and_is_told_of_everything_in_the_end(
    engine: AsyncEngine, clock: MovableClock
):
    status = [503]

    async def reply(_request: httpx.Request) -> Raw:
        return answer(status[0])

    async with listening(reply) as system, sending(engine, system, clock) as sender:
        for first in range(0, 600, 150):
            await write(engine, *range(first, first + 150))
            await sender.send()
            clock.advance(timedelta(hours=1))
            assert (await standing(engine)).waiting <= PAGE
        tries = len(system.requests)
        status[0] = 200
        clock.advance(timedelta(days=1))
        while (await standing(engine)).position < 600 or (await standing(engine)).waiting:
            await sender.send()
            clock.advance(timedelta(minutes=5))

    assert tries == 4 + 7  # the first try is of several at once, each later one of one
    assert {ticket for _, ticket in told(system)[tries:]} == set(range(600))


async def test_it_can_be_told_again_from_a_position_on(engine: AsyncEngine, clock: MovableClock):
    async with listening(takes) as system, sending(engine, system, clock) as sender:
        await write(engine, 1, 2, 3)
        await sender.send()
        async with transaction(engine) as tx:
            await rewind_endpoint(tx, "portal", 1)
        await sender.send()

    assert sorted(told(system)[:3]) == [("1", 1), ("2", 2), ("3", 3)]
    assert sorted(told(system)[3:]) == [("2", 2), ("3", 3)]


async def test_it_is_told_what_its_roles_and_regions_see_and_nothing_else(engine: AsyncEngine, clock: MovableClock):
    async with transaction(engine) as tx:
        source = await make_source(tx)
        here, there = [await make_site(tx, region=region) for region in ("EU", "US")]
        tickets = [await make_ticket(tx, source_id=source, site_id=site) for site in (here, there)]
    hidden = Sight(frozenset({"EU"}), frozenset({("ticket", "title")}))
    async with listening(takes) as system, sending(engine, system, clock, sight=hidden) as sender:
        async with transaction(engine) as tx:
            for ticket in tickets:
                values = {"title": "A name", "state": "in_progress"}
                await update_logged(tx, tables.ticket, TICKET, ticket, values, actor="test", at=NOW)
        await sender.send()

    [request] = system.requests
    data = orjson.loads(request.content)["data"]
    assert data["id"] == global_id("Ticket", tickets[0])
    assert data["changes"] == [{"field": "state", "before": "new", "after": "in_progress"}]
    assert (await standing(engine)).waiting == 0


async def test_one_that_hangs_holds_up_no_other(engine: AsyncEngine, clock: MovableClock):
    never = asyncio.Event()

    async def hangs(_request: httpx.Request) -> Raw:
        await never.wait()
        return answer(200)

    async with listening(hangs) as dead, listening(takes) as alive:
        endpoints = [
            Endpoint(name, system.url, (SECRET,), (TICKET,)) for name, system in (("dead", dead), ("alive", alive))
        ]
        async with transaction(engine) as tx:
            await add_endpoints(tx, ["dead", "alive"])
        running = asyncio.create_task(
            Telling(engine, endpoints, clock=clock, holder="me", timeout_s=60, poll_s=0.02).run()
        )
        await write(engine, *range(40))

        async def is_told() -> bool:
            return len(alive.requests) == 40

        await eventually(is_told)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        never.set()

    assert 1 <= len(dead.requests) <= 8
    assert Counter(told(alive)) == Counter((str(n + 1), n) for n in range(40))


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_several_processes_never_send_the_same_at_the_same_time_nor_a_thing_out_of_order(
    engine: AsyncEngine, database: str, clock: MovableClock
):
    under_way: set[str] = set()
    twice: list[str] = []

    async def reply(request: httpx.Request) -> Raw:
        number = request.headers["webhook-id"]
        if number in under_way:
            twice.append(number)
        under_way.add(number)
        await asyncio.sleep(0)
        under_way.discard(number)
        return answer(200)

    other = open_engine(database)
    async with listening(reply) as system, sending(engine, system, clock, holder="a") as one:
        two = Sender(other, system.url, clock, holder="b")
        await write(engine, *(n % 12 for n in range(150)))
        await asyncio.gather(one.send(), two.send())
        while (await standing(engine)).waiting:
            await one.send()
        await two.poster.aclose()
    await other.dispose()

    posts = told(system)
    assert twice == []
    assert sorted(int(number) for number, _ in posts) == list(range(1, 151))
    for ticket in range(12):
        order = [int(number) for number, about in posts if about == ticket]
        assert order == sorted(order)


async def test_what_a_process_that_is_gone_was_sending_is_sent_by_another_with_the_same_id(
    engine: AsyncEngine, clock: MovableClock
):
    never = asyncio.Event()
    is_there = [False]

    async def reply(_request: httpx.Request) -> Raw:
        if not is_there[0]:
            await never.wait()
        return answer(200)

    async with listening(reply) as system, sending(engine, system, clock, holder="gone") as sender:
        await write(engine, 1)
        at_work = asyncio.create_task(sender.send())

        async def has_come() -> bool:
            return bool(system.requests)

        await eventually(has_come)
        at_work.cancel()
        await asyncio.gather(at_work, return_exceptions=True)
        is_there[0] = True
        assert await sender.send() == 0
        async with transaction(engine) as tx:
            assert await release_events(tx, "gone") == 1
        await sender.send()
        never.set()

    assert told(system) == [("1", 1), ("1", 1)]


async def test_neither_secret_nor_address_is_told(
    engine: AsyncEngine, clock: MovableClock, caplog: pytest.LogCaptureFixture
):
    async def refuses(_request: httpx.Request) -> Raw:
        return answer(302, location="http://elsewhere.example.com/token")

    caplog.set_level(logging.DEBUG)
    async with listening(refuses) as system, sending(engine, system, clock) as sender:
        await write(engine, 1)
        await sender.send()
    async with listening(takes) as closed:
        gone = Sender(engine, closed.url, clock)
    clock.advance(timedelta(hours=1))
    await gone.send()
    await gone.poster.aclose()

    found = await standing(engine)
    written = f"{caplog.text} {found} {gone.endpoint} {sender.endpoint}"
    assert found.error == "no answer: ConnectError"
    assert "answered 302: redirects are not followed" in caplog.text
    assert [text for text in (SECRET, SECRET.removeprefix("whsec_"), "hook-path") if text in written] == []
    assert sender.endpoint.sight == EVERYTHING
