"""The book of a courier without a vendor: a file for each parcel, written once and never changed.

A file comes into its place by a hard link, which is there whole or not at all, and fails where there is one already: of
attempts at the same time, in any number of processes, one is first and the others find what it wrote.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from connector.sdk import (
    AdapterError,
    BuyLabel,
    ConfigError,
    EntityKind,
    IdempotencyKey,
    Party,
    SourceRef,
    Transient,
    UnexpectedResponse,
)
from connector_manual_courier.numbers import numbers_for

ENTRY, VOID, PICKUP = ".json", ".void.json", ".pickup-"
PASSING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.ETIMEDOUT})
"""What a file system says that may be otherwise in a while."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """A parcel: what was asked for, and what it was given. number: what it is followed by."""

    number: str
    op: BuyLabel
    carrier: str
    service: str
    amount_cents: int
    currency: str
    arrives_at: datetime
    entered_at: datetime

    @property
    def ref(self) -> SourceRef:
        """What it is called in the hub."""
        return SourceRef(kind=EntityKind.SHIPMENT, external_id=self.number)


@dataclass(frozen=True, slots=True)
class Voided:
    """That a parcel is not carried."""

    key: IdempotencyKey
    at: datetime


@dataclass(frozen=True, slots=True)
class Pickup:
    """That somebody is to come for a parcel. at: where it waits."""

    key: IdempotencyKey
    at: Party
    earliest: datetime
    latest: datetime
    instructions: str
    noted_at: datetime


_ENTRY, _VOIDED, _PICKUP = TypeAdapter(Entry), TypeAdapter(Voided), TypeAdapter(Pickup)


class Book:
    """Parcels by their numbers, in folders by the last two digits. All methods wait for the disk."""

    def __init__(self, folder: Path, prefix: str) -> None:
        self._folder = folder
        self._prefix = prefix

    def require(self) -> None:
        """Raises ConfigError when nothing can be kept here, Transient when the disk is full or away."""

        def try_out() -> None:
            self._folder.mkdir(exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".try-", dir=self._folder) as folder:
                file = Path(folder) / "file"
                file.write_bytes(b"")
                os.link(file, Path(folder) / "link")

        self._guarded("use the book", try_out)

    def find(self, key: IdempotencyKey) -> Entry | None:
        """The parcel of a key."""
        for number in numbers_for(key, self._prefix):
            entry = self.entry(number)
            if entry is None or entry.op.key == key:
                return entry
        raise AssertionError("numbers do not end")

    def enter(self, key: IdempotencyKey, make: Callable[[str], Entry]) -> Entry:
        """The parcel of a key; if there is none, what `make` makes of a number that no other parcel has."""
        for number in numbers_for(key, self._prefix):
            found = self.entry(number)
            if found is None:
                self._write(self._path(number, ENTRY), _ENTRY.dump_json(make(number)))
                found = self.entry(number)
            if found is not None and found.op.key == key:
                return found
        raise AssertionError("numbers do not end")

    def entry(self, number: str) -> Entry | None:
        """A parcel by its number."""
        return self._read(self._path(number, ENTRY), _ENTRY)

    def void(self, number: str, key: IdempotencyKey, at: datetime) -> None:
        """A parcel is not carried; once is as good as twice."""
        self._write(self._path(number, VOID), _VOIDED.dump_json(Voided(key, at)))

    def voided(self, number: str) -> Voided | None:
        """Since when a parcel is not carried."""
        return self._read(self._path(number, VOID), _VOIDED)

    def entries(self) -> list[Entry]:
        """All parcels, by their numbers."""
        found = self._folder.glob(f"??/*{ENTRY}")
        paths = sorted(path for path in found if not path.name.endswith(VOID) and PICKUP not in path.name)
        return [entry for path in paths if (entry := self._read(path, _ENTRY)) is not None]

    def note_pickup(self, number: str, mark: str, pickup: Pickup) -> None:
        """Somebody is to come for a parcel; of one mark once. mark: letters and digits."""
        self._write(self._path(number, f"{PICKUP}{mark}{ENTRY}"), _PICKUP.dump_json(pickup))

    def call_off(self, number: str, mark: str, key: IdempotencyKey, at: datetime) -> None:
        """Nobody is to come any more; once is as good as twice."""
        self._write(self._path(number, f"{PICKUP}{mark}{VOID}"), _VOIDED.dump_json(Voided(key, at)))

    def pickup_of(self, mark: str) -> str | None:
        """The number of the parcel for which a pickup was noted under this mark."""
        found = (path.name.partition(".")[0] for path in self._folder.glob(f"??/*{PICKUP}{mark}{ENTRY}"))
        return next(found, None)

    def pickups(self, number: str) -> list[Pickup]:
        """Those of a parcel that were not called off, the earliest first."""
        paths = (self._folder / number[-2:]).glob(f"{number}{PICKUP}*{ENTRY}")
        there = [path for path in paths if not path.name.endswith(VOID)]
        kept = [path for path in there if not path.with_name(path.name.removesuffix(ENTRY) + VOID).exists()]
        found = [pickup for path in kept if (pickup := self._read(path, _PICKUP)) is not None]
        return sorted(found, key=lambda pickup: (pickup.earliest, pickup.key))

    def _path(self, number: str, ending: str) -> Path:
        return self._folder / number[-2:] / f"{number}{ending}"

    def _read(self, path: Path, kind: TypeAdapter[T]) -> T | None:
        def read() -> bytes | None:
            with suppress(FileNotFoundError):
                return path.read_bytes()
            return None

        content = self._guarded("read the book", read)
        if content is None:
            return None
        try:
            return kind.validate_json(content)
        except ValidationError as error:
            raise UnexpectedResponse(
                f"{path.name} of the book cannot be read: {error.errors(include_input=False)[0]['msg']}",
                operation="read the book",
                hint="Files of the book are never changed by hand. Restore this one from a backup.",
            ) from None

    def _write(self, path: Path, content: bytes) -> None:
        """Put a file in its place, on the disk when this returns; one that is there already stays."""

        def write() -> None:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                with suppress(FileExistsError):
                    os.link(name, path)
            finally:
                os.unlink(name)
            _to_disk(path.parent)
            _to_disk(path.parent.parent)

        self._guarded("write the book", write)

    def _guarded(self, operation: str, do: Callable[[], T]) -> T:
        """What `do` gives; errors of the file system as the hub knows them."""
        try:
            return do()
        except OSError as error:
            kind: type[AdapterError] = Transient if error.errno in PASSING else ConfigError
            raise kind(
                f"the book {str(self._folder)!r} cannot be used: {error.strerror or error}",
                operation=operation,
                hint="It needs a file system with hard links, and the right to write there. Its parent must be there.",
            ) from None


def _to_disk(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
