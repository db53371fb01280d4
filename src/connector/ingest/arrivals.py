"""Records on arrival: one per thing, with a digest that tells whether it was seen before."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from connector.model.records import Record, ShipmentRecord, Tombstone
from connector.sdk.adapter import Deferred
from connector.storage.sources.refs import KnownRef, RefKey

DIGEST_BYTES = 16


@dataclass(slots=True, eq=False)
class Arrival:
    """A record and what is known of its reference. digest: of all that it states, or is made from."""

    said: Record | Deferred
    key: RefKey
    digest: bytes
    known: KnownRef | None = None

    @property
    def record(self) -> Record:
        """The record. What is deferred has to be made before."""
        if isinstance(self.said, Deferred):
            raise TypeError(f"{self.said.ref} is used before it is made")
        return self.said

    @property
    def is_stale(self) -> bool:
        """Whether the hub has seen something newer of the same thing; a deletion wins over an equal version."""
        if self.known is None or self.known.version is None or self.said.updated_at is None:
            return False
        if self.known.deleted_at is not None and not isinstance(self.said, Tombstone):
            return self.said.updated_at <= self.known.version
        return self.said.updated_at < self.known.version

    @property
    def is_unchanged(self) -> bool:
        """Whether it states what was applied already."""
        if self.known is None:
            return False
        if isinstance(self.said, Tombstone):
            return self.known.deleted_at is not None
        return self.known.deleted_at is None and self.known.content_hash == self.digest

    @property
    def is_news(self) -> bool:
        """Whether its version is newer than the one that is remembered."""
        version = self.said.updated_at
        return version is not None and (
            self.known is None or self.known.version is None or version > self.known.version
        )

    @property
    def version(self) -> datetime | None:
        """The version to remember."""
        return self.said.updated_at or (self.known.version if self.known else None)


def digest(record: Record | Deferred) -> bytes:
    """A digest of everything that the record states but its version; of what it is made from when it is deferred."""
    if isinstance(record, Deferred):
        return record.digest
    text = record.__pydantic_serializer__.to_json(record, exclude={"updated_at"}, exclude_none=True)
    return hashlib.blake2b(text, digest_size=DIGEST_BYTES).digest()


def newest_of_each(records: Iterable[Record | Deferred]) -> dict[RefKey, Record | Deferred]:
    """The newest record of each thing, by version, then by place in the batch; parcels keep all of their scans."""
    newest: dict[RefKey, Record | Deferred] = {}
    for record in records:
        ref = record.ref
        key = (ref.kind, ref.external_id)
        newest[key] = _newer(newest[key], record) if key in newest else record
    return newest


def _newer(first: Record | Deferred, second: Record | Deferred) -> Record | Deferred:
    wins, loses = second, first
    if first.updated_at is not None and second.updated_at is not None:
        same = first.updated_at == second.updated_at
        if first.updated_at > second.updated_at or (same and isinstance(first, Tombstone)):
            wins, loses = first, second
    if isinstance(wins, ShipmentRecord) and isinstance(loses, ShipmentRecord):
        return wins.model_copy(update={"events": tuple(dict.fromkeys(loses.events + wins.events))})
    return wins
