"""Groups that are only counted are written by the database, and it is what the ordinary executor answers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from graphql import parse
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.compiled import compile_query
from connector.api.context import ApiContext, Reader
from connector.api.ready import NotCompiled
from connector.api.schema import aggregates
from tests.api.compiled.plain import PlainExecutor, as_json
from tests.conftest import MovableClock

STATES = "groupBy: [{field: STATE}, {field: CATEGORY}]"


def no_objects(**_: Any) -> Any:
    raise AssertionError("an object was made of a group")


async def answered(
    engine: AsyncEngine, plain: PlainExecutor, clock: MovableClock, text: str, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """What the compiled query answers without objects of groups, and what the executor does."""
    around: Any = SimpleNamespace(clock=clock, reader=Reader(engine), principal=None)
    document = parse(text)
    expected = plain.execute(document, {}, around)
    query = compile_query(plain.schema, document, operation=None, variables={}, dialect=engine.dialect.name)
    monkeypatch.setattr(aggregates, "_Values", no_objects)
    return await query.run(cast("ApiContext", around)), expected.data


@pytest.mark.parametrize(
    "text",
    [
        f"{{ ticketAggregate({STATES}) {{ groups {{ key {{ state category }} count }} }} }}",
        f"{{ ticketAggregate({STATES}, first: 2) {{ more: hasMore __typename groups {{ n: count __typename }} }} }}",
        f"{{ ticketAggregate({STATES}) {{ groups {{ key {{ s: state priority title __typename }} }} }} }}",
        "{ ticketAggregate { hasMore groups { key { state } count } } }",
        f"{{ ticketAggregate({STATES}, first: 0) {{ hasMore groups {{ count }} }} }}",
    ],
)
async def test_counts_by_texts_and_enums_are_not_made_objects_of(
    engine: AsyncEngine, plain: PlainExecutor, clock: MovableClock, monkeypatch: pytest.MonkeyPatch, text: str
):
    found, expected = await answered(engine, plain, clock, text, monkeypatch)

    assert as_json(found) == as_json(expected)


@pytest.mark.parametrize(
    "text",
    [
        "{ ticketAggregate { groups { count sum { quantity } } } }",
        "{ ticketAggregate(groupBy: [{field: SITE_ID}]) { groups { key { siteId } count } } }",
        "{ ticketAggregate(groupBy: [{field: OPENED_AT, truncate: DAY}]) { groups { key { openedAt } count } } }",
    ],
)
async def test_everything_else_goes_the_general_way(
    engine: AsyncEngine, plain: PlainExecutor, clock: MovableClock, monkeypatch: pytest.MonkeyPatch, text: str
):
    with pytest.raises((AssertionError, NotCompiled)):
        await answered(engine, plain, clock, text, monkeypatch)
