"""Which device is it? By reference, else by serial and maker, else by asset tag; never by a guess."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from connector.ingest.arrivals import Arrival
from connector.ingest.work import Work
from connector.model.records import AssetRecord
from connector.model.refs import EntityKind
from connector.storage.database.drafts import find_rows
from connector.storage.sources.refs import RefKey, live_refs

_COLUMNS = ("serial", "asset_tag", "name", "product_id", "retired_at")
Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Device:
    """A record with what it refers to. serial, asset_tag: as the hub keeps them."""

    arrival: Arrival
    record: AssetRecord
    serial: str | None
    asset_tag: str | None
    product_id: int | None
    place: tuple[EntityKind, int] | None


async def identify(work: Work, devices: Sequence[Device], *, is_known: bool = True) -> dict[RefKey, int | None]:
    """The asset of each device, None for a new one; a device that fits more than one is refused and left out.

    A serial is not unique and may be missing: two makers use the same one, and a source that knows two devices of
    one serial has two devices. An asset that this source calls by another reference is therefore another device.
    is_known: whether what was known of a reference counts.
    """
    matched: dict[RefKey, int | None] = {}
    new: list[Device] = []
    for device in devices:
        known = device.arrival.known
        if is_known and known is not None and known.entity_id is not None:
            matched[device.arrival.key] = known.entity_id
        else:
            new.append(device)
    candidates = await _candidates(work, new)
    wanted = Counter(found[0]["id"] for found in candidates.values() if len(found) == 1)
    for device in new:
        found = candidates[device.arrival.key]
        if not found:
            matched[device.arrival.key] = None
        elif len(found) == 1 and wanted[found[0]["id"]] == 1:
            matched[device.arrival.key] = found[0]["id"]
        else:
            _refuse(work, device, found)
    return matched


async def _candidates(work: Work, devices: Sequence[Device]) -> dict[RefKey, list[Row]]:
    serials = {device.serial for device in devices if device.serial}
    tags = {device.asset_tag for device in devices if device.asset_tag}
    by_serial, by_tag = defaultdict(list), defaultdict(list)
    for row in await find_rows(work.tx, EntityKind.ASSET, "serial", serials, columns=_COLUMNS):
        by_serial[row["serial"]].append(row)
    for row in await find_rows(work.tx, EntityKind.ASSET, "asset_tag", tags, columns=_COLUMNS):
        by_tag[row["asset_tag"]].append(row)
    rows = [row for found in (*by_serial.values(), *by_tag.values()) for row in found]
    live = await live_refs(work.tx, EntityKind.ASSET, {row["id"] for row in rows})
    own = {asset_id for asset_id, refs in live.items() if any(source == work.source_id for source, _ in refs)}
    products = {row["product_id"] for row in rows} | {device.product_id for device in devices}
    makers = {
        row["id"]: row["manufacturer_key"]
        for row in await find_rows(
            work.tx,
            EntityKind.PRODUCT,
            "id",
            {i for i in products if i is not None} if rows else (),
            columns=("manufacturer_key",),
        )
    }
    found: dict[RefKey, list[Row]] = {}
    for device in devices:
        maker = makers.get(device.product_id or 0)
        same_serial = [
            row
            for row in by_serial.get(device.serial or "", ())
            if row["id"] not in own and (maker is None or makers.get(row["product_id"], maker) == maker)
        ]
        same_tag = [
            row
            for row in by_tag.get(device.asset_tag or "", ())
            if row["id"] not in own and (not device.serial or row["serial"] in (None, device.serial))
        ]
        found[device.arrival.key] = _narrow(same_serial, device) or _narrow(same_tag, device)
    return found


def _narrow(rows: list[Row], device: Device) -> list[Row]:
    """Of several that fit, those that fit better in every further respect that tells them apart."""
    for fits in (
        [row for row in rows if row["product_id"] == device.product_id],
        [row for row in rows if device.asset_tag and row["asset_tag"] == device.asset_tag],
        [row for row in rows if row["retired_at"] is None],
    ):
        if len(rows) > 1 and fits:
            rows = [row for row in rows if row in fits] or rows
    return rows


def _refuse(work: Work, device: Device, found: Sequence[Row]) -> None:
    names = " and ".join(
        f"asset {row['id']} ({row['name'] or 'no name'}, serial {row['serial'] or 'none'}, "
        f"tag {row['asset_tag'] or 'none'})"
        for row in found
    )
    what = "fits more than one device" if len(found) > 1 else "and another record of this source fit the same device"
    work.refuse(
        device.arrival,
        f"{device.record.ref} (serial {device.serial!r}, tag {device.asset_tag!r}) {what}: {names}. "
        "Correct the serial or the tag in one of the sources, then replay this record.",
        path="/serial" if device.serial else "/asset_tag",
    )
