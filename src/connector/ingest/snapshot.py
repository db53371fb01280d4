"""What a complete look at a source has shown, in one bit per reference."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from connector.ingest.guard import RETIRED, Limit
from connector.model.records import (
    AssetRecord,
    CompatibilityRecord,
    HubRecord,
    KitRecord,
    ProductRecord,
    Record,
    ShipmentRecord,
    SiteRecord,
    StockRecord,
    TicketRecord,
)
from connector.model.refs import EntityKind
from connector.sdk.adapter import Stream

KIND_OF: dict[type[Record], EntityKind] = {
    SiteRecord: EntityKind.SITE,
    HubRecord: EntityKind.HUB,
    ProductRecord: EntityKind.PRODUCT,
    AssetRecord: EntityKind.ASSET,
    StockRecord: EntityKind.STOCK,
    CompatibilityRecord: EntityKind.COMPATIBILITY,
    KitRecord: EntityKind.KIT,
    TicketRecord: EntityKind.TICKET,
    ShipmentRecord: EntityKind.SHIPMENT,
}


@dataclass(slots=True)
class Snapshot:
    """What was seen since the snapshot began.

    kinds: what it shows. newest: row id of the newest reference when it began; one that came later, by a webhook,
    is not missed by it.
    """

    kinds: set[EntityKind]
    newest: int
    limit: Limit = RETIRED
    _bits: bytearray = field(default_factory=bytearray, repr=False)

    def see(self, ref_ids: Iterable[int]) -> None:
        """These references are still there."""
        ids = list(ref_ids)
        missing = (max(ids, default=0) >> 3) + 1 - len(self._bits)
        if missing > 0:
            self._bits.extend(bytes(max(4096, missing)))
        bits = self._bits
        for ref_id in ids:
            bits[ref_id >> 3] |= 1 << (ref_id & 7)

    def unseen(self, ref_ids: Iterable[int]) -> list[int]:
        """Those of the references that were not seen."""
        bits, known = self._bits, len(self._bits) << 3
        return [ref_id for ref_id in ref_ids if ref_id >= known or not bits[ref_id >> 3] >> (ref_id & 7) & 1]


def snapshot_of(stream: Stream, since: str | None, newest: int, limit: Limit) -> Snapshot | None:
    """What a pull of a stream from there on is to note; None where it shows only what has changed."""
    if stream.mode != "snapshot" and since is not None:
        return None
    return Snapshot(kinds=kinds_of(stream), newest=newest, limit=limit)


def kinds_of(stream: Stream) -> set[EntityKind]:
    """Of the things that a stream is about; none where its records do not say."""
    return {KIND_OF[stream.record]} if stream.record in KIND_OF else set()
