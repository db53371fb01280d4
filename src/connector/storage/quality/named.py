"""What a report is narrowed to, as people name it."""

from __future__ import annotations

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import InvalidInput, NotKnown
from connector.storage.aliases.lookup import own_makers
from connector.storage.quality.measuring import Within
from connector.storage.sources.catalogue import product_called
from connector.storage.sources.sources import source_ids
from connector.storage.tables import product, site


async def within_called(
    tx: AsyncConnection,
    *,
    source: str | None = None,
    site: str | None = None,
    product: str | None = None,
    manufacturer: str | None = None,
) -> Within:
    """What these names mean. Raises NotKnown, and InvalidInput for a name that could be of more than one."""
    return Within(
        source_id=None if source is None else await _source_called(tx, source),
        site_id=None if site is None else await _site_called(tx, site),
        product_id=None if product is None else await product_called(tx, product),
        manufacturer=None if manufacturer is None else await _manufacturer_called(tx, manufacturer),
    )


async def _source_called(tx: AsyncConnection, name: str) -> int:
    known = await source_ids(tx)
    if name not in known:
        raise NotKnown(f"there is no source {name!r}", hint=f"There are: {', '.join(sorted(known)) or 'none'}.")
    return known[name]


async def _site_called(tx: AsyncConnection, text: str) -> int:
    c, folded = site.c, text.strip().lower()
    called_so = or_(func.lower(c.code) == folded, func.lower(c.name) == folded)
    statement = select(c.id, c.name, c.code).where(called_so, c.retired_at.is_(None)).order_by(c.id).limit(10)
    found = (await tx.execute(statement)).all()
    if not found:
        raise NotKnown(f"there is no site {text!r}", hint="Give its code or its name.")
    if len(found) > 1:
        listed = ", ".join(f"{row.name} ({row.code})" for row in found)
        raise InvalidInput(f"{text!r} could be any of {listed}", hint="Give the code, or the whole name.")
    return int(found[0].id)


async def _manufacturer_called(tx: AsyncConnection, text: str) -> str:
    key = (await own_makers(tx)).key_of(text)
    found = select(product.c.id).where(product.c.manufacturer_key == key).limit(1)
    if (await tx.execute(found)).one_or_none() is None:
        raise NotKnown(f"there is no product of manufacturer {text!r}", hint="Give its name as products have it.")
    return key
