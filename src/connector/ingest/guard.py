"""The guard: how much of what a source has a sync may retire or change without being asked for.

What it stops is not lost: a plan of it is kept for somebody to approve, and the source is left alone until then.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from connector.ingest.applied import Applied
from connector.model.refs import EntityKind
from connector.storage.database.engine import Transaction
from connector.storage.sources.refs import count_live_refs


@dataclass(frozen=True, slots=True)
class Limit:
    """So many at once stop a sync: more than this share of what the source has, and more than this count."""

    share: float
    count: int

    def forbids(self, many: int, of: int) -> bool:
        """Whether so many out of all are too many."""
        return many > self.count and many > self.share * of

    def __str__(self) -> str:
        """For people."""
        return f"more than {self.share:.0%} and {self.count}"


RETIRED: Final = Limit(0.2, 10)
CHANGED: Final = Limit(0.5, 100)


@dataclass(frozen=True, slots=True)
class Guard:
    """What a sync of a source may do. retired, changed: of the things that it has; new ones are never too many."""

    retired: Limit = RETIRED
    changed: Limit = CHANGED


GUARD: Final = Guard()
UNGUARDED: Final = Guard(Limit(1.0, 0), Limit(float("inf"), 0))
"""Whatever a source says is done."""


class TooMuchError(Exception):
    """A batch would go beyond what the guard allows; its transaction is to be rolled back.

    The message is for people. done: how much of it did happen.
    """

    def __init__(self, message: str, done: int) -> None:
        super().__init__(message)
        self.done = done


@dataclass(slots=True)
class Tally:
    """What a pull of a stream has changed and retired so far, batch by batch.

    kinds: of the things that the stream is about, none for any. newest: row id of the newest reference when it began.
    """

    guard: Guard
    source_id: int
    stream: str
    kinds: Collection[EntityKind]
    newest: int
    changed: int = 0
    retired: int = 0
    _all: int | None = None

    async def admit(self, tx: Transaction, applied: Applied, *, is_complete: bool) -> None:
        """Count a batch that was applied in this transaction. Raises TooMuchError; it is not counted then.

        is_complete: it ended a snapshot, of which what was retired is judged as a whole.
        """
        changed = self.changed + applied.changed
        retired = self.retired + (0 if is_complete else applied.deleted)
        for limit, many, before, what in (
            (self.guard.changed, changed, self.changed, "change"),
            (self.guard.retired, retired, self.retired, "be retired"),
        ):
            if many > before and many > limit.count and limit.forbids(many, await self._had(tx, applied.deleted)):
                raise TooMuchError(
                    f"{self.stream}: {limit} of the {self._all:,} records that the source had would {what}", before
                )
        self.changed, self.retired = changed, retired

    async def _had(self, tx: Transaction, gone: int) -> int:
        """How much the source had before the pull. gone: references that left in this transaction."""
        if self._all is None:
            live = await count_live_refs(tx, self.source_id, self.kinds, up_to=self.newest)
            self._all = live + self.retired + gone
        return self._all
