"""Pickups: whoever drives is told where a parcel waits, and until when, by the page that its label leads to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from connector.sdk import Conflict, IdempotencyKey, Invalid, NotFound, Party, Receipt, SourceRef
from connector.sdk.courier import CancelPickup, PickupReceipt, key_mark
from connector_manual_courier.book import Book, Entry, Pickup
from connector_manual_courier.numbers import read_number

OPERATION = "schedule pickup"


@dataclass(frozen=True, slots=True)
class SchedulePickup:
    """Have somebody come for a parcel between two times. at: where it waits."""

    key: IdempotencyKey
    shipment: SourceRef
    at: Party
    earliest: datetime
    latest: datetime
    instructions: str = ""


class Pickups:
    """Notes pickups in the book, once for each key. All methods wait for the disk."""

    def __init__(self, book: Book, now: datetime) -> None:
        self._book = book
        self._now = now

    def schedule(self, op: SchedulePickup) -> PickupReceipt:
        """Note it. Raises NotFound for a parcel that is none, Conflict for one that is not carried, Invalid."""
        if op.earliest >= op.latest:
            raise Invalid(
                f"nobody can come between {op.earliest.isoformat()} and {op.latest.isoformat()}", operation=OPERATION,
                fields={"latest": "is not later than the earliest time"},
            )  # fmt: skip
        entry = self._parcel(op.shipment)
        if self._book.voided(entry.number) is not None:
            raise Conflict(f"parcel {entry.number} is not carried any more", operation=OPERATION, ref=op.shipment)
        mark = key_mark(op.key)
        pickup = Pickup(op.key, op.at, op.earliest, op.latest, op.instructions, self._now)
        self._book.note_pickup(entry.number, mark, pickup)
        return PickupReceipt(op.key, f"{entry.number}/{mark}")

    def find(self, key: IdempotencyKey) -> PickupReceipt | None:
        """The pickup of this key, also when it was called off since."""
        number = self._book.pickup_of(key_mark(key))
        return None if number is None else PickupReceipt(key, f"{number}/{key_mark(key)}")

    def cancel(self, op: CancelPickup) -> Receipt:
        """Call it off; once is as good as twice. Raises NotFound."""
        told, _, mark = op.pickup.partition("/")
        number = read_number(told)
        if number is None or not mark.isalnum() or self._book.pickup_of(mark) != number:
            raise NotFound(f"the book has no pickup {op.pickup!r}", operation="cancel pickup")
        self._book.call_off(number, mark, op.key, self._now)
        return Receipt(key=op.key, external_id=op.pickup)

    def _parcel(self, ref: SourceRef) -> Entry:
        number = read_number(ref.external_id)
        entry = self._book.entry(number) if number is not None else None
        if entry is None:
            raise NotFound(f"the book has no parcel {ref.external_id!r}", operation=OPERATION, ref=ref)
        return entry
