from __future__ import annotations

from contextlib import nullcontext
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import BigInteger, Boolean, Date, Float, Text, cast, literal, literal_column, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.storage.query.cursor import text_literal
from connector.storage.query.json_text import Json, JsonText
from connector.storage.query.json_text_postgresql import PostgresqlJson, ScalarJson
from connector.storage.query.json_text_sqlite import SqliteJson

VALUES = [
    cast(literal('a "b" \\ c\n\t\x01 é 🚚'), Text),
    cast(literal(None), Text),
    cast(literal_column("'Infinity'"), Float),
    cast(literal(0.1), Float),
    cast(literal(True), Boolean),
    cast(literal(date(2026, 11, 25)), Date),
]


def on(version: tuple[int, ...]) -> postgresql.dialect:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    dialect.server_version_info = version
    return dialect


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_older_servers_write_values_as_newer_ones_do(engine: AsyncEngine):
    statement = select(*(cast(ScalarJson(value), Text).label(f"v{n}") for n, value in enumerate(VALUES)))
    texts = [
        str(statement.compile(dialect=on(version), compile_kwargs={"literal_binds": True}))
        for version in ((16, 4), (17,), (18, 6))
    ]

    assert ["to_json" in text for text in texts] == [True, False, False]
    async with engine.connect() as tx:
        older, newer, newest = [tuple((await tx.exec_driver_sql(text.replace("%%", "%"))).one()) for text in texts]
    assert older == newer == newest
    assert newest[1] is None


@given(st.lists(st.one_of(st.text("ab", max_size=2), st.integers(0, 400)), max_size=300))
def test_every_part_is_in_the_text_once_and_no_function_gets_too_much(parts: list[str | int]):
    made = PostgresqlJson().text(Json(tuple(p if isinstance(p, str) else text_literal(f"<{p}>") for p in parts)))

    text = str(made.compile(dialect=on((18,))))

    joined = "".join(part if isinstance(part, str) else f"<{part}>" for part in parts)
    literals = [piece for call in text.split("concat(") for piece in call.split("'")[1::2]]
    assert "".join(literals) == joined
    assert all(call.count("'") // 2 <= 100 for call in text.split("concat("))


@pytest.mark.parametrize(("number", "is_written"), [(2**31 - 1, True), (2**31, False)])
async def test_a_count_that_is_no_int_fails(engine: AsyncEngine, number: int, is_written: bool):
    json: JsonText = PostgresqlJson() if engine.dialect.name == "postgresql" else SqliteJson()
    counted = json.object_of([("n", json.count(literal_column(str(number), BigInteger)))])

    async with engine.connect() as tx:
        with nullcontext() if is_written else pytest.raises(DBAPIError):
            assert (await tx.execute(select(json.text(counted)))).scalar_one() == f'{{"n":{number}}}'
