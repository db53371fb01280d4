"""Addresses of network adapters: which source states which of which device."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.storage.database.bulk import among, insert_rows, new_ids
from connector.storage.tables import asset_mac


async def macs_of(tx: AsyncConnection, asset_ids: Collection[int]) -> dict[int, dict[int, frozenset[str]]]:
    """Of each device that has any: source -> the addresses that it states."""
    found: dict[int, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    if asset_ids:
        c = asset_mac.c
        statement = select(c.asset_id, c.source_id, c.mac).where(among(tx, c.asset_id, asset_ids))
        for asset_id, source_id, mac in await tx.execute(statement):
            found[asset_id][source_id].add(mac)
    return {
        asset_id: {source_id: frozenset(macs) for source_id, macs in by_source.items()}
        for asset_id, by_source in found.items()
    }


async def put_macs(
    tx: AsyncConnection, source_id: int, stated: Mapping[int, Collection[str]], known: Collection[int]
) -> None:
    """Have the addresses of these devices be those that a source states now; the caller logs it.

    known: those of them for which the source has stated other ones before.
    """
    c = asset_mac.c
    if known:
        await tx.execute(delete(asset_mac).where(c.source_id == source_id, among(tx, c.asset_id, known)))
    rows = [(asset_id, mac) for asset_id, macs in sorted(stated.items()) for mac in sorted(macs)]
    ids = await new_ids(tx, asset_mac, len(rows))
    await insert_rows(
        tx,
        asset_mac,
        [
            {"id": row_id, "asset_id": asset_id, "source_id": source_id, "mac": mac}
            for row_id, (asset_id, mac) in zip(ids, rows, strict=True)
        ],
    )
