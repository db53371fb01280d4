"""How many durable workflows are in which state: one look at the tables that DBOS keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection

STATES: Final[Mapping[str, str]] = {
    "PENDING": "running",
    "ENQUEUED": "queued",
    "DELAYED": "queued",
    "ERROR": "failed",
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": "failed",
}
"""As DBOS calls them -> as operators are told. Those that came to a good end, or were cancelled, are not counted."""
COUNTED: Final = """
    SELECT status, count(*) FROM {table}
    WHERE status IN ('PENDING', 'ENQUEUED', 'DELAYED', 'ERROR', 'MAX_RECOVERY_ATTEMPTS_EXCEEDED') GROUP BY status
"""
"""Of the table of that name."""


async def workflow_states(tx: AsyncConnection, schema: str) -> Mapping[str, int]:
    """State -> how many workflows, of the tables in that schema; none before they are made."""
    try:
        rows = (await tx.execute(text(COUNTED.format(table=f"{schema}.workflow_status")))).all()
    except ProgrammingError:
        return told([])
    return told([(status, count) for status, count in rows])


def told(rows: list[tuple[str, int]]) -> Mapping[str, int]:
    """As operators are told."""
    counts = dict.fromkeys(STATES.values(), 0)
    for status, count in rows:
        counts[STATES[status]] += count
    return counts
