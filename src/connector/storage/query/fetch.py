"""Runs reads, and makes rows of what they answer for those who deal with rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Select
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.storage.database.refusals import too_deep
from connector.storage.query.aggregate import AggregateRead
from connector.storage.query.keyset import encode_cursor
from connector.storage.query.layout import Branch, Decoder, Layout, layout_of
from connector.storage.query.rows import Connection, Edge, PageInfo, RelatedRows, Row
from connector.storage.query.selection import Page, Selection
from connector.storage.query.sight import EVERYTHING, Sight
from connector.storage.query.statement import (
    PageRead,
    Read,
    RowsRead,
    ValueRead,
    WrittenGroups,
    WrittenPage,
    WrittenRow,
    statement_of,
)


async def fetch(tx: AsyncConnection, reads: Sequence[Read], sight: Sight = EVERYTHING) -> list[Any]:
    """The answers of all reads, by one statement.

    For a page its rows, one more than the page when there are more, and the number of all; None for what is not
    wanted. For rows by ids these rows. For a value the value.
    """
    asked = asked_of(reads)
    row = await answer_to(tx, statement_of(asked, tx.dialect.name, sight)) if asked else ()
    return answers_of(reads, row)


async def answer_to(
    tx: AsyncConnection, statement: Select[*tuple[Any, ...]], values: Mapping[str, Any] | None = None
) -> Sequence[Any]:
    """The one row of a statement. values: of its parameters. Raises TooDeep when the database cannot read it."""
    try:
        return (await tx.execute(statement, values)).one()
    except OperationalError as error:
        if "parser stack overflow" not in str(error.orig):
            raise
        raise too_deep() from error


def asked_of(reads: Sequence[Read]) -> Sequence[Read]:
    """Those of which something is asked: a page may be of no rows and no count."""
    return [read for read in reads if not isinstance(read, PageRead) or read.page.rows or read.page.counts]


def answers_of(reads: Sequence[Read], row: Iterable[Any]) -> list[Any]:
    """What the row of the statement for those that are asked holds, for each."""
    columns = iter(row)
    return [_answer(read, columns) for read in reads]


async def fetch_page(tx: AsyncConnection, selection: Selection, page: Page, sight: Sight = EVERYTHING) -> Connection:
    """One page of an entity's rows, with everything that the selection asks for."""
    ((rows, total),) = await fetch(tx, [PageRead(selection, page)], sight)
    layout = layout_of(selection, page)
    return _connection(page, layout, _Maker(tx.dialect.name).rows(layout, rows or []), total)


async def fetch_rows(
    tx: AsyncConnection, selection: Selection, ids: Collection[int], sight: Sight = EVERYTHING
) -> dict[int, Row]:
    """The rows with these ids, retired ones too; ids of what does not exist, or is out of sight, are left out."""
    if not ids:
        return {}
    (rows,) = await fetch(tx, [RowsRead(selection, tuple(sorted(ids)))], sight)
    return {row.id: row for row in _Maker(tx.dialect.name).rows(layout_of(selection), rows)}


def _answer(read: Read, columns: Iterator[Any]) -> Any:
    match read:
        case PageRead(page=page):
            rows = orjson.loads(next(columns)) if page.rows else None
            return rows, next(columns) if page.counts else None
        case RowsRead() | AggregateRead():
            return orjson.loads(next(columns))
        case ValueRead() | WrittenPage() | WrittenRow() | WrittenGroups():
            return next(columns)


def place_key(dialect: str) -> Callable[[int], Any]:
    """How a place in a row is looked up in the JSON that a database writes."""
    return str if dialect == "postgresql" else int


class _Maker:
    """Makes rows out of an answer."""

    def __init__(self, dialect: str) -> None:
        self._key = place_key(dialect)

    def rows(self, layout: Layout, answer: Sequence[Any]) -> list[Row]:
        columns = [
            (name, self._key(place), decode)
            for place, (name, decode) in enumerate(zip(layout.names, layout.decoders, strict=True))
        ]
        found: list[Row] = []
        for given in answer:
            row = Row(layout.entity.name, {name: _value(given[key], decode) for name, key, decode in columns})
            for branch in layout.branches:
                row.related[branch.child.key] = self._related(branch, given)
            found.append(row)
        return found

    def _related(self, branch: Branch, given: Any) -> RelatedRows:
        page = branch.child.page
        answer = None if branch.rows is None else given[self._key(branch.rows)]
        if branch.is_single:
            return None if answer is None else self.rows(branch.layout, [answer])[0]
        rows = self.rows(branch.layout, answer or [])
        if page is None:
            return rows
        total = None if branch.total is None else given[self._key(branch.total)]
        return _connection(page, branch.layout, rows, total)


def _value(value: Any, decode: Decoder | None) -> Any:
    return value if value is None or decode is None else decode(value)


def _connection(page: Page, layout: Layout, rows: Sequence[Row], total: int | None) -> Connection:
    """Rows as they were read, one more than the page when there are more, become a page in reading order."""
    more = len(rows) > page.size
    shown = list(rows[: page.size])
    if page.backward:
        shown.reverse()
    entity, order = layout.entity, layout.order
    edges = tuple(Edge(row, encode_cursor(entity, order, [row.values[key.column] for key in order])) for row in shown)
    return Connection(
        edges=edges,
        page_info=PageInfo(
            has_next_page=page.before is not None if page.backward else more,
            has_previous_page=more if page.backward else page.after is not None,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
        total_count=total,
    )
