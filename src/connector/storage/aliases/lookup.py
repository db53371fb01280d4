"""What the names of a batch stand for: the catalogue's own names and its aliases, by one statement.

Aliases are read along with the names that they are beside, so they cost no statement of their own, and what somebody
has said a moment ago counts in every process.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Table,
    Text,
    cast,
    literal_column,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.naming import (
    MANUFACTURER_ALIASES,
    SHIPPED,
    Makers,
    bare_name,
    fold,
    possible_models,
    product_key,
)
from connector.model.records import ProductKey
from connector.model.refs import EntityKind
from connector.storage.database.bulk import among
from connector.storage.tables import hub, name_alias, product, site

NamedKey: TypeAlias = tuple[str, str]
"""Manufacturer and model, folded, as the catalogue keeps them."""

_MANUFACTURERS: ColumnElement[bool] = literal_column("name_alias.kind = 'manufacturer'")
_MODELS: ColumnElement[bool] = literal_column("name_alias.kind = 'model'")
_SITES: ColumnElement[bool] = literal_column("name_alias.kind = 'site'")


@dataclass(frozen=True, slots=True)
class ProductNames:
    """What names of products stand for. aliases, names: key -> product, as somebody said it and as it is called."""

    makers: Makers = SHIPPED
    aliases: Mapping[NamedKey, int] = field(default_factory=dict)
    names: Mapping[NamedKey, int] = field(default_factory=dict)

    def key_of(self, named: ProductKey) -> NamedKey:
        """Under which key the product is kept, or would be."""
        return product_key(named, self.makers)

    def by_key(self, key: NamedKey) -> int | None:
        """The product that is called so. An alias goes first: the double that it was made for may still be there."""
        return self.aliases.get(key) or self.names.get(key)

    def by_part_number(self, manufacturer_key: str, part_number: str) -> set[int]:
        """The product for which the part number is an alias, if any."""
        found = self.aliases.get((manufacturer_key, fold(part_number)))
        return set() if found is None else {found}


@dataclass(frozen=True, slots=True)
class PlaceNames:
    """What names and codes of places stand for. codes, names: as places have them, live ones and retired ones."""

    codes: Mapping[tuple[EntityKind, str], frozenset[int]] = field(default_factory=dict)
    names: Mapping[tuple[EntityKind, str], frozenset[int]] = field(default_factory=dict)
    retired: frozenset[tuple[EntityKind, int]] = frozenset()
    aliases: Mapping[tuple[int | None, str], tuple[EntityKind, int]] = field(default_factory=dict)

    def aliased(self, source_id: int | None, *texts: str | None) -> tuple[EntityKind, int] | None:
        """The place for which a text is an alias, the first text first: of this source, else of all."""
        for text in texts:
            for source in (source_id, None):
                found = self.aliases.get((source, fold(text))) if text else None
                if found is not None:
                    return found
        return None

    def hub(self, source_id: int, code: str) -> int | None:
        """The hub that has this code, or for which it is an alias."""
        aliased = self.aliased(source_id, code)
        if aliased is not None and aliased[0] is EntityKind.HUB:
            return aliased[1]
        return next(iter(self.codes.get((EntityKind.HUB, code), ())), None)

    def live(self, kind: EntityKind, text: str) -> frozenset[int]:
        """Those that are called so and are not retired: by name, else by code."""
        for found in (self.names, self.codes):
            there = {i for i in found.get((kind, text), ()) if (kind, i) not in self.retired}
            if there:
                return frozenset(there)
        return frozenset()


async def names_of_products(tx: AsyncConnection, keys: Collection[ProductKey]) -> ProductNames:
    """What these names stand for."""
    if not keys:
        return ProductNames()
    bare = {bare_name(key.manufacturer) for key in keys}
    bare |= {MANUFACTURER_ALIASES[name] for name in bare if name in MANUFACTURER_ALIASES}
    models = {model for key in keys for model in possible_models(key)}
    parts = {fold(key.part_number) for key in keys if key.part_number}
    a, p = name_alias.c, product.c
    statement = union_all(
        _read("name", p.manufacturer_key, p.model_key, p.id).where(among(tx, p.model_key, models)),
        _read("alias", a.manufacturer_key, a.alias_key, a.product_id).where(
            _MODELS, among(tx, a.alias_key, models | parts)
        ),
        _read("maker", a.manufacturer_key, a.alias_key, cast(null(), BigInteger)).where(
            _MANUFACTURERS, or_(among(tx, a.alias_key, bare), among(tx, a.manufacturer_key, bare))
        ),
    )
    own: dict[str, str] = {}
    found: dict[str, dict[NamedKey, int]] = {"name": {}, "alias": {}}
    for what, maker, key, product_id in await tx.execute(statement):
        if what == "maker":
            own[key] = maker
        else:
            found[what][maker, key] = product_id
    return ProductNames(Makers(own) if own else SHIPPED, found["alias"], found["name"])


async def names_of_places(tx: AsyncConnection, texts: Iterable[str | None]) -> PlaceNames:
    """What these names and codes stand for."""
    wanted = {text for text in texts if text}
    if not wanted:
        return PlaceNames()
    a = name_alias.c
    parts = [
        _read(f"{kind.value} {column}", table.c[column], _is_retired(table), table.c.id).where(
            among(tx, table.c[column], wanted)
        )
        for kind, table in ((EntityKind.HUB, hub), (EntityKind.SITE, site))
        for column in ("code", "name")
    ]
    parts += [
        _read(f"{kind.value} alias", a.alias_key, cast(a.source_id, Text), column).where(
            _SITES, column.is_not(None), among(tx, a.alias_key, {fold(text) for text in wanted})
        )
        for kind, column in ((EntityKind.HUB, a.hub_id), (EntityKind.SITE, a.site_id))
    ]
    called: dict[str, dict[tuple[EntityKind, str], frozenset[int]]] = {"code": {}, "name": {}}
    retired: set[tuple[EntityKind, int]] = set()
    aliases: dict[tuple[int | None, str], tuple[EntityKind, int]] = {}
    for what, text, more, place_id in await tx.execute(union_all(*parts)):
        word, column = what.split(" ")
        kind = EntityKind(word)
        if column == "alias":
            aliases[int(more) if more else None, text] = kind, place_id
            continue
        called[column][kind, text] = called[column].get((kind, text), frozenset()) | {place_id}
        if more is not None:
            retired.add((kind, place_id))
    return PlaceNames(called["code"], called["name"], frozenset(retired), aliases)


async def own_makers(tx: AsyncConnection) -> Makers:
    """Every manufacturer's alias that a hub's people have said."""
    a = name_alias.c
    statement = select(a.alias_key, a.manufacturer_key).where(_MANUFACTURERS)
    return Makers({key: maker for key, maker in await tx.execute(statement)})


def _read(what: str, *columns: ColumnElement[Any]) -> Select[Any]:
    return select(literal_column(f"'{what}'").label("what"), *columns)


def _is_retired(table: Table) -> ColumnElement[Any]:
    return cast(table.c.retired_at, Text)
