"""Keys that are kept in the database: making, listing, revoking, and noting their use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import InvalidInput, NotKnown
from connector.model.principals import KEPT_KEY
from connector.model.refs import EntityKind
from connector.storage.database.bulk import insert_numbered
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.rows import json_value, update_logged
from connector.storage.tables import api_key

MOST_KEYS: Final = 1_000
"""That are not revoked: a hub holds all of them in memory."""
USE_NOTED_EVERY: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that is to be made. digest: SHA-256 of its token, hexadecimal. start: the token's first signs."""

    name: str
    digest: str
    start: str
    roles: tuple[str, ...]
    regions: tuple[str, ...] | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class KeptKey:
    """A key as it is kept."""

    id: int
    name: str
    digest: str
    start: str
    roles: tuple[str, ...]
    regions: tuple[str, ...] | None
    expires_at: datetime | None
    created_by: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None
    revoked_by: str | None


async def add_key(tx: AsyncConnection, new: NewKey, *, by: str, at: datetime) -> int:
    """Keep a key; returns its id. The change log does not hold its digest.

    Raises InvalidInput when a living key has the name, when it is over already, or when there are too many.
    """
    living = {key.name: key for key in await list_keys(tx)}
    if new.name in living:
        raise InvalidInput(
            f"there is a key {new.name!r} already, {living[new.name].start}...",
            hint=f"Revoke it first: connector keys revoke {new.name}. Or give the new one another name.",
        )
    if new.expires_at is not None and new.expires_at <= at:
        raise InvalidInput(f"the key would have expired at {new.expires_at:%Y-%m-%d %H:%M}Z, which is past")
    if len(living) >= MOST_KEYS:
        raise InvalidInput(f"there are {len(living):,} keys, {MOST_KEYS:,} are allowed", hint="Revoke some first.")
    values: dict[str, Any] = {name: getattr(new, name) for name in NewKey.__slots__}
    values |= {"roles": list(new.roles), "regions": None if new.regions is None else list(new.regions)}
    told = {name: (None, json_value(value)) for name, value in values.items() if name != "digest" and value is not None}
    [key] = await insert_numbered(tx, api_key, [values | {"created_by": by, "created_at": at, "updated_at": at}])
    await log_changes(tx, [NewChange(EntityKind.API_KEY, key, "created", told)], actor=by, at=at)
    return key


async def list_keys(tx: AsyncConnection, *, revoked: bool = False) -> list[KeptKey]:
    """The keys by name; revoked: these as well, of one name the newest first."""
    statement = select(*(api_key.c[name] for name in KeptKey.__slots__)).order_by(api_key.c.name, api_key.c.id.desc())
    if not revoked:
        statement = statement.where(api_key.c.revoked_at.is_(None))
    return [_kept(row._asdict()) for row in await tx.execute(statement.limit(MOST_KEYS * 2))]


async def revoke_key(tx: AsyncConnection, name: str, *, by: str, at: datetime) -> int:
    """Revoke the living key of a name; its id. Raises NotKnown naming those that there are."""
    living = {key.name: key.id for key in await list_keys(tx)}
    if name not in living:
        known = ", ".join(map(repr, sorted(living))) or "none"
        raise NotKnown(
            f"there is no living key {name!r}; there are: {known}",
            hint="Keys of connector.toml are taken out of the file.",
        )
    values = {"revoked_at": at, "revoked_by": by}
    await update_logged(tx, api_key, EntityKind.API_KEY, living[name], values, actor=by, at=at)
    return living[name]


async def note_use(tx: AsyncConnection, key_id: int, at: datetime) -> None:
    """Write down that a key was used, unless that was noted within a minute; of the log it is the first use alone."""
    seen = api_key.c.last_used_at
    first = update(api_key).where(api_key.c.id == key_id, seen.is_(None)).values(last_used_at=at)
    name = (await tx.execute(first.returning(api_key.c.name))).scalar_one_or_none()
    if name is not None:
        used = NewChange(EntityKind.API_KEY, key_id, "updated", {"last_used_at": (None, json_value(at))})
        await log_changes(tx, [used], actor=f"{KEPT_KEY}{name}", at=at)
        return
    await tx.execute(
        update(api_key).where(api_key.c.id == key_id, seen <= at - USE_NOTED_EVERY).values(last_used_at=at)
    )


def _kept(values: dict[str, Any]) -> KeptKey:
    regions = values["regions"]
    return KeptKey(**values | {"roles": tuple(values["roles"]), "regions": None if regions is None else tuple(regions)})
