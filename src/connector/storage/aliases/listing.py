"""Aliases and suggestions as lists and files have them: what each stands for by its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.kinds import AliasKind, AliasOrigin, SuggestionState
from connector.storage.tables import alias_suggestion, hub, name_alias, product, site, source


@dataclass(frozen=True, slots=True)
class StandsFor:
    """What a name stands for. word: manufacturer, model, site or hub. manufacturer: of a product."""

    word: str
    name: str
    manufacturer: str | None = None


@dataclass(frozen=True, slots=True)
class ListedAlias:
    """An alias. manufacturer: of a model, within which it holds. source: name of the one whose places it names."""

    id: int
    kind: AliasKind
    name: str
    manufacturer: str | None
    stands_for: StandsFor
    source: str | None
    origin: AliasOrigin
    reason: str | None
    created_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ListedSuggestion:
    """A suggestion. score: 0 to 100. evidence: for people."""

    id: int
    kind: AliasKind
    name: str
    stands_for: StandsFor
    score: int
    evidence: str
    state: SuggestionState
    decided_by: str | None


async def list_aliases(
    tx: AsyncConnection, *, kind: AliasKind | None = None, after: int = 0, limit: int
) -> list[ListedAlias]:
    """A page of aliases in the order in which they were added; the id of its last one is `after` of the next page."""
    statement = _named(name_alias).where(name_alias.c.id > after).order_by(name_alias.c.id).limit(limit)
    if kind is not None:
        statement = statement.where(name_alias.c.kind == kind)
    unique = await _unique_codes(tx)
    return [
        ListedAlias(
            id=row["id"],
            kind=row["kind"],
            name=row["name"],
            manufacturer=row["manufacturer_key"] if row["kind"] is AliasKind.MODEL else None,
            stands_for=_stands_for(row, unique),
            source=row["source_name"],
            origin=row["origin"],
            reason=row["reason"],
            created_by=row["created_by"],
            created_at=row["created_at"],
        )
        for row in (await tx.execute(statement)).mappings()
    ]


async def list_suggestions(
    tx: AsyncConnection, states: Sequence[SuggestionState], *, limit: int
) -> list[ListedSuggestion]:
    """Suggestions in these states, the likeliest first."""
    c = alias_suggestion.c
    statement = _named(alias_suggestion).where(c.state.in_(states)).order_by(c.score.desc(), c.id).limit(limit)
    return [
        ListedSuggestion(
            id=row["id"],
            kind=row["kind"],
            name=row["name"],
            stands_for=_stands_for(row, frozenset()),
            score=row["score"],
            evidence=row["evidence"],
            state=row["state"],
            decided_by=row["decided_by"],
        )
        for row in (await tx.execute(statement)).mappings()
    ]


def _named(table: Any) -> Select[Any]:
    c = table.c
    return (
        select(
            table,
            product.c.manufacturer.label("maker"),
            product.c.model,
            site.c.name.label("site_name"),
            site.c.code.label("site_code"),
            hub.c.name.label("hub_name"),
            hub.c.code.label("hub_code"),
            source.c.name.label("source_name"),
        )
        .outerjoin(product, product.c.id == c.product_id)
        .outerjoin(site, site.c.id == c.site_id)
        .outerjoin(hub, hub.c.id == c.hub_id)
        .outerjoin(source, source.c.id == c.source_id)
    )


async def _unique_codes(tx: AsyncConnection) -> frozenset[str]:
    """Codes that one site has."""
    c = site.c
    statement = select(c.code).where(c.code.is_not(None)).group_by(c.code).having(func.count() == 1)
    return frozenset((await tx.execute(statement)).scalars())


def _stands_for(row: Any, unique: frozenset[str]) -> StandsFor:
    if row["product_id"] is not None:
        return StandsFor("model", row["model"], row["maker"])
    if row["hub_id"] is not None:
        return StandsFor("hub", row["hub_code"] or row["hub_name"])
    if row["site_id"] is not None:
        return StandsFor("site", row["site_code"] if row["site_code"] in unique else row["site_name"])
    return StandsFor("manufacturer", row["manufacturer_key"])
