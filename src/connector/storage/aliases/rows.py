"""Rows of aliases, and what is told of one that was added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import IllegalTransition
from connector.model.kinds import AliasKind, AliasOrigin
from connector.model.refs import EntityKind
from connector.storage.aliases.moving import Double
from connector.storage.database.rows import insert_logged
from connector.storage.tables import name_alias


@dataclass(frozen=True, slots=True)
class NewAlias:
    """An alias that somebody wants. name: the other name, as systems write it.

    manufacturer: of a model, its maker as systems write it beside the name; of a manufacturer, what the name stands
    for. product_id, or site_id or hub_id: what the name of a model or a site stands for. source_id: the one source
    whose sites are called so; None for all.
    """

    kind: AliasKind
    name: str
    manufacturer: str | None = None
    product_id: int | None = None
    site_id: int | None = None
    hub_id: int | None = None
    source_id: int | None = None
    origin: AliasOrigin = AliasOrigin.PERSON
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Added:
    """An alias that is there now. is_new: False when it was there already.

    doubles: what is called by the name itself, with what hung on it. moved: how many things name the other now, by
    word. linked: tickets that waited for the name. renamed: products that are under another manufacturer now.
    """

    id: int
    is_new: bool = True
    doubles: Sequence[Double] = ()
    moved: dict[str, int] = field(default_factory=dict)
    linked: int = 0
    renamed: int = 0


def refuse_other(is_other: bool, new: NewAlias, stands_for: str) -> None:
    """Refuse a name that stands for something else. Raises IllegalTransition."""
    if is_other:
        raise IllegalTransition(
            f"{new.name!r} stands for {stands_for} already", hint="Remove that alias first; it is in the list."
        )


async def insert_alias(
    tx: AsyncConnection, new: NewAlias, key: str, *, by: str, at: datetime, **stands_for: int | str | None
) -> int:
    """Keep an alias, logged; its id."""
    values: dict[str, Any] = {
        "kind": new.kind,
        "name": new.name.strip(),
        "alias_key": key,
        "origin": new.origin,
        "reason": new.reason,
        "created_by": by,
        **stands_for,
    }
    return await insert_logged(tx, name_alias, EntityKind.NAME_ALIAS, values, actor=by, cause=new.reason, at=at)


async def alias_of(tx: AsyncConnection, kind: AliasKind, key: str, within: Any) -> dict[str, Any] | None:
    """The alias of this key within something, None when there is none."""
    c = name_alias.c
    row = (await tx.execute(select(name_alias).where(c.kind == kind, c.alias_key == key, within))).mappings()
    found = row.one_or_none()
    return None if found is None else dict(found)
