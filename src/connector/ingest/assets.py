"""Devices as sources describe them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connector.ingest.addresses import note_addresses, write_addresses
from connector.ingest.arrivals import Arrival
from connector.ingest.devices import Device, identify, record_facts
from connector.ingest.places import resolve_places
from connector.ingest.products import product_id, product_name, resolve_products, waits_for_product
from connector.ingest.relations import RelationPlan
from connector.ingest.swapped import follow_swaps
from connector.ingest.work import Work
from connector.model.kinds import Lane
from connector.model.lifecycle import AssetState
from connector.model.records import AssetRecord
from connector.model.refs import EntityKind
from connector.storage.database.drafts import Draft, Values, find_rows, load_drafts
from connector.storage.stock.book import claimed_assets, shelf_of

NEEDS_WIPE = frozenset({AssetState.QUARANTINED, AssetState.WIPING})
"""A data-bearing unit leaves these states for a shelf only by a recorded wipe, whatever a source says."""


async def settle_assets(work: Work, arrivals: Sequence[Arrival]) -> None:
    """Find or make the device of each record and take over what it says, but never against a live reservation."""
    devices = await _refer(work, arrivals)
    matched = await identify(work, devices)
    drafts = await load_drafts(work.tx, EntityKind.ASSET, {i for i in matched.values() if i is not None})
    swapped = await follow_swaps(work, devices, matched, drafts)
    left = [drafts[matched[key] or 0] for key in swapped]
    matched |= swapped
    drafts |= await load_drafts(work.tx, EntityKind.ASSET, {i for i in swapped.values() if i is not None})
    claimed = await claimed_assets(work.tx, drafts.keys())
    guarded = await _guarded_products(work, drafts)
    await work.golden.load(EntityKind.ASSET, drafts.keys())
    changes: list[tuple[Arrival, Draft, Values]] = []
    for device in devices:
        arrival = device.arrival
        if arrival.key not in matched:
            continue
        draft = drafts.get(matched[arrival.key] or 0) or Draft(
            EntityKind.ASSET, before=None, after={"lane": Lane.NORMAL}
        )
        _note_shelf(work, draft)
        is_claimed = draft.id in claimed
        is_news = arrival.key in swapped
        complete, placement = _place(work, device, draft, is_news=is_news, is_claimed=is_claimed, guarded=guarded)
        values = _values(device)
        if is_claimed and values["product_id"] != draft.after["product_id"]:
            complete = values.pop("product_id") is None and complete
        changes.append((arrival, draft, values))
        work.land(arrival, draft, complete=complete, placement=placement)
    await work.merge(changes)
    for _, draft, _ in changes:
        _note_shelf(work, draft)
    addresses = await note_addresses(work, _macs(changes), left)
    relations = RelationPlan(work, ((arrival, draft) for arrival, draft, _ in changes), left)
    await relations.note()
    await work.write(EntityKind.ASSET, dict.fromkeys([*left, *(draft for _, draft, _ in changes)]))
    await write_addresses(work, addresses)
    await relations.settle()


async def _refer(work: Work, arrivals: Sequence[Arrival]) -> list[Device]:
    """The devices whose product and place are known; the others wait for them."""
    records = [(arrival, arrival.record) for arrival in arrivals if isinstance(arrival.record, AssetRecord)]
    products = await resolve_products(work, [record.product for _, record in records], make=True)
    places = await resolve_places(work, [record.place for _, record in records if record.place is not None])
    devices: list[Device] = []
    for arrival, record in records:
        found = product_id(products, record.product) if record.product is not None else None
        place = places.get((record.place.kind, record.place.external_id)) if record.place is not None else None
        if record.product is not None and found is None:
            name = product_name(record.product)
            work.refuse_unknown(arrival, name, waits_for_product(products, record.product), path="/product")
        elif record.place is not None and place is None:
            name = f"{record.place.kind.value} {record.place.external_id!r}"
            work.refuse_unknown(arrival, name, str(record.place), path="/place")
        else:
            devices.append(Device(arrival, record, record_facts(record, found, place), place))
    return devices


def _macs(changes: Sequence[tuple[Arrival, Draft, Values]]) -> list[tuple[Draft, tuple[str, ...] | None]]:
    records = ((draft, arrival.record) for arrival, draft, _ in changes)
    return [(draft, record.macs) for draft, record in records if isinstance(record, AssetRecord)]


def _values(device: Device) -> dict[str, Any]:
    record, facts, (kind, place_id) = device.record, device.facts, device.place or (None, None)
    return {
        "name": record.name,
        "serial": facts.serial,
        "asset_tag": facts.asset_tag,
        "revision": record.revision,
        "warranty_ends_on": record.warranty_ends_on,
        "holder": record.holder,
        "url": record.url,
        "product_id": facts.product,
        "site_id": place_id if kind is EntityKind.SITE else None,
        "hub_id": place_id if kind is EntityKind.HUB else None,
        "state": record.state,
        "lane": record.lane,
    }


def _place(
    work: Work, device: Device, draft: Draft, *, is_news: bool, is_claimed: bool, guarded: frozenset[int]
) -> tuple[bool, str | None]:
    """Put the device where the record says it is; returns whether that could be done, and the placement to remember.

    What a source says of state and place counts when it says it: repeated, it does not undo what the hub did
    since; of a device that the source has named only now, it is news. While a reservation holds the unit nothing moves
    it, and nothing makes another product of it. What a source says does not count where one that goes before it by the
    precedence says something of the same.
    """
    record, known = device.record, device.arrival.known
    placement = _placement(device)
    was_retired = draft.after.get("retired_at") is not None
    is_said_again = known is not None and known.placement == placement and not is_news
    if is_said_again and draft.before is not None and not was_retired:
        return True, placement
    if is_claimed:
        return False, known.placement if known else None
    if device.place is not None and not work.golden.yields(draft, "place"):
        kind, place_id = device.place
        draft.after["hub_id"] = place_id if kind is EntityKind.HUB else None
        draft.after["site_id"] = place_id if kind is EntityKind.SITE else None
    if record.lane is not None and not work.golden.yields(draft, "lane"):
        draft.after["lane"] = record.lane
    state = None if work.golden.yields(draft, "state") else record.state
    if state is None and (draft.before is None or (was_retired and draft.after["state"] is AssetState.RETIRED)):
        state = AssetState.IN_STOCK if draft.after.get("hub_id") is not None else AssetState.DEPLOYED
    current = draft.after.get("state")
    if state is AssetState.IN_STOCK and current in NEEDS_WIPE and (draft.after.get("product_id") or 0) in guarded:
        return False, known.placement if known else None
    if state is not None:
        draft.after["state"] = state
    return True, placement


def _placement(device: Device) -> str:
    place = f"{device.place[0].value}={device.place[1]}" if device.place else ""
    state, lane = device.record.state, device.record.lane
    return f"{state.value if state else ''}@{place}/{lane.value if lane else ''}"


def _note_shelf(work: Work, draft: Draft) -> None:
    shelf = shelf_of(draft.after)
    if shelf is not None:
        work.shelves.add(shelf)


async def _guarded_products(work: Work, drafts: Mapping[int, Draft]) -> frozenset[int]:
    """Products that bear data, among those of units that wait for a wipe."""
    waiting = {draft.after["product_id"] for draft in drafts.values() if draft.after["state"] in NEEDS_WIPE}
    rows = await find_rows(
        work.tx, EntityKind.PRODUCT, "id", {i for i in waiting if i is not None}, columns=("is_data_bearing",)
    )
    return frozenset(row["id"] for row in rows if row["is_data_bearing"])
