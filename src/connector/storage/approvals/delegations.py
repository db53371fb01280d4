"""Delegations: a person lets another answer requests for approval in their place, for a time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import IllegalTransition, InvalidInput
from connector.model.refs import EntityKind
from connector.storage.database.rows import insert_logged, locked_row, update_logged
from connector.storage.tables import delegation


@dataclass(frozen=True, slots=True)
class NewDelegation:
    """Who lets whom answer with which of their roles, from when until when, and why."""

    delegator: str
    delegate: str
    roles: tuple[str, ...]
    starts_at: datetime
    ends_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Right:
    """What somebody may answer with on behalf of another."""

    delegator: str
    roles: frozenset[str]


async def add_delegation(tx: AsyncConnection, new: NewDelegation, *, by: str, at: datetime) -> int:
    """Keep a delegation; returns its id. Raises InvalidInput for one to oneself, or one that is over already."""
    if new.delegate == new.delegator:
        raise InvalidInput(f"{new.delegator!r} cannot be their own delegate", hint="Name somebody else.")
    if new.ends_at <= max(new.starts_at, at):
        raise InvalidInput(
            f"the delegation ends at {new.ends_at:%Y-%m-%d %H:%M}Z, before it begins",
            hint="Name an end in the future, after the beginning.",
        )
    values: dict[str, Any] = {name: getattr(new, name) for name in NewDelegation.__slots__}
    values |= {"roles": list(new.roles), "created_by": by}
    return await insert_logged(tx, delegation, EntityKind.DELEGATION, values, actor=by, cause=new.reason, at=at)


async def end_delegation(tx: AsyncConnection, delegation_id: int, *, by: str, at: datetime) -> str:
    """End a delegation before its time; whose it was. Raises NotKnown, IllegalTransition when it is over."""
    row = await locked_row(tx, delegation, EntityKind.DELEGATION, delegation_id)
    if row["ends_at"] <= at:
        raise IllegalTransition(f"delegation {delegation_id} ended at {row['ends_at']:%Y-%m-%d %H:%M}Z already")
    values = {"ends_at": at, "ended_by": by}
    await update_logged(tx, delegation, EntityKind.DELEGATION, delegation_id, values, actor=by, at=at)
    return str(row["delegator"])


async def delegation_row(tx: AsyncConnection, delegation_id: int) -> dict[str, Any]:
    """A delegation, locked until the transaction ends. Raises NotKnown."""
    return await locked_row(tx, delegation, EntityKind.DELEGATION, delegation_id)


@dataclass(frozen=True, slots=True)
class ListedDelegation:
    """A delegation in a list."""

    id: int
    delegator: str
    delegate: str
    roles: tuple[str, ...]
    starts_at: datetime
    ends_at: datetime
    reason: str
    created_by: str
    ended_by: str | None


async def list_delegations(tx: AsyncConnection, at: datetime | None, *, limit: int = 100) -> list[ListedDelegation]:
    """Delegations that are not over at a moment, the first to end first; all of them, the newest first, when None."""
    statement = select(*(delegation.c[name] for name in ListedDelegation.__slots__)).limit(limit)
    if at is None:
        statement = statement.order_by(delegation.c.id.desc())
    else:
        statement = statement.where(delegation.c.ends_at > at).order_by(delegation.c.ends_at, delegation.c.id)
    rows = (await tx.execute(statement)).mappings()
    return [ListedDelegation(**{**row, "roles": tuple(row["roles"])}) for row in rows]


async def rights_of(tx: AsyncConnection, delegate: str, at: datetime, roles: Collection[str]) -> list[Right]:
    """On whose behalf somebody may answer at a moment for one of the roles, the oldest delegation first."""
    statement = (
        select(delegation.c.delegator, delegation.c.roles)
        .where(delegation.c.delegate == delegate, delegation.c.starts_at <= at, delegation.c.ends_at > at)
        .order_by(delegation.c.id)
    )
    rights = [Right(delegator, frozenset(passed_on)) for delegator, passed_on in await tx.execute(statement)]
    return [right for right in rights if not right.roles.isdisjoint(roles)]
