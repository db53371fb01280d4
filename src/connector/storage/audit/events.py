"""What happened to the hub itself: changes of kind `audit`, which is no thing, so that they stand in the same chain."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.refs import EntityKind
from connector.storage.database.changes import NewChange, log_changes

NO_THING: Final = 0
"""What stands where a change names its thing."""
EVENT: Final = "event"


class AuditEvent(StrEnum):
    """What happened."""

    REFUSED = "refused"
    """Requests that showed no token, or one that lets nobody in; counted."""
    EXPORTED = "exported"
    """Somebody took data out by a command."""
    BACKED_UP = "backed_up"
    RESTORED = "restored"
    FOUND = "found"
    """Somebody asked what is kept of a person."""
    ERASED = "erased"
    """A person's name was replaced; says which changes of the log became others by it."""
    PRUNED = "pruned"
    """Changes that are older than is kept were taken out of the log."""


async def record_event(
    tx: AsyncConnection, event: AuditEvent, told: Mapping[str, Any], *, by: str, at: datetime, cause: str | None = None
) -> None:
    """Write down what happened, in the caller's transaction. told: JSON values; no secret and no name of a person."""
    fields = {EVENT: (None, event.value), **{name: (None, value) for name, value in told.items()}}
    entry = NewChange(EntityKind.AUDIT, NO_THING, "created", fields, cause)
    await log_changes(tx, [entry], actor=by, at=at)
