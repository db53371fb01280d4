"""Kept answers over several processes: never older than what anybody was told is done, and never another answer.

Each engine with an application and kept answers of its own stands for a process; what they share is the database.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from connector.api.access import ApiKey
from connector.api.app import create_app
from connector.api.feed import Feed
from connector.api.kept import KeptAnswers
from connector.model.kinds import SourceState
from connector.model.principals import ADMIN, Principal
from connector.model.refs import EntityKind
from connector.rules.policy.reading import default_policy
from connector.storage import tables
from connector.storage.database.changes import publish_changes
from connector.storage.database.engine import open_engine, transaction
from connector.storage.database.growth import LogGrowth
from connector.storage.database.rows import insert_logged, update_logged
from connector.storage.sources.quarantine import NewEntry, put_entries
from connector.storage.sources.sources import set_condition
from tests.api.conftest import NO_COMMANDS
from tests.api.seed import Seeded, seed
from tests.conftest import MovableClock, share_compiled_statements
from tests.factories import HAMBURG, NOW

QUERIES = (
    "{ sites { totalCount nodes { name region } } }",
    '{ tickets(filter: {site: {name: {startsWith: "A"}}}) { totalCount } }',
    "{ tickets { nodes { number title source { name } site { name } shipments { nodes { status } } } } }",
    "{ ticketAggregate(groupBy: [{field: STATE}]) { groups { count } } }",
    "{ sources { nodes { name state failures } } }",
    "{ quarantine { nodes { reason attempts } } }",
    "{ delegations { totalCount } }",
    "{ stock { nodes { free isLow hub { name } } } me { name } }",
)
WHO = {"all": None, "eu": frozenset({"EU"})}

Write = Callable[[AsyncConnection, Seeded, int], Awaitable[object]]


async def _rename(tx: AsyncConnection, seeded: Seeded, n: int) -> object:
    name = f"{'AB'[n % 2]}{n}"
    return await update_logged(tx, tables.site, EntityKind.SITE, seeded.site, {"name": name}, actor="test", at=NOW)


async def _move(tx: AsyncConnection, seeded: Seeded, n: int) -> object:
    values = {"region": ("EU", "US")[n % 2]}
    return await update_logged(tx, tables.site, EntityKind.SITE, seeded.site, values, actor="test", at=NOW)


async def _add_site(tx: AsyncConnection, _seeded: Seeded, n: int) -> object:
    values = {"name": f"A new {n}", "code": f"N{n}", "region": "EU", **HAMBURG}
    return await insert_logged(tx, tables.site, EntityKind.SITE, values, actor="test", at=NOW)


async def _retitle(tx: AsyncConnection, seeded: Seeded, n: int) -> object:
    values = {"title": f"Title {n}", "state": ("new", "in_progress")[n % 2]}
    return await update_logged(tx, tables.ticket, EntityKind.TICKET, seeded.ticket, values, actor="test", at=NOW)


async def _fail(tx: AsyncConnection, seeded: Seeded, n: int) -> object:
    return await set_condition(tx, seeded.source, state=SourceState.RUNNING, failures=n, at=NOW)


async def _quarantine(tx: AsyncConnection, seeded: Seeded, n: int) -> object:
    entry = NewEntry("f", "priority 'urgent' is not known", b"{}")
    return await put_entries(tx, seeded.source, "tickets", [entry], actor="test", at=NOW + timedelta(seconds=n))


WRITES: tuple[Write, ...] = (_rename, _move, _add_site, _retitle, _fail, _quarantine)


@dataclass
class Process:
    """What a process has: an engine, and an application that keeps answers."""

    engine: AsyncEngine
    client: httpx.AsyncClient

    async def ask(self, query: str, who: str = "all") -> bytes:
        headers = {"authorization": f"Bearer of-{who}"}
        answer = await self.client.post("/graphql", json={"query": query}, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.content


@asynccontextmanager
async def process(database: str, *, keeps: bool) -> AsyncIterator[Process]:
    engine = open_engine(database)
    share_compiled_statements(engine)
    clock = MovableClock(NOW)
    app = create_app(
        engine=engine,
        clock=clock,
        commands=NO_COMMANDS,
        policy=default_policy(),
        feed=Feed(engine, poll=timedelta(seconds=60)),
        connections={},
        keys=[
            ApiKey.of(f"of-{name}", Principal(name, frozenset({ADMIN, "approver"}), regions))
            for name, regions in WHO.items()
        ],
        kept=KeptAnswers(LogGrowth(engine)) if keeps else None,
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        yield Process(engine, client)
    await engine.dispose()


@dataclass
class World:
    """Two processes that keep answers and one that keeps none, on one database."""

    processes: list[Process]
    plain: Process
    seeded: Seeded


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        processes = [await stack.enter_async_context(process(database, keeps=True)) for _ in range(2)]
        plain = await stack.enter_async_context(process(database, keeps=False))
        yield World(processes, plain, await seed(plain.engine))


DELEGATE = """
    mutation { delegateApprovals(input: {
      delegate: "eu", endsAt: "2027-01-01T00:00:00Z", reason: "holidays", idempotencyKey: "KEY"
    }) {
        errors { message } } }
"""
_numbers = itertools.count(1)

steps = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(0, 1), st.sampled_from(QUERIES), st.sampled_from(sorted(WHO))),
        st.tuples(st.just("ask"), st.integers(0, 1), st.sampled_from(QUERIES), st.sampled_from(sorted(WHO))),
        st.tuples(st.just("write"), st.integers(0, 1), st.sampled_from(WRITES)),
        st.tuples(st.just("delegate"), st.integers(0, 1)),
        st.tuples(st.just("hold"), st.sampled_from(WRITES)),
        st.tuples(st.just("let go")),
        st.tuples(st.just("number")),
    ),
    min_size=8,
    max_size=25,
)


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=steps)
async def test_every_answer_is_what_it_would_be_were_none_kept(steps: list[tuple[Any, ...]], world: World):
    can_hold = world.plain.engine.dialect.name == "postgresql"  # of SQLite there is one writer
    async with AsyncExitStack() as held:
        for step in steps:
            match step:
                case "ask", who_answers, query, who:
                    for _ in range(2):
                        found, plain = (
                            await world.processes[who_answers].ask(query, who),
                            await world.plain.ask(query, who),
                        )
                        assert orjson.loads(found) == orjson.loads(plain)
                case "write", who_writes, write:
                    await held.aclose()
                    async with transaction(world.processes[who_writes].engine) as tx:
                        await write(tx, world.seeded, next(_numbers))
                case "delegate", who_writes:
                    answer = await world.processes[who_writes].ask(DELEGATE.replace("KEY", f"k{next(_numbers)}"))
                    assert b'"errors":[]' in answer
                case "hold", write if can_hold:
                    await held.aclose()
                    tx = await held.enter_async_context(transaction(world.plain.engine))
                    await write(tx, world.seeded, next(_numbers))
                case ("let go",):
                    await held.aclose()
                case ("number",):
                    async with transaction(world.plain.engine) as tx:
                        await publish_changes(tx)


async def test_whoever_was_told_that_something_is_done_never_sees_what_was_before(world: World):
    done = 0
    query = "{ sites { nodes { code name } } }"
    seen: set[int] = set()

    async def write() -> None:
        nonlocal done
        for n in range(1, 31):
            async with transaction(world.processes[n % 2].engine) as tx:
                values = {"name": str(n)}
                await update_logged(tx, tables.site, EntityKind.SITE, world.seeded.site, values, actor="test", at=NOW)
            done = n
            await asyncio.sleep(0)

    async def read(of: Process) -> None:
        while done < 30:
            least = done
            answer = await of.ask(query)
            found = int(orjson.loads(answer)["data"]["sites"]["nodes"][0]["name"])
            assert found >= least
            seen.add(found)

    async with transaction(world.plain.engine) as tx:
        await tx.execute(tables.site.update().values(name="0"))
    await asyncio.gather(write(), *(read(of) for of in world.processes for _ in range(3)))

    assert len(seen) > 3


KILLED = """
import asyncio, os, signal, sys
from connector.model.refs import EntityKind
from connector.storage import tables
from connector.storage.database.engine import open_engine, transaction
from connector.storage.database.rows import update_logged
from tests.factories import NOW

async def main():
    async with transaction(open_engine(sys.argv[1])) as tx:
        await update_logged(
            tx, tables.site, EntityKind.SITE, int(sys.argv[2]), {"name": "Altona"}, actor="test", at=NOW
        )
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_what_a_process_did_that_was_killed_right_after_is_seen_by_those_that_live_and_by_new_ones(
    world: World, database: str
):
    query = "{ sites { nodes { name } } }"
    for _ in range(3):
        assert b"Hamburg" in await world.processes[0].ask(query)

    killed = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, database, str(world.seeded.site), env={**os.environ, "PYTHONPATH": os.getcwd()}
    )

    assert await killed.wait() == -signal.SIGKILL
    assert b"Altona" in await world.processes[0].ask(query)
    async with process(database, keeps=True) as new:
        for _ in range(3):
            assert b"Altona" in await new.ask(query)
