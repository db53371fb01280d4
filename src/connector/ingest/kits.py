"""Kits: bills of materials that ship as one.

A kit that lacks a component because its source could not name it would be promised and could not be packed; so a record
is taken over whole or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connector.ingest.arrivals import Arrival
from connector.ingest.products import Products, product_id, product_name, resolve_products, waits_for_product
from connector.ingest.work import Work
from connector.model.records import KitRecord, ProductKey
from connector.model.refs import EntityKind, SourceRef
from connector.storage.database.drafts import Draft, Values, find_rows, load_drafts
from connector.storage.stock.kits import Component, components_of, set_components


@dataclass(frozen=True, slots=True)
class _Bill:
    """A kit as a record states it, its products found. product_id: of the device; None for a kit of no device."""

    record: KitRecord
    product_id: int | None
    components: tuple[Component, ...]


async def settle_kits(work: Work, arrivals: Sequence[Arrival]) -> None:
    """Find or make each kit, by reference or by name; all its products must be known."""
    records = {a.key: a.record for a in arrivals if isinstance(a.record, KitRecord)}
    named = [item for record in records.values() for item in (record.product, *(c.product for c in record.components))]
    products = await resolve_products(work, named, make=False)
    bills = {a.key: _bill(work, a, records[a.key], products) for a in arrivals}
    names = {record.name for record in records.values()}
    by_name = {row["name"]: row["id"] for row in await find_rows(work.tx, EntityKind.KIT, "name", names, columns=())}
    known = {a.known.entity_id for a in arrivals if a.known and a.known.entity_id is not None}
    drafts = await load_drafts(work.tx, EntityKind.KIT, known | set(by_name.values()))
    before = await components_of(work.tx, drafts.keys())
    owners = await _owners(work, {bill.product_id for bill in bills.values() if bill and bill.product_id is not None})
    changing = {a.known.entity_id: bills[a.key] for a in arrivals if a.known}
    for number, (owner, _) in list(owners.items()):
        bill = changing.get(owner.id)
        if bill is not None and bill.product_id != number:
            del owners[number]
    new: dict[str, Draft] = {}
    changes: list[tuple[Arrival, Draft, Values]] = []
    stated: list[tuple[Draft, tuple[Component, ...]]] = []
    for arrival in arrivals:
        bill = bills[arrival.key]
        if bill is None:
            continue
        name = bill.record.name
        entity_id = arrival.known.entity_id if arrival.known else None
        draft = drafts.get(entity_id or by_name.get(name, 0)) or new.get(name) or Draft(EntityKind.KIT, before=None)
        if (why := _conflict(bill, draft, by_name.get(name), owners)) is not None:
            work.refuse(arrival, why[0], path=why[1])
            continue
        new[name] = draft
        if bill.product_id is not None:
            owners[bill.product_id] = (draft, name)
        values = {"name": name, "product_id": bill.product_id, "instructions": bill.record.instructions}
        changes.append((arrival, draft, values))
        if before.get(draft.id, ()) != bill.components:
            draft.notes["components"] = (_shown(before.get(draft.id, ())), _shown(bill.components))
            stated.append((draft, bill.components))
        work.land(arrival, draft)
    await work.merge(changes)
    await work.write(EntityKind.KIT, [draft for _, draft, _ in changes])
    await set_components(work.tx, {draft.id: components for draft, components in stated})


def _bill(work: Work, arrival: Arrival, record: KitRecord, products: Products) -> _Bill | None:
    """The products of a record; None when it cannot be used, which is noted."""
    if not record.components:
        reason = f"kit {record.name!r} has no components. Name what is packed with the device, or delete the kit."
        work.refuse(arrival, reason, path="/components")
        return None
    wanted: list[tuple[str, SourceRef | ProductKey]] = [
        (f"/components/{number}/product", item.product) for number, item in enumerate(record.components)
    ]
    if record.product is not None:
        wanted.insert(0, ("/product", record.product))
    ids = {path: product_id(products, named) for path, named in wanted}
    for path, named in wanted:
        if ids[path] is None:
            work.refuse_unknown(arrival, product_name(named), waits_for_product(products, named), path=path)
            return None
    device = ids.get("/product")
    components: dict[int, Component] = {}
    for number, item in enumerate(record.components):
        path = f"/components/{number}/product"
        component = ids[path] or 0
        if component == device:
            why = "which is its device: a kit is what goes along with the device. Leave it out of the components."
        elif component in components:
            why = "twice. State it once, with the quantity of both."
        else:
            components[component] = Component(component, item.quantity)
            continue
        work.refuse(arrival, f"kit {record.name!r} has the component {product_name(item.product)}, {why}", path=path)
        return None
    return _Bill(record, device, tuple(components.values()))


async def _owners(work: Work, product_ids: set[int]) -> dict[int, tuple[Draft, str]]:
    """Which kit each of the products has now, and its name; retired kits count for nothing."""
    columns = ("name", "retired_at")
    rows = await find_rows(work.tx, EntityKind.KIT, "product_id", product_ids, columns=columns)
    live = [row for row in rows if row["retired_at"] is None]
    return {row["product_id"]: (Draft(EntityKind.KIT, before=row, id=row["id"]), row["name"]) for row in live}


def _conflict(
    bill: _Bill, draft: Draft, named: int | None, owners: Mapping[int, tuple[Draft, str]]
) -> tuple[str, str] | None:
    """Why the kit cannot be what a record says, beside what others are, and where that stands in the record."""
    name = bill.record.name
    if named is not None and named != draft.id:
        other = draft.after.get("name")
        return f"kit {other!r} is to be called {name!r}, as another kit is already. Choose another name.", "/name"
    owner = owners.get(bill.product_id) if bill.product_id is not None else None
    if owner is not None and not _is_same(owner[0], draft) and bill.record.product is not None:
        device = product_name(bill.record.product)
        return (
            f"kit {name!r} is said to be the swap kit of {device}, which has the kit {owner[1]!r} already. "
            "Name the device at one of them only.",
            "/product",
        )
    return None


def _is_same(one: Draft, other: Draft) -> bool:
    return one is other or (one.id != 0 and one.id == other.id)


def _shown(components: Sequence[Component]) -> list[dict[str, int]] | None:
    """The components as a change row has them."""
    return [item._asdict() for item in components] or None
