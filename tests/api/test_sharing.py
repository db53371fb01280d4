"""Subscriptions that ask for the same share a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.access import ApiKey
from connector.api.documents import Documents
from connector.api.live.asked import asked_of
from connector.api.live.limits import LiveLimits
from connector.api.request import GraphQLRequest
from connector.api.wanted import Reader, Wanted
from connector.model.principals import Principal
from connector.model.refs import EntityKind
from connector.storage.database.changes import LoggedChange, NewChange, log_changes
from connector.storage.database.engine import transaction
from tests.api.conftest import Hub, OpenHub, connected, served, until
from tests.api.seed import seed
from tests.api.test_keys import ADA, EVE, KEYS, bearer
from tests.api.test_queries import statements
from tests.api.test_subscriptions import TASKS, begin, give_task
from tests.factories import NOW, make_hub

CURSORS = "subscription ($after: String) { tasks(after: $after) { cursor } }"
ROWS = "FROM task"
IDA, JOE = "the-token-of-ida-1234", "the-token-of-joe-1234"


async def retitle(engine: AsyncEngine, task: int) -> None:
    """Log a change of a task without reading it."""
    async with transaction(engine) as tx:
        await log_changes(tx, [NewChange(EntityKind.TASK, task, "updated", {"title": ("a", "b")})], actor="a", at=NOW)


async def test_an_event_is_read_and_made_once_for_all_that_ask_for_the_same(hub: Hub):
    task = await give_task(hub.engine, "x")
    async with served(hub.app) as address, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connected(address)) for _ in range(3)]
        for client in clients:
            for key in "abc":
                await client.subscribe(TASKS, key)
        await until(lambda: hub.streams.subscribers == 9)
        await until(lambda: hub.feed.readers == 1)

        with statements(hub.engine) as seen:
            await retitle(hub.engine, task)
            told = [[await client.receive() for _ in "abc"] for client in clients]

        assert len(hub.streams) == 1
        assert sum(ROWS in statement for statement in seen) == 1
        assert [[message["id"] for message in messages] for messages in told] == [["a", "b", "c"]] * 3
        assert {str(message["payload"]) for messages in told for message in messages} == {str(told[0][0]["payload"])}
        assert told[0][0]["payload"]["data"]["tasks"]["task"]["title"] == "Task x"
    await until(lambda: len(hub.streams) == 0)


async def test_nothing_is_shared_between_those_who_have_different_roles_or_regions(open_hub: OpenHub):
    also = ApiKey.of(IDA, Principal("ida", KEYS[0].holder.roles))
    far = ApiKey.of(JOE, Principal("joe", KEYS[0].holder.roles, frozenset({"EMEA"})))
    async with open_hub(keys=(*KEYS, also, far)) as hub, served(hub.app) as address, AsyncExitStack() as stack:
        for count, token, streams in ((1, ADA, 1), (2, EVE, 2), (3, IDA, 2), (4, JOE, 3)):
            client = await stack.enter_async_context(connected(address, bearer(token)))
            await client.subscribe(TASKS)
            await until(lambda count=count: hub.streams.subscribers == count)  # type: ignore[misc]

            assert len(hub.streams) == streams


@pytest.mark.parametrize("recent", [1, 500])
async def test_whoever_resumes_goes_over_into_the_shared_stream_without_gap_or_duplicate(
    open_hub: OpenHub, recent: int
):
    """While things happen, clients come with cursors from everywhere; all end in one stream."""
    events, starts = 60, (0, 3, 10, 19)
    live = LiveLimits(recent=recent)
    async with open_hub(window=5, page=3, live=live) as hub, served(hub.app) as address, AsyncExitStack() as stack:
        for number in range(20):
            await give_task(hub.engine, f"before {number}")

        async def happen() -> None:
            for number in range(20, events):
                await give_task(hub.engine, f"then {number}")

        async def read(after: int) -> list[int]:
            client = await stack.enter_async_context(connected(address))
            await client.subscribe(CURSORS, after=str(after))
            return [int((await client.event())["cursor"]) for _ in range(events - after)]

        happening = asyncio.create_task(happen())
        found = await asyncio.gather(*(read(after) for after in starts for _ in range(2)))
        await happening

        assert found == [list(range(after + 1, events + 1)) for after in starts for _ in range(2)]
        await until(lambda: len(hub.streams) == 1)
        assert hub.streams.subscribers == 2 * len(starts)


async def test_a_client_whose_queue_is_full_leaves_the_stream_and_comes_back_without_loss(open_hub: OpenHub):
    live = LiveLimits(queue=4, recent=2, patience=timedelta(minutes=1))
    async with (
        open_hub(window=10, page=5, live=live) as hub,
        served(hub.app) as address,
        connected(address, max_queue=1, compression=None) as slow,
        connected(address) as quick,
    ):
        for client in (slow, quick):
            await begin(hub, client, TASKS)
        for number in range(120):
            await give_task(hub.engine, f"{number} {'x' * 20_000}")
        seen = [int((await quick.event())["cursor"]) for _ in range(120)]
        late = [int((await slow.event())["cursor"]) for _ in range(120)]

    assert seen == late == list(range(1, 121))


async def test_what_concerns_nobody_is_not_read_for_anybody(hub: Hub):
    seeded = await seed(hub.engine)
    async with transaction(hub.engine) as tx:
        other = await make_hub(tx, name="Other")
    elsewhere, here = await give_task(hub.engine, "elsewhere", other), await give_task(hub.engine, "here", seeded.hub)
    async with served(hub.app) as address, connected(address) as client:
        await begin(hub, client, TASKS, hub=seeded.id("Hub"))
        await until(lambda: hub.feed.readers == 1)

        with statements(hub.engine) as seen:
            await retitle(hub.engine, elsewhere)
            await hub.feed.now()
        assert sum(ROWS in statement for statement in seen) == 1  # which hub it is of, once for all
        with statements(hub.engine) as seen:
            await retitle(hub.engine, here)
            assert (await client.event())["task"]["title"] == "Task here"
        assert sum(ROWS in statement for statement in seen) == 2


def asked(query: str, **variables: object) -> tuple[object, bool] | None:
    found = asked_of(GraphQLRequest(query, variables, None, None), Documents())
    return None if found is None else (found.key, found.has_after)


def test_those_who_differ_only_in_where_they_begin_ask_for_the_same():
    at_the_beginning, given_none, resuming = asked(CURSORS), asked(CURSORS, after=None), asked(CURSORS, after="7")

    assert at_the_beginning == given_none
    assert at_the_beginning is not None
    assert resuming == (at_the_beginning[0], True)
    assert not at_the_beginning[1]


@pytest.mark.parametrize(
    ("query", "has_after"),
    [
        ("subscription { tasks { cursor } }", False),
        ("subscription { tasks(after: null) { cursor } }", False),
        ('subscription { tasks(after: "3") { cursor } }', True),
        ('subscription ($after: String = "3") { tasks(after: $after) { cursor } }', True),
        ("subscription { ...F } fragment F on Subscription { tasks { cursor } }", True),
    ],
)
def test_where_a_document_begins_is_read_from_it(query: str, has_after: bool):
    found = asked(query)

    assert found is not None
    assert found[1] is has_after


def test_a_variable_that_says_more_than_where_to_begin_sets_subscriptions_apart():
    query = "subscription ($x: String) { tasks(after: $x) { cursor hub { stock(after: $x) { totalCount } } } }"

    assert asked(query, x="1") != asked(query, x="2")
    assert asked(CURSORS.replace("String", "String!"), after=None) != asked(CURSORS.replace("String", "String!"))
    assert asked("{ tickets { totalCount } }") is None
    assert asked("subscription {") is None


KINDS = (EntityKind.TASK, EntityKind.SHIPMENT)
COLUMNS = ("id", "hub_id", "ticket_id")
KEYS_OF_ROWS = st.integers(1, 3)
STATES = st.sampled_from(("lost", "delivered"))
NARROWED = st.tuples(
    st.sampled_from(KINDS),
    st.builds(
        lambda keys, state: keys | state,
        st.dictionaries(st.sampled_from(COLUMNS), KEYS_OF_ROWS, max_size=3),
        st.dictionaries(st.just("status"), STATES, max_size=1),
    ),
)


@given(st.lists(NARROWED, max_size=12), st.data())
def test_looking_readers_up_finds_those_that_asking_each_would_find(
    narrowed: Sequence[tuple[EntityKind, dict[str, int | str]]], data: st.DataObject
):
    readers = [Reader(kind, only, 0) for kind, only in narrowed]
    wanted = Wanted()
    for reader in readers:
        wanted.add(reader)
    for gone in data.draw(st.sets(st.sampled_from(readers)) if readers else st.just(set())):
        wanted.discard(gone)
        readers.remove(gone)
    kind, key = data.draw(st.sampled_from(KINDS)), data.draw(KEYS_OF_ROWS)
    row = data.draw(st.dictionaries(st.sampled_from(COLUMNS[1:]), KEYS_OF_ROWS, max_size=2))
    came_to = data.draw(st.none() | STATES)
    fields = {} if came_to is None else {"status": ("pending", came_to)}
    change = LoggedChange(1, kind, key, "updated", fields, "test", None, NOW)
    values = {(kind, key): row}

    found = list(wanted.who(change, values))

    assert len(wanted) == len(readers)
    assert len(found) == len(set(found))
    assert set(found) == {reader for reader in readers if reader.wants(change, values)}
    assert wanted.columns(kind) == {name for reader in readers if reader.kind is kind for name in reader.columns}
