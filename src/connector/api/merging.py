"""Merges of devices, what takes them back, and splits, once per key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from zlib import crc32

from connector.fulfilment.once import once_in
from connector.ingest.merging import merge_assets
from connector.ingest.splitting import Split, split_asset
from connector.ingest.unmerging import Undone, undo_merge
from connector.sdk.adapter import Clock
from connector.storage.database.engine import Database, Transaction
from connector.storage.merging.records import Record


@dataclass(frozen=True, slots=True)
class Merged:
    """Devices that are one now. merge_ids: one for each that was not kept."""

    kept_id: int
    merge_ids: list[int]


class Merges:
    """Makes devices one and takes them apart; each is one transaction."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def merge(self, keep: int, merge: Sequence[int], *, reason: str, key: str, actor: str) -> Merged:
        """These devices are one. Raises NotKnown, IllegalTransition, InvalidInput."""

        async def do(tx: Transaction, _at: datetime) -> dict[str, Any]:
            ids = await merge_assets(tx, keep, merge, reason=reason, actor=actor, clock=self._clock)
            return asdict(Merged(keep, ids))

        # other devices under the same key are another command, which finds what is merged already
        name = f"merge-assets-{crc32(repr(list(merge)).encode())}"
        return Merged(**await once_in(self._database, self._clock.now(), name, key, keep, do))

    async def undo(self, merge_id: int, *, reason: str, key: str, actor: str) -> Undone:
        """They are two after all. Raises NotKnown, IllegalTransition, InvalidInput."""

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            return asdict(await undo_merge(tx, merge_id, reason=reason, actor=actor, at=at))

        return Undone(**await once_in(self._database, self._clock.now(), "undo-merge", key, merge_id, do))

    async def split(self, asset: int, records: Sequence[Record], *, reason: str, key: str, actor: str) -> Split:
        """These records are of another device. Raises NotKnown, IllegalTransition, InvalidInput."""

        async def do(tx: Transaction, _at: datetime) -> dict[str, Any]:
            return asdict(await split_asset(tx, asset, records, reason=reason, actor=actor, clock=self._clock))

        name = f"split-asset-{crc32(repr([asdict(record) for record in records]).encode())}"
        return Split(**await once_in(self._database, self._clock.now(), name, key, asset, do))
