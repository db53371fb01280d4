"""The licence of the bypass: compiled engine and graphql-core answer the same bytes, whatever valid query is asked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from graphql import parse, validate
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.compiled import compile_query
from connector.api.context import ApiContext, Reader
from connector.api.ready import ReadyQueries
from connector.storage.database.refusals import TooDeep
from tests.api.compiled.conftest import Compared
from tests.api.compiled.operations import Operation, operations
from tests.api.compiled.plain import PlainExecutor, as_json
from tests.api.test_queries import statements
from tests.conftest import MovableClock

PARTS, CASES = 2, 500
"""Operations on each database, in parts that run side by side. `CONNECTOR_SEED=new` draws other ones.

How many were compared is told at the end of the tests.
"""


@pytest.mark.parametrize("part", range(PARTS))
@settings(
    max_examples=CASES,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # a seed has no smaller case; the failing operation is printed whole
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
async def test_a_compiled_query_answers_what_the_ordinary_executor_does(
    data: st.DataObject,
    engine: AsyncEngine,
    plain: PlainExecutor,
    clock: MovableClock,
    compared: Compared,
    part: int,
):
    compared.least = CASES * 4 // 5
    operation: Operation = data.draw(operations(plain, part), label="operation")
    compared.begin(operation)
    note(repr(operation))
    document = parse(operation.document)
    around: Any = SimpleNamespace(
        clock=clock, label_url=lambda key: f"/labels/{key}", reader=(reader := Reader(engine)), principal=None
    )

    expected = plain.execute(document, operation.variables, around)
    with statements(engine) as seen:
        query = compile_query(
            plain.schema, document, operation=None, variables=operation.variables, dialect=engine.dialect.name
        )
        try:
            found = await query.run(cast("ApiContext", around))
        except TooDeep:  # of SQLite alone, and of few
            compared.done("too deep for SQLite")
            return
        finally:
            await reader.aclose()

    assert expected.errors is None, validate(plain.schema, document)
    assert as_json(found) == as_json(expected.data), validate(plain.schema, document)
    assert len(seen) <= 1
    ready = ReadyQueries()
    ready.keep(operation.document, None, operation.variables, query)
    again = ready.find(operation.document, None, operation.others, query.sight)
    if again is not None and query.dependence.bindings:
        found = await again.run(cast("ApiContext", around), again.values(operation.others))
        assert as_json(found) == as_json(plain.execute(document, operation.others, around).data)
        compared.done("compared once more, with other variables")
    compared.done()


@settings(
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_the_operations_that_are_compared_are_valid(data: st.DataObject, empty: PlainExecutor):
    operation = data.draw(operations(empty), label="operation")

    assert validate(empty.schema, parse(operation.document)) == []
