"""Hubs, sites and units as people name them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import InvalidInput, NotKnown
from connector.storage.tables import asset, hub, site


async def hub_called(tx: AsyncConnection, text: str) -> int:
    """The hub that a person means: by code or name. Raises NotKnown, and InvalidInput when several are called so."""
    c, wanted = hub.c, text.strip().lower()
    called_so = or_(func.lower(c.code) == wanted, func.lower(c.name) == wanted)
    found = (await tx.execute(select(c.id).where(called_so, c.retired_at.is_(None)).limit(2))).scalars().all()
    return _one(found, f"hub {text!r}", "Give its code.")


async def site_called(tx: AsyncConnection, text: str) -> int:
    """The site that a person means: by code or name. Raises NotKnown, and InvalidInput when several are called so."""
    c, wanted = site.c, text.strip()
    for called_so in (c.code == wanted, c.name == wanted, func.lower(c.name) == wanted.lower()):
        found = (await tx.execute(select(c.id).where(called_so, c.retired_at.is_(None)).limit(2))).scalars().all()
        if found:
            return _one(found, f"site {text!r}", "Give its code, or its number as #12.")
    return _one((), f"site {text!r}", "Give its code or its name.")


async def unit_called(tx: AsyncConnection, text: str) -> int:
    """The unit that a person means: by serial or asset tag. Raises NotKnown, and InvalidInput when several have it."""
    c, wanted = asset.c, text.strip()
    called_so = or_(c.serial == wanted, c.asset_tag == wanted)
    found = (await tx.execute(select(c.id).where(called_so, c.retired_at.is_(None)).limit(2))).scalars().all()
    return _one(found, f"unit {text!r}", "Give its serial or its asset tag.")


def _one(found: Sequence[int], what: str, hint: str) -> int:
    if not found:
        raise NotKnown(f"there is no {what}", hint=hint)
    if len(found) > 1:
        raise InvalidInput(f"{what} is not the only one that is called so", hint=hint)
    return found[0]
