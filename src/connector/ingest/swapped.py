"""Records that were of a failed device and show the unit that was sent in its place.

Somebody entered a swap at the source, or the hub did and hears of it before it has noted that. The device has not
become another one: the record stands for the other device from now on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from connector.ingest.devices import Device, identify
from connector.ingest.work import Work
from connector.model.refs import EntityKind
from connector.storage.database.drafts import Draft
from connector.storage.sources.refs import RefKey, live_refs
from connector.storage.stock.swapped import OF_THE_POSITION
from connector.storage.stock.swaps import sent_in_place_of


async def follow_swaps(
    work: Work, devices: Sequence[Device], matched: Mapping[RefKey, int | None], drafts: Mapping[int, Draft]
) -> dict[RefKey, int | None]:
    """The asset that each record of a swapped device stands for from now on, None for one that is not known yet.

    What belongs to the position is taken from the device that was there. A record that only corrects a serial, and a
    unit of which the same source has another record, are left as they were matched.
    """
    other = {
        device.arrival.key: device
        for device in devices
        if (draft := drafts.get(matched.get(device.arrival.key) or 0)) is not None
        and _is_known(device, draft.id)
        and device.facts.serial not in (None, draft.after["serial"] or device.facts.serial)
    }
    if not other:
        return {}
    before = {key: matched[key] or 0 for key in other}
    sent = await sent_in_place_of(work.tx, set(before.values()))
    units = {
        key: sent[before[key]].units.get(device.facts.serial or "")
        for key, device in other.items()
        if before[key] in sent
    }
    live = await live_refs(work.tx, EntityKind.ASSET, {unit for unit in units.values() if unit is not None})
    followed: dict[RefKey, int | None] = {}
    unnamed: list[Device] = []
    for key, unit in units.items():
        if unit is None and sent[before[key]].has_unnamed:
            unnamed.append(other[key])
        elif unit is not None and not any(source == work.source_id for source, _ in live.get(unit, ())):
            followed[key] = unit
    followed |= await identify(work, unnamed, is_known=False)
    for key in followed:
        drafts[before[key]].after |= dict.fromkeys(OF_THE_POSITION)
    return followed


def _is_known(device: Device, asset_id: int) -> bool:
    known = device.arrival.known
    return known is not None and known.entity_id == asset_id
