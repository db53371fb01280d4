"""Aliases of places: another name or code of a site or a hub, of one source or of all."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import InvalidInput, NotKnown
from connector.model.kinds import AliasKind
from connector.model.naming import fold
from connector.model.refs import EntityKind
from connector.storage.aliases.moving import Double, hanging_on
from connector.storage.aliases.rows import Added, NewAlias, alias_of, insert_alias, refuse_other
from connector.storage.aliases.waiting import link_waiting_to_site
from connector.storage.tables import hub, name_alias, site, source


async def add_site(tx: AsyncConnection, new: NewAlias, *, by: str, at: datetime) -> Added:
    """See `connector.storage.aliases.kept.add_alias`."""
    key = fold(new.name)
    table, place_id = (site, new.site_id) if new.site_id is not None else (hub, new.hub_id)
    place = (await tx.execute(select(table.c.name, table.c.code).where(table.c.id == place_id))).one_or_none()
    if place is None:
        raise NotKnown(f"there is no {table.name} with id {place_id}")
    if new.source_id is not None:
        there = select(source.c.id).where(source.c.id == new.source_id)
        if (await tx.execute(there)).scalar_one_or_none() is None:
            raise NotKnown(f"there is no source with id {new.source_id}")
    same_source = name_alias.c.source_id.is_(None) if new.source_id is None else name_alias.c.source_id == new.source_id
    known = await alias_of(tx, AliasKind.SITE, key, same_source)
    if known is not None and (known["site_id"], known["hub_id"]) == (new.site_id, new.hub_id):
        return Added(known["id"], is_new=False)
    stands_for = f"site {known['site_id']}" if known and known["site_id"] else f"hub {known['hub_id']}" if known else ""
    refuse_other(known is not None, new, stands_for)
    if key in (fold(place.name), fold(place.code or "")):
        raise InvalidInput(f"{new.name!r} is what {table.name} {place_id} is called already")
    own_name = [
        row
        for row in await _site_aliases(tx, {fold(text) for text in (place.name, place.code) if text})
        if row["source_id"] in (None, new.source_id) and (row["site_id"], row["hub_id"]) != (new.site_id, new.hub_id)
    ]
    if own_name:
        other = own_name[0]
        leads_to = f"site {other['site_id']}" if other["site_id"] else f"hub {other['hub_id']}"
        raise InvalidInput(
            f"{other['name']!r}, as {table.name} {place_id} is called, is itself an alias, of {leads_to}: an alias of "
            "an alias is none",
            hint=f"Add {new.name!r} for {leads_to}.",
        )
    called_so = [row for row in await _called(tx, site, key) if row["id"] != new.site_id]
    for row in called_so:
        statement = select(name_alias.c.name).where(name_alias.c.site_id == row["id"])
        leading = sorted((await tx.execute(statement)).scalars())
        if leading:
            raise InvalidInput(
                f"site {row['name']!r} (id {row['id']}) is what {', '.join(map(repr, leading))} stand for: an alias of "
                "an alias is none",
                hint="Remove these and add them for the other.",
            )
    hubs = [row for row in await _called(tx, hub, key) if row["id"] != new.hub_id]
    if hubs:
        raise InvalidInput(
            f"{new.name!r} is what hub {hubs[0]['id']} is called, and what a hub holds is not another's",
            hint="Rename that hub, or retire it, first.",
        )
    alias_id = await insert_alias(
        tx, new, key, by=by, at=at, site_id=new.site_id, hub_id=new.hub_id, source_id=new.source_id
    )
    doubles = [
        Double(EntityKind.SITE, row["id"], row["name"], await hanging_on(tx, EntityKind.SITE, row["id"]))
        for row in called_so
    ]
    linked = 0
    if new.site_id is not None:
        cause = f"alias {alias_id}: {new.name} is {place.name}"
        linked = await link_waiting_to_site(tx, key, new.source_id, new.site_id, actor=by, cause=cause, at=at)
    return Added(alias_id, doubles=doubles, linked=linked)


async def _site_aliases(tx: AsyncConnection, keys: set[str]) -> list[dict[str, Any]]:
    c = name_alias.c
    statement = select(name_alias).where(c.kind == AliasKind.SITE, c.alias_key.in_(keys)).order_by(c.id)
    return [dict(row) for row in (await tx.execute(statement)).mappings()]


async def _called(tx: AsyncConnection, table: Table, key: str) -> list[dict[str, Any]]:
    """Places whose name or code is this one when it is folded, which databases cannot do: names are looked through."""
    c = table.c
    statement = select(c.id, c.name, c.code).where(c.retired_at.is_(None)).order_by(c.id)
    rows = (await tx.execute(statement)).mappings()
    return [dict(row) for row in rows if key in (fold(row["name"]), fold(row["code"] or ""))]
