"""What pulls come to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Literal, TypeAlias

from connector.ingest.applied import Applied
from connector.model.kinds import SourceState
from connector.storage.database.engine import Transaction

SCHEDULE: Final = "schedule"
"""Who begins a pull at its time."""

Outcome: TypeAlias = Literal["pulled", "failed", "skipped", "busy", "stopped"]


@dataclass(frozen=True, slots=True)
class StreamReport:
    """What a pull of one stream came to.

    outcome: "busy" when another process is pulling it, "stopped" when the guard did. expected: how many records it
    will have seen at its end: as the source says, else as the last pull of this kind did; None where nobody knows.
    """

    name: str
    outcome: Outcome
    seen: int = 0
    created: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    quarantined: int = 0
    expected: int | None = field(default=None, compare=False)

    def plus(self, applied: Applied) -> StreamReport:
        """With another batch."""
        return replace(
            self,
            seen=self.seen + applied.seen,
            created=self.created + applied.created,
            updated=self.updated + applied.updated,
            deleted=self.deleted + applied.deleted,
            unchanged=self.unchanged + applied.unchanged,
            quarantined=self.quarantined + applied.quarantined,
        )


@dataclass(frozen=True, slots=True)
class PullReport:
    """What a pull of a source came to. error: what users are shown, None when all went well.

    outcome: "skipped" while the source backs off, is paused or disabled; "stopped" by the guard. replayed: quarantined
    records that could be applied because of it. plan: number of the one that is kept of what the guard stopped.
    """

    source: str
    outcome: Outcome
    state: SourceState
    streams: tuple[StreamReport, ...] = ()
    replayed: int = 0
    error: str | None = None
    plan: int | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """What a pull is to bring. full: everything anew. since: what has changed from then on, besides what is new.

    by: who wants it: a person, a program, `schedule`, `start` or `watch`.
    """

    full: bool = False
    since: datetime | None = None
    by: str = SCHEDULE


Progress: TypeAlias = Callable[[StreamReport], None]
"""Told after each batch how far the stream has come."""
Ended: TypeAlias = Callable[[Transaction, PullReport], Awaitable[None]]
"""Told what a pull came to, in the transaction in which it ends; not of one that others were busy with."""
