"""Aliases as people say them: added, and taken back. Steps of the caller's transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, assert_never

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import InvalidInput, NotKnown
from connector.model.kinds import AliasKind
from connector.model.naming import fold
from connector.model.refs import EntityKind
from connector.storage.aliases.lookup import own_makers
from connector.storage.aliases.manufacturers import add_manufacturer, rekey
from connector.storage.aliases.models import add_model
from connector.storage.aliases.rows import Added, NewAlias
from connector.storage.aliases.sites import add_site
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.rows import json_value
from connector.storage.sources.refs import lock_ingest
from connector.storage.tables import name_alias

LONGEST: Final = 200
"""Characters of a name."""


async def add_alias(tx: AsyncConnection, new: NewAlias, *, move_references: bool, by: str, at: datetime) -> Added:
    """Let a name stand for something from now on.

    move_references: what hangs on a product of that name is moved to the other, and the double is retired.
    Raises InvalidInput for what would be a chain or a cycle, or says nothing; NotKnown; IllegalTransition when the
    name stands for something else already, or what hangs on a double cannot be moved. Nothing is changed then.
    """
    _check(new)
    await lock_ingest(tx)
    match new.kind:
        case AliasKind.MANUFACTURER:
            return await add_manufacturer(tx, new, move_references=move_references, by=by, at=at)
        case AliasKind.MODEL:
            return await add_model(tx, new, move_references=move_references, by=by, at=at)
        case AliasKind.SITE:
            if move_references:
                raise InvalidInput(
                    "what hangs on a site is not moved by an alias",
                    hint="Add the alias without it; the answer says which site is there twice.",
                )
            return await add_site(tx, new, by=by, at=at)
        case _ as never:
            assert_never(never)


async def remove_alias(
    tx: AsyncConnection, alias_id: int, *, by: str, reason: str | None, at: datetime
) -> dict[str, Any]:
    """Let a name stand for itself again; what it was. What was moved or linked because of it stays. Raises NotKnown."""
    await lock_ingest(tx)
    row = await _row(tx, alias_id)
    if row is None:
        raise NotKnown(f"there is no alias {alias_id}", hint="connector aliases list shows which there are.")
    await tx.execute(delete(name_alias).where(name_alias.c.id == alias_id))
    fields = {name: (json_value(value), None) for name, value in row.items() if value is not None}
    change = NewChange(EntityKind.NAME_ALIAS, alias_id, "deleted", fields)
    await log_changes(tx, [change], actor=by, cause=reason, at=at)
    if row["kind"] is AliasKind.MANUFACTURER:
        await rekey(tx, row["manufacturer_key"], await own_makers(tx), by=by, cause=reason or "alias removed", at=at)
    return row


def _check(new: NewAlias) -> None:
    """Refuse what says nothing, or not enough. Raises InvalidInput."""
    if not fold(new.name) or len(new.name) > LONGEST:
        raise InvalidInput(f"{new.name!r} cannot be an alias", hint=f"Give a name of 1 to {LONGEST} characters.")
    places = [number for number in (new.site_id, new.hub_id) if number is not None]
    needs: dict[AliasKind, tuple[bool, str]] = {
        AliasKind.MANUFACTURER: (
            bool(fold(new.manufacturer or "")) and new.product_id is None and not places and new.source_id is None,
            "of a manufacturer needs the manufacturer that it stands for, and nothing else",
        ),
        AliasKind.MODEL: (
            bool(fold(new.manufacturer or "")) and new.product_id is not None and not places and new.source_id is None,
            "of a model needs its manufacturer and the product that it stands for, and nothing else",
        ),
        AliasKind.SITE: (
            len(places) == 1 and new.manufacturer is None and new.product_id is None,
            "of a site needs the site or the hub that it stands for, and at most a source beside it",
        ),
    }
    fits, what = needs[new.kind]
    if not fits:
        raise InvalidInput(f"an alias {what}")


async def _row(tx: AsyncConnection, alias_id: int) -> dict[str, Any] | None:
    row = (await tx.execute(select(name_alias).where(name_alias.c.id == alias_id))).mappings().one_or_none()
    return None if row is None else dict(row)
