"""SQLite's log is copied into its database beside the work, not by whoever happens to commit when it is full."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from contextlib import closing
from urllib.parse import quote

log = logging.getLogger("connector.storage")

COMMITS = 32
"""After so many, what is in the log is copied: some hundred pages when each changes a few rows."""

LOG_PAGES = 16_000
"""64 MiB, at which a commit copies what is left after all, so that the log stays bounded while many write."""


class Checkpointer:
    """Counts the commits to one database file, and copies the log in a thread with a connection of its own.

    A checkpoint that a commit has to make takes ten times as long as the commit. This one is passive: it waits for
    nobody and nobody waits for it, and what it cannot copy yet is left to the next.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._address = f"file:{quote(path)}?mode=rw"  # a database that was removed is not made anew
        self._commits = 0
        self._copying: asyncio.Future[None] | None = None

    def committed(self) -> None:
        """Something was committed; copies the log when it is time, unless that is going on."""
        self._commits += 1
        if self._commits >= COMMITS and (self._copying is None or self._copying.done()):
            self._commits = 0
            self._copying = asyncio.get_running_loop().run_in_executor(None, self._copy)

    def _copy(self) -> None:
        try:
            with closing(sqlite3.connect(self._address, uri=True)) as connection:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as error:
            log.warning("the log of %s could not be copied yet, a commit will do it: %s", self._path, error)
