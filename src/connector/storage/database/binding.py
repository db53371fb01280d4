"""Values of many rows as a database takes them, column by column: what is the same in many rows is made once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from sqlalchemy import JSON, Dialect, LargeBinary, Table
from sqlalchemy.exc import StatementError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import Insert, Update
from sqlalchemy.types import TypeEngine

_Bind: TypeAlias = Callable[[list[Any]], Sequence[Any]]
"""What makes a column's values of those that rows have."""


async def run_each(tx: AsyncConnection, statement: Insert | Update, rows: Sequence[Mapping[str, Any]]) -> None:
    """Run a statement of its own for each row, which the driver repeats; for SQLite. All rows state the same names.

    statement: one of few, since it is compiled once and kept.
    """
    sql, binds = _repeated(statement, tx.dialect, tuple(rows[0]))
    await tx.exec_driver_sql(sql, [*zip(*_columns(sql, binds, rows), strict=True)])


def as_documents(dialect: Dialect, table: Table, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows with their values as JSON has them and PostgreSQL reads them; what is JSON already stays as it is."""
    binds = _document(table, dialect, tuple(rows[0]))
    names = [name for name, _ in binds]
    columns = _columns(f"rows of {table.name}", binds, rows)
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _columns(
    what: str, binds: Sequence[tuple[str, _Bind | None]], rows: Sequence[Mapping[str, Any]]
) -> list[Sequence[Any]]:
    """Raises StatementError for a value that its column cannot have."""
    try:
        given = ((bind, [row[name] for row in rows]) for name, bind in binds)
        return [values if bind is None else bind(values) for bind, values in given]
    except (TypeError, ValueError) as error:
        raise StatementError(str(error), what, None, error) from error


@lru_cache(maxsize=256)
def _repeated(
    statement: Insert | Update, dialect: Dialect, names: tuple[str, ...]
) -> tuple[str, Sequence[tuple[str, _Bind | None]]]:
    compiled = statement.compile(dialect=dialect, column_keys=list(names))
    assert isinstance(compiled, SQLCompiler)  # noqa: S101 - what every statement is compiled by
    return str(compiled), [(name, _bind(compiled.binds[name].type, dialect)) for name in compiled.positiontup or ()]


@lru_cache(maxsize=256)
def _document(table: Table, dialect: Dialect, names: tuple[str, ...]) -> Sequence[tuple[str, _Bind | None]]:
    types = {name: table.c[name].type for name in names}
    return [
        (name, _hexadecimal if isinstance(t, LargeBinary) else None if isinstance(t, JSON) else _bind(t, dialect))
        for name, t in types.items()
    ]


def _bind(of_type: TypeEngine[Any], dialect: Dialect) -> _Bind | None:
    each = of_type.dialect_impl(dialect).bind_processor(dialect)
    if each is None:
        return None
    if isinstance(of_type, JSON):
        return lambda values: [*map(each, values)]
    return lambda values: _once_for_each(each, values)


def _once_for_each(bind: Callable[[Any], Any], values: list[Any]) -> Sequence[Any]:
    bound = {value: bind(value) for value in set(values)}
    return [bound[value] for value in values]


def _hexadecimal(values: list[Any]) -> Sequence[Any]:
    return [value if value is None else f"\\x{value.hex()}" for value in values]
