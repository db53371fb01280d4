"""Products and what can stand in for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from connector.ingest.arrivals import Arrival
from connector.ingest.work import Work
from connector.model.kinds import ProductStatus, Tracking
from connector.model.records import CompatibilityRecord, ProductKey, ProductRecord
from connector.model.refs import EntityKind, SourceRef
from connector.storage.aliases.lookup import NamedKey, ProductNames, names_of_products
from connector.storage.database.drafts import Draft, Values, find_rows, load_drafts
from connector.storage.sources.refs import RefKey
from connector.storage.stock.book import counted_products

PRODUCT_DEFAULTS: Values = {"tracking": Tracking.SERIALISED, "status": ProductStatus.ACTIVE}


@dataclass(frozen=True, slots=True)
class Products:
    """The products behind what records name. ids: by reference, and by the key under which a name is kept."""

    names: ProductNames
    ids: dict[RefKey | NamedKey, int]


async def settle_products(work: Work, arrivals: Sequence[Arrival]) -> None:
    """Find or make the product of each record: by reference, by alias or folded name, by SKU."""
    records = {a.key: a.record for a in arrivals if isinstance(a.record, ProductRecord)}
    names, by_name = await _ids_by_name(work, [record.key for record in records.values()])
    skus = {record.sku for record in records.values() if record.sku}
    by_sku = {row["sku"]: row["id"] for row in await find_rows(work.tx, EntityKind.PRODUCT, "sku", skus, columns=())}
    known = {a.known.entity_id for a in arrivals if a.known and a.known.entity_id is not None}
    drafts = await load_drafts(work.tx, EntityKind.PRODUCT, known | set(by_name.values()) | set(by_sku.values()))
    counted = await counted_products(work.tx, drafts.keys())
    await work.golden.load(EntityKind.PRODUCT, drafts.keys())
    new: dict[str | NamedKey, Draft] = {}
    changes: list[tuple[Arrival, Draft, Values]] = []
    for arrival in arrivals:
        record = records[arrival.key]
        name = names.key_of(record.key)
        entity_id = arrival.known.entity_id if arrival.known else None
        named, stocked = by_name.get(name), by_sku.get(record.sku or "")
        draft = drafts.get(entity_id or named or stocked or 0) or new.get(name) or new.get(record.sku or "")
        if draft is None:
            draft = Draft(EntityKind.PRODUCT, before=None, after=dict(PRODUCT_DEFAULTS))
        elif names.names.get(name) == draft.id:
            named = draft.id  # it is called so, though the name stands for another by now
        taken = next((drafts[i] for i in (named, stocked) if i is not None and i != draft.id), None)
        if taken is not None:
            work.refuse(
                arrival,
                f"product {record.key.manufacturer} {record.key.model} (SKU {record.sku!r}) is known as two: "
                f"{_name(draft)} and {_name(taken)}. Correct its name or its SKU in one of the sources.",
                path="/key" if taken.id == named else "/sku",
            )
            continue
        new[name] = draft
        if record.sku:
            new[record.sku] = draft
        is_alias = names.aliases.get(name) == draft.id
        if not is_alias and not work.golden.yields(draft, "name"):
            _call(draft, record.key, name)
        if record.tracking is not None and draft.id not in counted and not work.golden.yields(draft, "tracking"):
            draft.after["tracking"] = record.tracking
        changes.append((arrival, draft, _product_values(record, is_alias=is_alias)))
        work.land(arrival, draft)
    await work.merge(changes)
    await work.write(EntityKind.PRODUCT, [draft for _, draft, _ in changes])


async def resolve_products(work: Work, named: Iterable[SourceRef | ProductKey | None], *, make: bool) -> Products:
    """The products behind references and names, asked for with `product_id`.

    make: a name that is not in the catalogue yet is put there, as its source writes it; a reference never is.
    """
    items = [item for item in named if item is not None]
    by_ref = await work.resolve([item for item in items if isinstance(item, SourceRef)])
    keys = [item for item in items if isinstance(item, ProductKey)]
    names, by_name = await _ids_by_name(work, keys)
    ids: dict[RefKey | NamedKey, int] = dict(by_ref)  # type: ignore[arg-type]
    ids |= by_name
    if make:
        missing: dict[NamedKey, Draft] = {}
        for key in keys:
            name = names.key_of(key)
            if name in ids:
                continue
            draft = missing.setdefault(name, Draft(EntityKind.PRODUCT, before=None, after=_new_values(key, name)))
            draft.after["part_number"] = draft.after["part_number"] or key.part_number
        await work.write(EntityKind.PRODUCT, missing.values())
        ids |= {name: draft.id for name, draft in missing.items()}
    return Products(names, ids)


def product_id(found: Products, named: SourceRef | ProductKey) -> int | None:
    """The product that a record names, None when it is not known."""
    if isinstance(named, SourceRef):
        return found.ids.get((named.kind, named.external_id))
    return found.ids.get(found.names.key_of(named))


def waits_for_product(found: Products, named: SourceRef | ProductKey) -> str:
    """What to wait for when that product is not known."""
    return str(named) if isinstance(named, SourceRef) else "product:" + "/".join(found.names.key_of(named))


def product_name(named: SourceRef | ProductKey) -> str:
    """How a message calls the product that a record names."""
    return f"product {named.external_id!r}" if isinstance(named, SourceRef) else f"{named.manufacturer} {named.model}"


async def settle_compatibilities(work: Work, arrivals: Sequence[Arrival]) -> None:
    """Find or make each pair; both products must be known, a name is not put into the catalogue by this."""
    records = {a.key: a.record for a in arrivals if isinstance(a.record, CompatibilityRecord)}
    products = await resolve_products(
        work, [side for record in records.values() for side in (record.product, record.substitute)], make=False
    )
    pairs: dict[RefKey, tuple[int, int]] = {}
    for arrival in arrivals:
        record = records[arrival.key]
        sides = [("/product", record.product), ("/substitute", record.substitute)]
        ids = [product_id(products, named) for _, named in sides]
        unknown = next((side for side, found in zip(sides, ids, strict=True) if found is None), None)
        if unknown is not None:
            path, named = unknown
            work.refuse_unknown(arrival, product_name(named), waits_for_product(products, named), path=path)
        elif ids[0] == ids[1]:
            work.refuse(
                arrival,
                f"{product_name(record.product)} is named as its own substitute. Name another product.",
                path="/substitute",
            )
        else:
            pairs[arrival.key] = (ids[0] or 0, ids[1] or 0)
    known = {a.known.entity_id for a in arrivals if a.known and a.known.entity_id is not None}
    rows = await find_rows(
        work.tx,
        EntityKind.COMPATIBILITY,
        "product_id",
        {pair[0] for pair in pairs.values()},
        columns=("substitute_id",),
    )
    by_pair = {(row["product_id"], row["substitute_id"]): row["id"] for row in rows}
    wanted = known | {by_pair[pair] for pair in pairs.values() if pair in by_pair}
    drafts = await load_drafts(work.tx, EntityKind.COMPATIBILITY, wanted)
    new: dict[tuple[int, int], Draft] = {}
    changes: list[tuple[Arrival, Draft, Values]] = []
    for arrival in arrivals:
        pair = pairs.get(arrival.key)
        if pair is None:
            continue
        record = records[arrival.key]
        entity_id = by_pair.get(pair) or (arrival.known.entity_id if arrival.known else None)
        draft = drafts.get(entity_id or 0) or new.get(pair) or Draft(EntityKind.COMPATIBILITY, before=None)
        new[pair] = draft
        values = {"product_id": pair[0], "substitute_id": pair[1], "preference": record.preference}
        changes.append((arrival, draft, {**values, "condition": record.condition}))
        work.land(arrival, draft)
    await work.merge(changes)
    await work.write(EntityKind.COMPATIBILITY, [draft for _, draft, _ in changes])


async def _ids_by_name(work: Work, keys: Iterable[ProductKey]) -> tuple[ProductNames, dict[NamedKey, int]]:
    """Products for which these names stand, and with these part numbers where exactly one product has it."""
    distinct = dict.fromkeys(keys)
    names = await names_of_products(work.tx, distinct.keys())
    found: dict[NamedKey, int] = {}
    parts: dict[str, set[NamedKey]] = {}
    aliased: dict[NamedKey, set[int]] = {}
    for key in distinct:
        name = names.key_of(key)
        entity_id = names.by_key(name)
        if entity_id is not None:
            found[name] = entity_id
        elif key.part_number:
            parts.setdefault(key.part_number, set()).add(name)
            aliased.setdefault(name, set()).update(names.by_part_number(name[0], key.part_number))
    by_part: dict[NamedKey, set[int]] = {}
    rows = await find_rows(work.tx, EntityKind.PRODUCT, "part_number", parts.keys(), columns=("manufacturer_key",))
    for row in rows:
        for name in parts[row["part_number"]]:
            if row["manufacturer_key"] == name[0]:
                by_part.setdefault(name, set()).add(row["id"])
    for candidates in (aliased, by_part):
        found |= {name: min(ids) for name, ids in candidates.items() if len(ids) == 1}
    return names, found


def _new_values(key: ProductKey, name: NamedKey) -> dict[str, Any]:
    return {
        **PRODUCT_DEFAULTS,
        "manufacturer": key.manufacturer,
        "model": key.model,
        "manufacturer_key": name[0],
        "model_key": name[1],
        "part_number": key.part_number,
    }


def _call(draft: Draft, key: ProductKey, name: NamedKey) -> None:
    """Name a product; a name that only differs in spelling stays as it is. name: under which it is kept."""
    if (draft.after.get("manufacturer_key"), draft.after.get("model_key")) != name:
        draft.after |= {
            "manufacturer": key.manufacturer,
            "model": key.model,
            "manufacturer_key": name[0],
            "model_key": name[1],
        }


def _product_values(record: ProductRecord, *, is_alias: bool) -> dict[str, Any]:
    """What a record states; it says nothing of the name where it calls the product by an alias."""
    return {
        "manufacturer": None if is_alias else record.key.manufacturer,
        "model": None if is_alias else record.key.model,
        "part_number": record.key.part_number,
        "tracking": record.tracking,
        "status": record.status,
        "sku": record.sku,
        "asset_class": record.asset_class,
        "criticality": record.criticality,
        "unit_cost_cents": record.unit_cost_cents,
        "currency": record.currency,
        "weight_g": record.weight_g,
        "length_mm": record.length_mm,
        "width_mm": record.width_mm,
        "height_mm": record.height_mm,
        "is_data_bearing": record.is_data_bearing,
    }


def _name(draft: Draft) -> str:
    return f"{draft.after.get('manufacturer')} {draft.after.get('model')} (id {draft.id or 'new'})"
