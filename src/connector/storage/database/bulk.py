"""Many rows in one go, whatever their number: looked up, numbered, inserted, updated.

PostgreSQL takes new rows as one JSON list. An array per column (`unnest`), as for what is updated, costs twice as much
to write down. SQLite takes one JSON list (`json_each`), or one prepared statement that the
driver repeats.
No statement has a parameter per row, so none meets a limit on parameters.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    ColumnElement,
    Dialect,
    Integer,
    Select,
    Table,
    Text,
    TypeDecorator,
    bindparam,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import Insert, ReturningInsert, Update
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import OperatorType

from connector.storage.database.binding import as_documents, run_each


def among(tx: AsyncConnection, column: ColumnElement[Any], values: Collection[Any]) -> ColumnElement[bool]:
    """The condition that a column has one of these texts or numbers."""
    if tx.dialect.name == "postgresql":
        return column == func.any(literal(list(values), ARRAY(column.type, dimensions=1)))
    each = func.json_each(orjson.dumps(list(values)).decode()).table_valued("value")
    return column.in_(select(each.c.value))


class _Values(TypeDecorator[list[Any]]):
    """A list of numbers or of texts as one parameter: an array on PostgreSQL, JSON on SQLite."""

    impl = Text
    cache_ok = True

    def __init__(self, *, are_texts: bool) -> None:
        super().__init__()
        self.are_texts = are_texts

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name != "postgresql":
            return dialect.type_descriptor(Text())
        return dialect.type_descriptor(ARRAY(Text() if self.are_texts else BigInteger()))

    def process_bind_param(self, value: list[Any] | None, dialect: Dialect) -> Any:
        return value if value is None or dialect.name == "postgresql" else orjson.dumps(value).decode()


class _AmongGiven(FunctionElement[bool]):
    """A column and a list of values. On SQLite it must not become `(...) = 1`, for which no index is used."""

    inherit_cache = True
    type = Boolean()

    def self_group(self, against: OperatorType | None = None) -> Any:  # noqa: ARG002
        """Itself: it is a comparison and needs no brackets."""
        return self


@compiles(_AmongGiven, "postgresql")
def _is_any(element: _AmongGiven, compiler: SQLCompiler, **kwargs: Any) -> str:
    column, values = (compiler.process(clause, **kwargs) for clause in element.clauses)
    return f"{column} = ANY({values})"


@compiles(_AmongGiven, "sqlite")
def _is_in(element: _AmongGiven, compiler: SQLCompiler, **kwargs: Any) -> str:
    column, values = (compiler.process(clause, **kwargs) for clause in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608 - of compiled clauses


def among_given(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """The condition that a column has one of the numbers or texts that are bound as a list under this name.

    For statements that are built once and serve both databases; `among` is for those built with their values.
    """
    return _AmongGiven(column, bindparam(name, type_=_Values(are_texts=not isinstance(column.type, Integer))))


async def new_ids(tx: AsyncConnection, table: Table, count: int) -> Sequence[int]:
    """Identifiers for rows that the caller is about to insert, ascending.

    On SQLite they are free because the caller's transaction is the only writer.
    """
    if count == 0:
        return ()
    if tx.dialect.name == "postgresql":
        numbers: Sequence[int] = (await tx.execute(_next_numbers(table), {"count": count})).scalars().all()
        return numbers
    first = (await tx.execute(select(func.coalesce(func.max(table.c.id), 0) + 1))).scalar_one()
    return range(first, first + count)


async def insert_rows(
    tx: AsyncConnection, table: Table, rows: Sequence[Mapping[str, Any]], *, skip_existing: bool = False
) -> None:
    """Insert rows that all state the same columns; defaults are not filled in for others.

    skip_existing: a row that a unique constraint refuses is left out instead of failing the statement.
    """
    if not rows:
        return
    names = tuple(rows[0])
    if tx.dialect.name == "postgresql":
        statement = _insert_json(table, names, skip_existing)
        await tx.execute(statement, {"rows": as_documents(tx.dialect, table, rows)})
    else:
        await run_each(tx, _insert_each(table, names, skip_existing), rows)


async def insert_numbered(tx: AsyncConnection, table: Table, rows: Sequence[Mapping[str, Any]]) -> Sequence[int]:
    """Insert rows that all state the same columns, all but `id`; returns the ids that they got, in their order.

    A column that is left out is NULL: defaults are not filled in.
    """
    if len(rows) == 1:
        return [(await tx.execute(_insert_one(table), dict(rows[0]))).scalar_one()]
    ids = await new_ids(tx, table, len(rows))
    await insert_rows(tx, table, [{**row, "id": number} for number, row in zip(ids, rows, strict=True)])
    return ids


async def update_rows(tx: AsyncConnection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Set columns of rows by their `id`; all state the same columns."""
    if not rows:
        return
    names = tuple(name for name in rows[0] if name != "id")
    if tx.dialect.name == "postgresql":
        await tx.execute(_update_arrays(table, names), _columns(rows, ("id", *names)))
    else:
        await run_each(
            tx, _update_each(table, names), [{f"new_{name}": row[name] for name in ("id", *names)} for row in rows]
        )


def _columns(rows: Sequence[Mapping[str, Any]], names: tuple[str, ...]) -> dict[str, list[Any]]:
    return {f"new_{name}": [row[name] for row in rows] for name in names}


@lru_cache(maxsize=256)
def _next_numbers(table: Table) -> Select[Any]:
    numbers = func.generate_series(1, bindparam("count", type_=Integer())).table_valued("n")
    return select(func.nextval(func.pg_get_serial_sequence(table.name, "id"))).select_from(numbers)


@lru_cache(maxsize=256)
def _insert_one(table: Table) -> ReturningInsert[Any]:
    return insert(table).returning(table.c.id)


@lru_cache(maxsize=256)
def _insert_each(table: Table, names: tuple[str, ...], skip_existing: bool) -> Insert:
    row = select(*(bindparam(name, type_=table.c[name].type) for name in names))
    statement = insert(table).from_select(list(names), row, include_defaults=False)
    return statement.prefix_with("OR IGNORE") if skip_existing else statement


@lru_cache(maxsize=256)
def _insert_json(table: Table, names: tuple[str, ...], skip_existing: bool) -> Insert:
    columns = [table.c[name]._copy() for name in names]
    given = func.json_to_recordset(bindparam("rows", type_=JSON())).table_valued(*columns, name="given")
    given = given.render_derived(with_types=True)
    statement = pg_insert(table).from_select(
        list(names), select(*(given.c[name] for name in names)), include_defaults=False
    )
    return statement.on_conflict_do_nothing() if skip_existing else statement


@lru_cache(maxsize=256)
def _update_arrays(table: Table, names: tuple[str, ...]) -> Update:
    given = _given(table, ("id", *names))
    return update(table).where(table.c.id == given.c.id).values({name: given.c[name] for name in names})


@lru_cache(maxsize=256)
def _update_each(table: Table, names: tuple[str, ...]) -> Update:
    return (
        update(table)
        .where(table.c.id == bindparam("new_id", type_=BigInteger()))
        .values({name: bindparam(f"new_{name}", type_=table.c[name].type) for name in names})
    )


def _given(table: Table, names: tuple[str, ...]) -> Any:
    """The rows of the call, as a table whose columns are its array parameters."""
    arrays = [bindparam(f"new_{name}", type_=ARRAY(table.c[name].type, dimensions=1)) for name in names]
    return func.unnest(*arrays).table_valued(*(table.c[name]._copy() for name in names), name="given").render_derived()
