"""Units of many shelves taken at once, by as many statements as of one.

The books are locked first, in the order of their ids and in one statement; whoever waits for one of them therefore
holds only lower ones. Units are passed over when somebody else has locked them. So two draws never wait for each
other in a circle, provided that a transaction draws once, or undoes a draw (by a savepoint) before the next one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple

import orjson
from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.frozen import but
from connector.model.kinds import Lane, Protection, Tracking
from connector.model.refs import EntityKind
from connector.rules.facts.protection import Kept
from connector.storage.database.changes import NewChange
from connector.storage.stock.units import ShelfKey, Taken, reserved_moves
from connector.storage.tables.columns import UtcDateTime

_GIVEN = {
    "postgresql": """
        WITH given AS (
            SELECT * FROM json_to_recordset(CAST(:given AS json))
            AS shelf (id bigint, hub_id bigint, product_id bigint, lane text, quantity int, revision text)
        )""",
    "sqlite": """
        WITH given AS (
            SELECT value ->> 'id' AS id, value ->> 'hub_id' AS hub_id, value ->> 'product_id' AS product_id,
                   value ->> 'lane' AS lane, value ->> 'quantity' AS quantity, value ->> 'revision' AS revision
            FROM json_each(:given)
        )""",
}
"""The shelves of the call as rows, from one parameter."""

_BOOKS = """
    SELECT stock.id, stock.hub_id, stock.product_id, stock.lane, stock.tracking, stock.reserved, stock.on_hand,
           coalesce(stock.safety_stock, 0), coalesce(stock.emergency_buffer, 0)
    FROM given CROSS JOIN stock
    WHERE stock.product_id = given.product_id AND stock.hub_id = given.hub_id AND stock.lane = given.lane
    ORDER BY stock.id"""

_UNITS = {
    "postgresql": """
        UPDATE asset SET state = 'reserved', updated_at = :at
        WHERE id = ANY (ARRAY(
            SELECT free.id FROM given CROSS JOIN LATERAL (
                SELECT asset.id FROM asset
                WHERE asset.hub_id = given.hub_id AND asset.product_id = given.product_id
                  AND asset.lane = given.lane AND asset.state = 'in_stock' AND asset.retired_at IS NULL{of_revision}
                ORDER BY asset.id LIMIT given.quantity FOR UPDATE SKIP LOCKED
            ) AS free
        ))
        RETURNING id, hub_id, product_id, lane, revision""",
    "sqlite": """
        UPDATE asset SET state = 'reserved', updated_at = :at
        WHERE id IN (
            SELECT id FROM (
                SELECT asset.id, given.quantity, row_number() OVER (
                    PARTITION BY asset.hub_id, asset.product_id, asset.lane, given.revision ORDER BY asset.id
                ) AS nth
                FROM given CROSS JOIN asset
                WHERE asset.hub_id = given.hub_id AND asset.product_id = given.product_id
                  AND asset.lane = given.lane AND asset.state = 'in_stock' AND asset.retired_at IS NULL{of_revision}
            ) WHERE nth <= quantity
        )
        RETURNING id, hub_id, product_id, lane, revision""",
}
_OF_REVISION = " AND asset.revision = given.revision"

_BOOKED = """
    UPDATE stock SET reserved = stock.reserved + given.quantity, updated_at = :at
    FROM given WHERE stock.id = given.id"""


class _Statements(NamedTuple):
    books: TextClause
    units: TextClause
    units_of_revision: TextClause
    booked: TextClause


def _statements(dialect: str, locking: str) -> _Statements:
    at, given = bindparam("at", type_=UtcDateTime()), _GIVEN[dialect]
    return _Statements(
        text(f"{given} {_BOOKS} {locking}"),
        text(f"{given} {_UNITS[dialect].format(of_revision='')}").bindparams(at),
        text(f"{given} {_UNITS[dialect].format(of_revision=_OF_REVISION)}").bindparams(at),
        text(f"{given} {_BOOKED}").bindparams(at),
    )


_FOR = {
    "postgresql": _statements("postgresql", "FOR NO KEY UPDATE OF stock"),
    "sqlite": _statements("sqlite", ""),
}


class Wanted(NamedTuple):
    """Units of one shelf for one purpose. releases: which of the units that are kept may be taken as well.

    revision: the one that they must have; None when any will do.
    """

    shelf: ShelfKey
    quantity: int
    releases: Collection[Protection] = ()
    revision: str | None = None


@dataclass(slots=True)
class _Book:
    """A locked stock row. left: free units that are not promised yet; units: taken, to be shared out.

    units: by the revision that was asked for, None for any; None for counted products, whose book is all there is.
    """

    stock_id: int
    reserved: int
    left: Kept
    units: dict[str | None, list[int]] | None
    promised: Counter[str | None] = field(default_factory=Counter)
    shared: int = 0

    def promise(self, quantity: int, releases: Collection[Protection], revision: str | None) -> bool:
        if quantity > self.left.usable(releases) or (revision is not None and self.units is None):
            return False
        self.left = but(self.left, free=self.left.free - quantity)
        self.promised[revision] += quantity
        return True

    def share(self, quantity: int, revision: str | None) -> Taken | None:
        units: tuple[int, ...] = ()
        if self.units is not None:
            there = self.units.get(revision, [])
            if quantity > len(there):
                return None
            units, self.units[revision] = tuple(there[:quantity]), there[quantity:]
        before, after = self.reserved + self.shared, self.reserved + self.shared + quantity
        self.shared += quantity
        booked = NewChange(EntityKind.STOCK, self.stock_id, "updated", {"reserved": (before, after)})
        return Taken(units, (*reserved_moves(units), booked))


async def draw_units(tx: AsyncConnection, wanted: Sequence[Wanted], at: datetime) -> list[Taken | None]:
    """Reserve units, for the first ones first where a shelf has too few for all; None for who gets nothing.

    Each gets all its units or none. When somebody gets nothing, units may have been taken for nobody: undo the draw.
    """
    statements = _FOR[tx.dialect.name]
    books = await _lock_books(tx, statements, {item.shelf for item in wanted})
    promised = [
        shelf in books and books[shelf].promise(quantity, releases, revision)
        for shelf, quantity, releases, revision in wanted
    ]
    await _take(tx, statements, books, at)
    shares = [
        books[shelf].share(quantity, revision) if is_promised else None
        for (shelf, quantity, _, revision), is_promised in zip(wanted, promised, strict=True)
    ]
    booked = [{"id": book.stock_id, "quantity": book.shared} for book in books.values() if book.shared]
    if booked:
        await tx.execute(statements.booked, {"given": _json(booked), "at": at})
    return shares


async def _lock_books(
    tx: AsyncConnection, statements: _Statements, shelves: Collection[ShelfKey]
) -> dict[ShelfKey, _Book]:
    given = [{"hub_id": hub, "product_id": product, "lane": lane} for hub, product, lane in shelves]
    books = {}
    for stock_id, hub_id, product_id, lane, tracking, reserved, on_hand, *kept in await tx.execute(
        statements.books, {"given": _json(given)}
    ):
        units: dict[str | None, list[int]] | None = None if tracking == Tracking.COUNTED.value else {}
        books[ShelfKey(hub_id, product_id, Lane(lane))] = _Book(
            stock_id, reserved, Kept(on_hand - reserved, *kept), units
        )
    return books


async def _take(tx: AsyncConnection, statements: _Statements, books: Mapping[ShelfKey, _Book], at: datetime) -> None:
    """Reserve as many units of the serialised shelves as were promised, the first by id, unless others hold them.

    Units of a revision that somebody needs are taken before those that may be of any.
    """
    given = [
        {**shelf._asdict(), "quantity": quantity, "revision": revision}
        for shelf, book in books.items()
        if book.units is not None
        for revision, quantity in book.promised.items()
    ]
    exact, others = [row for row in given if row["revision"] is not None], [row for row in given if not row["revision"]]
    for statement, rows in ((statements.units_of_revision, exact), (statements.units, others)):
        taken = (await tx.execute(statement, {"given": _json(rows), "at": at})).all() if rows else ()
        for asset_id, hub_id, product_id, lane, revision in sorted(taken, key=itemgetter(0)):
            units = books[ShelfKey(hub_id, product_id, Lane(lane))].units
            if units is not None:
                units.setdefault(revision if rows is exact else None, []).append(asset_id)


def _json(rows: Sequence[Mapping[str, Any]]) -> str:
    return orjson.dumps(rows).decode()
