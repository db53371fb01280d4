"""Records on arrival: one per thing, with a digest that tells whether it was seen before."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from connector.model.records import Record, ShipmentRecord, Tombstone
from connector.sdk.adapter import Deferred
from connector.storage.sources.refs import KnownRef, RefKey, is_ahead

DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Heard:
    """When the hub heard a record. by: until when it had it.

    since: when it began to ask for it, and from when on the record therefore is what its source says; None for what the
    source said unasked, which may be of any time before.
    """

    by: datetime
    since: datetime | None = None


Hearing: TypeAlias = Callable[[RefKey], Heard]


@dataclass(slots=True, eq=False)
class Arrival:
    """A record and what is known of its reference. digest: of all that it states, or is made from."""

    said: Record | Deferred
    key: RefKey
    digest: bytes
    heard: Heard
    known: KnownRef | None = None

    @property
    def record(self) -> Record:
        """The record. What is deferred has to be made before."""
        if isinstance(self.said, Deferred):
            raise TypeError(f"{self.said.ref} is used before it is made")
        return self.said

    @property
    def is_stale(self) -> bool:
        """Whether the hub has seen something newer of the same thing; a deletion wins over an equal version.

        A version that was in the future when it was heard is newer only than what was said before that.
        """
        known, version = self.known, self.said.updated_at
        if known is None or known.version is None or version is None:
            return False
        if version == known.version:
            return known.deleted_at is not None and not isinstance(self.said, Tombstone)
        if version > known.version:
            return False
        return known.heard_at is None or not self._is_said_after(known.heard_at)

    def _is_said_after(self, at: datetime) -> bool:
        """Whether its source said so after a time: it was asked after that, or its own time, if it can be, is later."""
        if self.heard.since is not None and self.heard.since >= at:
            return True
        return not self.is_ahead and self.said.updated_at is not None and self.said.updated_at >= at

    @property
    def is_ahead(self) -> bool:
        """Whether its version was in the future when it was heard."""
        return is_ahead(self.said.updated_at, self.heard.by)

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
        """Whether its version is to be remembered instead of the one that is: it is newer, or that one was wrong."""
        version = self.said.updated_at
        if version is None:
            return False
        return self.known is None or self.known.version is None or (version != self.known.version and not self.is_stale)

    @property
    def version(self) -> datetime | None:
        """The version to remember."""
        return self.said.updated_at or (self.known.version if self.known else None)

    @property
    def heard_at(self) -> datetime | None:
        """When that version was heard, to remember where it was in the future by then; None where it was not."""
        if self.said.updated_at is None:
            return self.known.heard_at if self.known else None
        return (self.heard.since or self.heard.by) if self.is_ahead else None


def digest(record: Record | Deferred) -> bytes:
    """A digest of everything that the record states but its version; of what it is made from when it is deferred."""
    if isinstance(record, Deferred):
        return record.digest
    text = record.__pydantic_serializer__.to_json(record, exclude={"updated_at"}, exclude_none=True)
    return hashlib.blake2b(text, digest_size=DIGEST_BYTES).digest()


def arrivals_of(records: Iterable[Record | Deferred], hearing: Hearing) -> list[Arrival]:
    """The newest record of each thing, by version, then by place in the batch; parcels keep all of their scans.

    Of two of which one is from the future, the later one in the batch.
    """
    newest: dict[RefKey, Record | Deferred] = {}
    for record in records:
        ref = record.ref
        key = (ref.kind, ref.external_id)
        newest[key] = _newer(newest[key], record, hearing(key)) if key in newest else record
    return [Arrival(record, key, digest(record), hearing(key)) for key, record in newest.items()]


def _newer(first: Record | Deferred, second: Record | Deferred, heard: Heard) -> Record | Deferred:
    wins, loses = second, first
    are_ahead = {is_ahead(one.updated_at, heard.by) for one in (first, second)}
    if first.updated_at is not None and second.updated_at is not None and len(are_ahead) == 1:
        same = first.updated_at == second.updated_at
        if first.updated_at > second.updated_at or (same and isinstance(first, Tombstone)):
            wins, loses = first, second
    if isinstance(wins, ShipmentRecord) and isinstance(loses, ShipmentRecord):
        return wins.model_copy(update={"events": tuple(dict.fromkeys(loses.events + wins.events))})
    return wins
