"""Products as people name them."""

from __future__ import annotations

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import InvalidInput, NotKnown
from connector.model.kinds import AliasKind
from connector.model.naming import fold
from connector.storage.tables import name_alias, product


async def product_called(tx: AsyncConnection, text: str) -> int:
    """The product that a person means: by SKU or part number, or by maker and model.

    Raises NotKnown, and InvalidInput when it could be more than one.
    """
    c = product.c
    wanted = text.strip()
    name, folded = func.lower(c.manufacturer + " " + c.model), wanted.lower()
    aliased = select(name_alias.c.product_id).where(
        name_alias.c.kind == AliasKind.MODEL, name_alias.c.alias_key == fold(wanted)
    )
    called_so = or_(
        c.sku == wanted, c.part_number == wanted, name == folded, func.lower(c.model) == folded, c.id.in_(aliased)
    )
    statement = select(c.id, c.manufacturer, c.model).where(called_so, c.retired_at.is_(None)).order_by(c.id).limit(10)
    found = (await tx.execute(statement)).all()
    if not found:
        raise NotKnown(f"there is no product {text!r}", hint="Give its part number, its SKU, or its maker and model.")
    if len(found) > 1:
        listed = ", ".join(f"{row.manufacturer} {row.model}" for row in found)
        raise InvalidInput(f"{text!r} could be any of {listed}", hint="Give maker and model, or the SKU.")
    return int(found[0].id)
