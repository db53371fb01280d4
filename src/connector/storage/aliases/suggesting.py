"""Suggestions of aliases: found among names that came new, kept until a person says yes or no.

Everything is bounded: so many new names of each kind are looked at, and so many suggestions are open. What was
rejected is never suggested again, whichever of the two names came first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, case, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import IllegalTransition
from connector.model.geo import Point
from connector.model.kinds import AliasKind, AliasOrigin, SuggestionState
from connector.model.lifecycle import TICKET_OPEN
from connector.model.naming import fold
from connector.model.refs import EntityKind
from connector.storage.aliases.kept import add_alias
from connector.storage.aliases.rows import Added, NewAlias
from connector.storage.database.bulk import among
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.engine import Database, reading, transaction
from connector.storage.database.rows import insert_all_logged, locked_row, update_logged
from connector.storage.sources.refs import lock_ingest
from connector.storage.tables import alias_suggestion, asset, hub, name_alias, product, site, source_ref, ticket

if TYPE_CHECKING:
    from connector.rules.naming.near import Model, NearMakers, NearModels, NearPlaces, Place

MOST_NEW: Final = 500
"""New names of a kind that are looked at in one go, the newest first."""
MOST_OPEN: Final = 1_000
"""Suggestions that wait for a person; no more are made beyond these."""
MOST_NAMES: Final = 100_000
"""Names of a kind that new ones are compared with."""


@dataclass(frozen=True, slots=True)
class Found:
    """What looking for suggestions came to. made: new ones; dropped: open ones that are of no use any more."""

    made: int
    dropped: int


async def suggest_aliases(database: Database, *, by: str, at: datetime) -> Found:
    """Look for names that may be of one thing, and keep what is found for a person.

    Nobody waits while names are compared: that is done between a reading and a short writing transaction.
    """
    from connector.rules.naming import near  # 30 ms that no start of a hub waits for

    async with reading(database) as tx:
        models, new_models, written = await _models(tx)
        places, new_places = await _places(tx)
        makers = await _makers(tx)

    def look() -> list[dict[str, Any]]:
        rows = [_of_models(pair, written[pair.double.id]) for pair in near.near_models(models, new=new_models)]
        rows += [_of_makers(pair) for pair in near.near_makers(makers)]
        rows += [_of_places(pair) for pair in near.near_places(new_places, places)]
        return sorted(rows, key=lambda row: -int(row["score"]))

    rows = await asyncio.to_thread(look)
    async with transaction(database) as tx:
        await lock_ingest(tx)
        dropped = await _drop_settled(tx, by=by, at=at)
        return Found(await _keep(tx, rows, by=by, at=at), dropped)


async def accept_suggestion(
    tx: AsyncConnection, suggestion_id: int, *, move_references: bool, by: str, reason: str | None, at: datetime
) -> Added:
    """Make a suggestion's alias. Raises NotKnown, IllegalTransition where it was answered, and as `add_alias`."""
    row = await _open(tx, suggestion_id)
    new = NewAlias(
        kind=row["kind"],
        name=row["name"],
        manufacturer=row["manufacturer_key"],
        product_id=row["product_id"],
        site_id=row["site_id"],
        hub_id=row["hub_id"],
        source_id=row["source_id"],
        origin=AliasOrigin.SUGGESTION,
        reason=reason or row["evidence"],
    )
    added = await add_alias(tx, new, move_references=move_references, by=by, at=at)
    await _answer(tx, suggestion_id, SuggestionState.ACCEPTED, by=by, reason=reason, at=at)
    return added


async def reject_suggestion(
    tx: AsyncConnection, suggestion_id: int, *, by: str, reason: str | None, at: datetime
) -> None:
    """Say that two names are of two things; it is not suggested again. Raises NotKnown, and IllegalTransition."""
    await _open(tx, suggestion_id)
    await _answer(tx, suggestion_id, SuggestionState.REJECTED, by=by, reason=reason, at=at)


async def _open(tx: AsyncConnection, suggestion_id: int) -> dict[str, Any]:
    row = await locked_row(tx, alias_suggestion, EntityKind.ALIAS_SUGGESTION, suggestion_id)
    if row["state"] is not SuggestionState.OPEN:
        raise IllegalTransition(f"suggestion {suggestion_id} was {row['state'].value} by {row['decided_by']} already")
    return row


async def _answer(
    tx: AsyncConnection, suggestion_id: int, state: SuggestionState, *, by: str, reason: str | None, at: datetime
) -> None:
    values = {"state": state, "decided_by": by, "decided_at": at, "reason": reason}
    await update_logged(
        tx, alias_suggestion, EntityKind.ALIAS_SUGGESTION, suggestion_id, values, actor=by, cause=reason, at=at
    )


async def _drop_settled(tx: AsyncConnection, *, by: str, at: datetime) -> int:
    """Take open suggestions back whose name has an alias by now, or whose things are gone."""
    s, a = alias_suggestion.c, name_alias.c
    has_alias = select(a.id).where(a.kind == s.kind, a.alias_key == s.alias_key, _within(a) == _within(s)).exists()
    things = (
        (product, s.product_id),
        (product, s.double_product_id),
        (site, s.site_id),
        (site, s.double_site_id),
        (hub, s.hub_id),
    )
    gone = [
        select(table.c.id).where(table.c.id == column, table.c.retired_at.is_not(None)).exists()
        for table, column in things
    ]
    settled = select(s.id).where(s.state == SuggestionState.OPEN, or_(has_alias, *gone))
    ids = list((await tx.execute(settled.order_by(s.id))).scalars())
    if ids:
        await tx.execute(delete(alias_suggestion).where(among(tx, s.id, ids)))
        state = {"state": (SuggestionState.OPEN.value, None)}
        changes = [NewChange(EntityKind.ALIAS_SUGGESTION, number, "deleted", state) for number in ids]
        await log_changes(tx, changes, actor=by, cause="settled otherwise", at=at)
    return len(ids)


async def _keep(tx: AsyncConnection, rows: Sequence[dict[str, Any]], *, by: str, at: datetime) -> int:
    """Keep those that were never made before, as many as there is room for."""
    s = alias_suggestion.c
    waiting = select(func.count()).select_from(alias_suggestion).where(s.state == SuggestionState.OPEN)
    room = MOST_OPEN - int((await tx.execute(waiting)).scalar_one())
    there = set((await tx.execute(select(s.pair).where(among(tx, s.pair, {row["pair"] for row in rows})))).scalars())
    a = name_alias.c
    of_these = among(tx, a.alias_key, {row["alias_key"] for row in rows})
    aliases = {tuple(row) for row in await tx.execute(select(a.kind, a.alias_key, _within(a)).where(of_these))}
    new = {
        row["pair"]: row
        for row in rows
        if row["pair"] not in there
        and (row["kind"], row["alias_key"], row["manufacturer_key"] if row["kind"] is AliasKind.MODEL else "")
        not in aliases
    }
    wanted = list(new.values())[: max(room, 0)]
    values = [{**_EMPTY, **row} for row in wanted]
    await insert_all_logged(
        tx, alias_suggestion, EntityKind.ALIAS_SUGGESTION, values, actor=by, cause="names that are near", at=at
    )
    return len(wanted)


def _within(columns: Any) -> ColumnElement[str]:
    """The manufacturer within which an alias of a model holds."""
    return case((columns.kind == AliasKind.MODEL, columns.manufacturer_key), else_="")


_EMPTY: Final[dict[str, Any]] = {
    "state": SuggestionState.OPEN,
    **dict.fromkeys(
        ("manufacturer_key", "product_id", "site_id", "hub_id", "source_id", "double_product_id", "double_site_id")
    ),
}


def _of_models(pair: NearModels, written: str) -> dict[str, Any]:
    first, second = sorted((pair.double.id, pair.stays.id))
    return {
        "pair": f"model:{first}-{second}",
        "kind": AliasKind.MODEL,
        "score": pair.near.score,
        "evidence": pair.near.why,
        "name": written,
        "alias_key": pair.double.key,
        "manufacturer_key": pair.double.manufacturer,
        "product_id": pair.stays.id,
        "double_product_id": pair.double.id,
    }


def _of_makers(pair: NearMakers) -> dict[str, Any]:
    first, second = sorted((pair.double, pair.stays))
    return {
        "pair": f"manufacturer:{first}/{second}",
        "kind": AliasKind.MANUFACTURER,
        "score": pair.near.score,
        "evidence": pair.near.why,
        "name": pair.double,
        "alias_key": pair.double,
        "manufacturer_key": pair.stays,
    }


def _of_places(pair: NearPlaces) -> dict[str, Any]:
    stays, double = pair.stays, pair.double
    if isinstance(double, str):
        name, named = double, f"name:{fold(double)}/{stays.kind}:{stays.id}"
    else:
        named = "-".join(sorted((f"{double.kind}:{double.id}", f"{stays.kind}:{stays.id}")))
        name = double.name
    return {
        "pair": named,
        "kind": AliasKind.SITE,
        "score": pair.near.score,
        "evidence": pair.near.why,
        "name": name,
        "alias_key": fold(name),
        "site_id" if stays.kind == EntityKind.SITE else "hub_id": stays.id,
        "double_site_id": None if isinstance(double, str) else double.id,
    }


async def _models(tx: AsyncConnection) -> tuple[list[Model], list[int], dict[int, str]]:
    """Products, those of them that no source lists, the newest first, and how each is written."""
    from connector.rules.naming.near import Model

    p, ref = product.c, source_ref.c
    listed = (
        select(ref.id).where(ref.kind == EntityKind.PRODUCT, ref.entity_id == p.id, ref.deleted_at.is_(None)).exists()
    )
    units = select(func.count()).where(asset.c.product_id == p.id).scalar_subquery()
    statement = (
        select(p.id, p.manufacturer_key, p.model_key, p.part_number, ~listed, units, p.model)
        .where(p.retired_at.is_(None))
        .order_by(p.id.desc())
        .limit(MOST_NAMES)
    )
    models: list[Model] = []
    written: dict[int, str] = {}
    for number, maker, key, part, is_loose, count, name in await tx.execute(statement):
        models.append(Model(number, maker, key, part, is_loose=bool(is_loose), units=count))
        written[number] = name
    return models, [model.id for model in models if model.is_loose][:MOST_NEW], written


async def _makers(tx: AsyncConnection) -> dict[str, int]:
    c = product.c
    statement = select(c.manufacturer_key, func.count()).where(c.retired_at.is_(None)).group_by(c.manufacturer_key)
    return {row[0]: row[1] for row in await tx.execute(statement.order_by(c.manufacturer_key).limit(MOST_NAMES))}


async def _places(tx: AsyncConnection) -> tuple[list[Place], list[Place | str]]:
    """Places, and what may be one of them: sites without a point, the newest sites, and names that tickets write."""
    from connector.rules.naming.near import Place

    places: list[Place] = []
    for kind, table in ((EntityKind.HUB, hub), (EntityKind.SITE, site)):
        c = table.c
        statement = select(c.id, c.name, c.code, c.country, c.latitude, c.longitude).where(c.retired_at.is_(None))
        for row in await tx.execute(statement.order_by(c.id.desc()).limit(MOST_NAMES)):
            point = None if row.latitude is None or row.longitude is None else Point(row.latitude, row.longitude)
            places.append(Place(kind, row.id, row.name, row.code, row.country, point))
    sites = [place for place in places if place.kind == EntityKind.SITE]
    new = [place for place in sites if place.point is None][:MOST_NEW]
    new += [place for place in sites[:MOST_NEW] if place.point is not None]
    t = ticket.c
    hints = (
        select(t.site_hint)
        .where(t.site_id.is_(None), t.site_hint.is_not(None), t.state.in_(TICKET_OPEN))
        .group_by(t.site_hint)
        .order_by(func.max(t.id).desc())
        .limit(MOST_NEW)
    )
    return places, [*new, *(row.site_hint for row in await tx.execute(hints) if fold(row.site_hint))]
