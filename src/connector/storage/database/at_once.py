"""Statements that take SQLite next to no time, run where they are asked for: in the thread of the event loop.

To hand a statement to another thread and its row back takes longer than to read a thing by its id. What was quick the
last time is run at once, in a transaction of its own on a connection that waits for no lock. A run that takes longer
after all is given up, so that nothing else waits for it, and the statement goes to the threads until it is quick there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, Final

QUICK_S: Final = 0.000_5
"""What takes less is run at once the next time."""
LONGEST_S: Final = 0.002
"""After that a run is given up."""
LOOKS_EVERY: Final = 1_000
"""Instructions of SQLite's machine until it looks at the clock; some 20 microseconds."""
MOST_KNOWN: Final = 1_000


class AtOnce:
    """Statements that were quick, and their connection. connect: opens one that only reads."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._quick: dict[str, None] = {}
        self._until = 0.0

    def note(self, sql: str, seconds: float) -> None:
        """Remember how long a statement took."""
        if seconds > QUICK_S:
            self._quick.pop(sql, None)
        elif sql not in self._quick:
            if len(self._quick) >= MOST_KNOWN:
                del self._quick[next(iter(self._quick))]
            self._quick[sql] = None

    def row(self, sql: str, parameters: Sequence[Any]) -> Sequence[Any] | None:
        """Its first row; None where it is not known to be quick, took too long, has no row, or failed."""
        if sql not in self._quick:
            return None
        begun = perf_counter()
        self._until = begun + LONGEST_S
        try:
            connection = self._connection or self._open()
            cursor = connection.execute(sql, parameters)
            try:
                row: Sequence[Any] | None = cursor.fetchone()
            finally:
                cursor.close()  # which ends the transaction
        except (sqlite3.Error, ValueError, OverflowError):  # a thread says what is wrong
            self._quick.pop(sql, None)
            return None
        self.note(sql, perf_counter() - begun)
        return row

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        connection = self._connect()
        connection.execute("PRAGMA busy_timeout = 0")
        connection.set_progress_handler(self._is_too_long, LOOKS_EVERY)
        self._connection = connection
        return connection

    def _is_too_long(self) -> bool:
        return perf_counter() > self._until
