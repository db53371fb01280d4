"""Aliases of manufacturers: their products and models are kept under the other key from then on."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import IllegalTransition, InvalidInput
from connector.model.kinds import AliasKind
from connector.model.naming import MANUFACTURER_ALIASES, Makers, bare_name, product_key
from connector.model.records import ProductKey
from connector.model.refs import EntityKind
from connector.storage.aliases.lookup import NamedKey, own_makers
from connector.storage.aliases.models import doubles_among
from connector.storage.aliases.moving import move_product_references
from connector.storage.aliases.rows import Added, NewAlias, insert_alias, refuse_other
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.drafts import Draft, load_drafts, write_drafts
from connector.storage.tables import name_alias, product

MOST_WORDS: Final = 5
"""Of a manufacturer's key, so that models are found that begin with it (`connector.model.naming.possible_models`)."""


async def add_manufacturer(
    tx: AsyncConnection, new: NewAlias, *, move_references: bool, by: str, at: datetime
) -> Added:
    """See `connector.storage.aliases.kept.add_alias`."""
    key, target = bare_name(new.name), bare_name(new.manufacturer or "")
    makers = await own_makers(tx)
    if key == target:
        raise InvalidInput(f"{new.name!r} and {new.manufacturer!r} are one name already: {key!r}")
    if len(target.split()) > MOST_WORDS:
        raise InvalidInput(f"{new.manufacturer!r} has more than {MOST_WORDS} words", hint="Give its usual, short name.")
    if makers.own.get(key) == target:
        return Added(await _id_of(tx, AliasKind.MANUFACTURER, key), is_new=False)
    refuse_other(key in makers.own, new, f"manufacturer {makers.own.get(key)!r}")
    led_on = makers.own.get(target, MANUFACTURER_ALIASES.get(target, target))
    if led_on != target and target not in makers.own.values():
        raise InvalidInput(
            f"{new.manufacturer!r} is itself an alias, of {led_on!r}: an alias of an alias is none",
            hint=f"Give {led_on!r} as what {new.name!r} stands for." if led_on != key else "It would lead in a circle.",
        )
    leading = sorted(name for name, stands_for in makers.own.items() if stands_for == key)
    if leading:
        raise InvalidInput(
            f"{new.name!r} is what {', '.join(map(repr, leading))} stand for: an alias of an alias is none",
            hint=f"Remove these and add them for {new.manufacturer!r}.",
        )
    alias_id = await insert_alias(tx, new, key, by=by, at=at, manufacturer_key=target)
    cause = f"alias {alias_id}: {new.name} is {new.manufacturer}"
    after = Makers({**makers.own, key: target})
    renamed, doubles = await rekey(tx, makers.key_of(key), after, by=by, cause=cause, at=at)
    told = await doubles_among(tx, doubles)
    moved: dict[str, int] = {}
    if move_references:
        for double_id, onto_id in doubles.items():
            for word, count in (
                await move_product_references(tx, double_id, onto_id, actor=by, cause=cause, at=at)
            ).items():
                moved[word] = moved.get(word, 0) + count
    return Added(alias_id, doubles=told, moved=moved, renamed=renamed)


async def rekey(
    tx: AsyncConnection, maker: str, makers: Makers, *, by: str, cause: str, at: datetime
) -> tuple[int, dict[int, int]]:
    """Keep a manufacturer's products, and its aliases of models, under the key that their names have by now.

    How many products are kept under another key, and those that cannot be: double -> the product that has the key.
    """
    ids = (await tx.execute(select(product.c.id).where(product.c.manufacturer_key == maker))).scalars().all()
    drafts = await load_drafts(tx, EntityKind.PRODUCT, ids)
    wanted: dict[int, NamedKey] = {}
    for number, draft in drafts.items():
        named = ProductKey(manufacturer=draft.after["manufacturer"], model=draft.after["model"])
        key = product_key(named, makers)
        if key != (draft.after["manufacturer_key"], draft.after["model_key"]):
            wanted[number] = key
    there: dict[NamedKey, int] = {}
    for other in {key[0] for key in wanted.values()}:
        columns = (product.c.manufacturer_key, product.c.model_key, product.c.id)
        for first, second, number in await tx.execute(select(*columns).where(product.c.manufacturer_key == other)):
            there[first, second] = number
    doubles: dict[int, int] = {}
    renamed: list[Draft] = []
    for number, key in sorted(wanted.items()):
        if key in there:
            doubles[number] = there[key]
            continue
        there[key] = number
        drafts[number].after |= {"manufacturer_key": key[0], "model_key": key[1]}
        renamed.append(drafts[number])
    await write_drafts(tx, EntityKind.PRODUCT, renamed, actor=by, cause=cause, at=at)
    await _rekey_aliases(tx, maker, makers, by=by, cause=cause, at=at)
    return len(renamed), doubles


async def _rekey_aliases(tx: AsyncConnection, maker: str, makers: Makers, *, by: str, cause: str, at: datetime) -> None:
    """Aliases of models follow their manufacturer. Raises IllegalTransition where two would be one."""
    now = makers.key_of(maker)
    if now == maker:
        return
    c = name_alias.c
    of_models = c.kind == AliasKind.MODEL
    rows = (await tx.execute(select(c.id, c.name, c.alias_key).where(of_models, c.manufacturer_key == maker))).all()
    there = select(c.alias_key).where(of_models, c.manufacturer_key == now)
    taken = {row.alias_key for row in rows} & set((await tx.execute(there)).scalars())
    if taken:
        raise IllegalTransition(
            f"both manufacturers have an alias {', '.join(map(repr, sorted(taken)))}",
            hint=f"Remove those of {maker!r} first.",
        )
    await tx.execute(update(name_alias).where(of_models, c.manufacturer_key == maker).values(manufacturer_key=now))
    changes = [NewChange(EntityKind.NAME_ALIAS, row.id, "updated", {"manufacturer_key": (maker, now)}) for row in rows]
    await log_changes(tx, changes, actor=by, cause=cause, at=at)


async def _id_of(tx: AsyncConnection, kind: AliasKind, key: str) -> int:
    c = name_alias.c
    return int((await tx.execute(select(c.id).where(c.kind == kind, c.alias_key == key))).scalar_one())
