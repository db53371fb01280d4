"""What PostgreSQL knows of how much is in its tables, while a first sync fills them.

Its planner goes by statistics that its own maintenance takes once a minute at best. Until then it takes a table that
has just been filled for one in which hardly anything belongs to a source, and reads all that a source has for each
page of it: the time of a first sync would grow with the square of what it brings.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import text

from connector.storage.database.drafts import TABLES
from connector.storage.database.engine import Database
from connector.storage.tables import change, quarantine, source_ref

FIRST, TIMES = 500, 4
"""Statistics are taken when so many rows were made, and whenever they have become so many times as many."""
_ANALYSE: Final = text(
    "ANALYZE (SKIP_LOCKED) " + ", ".join(table.name for table in (source_ref, *TABLES.values(), change, quarantine))
)


class Statistics:
    """Has the statistics taken anew as one pull fills the tables; a SQLite file needs none for what ingest asks."""

    def __init__(self, engine: Database) -> None:
        self._engine = engine
        self._made = 0
        self._due = FIRST if engine.dialect.name == "postgresql" else None

    async def made(self, rows: int) -> None:
        """So many rows more were made, and are committed."""
        self._made += rows
        if self._due is None or self._made < self._due:
            return
        self._due = TIMES * self._made
        async with self._engine.connect() as connection:
            at_once = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await at_once.execute(_ANALYSE)
