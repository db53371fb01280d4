"""Tasks that ask a person to look at a ticket, and that close themselves when the reason is gone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from connector.model.kinds import TaskKind
from connector.model.lifecycle import TaskState
from connector.storage.engine import Transaction
from connector.storage.tasks import NewTask, move_task, require_task, unfinished_tasks

RULES: Final = "rules"
ABOUT_THE_DECISION: Final = ("review:",)
ABOUT_FULFILMENT: Final = ("failed:", "stalled:")


async def require_review(
    tx: Transaction, *, ticket_id: int, number: str, code: str, reason: str, at: datetime, actor: str = RULES
) -> int:
    """The task that asks a person about a ticket, one per ticket and reason; tasks for other reasons are closed.

    code: stable name of the reason.
    """
    key = f"review:{ticket_id}:{code}"
    for item in await unfinished_tasks(tx, ticket_id=ticket_id, key_prefixes=ABOUT_THE_DECISION):
        if item.key.partition("~")[0] != key:
            await move_task(tx, item.id, TaskState.CANCELLED, actor=actor, cause="another reason came up", at=at)
    new = NewTask(
        key=key,
        kind=TaskKind.REVIEW,
        title=f"Ticket {number} needs a decision: {code.replace('_', ' ')}",
        instructions=reason,
        ticket_id=ticket_id,
    )
    return await require_task(tx, new, actor=actor, cause=None, at=at)


async def close_reviews(
    tx: Transaction,
    *,
    ticket_id: int,
    target: TaskState,
    cause: str,
    at: datetime,
    prefixes: Sequence[str] = ABOUT_THE_DECISION,
    actor: str = RULES,
) -> int:
    """Close what a person was asked about a ticket; returns how many tasks that were."""
    items = await unfinished_tasks(tx, ticket_id=ticket_id, kind=TaskKind.REVIEW, key_prefixes=prefixes)
    for item in items:
        await move_task(tx, item.id, target, actor=actor, cause=cause, at=at)
    return len(items)
