"""Webhooks that are dealt with together do what they do one after the other."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock
from tests.ingest.adapters import SECRET, scripted
from tests.ingest.arriving import receive
from tests.ingest.records import ref, ticket, version

from connector.ingest.inbox import process_inbox
from connector.sdk import Record, Tombstone, WebhookRequest, WebhookResult
from connector.storage import tables
from connector.storage.database.engine import reading

IDS = ("1", "2", "3")
numbers = itertools.count()

said = st.tuples(
    st.sampled_from(IDS), st.sampled_from(["says", "hints", "deletes", "cannot be read", "fails"]),
    st.integers(1, 5), st.text("abc", min_size=1, max_size=3),
)  # fmt: skip
webhooks = st.lists(st.lists(said, min_size=1, max_size=2), min_size=1, max_size=8)


def record(external_id: str, kind: str, at: int, title: str) -> Record:
    if kind == "deletes":
        return Tombstone(ref=ref("ticket", external_id), updated_at=version(at))
    return ticket(external_id, v=at, title=title)


async def state(engine: AsyncEngine, source: str) -> list[dict[str, Any]]:
    """What is known of each ticket of a source, but for what the hub numbers and stamps."""
    refs, rows, c = tables.source_ref, tables.ticket, tables.ticket.c
    statement = (
        select(refs.c.external_id, refs.c.version, refs.c.deleted_at.is_not(None), c.title, c.retired_at.is_not(None))
        .join_from(refs, tables.source, tables.source.c.id == refs.c.source_id)
        .outerjoin(rows, c.id == refs.c.entity_id)
        .where(tables.source.c.name == source)
        .order_by(refs.c.external_id)
    )
    async with reading(engine) as tx:
        return [tuple(row) for row in await tx.execute(statement)]  # type: ignore[misc]


async def outcome(engine: AsyncEngine, source: str) -> list[tuple[bytes, bool, int, str | None]]:
    c, sources = tables.inbox.c, tables.source
    statement = select(c.body, c.processed_at.is_not(None), c.attempts, c.error)
    statement = statement.join_from(tables.inbox, sources, sources.c.id == c.source_id).where(sources.c.name == source)
    async with reading(engine) as tx:
        return [tuple(row) for row in await tx.execute(statement.order_by(c.body))]  # type: ignore[misc]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_webhooks=webhooks, now_there=st.dictionaries(st.sampled_from(IDS), st.integers(1, 5)))
async def test_together_is_as_one_after_the_other(
    engine: AsyncEngine,
    clock: MovableClock,
    given_webhooks: list[list[tuple[str, str, int, str]]],
    now_there: dict[str, int],
):
    found: list[tuple[object, object]] = []
    for limit in (100, 1):
        name = f"desk {next(numbers)}"
        adapter, connection = scripted(clock, name=name)
        adapter.objects = {ref("ticket", each): ticket(each, v=at, title="now") for each, at in now_there.items()}
        for number, parts in enumerate(given_webhooks):
            body = b"%d" % number
            kinds = {kind for _, kind, _, _ in parts}
            adapter.webhooks[body] = (
                KeyError("id") if "fails" in kinds
                else WebhookResult(
                    records=tuple(record(*each) for each in parts if each[1] in ("says", "deletes")),
                    fetch=tuple(ref("ticket", each[0]) for each in parts if each[1] == "hints"),
                    refused=("a part",) if "cannot be read" in kinds else (),
                )
            )  # fmt: skip
            sent = WebhookRequest(headers={"x-signature": SECRET}, body=body, received_at=clock.now())
            await receive(engine, connection, sent)
            clock.advance(timedelta(milliseconds=1))
        for _ in given_webhooks:
            await process_inbox(engine, {name: connection}, clock=clock, limit=limit)
        found.append((await state(engine, name), await outcome(engine, name)))
        clock.advance(timedelta(seconds=-0.001 * len(given_webhooks)))

    assert found[0] == found[1]
