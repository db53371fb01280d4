"""What is said of things: by the sources that have them, by people; and whose word goes first. One query."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Select,
    Text,
    cast,
    func,
    literal,
    null,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.refs import EntityKind
from connector.rules.golden.choosing import NO_PRECEDENCE, Precedence, Said, Statement, Teller
from connector.storage.database.bulk import among
from connector.storage.tables import field_conflict, field_override, precedence, source, source_ref
from connector.storage.tables.columns import Json

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Noted:
    """A conflict as it is noted. source, reason: whose value holds, and why."""

    id: int
    source: str | None
    reason: str
    statements: list[Any]


@dataclass(slots=True)
class Told:
    """What is said of one thing. by_ref: by every live reference to it. overrides: field -> values of its columns."""

    by_ref: dict[Teller, Said] = field(default_factory=dict)
    overrides: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    noted: dict[str, Noted] = field(default_factory=dict)

    def of(self, name: str) -> dict[Teller, Statement]:
        """What is said of a field."""
        return {teller: said[name] for teller, said in self.by_ref.items() if name in said}

    def contested(self) -> set[str]:
        """The fields of which different things are said."""
        if len(self.by_ref) < 2:
            return set()
        first: Said = {}
        statements = ((name, one) for said in self.by_ref.values() for name, one in said.items())
        return {name for name, one in statements if first.setdefault(name, one).values != one.values}


@dataclass(slots=True)
class Evidence:
    """What is said of things of one kind, by id. source: name of the one that was asked about."""

    precedence: Precedence = NO_PRECEDENCE
    source: str = ""
    things: dict[int, Told] = field(default_factory=dict)


async def gather(
    tx: AsyncConnection, kind: EntityKind, ids: Collection[int], *, source_id: int | None = None
) -> Evidence:
    """What is said of these things. source_id: a source whose name is wanted."""
    evidence = Evidence(things={row_id: Told() for row_id in ids})
    for part, row_id, name, teller, number, document, lapsed in await tx.execute(_asked(tx, kind, ids, source_id)):
        match part:
            case "source":
                evidence.source = name
            case "rules":
                evidence.precedence = Precedence(document, frozenset(lapsed))
            case "ref":
                evidence.things[row_id].by_ref[name, teller] = said_of(document)
            case "override":
                evidence.things[row_id].overrides[name] = tuple(document)
            case "conflict":
                reason, source_name = teller.split(":", 1)
                evidence.things[row_id].noted[name] = Noted(number, source_name or None, reason, document)
    return evidence


def said_of(document: Mapping[str, Any] | None) -> Said:
    """What a reference says, from what is kept of it."""
    return {name: Statement(tuple(values), said, version) for name, (values, said, version) in (document or {}).items()}


def kept(said: Said) -> dict[str, Any] | None:
    """What is kept of what a reference says."""
    return {name: [list(one.values), one.said, one.version] for name, one in sorted(said.items())} or None


def microseconds(at: datetime) -> int:
    """Since 1970."""
    return (at - _EPOCH) // _MICROSECOND


def instant(value: int) -> datetime:
    """The instant of so many microseconds since 1970."""
    return _EPOCH + value * _MICROSECOND


def _asked(
    tx: AsyncConnection, kind: EntityKind, ids: Collection[int], source_id: int | None
) -> CompoundSelect[*tuple[Any, ...]]:
    refs, overrides, conflicts = source_ref.c, field_override.c, field_conflict.c
    parts = [
        _part("ref", refs.entity_id, source.c.name, refs.external_id, document=refs.stated)
        .select_from(source_ref)
        .join(source, source.c.id == refs.source_id)
        .where(refs.kind == kind, among(tx, refs.entity_id, ids), refs.deleted_at.is_(None)),
        _part("override", overrides.entity_id, overrides.field, document=overrides.value).where(
            overrides.kind == kind, among(tx, overrides.entity_id, ids), overrides.released_at.is_(None)
        ),
        _part(
            "conflict", conflicts.entity_id, conflicts.field,
            type_coerce(conflicts.reason, Text) + ":" + func.coalesce(conflicts.source, ""),
            number=conflicts.id, document=conflicts.statements,
        ).where(conflicts.kind == kind, among(tx, conflicts.entity_id, ids)),
        _part("rules", literal(0), literal("precedence"), document=precedence.c.orders, lapsed=precedence.c.lapsed),
    ]  # fmt: skip
    if source_id is not None:
        parts.append(_part("source", source.c.id, source.c.name).where(source.c.id == source_id))
    return union_all(*parts)


def _part(
    part: str,
    row_id: ColumnElement[Any],
    name: ColumnElement[Any],
    teller: ColumnElement[Any] | None = None,
    *,
    number: ColumnElement[Any] | None = None,
    document: ColumnElement[Any] | None = None,
    lapsed: ColumnElement[Any] | None = None,
) -> Select[*tuple[Any, ...]]:
    optional = ((teller, Text()), (number, BigInteger()), (document, Json), (lapsed, Json))
    given = [cast(null(), type_) if column is None else column for column, type_ in optional]
    return select(literal(part), row_id, name, *given)
