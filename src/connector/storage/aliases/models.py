"""Aliases of models: another name, or a part number, of a product."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import InvalidInput, NotKnown
from connector.model.kinds import AliasKind
from connector.model.naming import product_key
from connector.model.records import ProductKey
from connector.model.refs import EntityKind
from connector.storage.aliases.lookup import own_makers
from connector.storage.aliases.moving import Double, hanging_on, move_product_references
from connector.storage.aliases.rows import Added, NewAlias, alias_of, insert_alias, refuse_other
from connector.storage.aliases.waiting import link_waiting_to_product
from connector.storage.tables import name_alias, product


async def add_model(tx: AsyncConnection, new: NewAlias, *, move_references: bool, by: str, at: datetime) -> Added:
    """See `connector.storage.aliases.kept.add_alias`."""
    makers = await own_makers(tx)
    maker, key = product_key(ProductKey(manufacturer=new.manufacturer or "", model=new.name), makers)
    onto_id = new.product_id or 0
    onto = await _product_row(tx, product.c.id == onto_id)
    if onto is None:
        raise NotKnown(f"there is no product with id {onto_id}")
    known = await alias_of(tx, AliasKind.MODEL, key, name_alias.c.manufacturer_key == maker)
    if known is not None and known["product_id"] == onto_id:
        return Added(known["id"], is_new=False)
    refuse_other(known is not None, new, f"product {known['product_id']}" if known else "")
    if (onto["manufacturer_key"], onto["model_key"]) == (maker, key):
        raise InvalidInput(f"{new.manufacturer} {new.name} is what product {onto_id} is called already")
    own_name = await alias_of(
        tx, AliasKind.MODEL, onto["model_key"], name_alias.c.manufacturer_key == onto["manufacturer_key"]
    )
    if own_name is not None:
        raise InvalidInput(
            f"{_named(onto)} (id {onto_id}) is itself an alias, of product {own_name['product_id']}: an alias of an "
            "alias is none",
            hint="Add the name for that product.",
        )
    double = await _product_row(tx, (product.c.manufacturer_key == maker) & (product.c.model_key == key))
    if double is not None and not move_references:
        statement = select(name_alias.c.name).where(name_alias.c.product_id == double["id"])
        leading = sorted((await tx.execute(statement)).scalars())
        if leading:
            raise InvalidInput(
                f"{_named(double)} (id {double['id']}) is what {', '.join(map(repr, leading))} stand for: an alias of "
                "an alias is none",
                hint="Move what hangs on it along (moveReferences), or remove these first.",
            )
    doubles = await doubles_among(tx, [] if double is None else [double["id"]])
    alias_id = await insert_alias(tx, new, key, by=by, at=at, manufacturer_key=maker, product_id=onto_id)
    cause = f"alias {alias_id}: {new.manufacturer} {new.name} is {_named(onto)}"
    moved: dict[str, int] = {}
    if move_references and double is not None:
        moved = await move_product_references(tx, double["id"], onto_id, actor=by, cause=cause, at=at)
    linked = await link_waiting_to_product(tx, (maker, key), makers, onto_id, actor=by, cause=cause, at=at)
    return Added(alias_id, doubles=doubles, moved=moved, linked=linked)


async def _product_row(tx: AsyncConnection, where: Any) -> dict[str, Any] | None:
    c = product.c
    columns = (c.id, c.manufacturer, c.model, c.manufacturer_key, c.model_key, c.retired_at)
    row = (await tx.execute(select(*columns).where(where))).mappings().one_or_none()
    return None if row is None else dict(row)


async def doubles_among(tx: AsyncConnection, product_ids: Iterable[int]) -> list[Double]:
    """Products that are there twice, with what hangs on each; without those that are retired and nothing names."""
    doubles: list[Double] = []
    for number in product_ids:
        row = await _product_row(tx, product.c.id == number)
        hangs = await hanging_on(tx, EntityKind.PRODUCT, number)
        if row is not None and (hangs or row["retired_at"] is None):
            doubles.append(Double(EntityKind.PRODUCT, number, _named(row), hangs))
    return doubles


def _named(row: dict[str, Any]) -> str:
    return f"{row['manufacturer']} {row['model']}"
