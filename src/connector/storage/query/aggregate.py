"""Groups of rows and what their values come to, in one statement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Literal, TypeAlias
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, FromClause, Integer, Select, case, cast, func, literal, literal_column, select

from connector.storage.query.conditions import page_condition
from connector.storage.query.entities import ENTITIES
from connector.storage.query.layout import Decoder, decoder_of
from connector.storage.query.selection import Condition, Page
from connector.storage.query.sight import Sight

Truncation: TypeAlias = Literal["day", "week", "month", "quarter", "year"]
Function: TypeAlias = Literal["sum", "min", "max"]

_KNOWN_YEARS = (1990, 2060)
"""Between them changes of a zone's offset are looked up for SQLite; outside, the offset at the near end holds."""


@dataclass(frozen=True, slots=True)
class GroupKey:
    """What rows are grouped by. truncate: an instant counts as the beginning of its day, week (Monday) ... in the zone.

    zone: IANA name of a time zone.
    """

    column: str
    truncate: Truncation | None = None
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Aggregate:
    """What is made of a column's values; those that are missing do not count."""

    function: Function
    column: str


@dataclass(frozen=True, slots=True)
class AggregateRead:
    """Groups of an entity's rows, ordered by their keys with missing values last.

    size: groups at most, and one more that tells whether there are more; skip: groups to leave out before.
    """

    entity: str
    keys: tuple[GroupKey, ...]
    aggregates: tuple[Aggregate, ...]
    size: int
    skip: int = 0
    where: Condition | None = None
    include_retired: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """One group. keys, values: as the read names them; count: its rows."""

    keys: tuple[Any, ...]
    count: int
    values: tuple[Any, ...]


def grouped(read: AggregateRead, dialect: str, sight: Sight, size: int) -> Select[*tuple[Any, ...]]:
    """A row for each group: its keys `k0` ..., the number of its rows `n`, its aggregates `a0` ...; at most so many."""
    entity = ENTITIES[read.entity]
    page = Page(size=read.size, where=read.where, include_retired=read.include_retired)
    source = sight.rows_at(entity, 0)
    keys = [_key(key, entity.expression(key.column, source), dialect).label(f"k{n}") for n, key in enumerate(read.keys)]
    names = dict.fromkeys(item.column for item in read.aggregates)
    values = [entity.expression(name, source).label(f"v_{name}") for name in names]
    rows = (
        select(*keys, *values, literal_column("1").label("one"))
        .select_from(source)
        .where(page_condition(entity, source, page, sight))
        .subquery("rows")
    )
    groups = [rows.c[f"k{n}"] for n in range(len(read.keys))]
    results: list[ColumnElement[Any]] = [
        getattr(func, item.function)(rows.c[f"v_{item.column}"]).label(f"a{n}")
        for n, item in enumerate(read.aggregates)
    ]
    statement = select(*groups, func.count().label("n"), *results).select_from(rows)
    if groups:
        statement = statement.group_by(*groups)
    terms = [group.nulls_last() for group in groups]  # PostgreSQL has groups in this order already
    return statement.order_by(*terms).limit(literal_column(str(size))).offset(literal_column(str(read.skip)))


def groups_of(read: AggregateRead) -> Callable[[list[list[Any]]], list[Group]]:
    """What makes groups of an answer, which has for each its columns in order."""
    entity = ENTITIES[read.entity]
    kinds = [entity.expression(key.column, entity.table).type for key in read.keys]
    keys = [_moment(key) if key.truncate else decoder_of(kind) for key, kind in zip(read.keys, kinds, strict=True)]
    values = [
        int if item.function == "sum" else decoder_of(entity.expression(item.column, entity.table).type)
        for item in read.aggregates
    ]
    size = len(keys)

    def groups(answer: list[list[Any]]) -> list[Group]:
        return [Group(_decoded(row[:size], keys), row[size], _decoded(row[size + 1 :], values)) for row in answer]

    return groups


def _decoded(row: list[Any], decoders: list[Any]) -> tuple[Any, ...]:
    return tuple(
        [
            value if value is None or decode is None else decode(value)
            for value, decode in zip(row, decoders, strict=True)
        ]
    )


def _key(key: GroupKey, column: ColumnElement[Any], dialect: str) -> ColumnElement[Any]:
    if key.truncate is None:
        return column
    if dialect == "postgresql":
        return func.date_trunc(key.truncate, column, key.zone)
    local = func.datetime(func.substr(column, 1, 19), func.printf("%d seconds", _offset(key.zone, column)))
    match key.truncate:
        case "day":
            return func.date(local)
        case "week":
            return func.date(local, "weekday 0", "-6 days")
        case "month":
            return func.date(local, "start of month")
        case "quarter":
            months = (cast(func.strftime("%m", local), Integer) - 1) % 3
            return func.date(local, "start of month", func.printf("-%d months", months))
        case "year":
            return func.date(local, "start of year")


def _offset(zone: str, column: FromClause | ColumnElement[Any]) -> ColumnElement[int]:
    """Seconds that the zone's clocks are ahead of UTC at an instant of a column, which SQLite does not know."""
    first, changes = _changes(zone)
    if not changes:
        return literal(first)
    arms = [(column >= literal(at), seconds) for at, seconds in reversed(changes)]
    return case(*arms, else_=first)


@cache
def _changes(zone: str) -> tuple[int, tuple[tuple[datetime, int], ...]]:
    """The offset at the beginning of the known years, and each change of it until their end, in seconds."""
    place = ZoneInfo(zone)

    def offset(at: datetime) -> int:
        return round((at.astimezone(place).utcoffset() or timedelta()).total_seconds())

    at, end = datetime(_KNOWN_YEARS[0], 1, 1, tzinfo=UTC), datetime(_KNOWN_YEARS[1], 1, 1, tzinfo=UTC)
    first = current = offset(at)
    found: list[tuple[datetime, int]] = []
    while at < end:
        later = at + timedelta(days=7)
        if offset(later) != current:
            low, high = at, later
            while high - low > timedelta(seconds=1):
                middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
                low, high = (middle, high) if offset(middle) == current else (low, middle)
            current = offset(high)
            found.append((high, current))
        at = later
    return first, tuple(found)


def _moment(key: GroupKey) -> Decoder:
    """The beginning of a day, week ... as an instant: PostgreSQL writes it as such, SQLite the local day."""
    zone = ZoneInfo(key.zone)

    def moment(text: str) -> datetime:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)

    return moment
