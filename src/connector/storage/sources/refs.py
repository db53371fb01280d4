"""What sources call our things: the first step of telling whether a record is known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import BigInteger, Row, Text, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.refs import EntityKind
from connector.storage.database.bulk import among, insert_rows, new_ids, update_rows
from connector.storage.tables import source_ref

RefKey: TypeAlias = tuple[EntityKind, str]
"""Kind and external id: a reference inside one source."""

PAGE = 10_000
"""References that are read at a time when all of a source are looked at."""

AHEAD = timedelta(minutes=5)
"""By how much a source's clock may be ahead of the hub's before its time of a record is one from the future."""

INGEST_LOCK = 0x494E4753
"""Key of the advisory lock that makes the writing part of ingest one at a time on PostgreSQL."""


class Untouched(Enum):
    """That a column is left as it is."""

    UNTOUCHED = 0


UNTOUCHED = Untouched.UNTOUCHED


class KnownRef(NamedTuple):
    """A reference that the hub has seen. See the table for what each field means."""

    kind: EntityKind
    id: int
    entity_id: int | None
    version: datetime | None
    content_hash: bytes
    placement: str | None
    deleted_at: datetime | None
    heard_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RefState:
    """What is to be remembered of a reference. id: of its row, None when it is new.

    stated: what it says, by field, where that is kept and has changed; UNTOUCHED leaves it as it is.
    """

    id: int | None
    kind: EntityKind
    external_id: str
    entity_id: int | None
    version: datetime | None
    content_hash: bytes
    placement: str | None = None
    deleted_at: datetime | None = None
    stated: Mapping[str, Any] | Untouched | None = UNTOUCHED
    heard_at: datetime | None = None


def is_ahead(version: datetime | None, by: datetime) -> bool:
    """Whether a version that the hub had by some time was in the future by then."""
    return version is not None and version > by + AHEAD


async def lock_ingest(tx: AsyncConnection) -> None:
    """Wait until no other transaction writes what sources say, and keep others out until this one ends.

    Two sources may bring the same device at the same moment; each must see what the other made of it. SQLite has
    one writer anyway.
    """
    if tx.dialect.name == "postgresql":
        await tx.execute(select(func.pg_advisory_xact_lock(INGEST_LOCK)))


async def known_refs(tx: AsyncConnection, source_id: int, keys: Iterable[RefKey]) -> dict[RefKey, KnownRef]:
    """Those of the references that the hub has seen, deleted ones included; one query per kind."""
    by_kind: dict[EntityKind, list[str]] = defaultdict(list)
    for kind, external_id in keys:
        by_kind[kind].append(external_id)
    known: dict[RefKey, KnownRef] = {}
    c = source_ref.c
    for kind, external_ids in by_kind.items():
        statement = select(
            c.external_id, c.id, c.entity_id, c.version, c.content_hash, c.placement, c.deleted_at, c.heard_at
        ).where(c.source_id == source_id, c.kind == kind, among(tx, c.external_id, external_ids))
        for row in (await tx.execute(statement)).all():
            known[kind, row[0]] = KnownRef(kind, *row[1:])
    return known


async def said_before(
    tx: AsyncConnection, source_id: int, kind: EntityKind, external_ids: Collection[str]
) -> Sequence[Row[str, int, datetime | None, bytes, bool, bool]]:
    """Of references that are known: (external id, row id, version, content hash, whether its source deleted it, whether
    its version was in the future when it was heard).
    """
    c = source_ref.c
    statement = select(
        c.external_id, c.id, c.version, c.content_hash, c.deleted_at.is_not(None), c.heard_at.is_not(None)
    ).where(c.source_id == source_id, c.kind == kind, among(tx, c.external_id, external_ids))
    return (await tx.execute(statement)).all()


async def live_refs(
    tx: AsyncConnection, kind: EntityKind, entity_ids: Collection[int]
) -> dict[int, set[tuple[int, int]]]:
    """For each thing, the (source id, row id) of the references to it that no source has deleted."""
    found: dict[int, set[tuple[int, int]]] = defaultdict(set)
    if entity_ids:
        c = source_ref.c
        statement = select(c.entity_id, c.source_id, c.id).where(
            c.kind == kind, among(tx, c.entity_id, entity_ids), c.deleted_at.is_(None)
        )
        for entity_id, source_id, row_id in await tx.execute(statement):
            found[entity_id].add((source_id, row_id))
    return found


async def write_refs(tx: AsyncConnection, source_id: int, states: Iterable[RefState]) -> list[int]:
    """Remember references, new and known ones; returns the row ids of the new ones."""
    new: list[dict[str, Any]] = []
    known: list[dict[str, Any]] = []
    restated: list[dict[str, Any]] = []
    for state in states:
        values = {
            "id": state.id,
            "entity_id": state.entity_id,
            "version": state.version,
            "content_hash": state.content_hash,
            "placement": state.placement,
            "deleted_at": state.deleted_at,
            "heard_at": state.heard_at,
        }
        stated = {} if state.stated is UNTOUCHED else {"stated": state.stated}
        if state.id is None:
            named = {"source_id": source_id, "kind": state.kind, "external_id": state.external_id}
            new.append({**values, **named, "stated": None, **stated})
        else:
            (restated if stated else known).append({**values, **stated})
    ids = list(await new_ids(tx, source_ref, len(new)))
    await insert_rows(tx, source_ref, [{**row, "id": row_id} for row, row_id in zip(new, ids, strict=True)])
    for rows in (known, restated):
        await update_rows(tx, source_ref, sorted(rows, key=lambda row: int(row["id"])))
    return ids


async def delete_refs(
    tx: AsyncConnection, versions: Mapping[int, tuple[datetime | None, datetime | None]], *, at: datetime
) -> None:
    """Mark references, by row id, as deleted in their source, with the version that did it and when that was heard."""
    await update_rows(
        tx,
        source_ref,
        [
            {
                "id": row_id,
                "version": version,
                "content_hash": b"",
                "placement": None,
                "deleted_at": at,
                "heard_at": heard_at,
                "stated": None,
            }
            for row_id, (version, heard_at) in sorted(versions.items())
        ],
    )


async def newest_ref(tx: AsyncConnection) -> int:
    """Row id of the newest reference of any source, 0 when there is none."""
    return int((await tx.execute(select(func.coalesce(func.max(source_ref.c.id), 0)))).scalar_one())


async def live_ref_ids(
    tx: AsyncConnection, source_id: int, kinds: Collection[EntityKind], *, up_to: int
) -> AsyncIterator[Sequence[int]]:
    """Pages of row ids of what a source has and has not deleted, ascending.

    up_to: the newest row that is looked at; a reference that came later is not among them. The casts keep SQLite
    from its indexes on source and kind, through which it would sort everything again for each page.
    """
    c = source_ref.c
    its_own = cast(c.source_id, BigInteger) == source_id
    of_kinds = cast(c.kind, Text).in_([kind.value for kind in kinds])
    for after in range(0, up_to, PAGE):
        statement = (
            select(c.id)
            .where(c.id > after, c.id <= min(after + PAGE, up_to), its_own, of_kinds, c.deleted_at.is_(None))
            .order_by(c.id)
        )
        page = (await tx.execute(statement)).scalars().all()
        if page:
            yield page


async def count_live_refs(tx: AsyncConnection, source_id: int, kinds: Collection[EntityKind], *, up_to: int) -> int:
    """How many things of these kinds, of all where there are none, a source has. up_to: newest row that counts."""
    c = source_ref.c
    statement = select(func.count()).where(c.source_id == source_id, c.deleted_at.is_(None), c.id <= up_to)
    if kinds:
        statement = statement.where(c.kind.in_(list(kinds)))
    return int((await tx.execute(statement)).scalar_one())


async def things_of_refs(tx: AsyncConnection, ref_ids: Collection[int]) -> list[tuple[int, EntityKind, str, int]]:
    """(row id, kind, external id, thing) of references that lead to something."""
    c = source_ref.c
    statement = select(c.id, c.kind, c.external_id, c.entity_id).where(
        among(tx, c.id, ref_ids), c.entity_id.is_not(None)
    )
    return [(row[0], row[1], row[2], row[3]) for row in await tx.execute(statement)]


def entity_ids(known: Mapping[RefKey, KnownRef]) -> dict[RefKey, int]:
    """The things that references lead to, without those that a source deleted."""
    return {key: ref.entity_id for key, ref in known.items() if ref.entity_id is not None and ref.deleted_at is None}
