"""How far the change log has grown: what tells that something which was read is still so, whoever may write it.

The length of the log is the number of changes that are committed, numbered or not. It is no number that a writer takes
before it commits, as an id is, so none that commits later hides below it: a change adds one to it at the moment when it
is to be seen, and nothing takes one away. Numbers are given without gaps, so the length is the last of them and those
that have none yet.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Collection
from pathlib import Path
from typing import Final, Protocol, cast

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.model.refs import EntityKind
from connector.storage.database.engine import direct_connections
from connector.storage.database.refusals import NotAnswered

MOST_LOOKED_THROUGH: Final = 1_000
"""Changes between two looks: when there are more, every kind counts as changed."""


_ASKED: Final = """
    SELECT (SELECT coalesce(max(position), 0) FROM change), (SELECT count(*) FROM change WHERE position IS NULL),
           (SELECT {joined}(kind, ',') FROM (SELECT DISTINCT kind FROM (
               SELECT kind FROM change WHERE position > {position} OR position IS NULL LIMIT {most}
           ) AS new) AS kinds)
"""
_ON_POSTGRESQL: Final = _ASKED.format(joined="string_agg", position="%(position)s", most=MOST_LOOKED_THROUGH)
_ON_SQLITE: Final = _ASKED.format(joined="group_concat", position=":position", most=MOST_LOOKED_THROUGH)


class LogGrowth:
    """The growth of a log, as one process sees it. Of two looks, the later one sees at least what the earlier did."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._ask = _asking(engine)
        self._length: int | None = None
        self._position = 0
        self._latest: dict[EntityKind, int] = {}
        self._floor = 0
        self._running: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    @property
    def length(self) -> int | None:
        """The length at the last look; None before the first."""
        return self._length

    def is_same(self, kinds: Collection[EntityKind], since: int) -> bool:
        """Whether nothing of these kinds was changed between the look at which the log had this length and the last."""
        return self._floor <= since and all(self._latest.get(kind, 0) <= since for kind in kinds)

    async def look(self) -> None:
        """Look once more, by a statement that begins after this call; all who wait for it meanwhile share it.

        Raises NotAnswered.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._look_after(self._running), name="log-growth")
            self._next.add_done_callback(_is_told)
        await asyncio.shield(self._next)

    async def _look_after(self, running: asyncio.Task[None] | None) -> None:
        if running is not None:
            await asyncio.wait([running])
        self._running, self._next = self._next, None
        self._take(*await self._ask(self._position))

    def _take(self, position: int, unnumbered: int, kinds: str | None) -> None:
        length = position + unnumbered
        if self._length is None or length < self._length or length - self._position > MOST_LOOKED_THROUGH:
            self._floor = length
        elif length != self._length:
            self._latest |= dict.fromkeys(map(EntityKind, (kinds or "").split(",")), length)
        self._length, self._position = length, position


class Rest:
    """Whether a log that somebody reads to its end has rested since: a look is one short statement, reading several.

    For readers that look again and again for what other processes have written.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._ask = _asking(engine)
        self._position = 0
        self._read_to: int | None = None
        self._seen: int | None = None

    async def has_ended(self) -> bool:
        """Whether there may be something to read. True where that cannot be told."""
        try:
            self._position, unnumbered, _ = await self._ask(self._position)
        except NotAnswered:
            self._seen = None
            return True
        self._seen = self._position + unnumbered
        return self._seen != self._read_to

    def read_on(self) -> None:
        """All that was there at the last look was read."""
        self._read_to = self._seen


class _Ask(Protocol):
    """Asks for the last number, how many have none, and the kinds of what is behind a number or has none."""

    async def __call__(self, position: int) -> tuple[int, int, str | None]: ...


def _asking(engine: AsyncEngine) -> _Ask:
    direct = direct_connections(engine)
    if direct is None:
        return _OwnConnection(engine)

    async def ask(position: int) -> tuple[int, int, str | None]:
        last, unnumbered, kinds = await direct.row(_ON_POSTGRESQL, {"position": position})
        return last, unnumbered, None if kinds is None else kinds.decode()

    return ask


class _OwnConnection:
    """A connection to a SQLite file, asked without its thread: both ends of an index are there sooner than a thread.

    A reader waits for no writer, and where the file is locked whole it is not waited for.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._address = f"{Path(engine.url.database or '').absolute().as_uri()}?mode=ro"
        self._connection: sqlite3.Connection | None = None
        event.listen(engine.sync_engine, "engine_disposed", self._close)

    async def __call__(self, position: int) -> tuple[int, int, str | None]:
        """Asks."""
        try:
            if self._connection is None:
                self._connection = sqlite3.connect(self._address, uri=True, timeout=0, isolation_level=None)
            cursor = self._connection.execute(_ON_SQLITE, {"position": position})
            [found] = cursor.fetchall()
        except sqlite3.Error as error:
            raise NotAnswered(str(error)) from error
        return cast("tuple[int, int, str | None]", found)

    def _close(self, _engine: object) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _is_told(task: asyncio.Task[None]) -> None:
    """What went wrong was told to those who waited; where nobody does any more, it is nobody's affair."""
    if not task.cancelled():
        task.exception()
