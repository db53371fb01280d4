"""Tasks that ask a person to look at a ticket, and that close themselves when the reason is gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from connector.model.kinds import TaskKind
from connector.model.lifecycle import TaskState
from connector.rules.sourcing.decision import Decision
from connector.storage.database.engine import Transaction
from connector.storage.facts.outstanding import ABOUT_THE_REST
from connector.storage.tickets.tasks import (
    UNFINISHED,
    NewTask,
    move_task,
    move_tasks,
    require_tasks,
    tasks_about,
    unfinished_tasks,
)

RULES: Final = "rules"
ABOUT_THE_DECISION: Final = ("review:",)
ABOUT_FULFILMENT: Final = ("failed:", "stalled:")
ABOUT_THE_TICKET: Final = (*ABOUT_THE_DECISION, *ABOUT_FULFILMENT)


@dataclass(frozen=True, slots=True)
class Review:
    """What a person is asked about a ticket. number: the ticket's; code: stable name of the reason."""

    number: str
    code: str
    reason: str


def review_of(number: str, decision: Decision) -> Review:
    """What a person is asked when a decision is for review; about the rest of a ticket's units it says so."""
    rest = ABOUT_THE_REST if decision.had else ""
    return Review(number, f"{rest}{decision.reason.value}", decision.text)


async def require_review(
    tx: Transaction, *, ticket_id: int, number: str, code: str, reason: str, at: datetime, actor: str = RULES
) -> None:
    """Ask a person about a ticket, once per ticket and reason; tasks for other reasons are closed.

    code: stable name of the reason.
    """
    await settle_reviews(tx, needed={ticket_id: Review(number, code, reason)}, done={}, at=at, actor=actor)


async def settle_reviews(
    tx: Transaction,
    *,
    needed: Mapping[int, Review],
    done: Mapping[int, str],
    at: datetime,
    actor: str = RULES,
) -> None:
    """The same about many tickets, and close what was asked about others, by as many statements.

    done: by ticket, the cause for which nothing more is asked about its decision or fulfilment.
    """
    moves: dict[int, tuple[TaskState, str]] = {}
    for item in await tasks_about(tx, {**needed, **done}):
        if item.state not in UNFINISHED or item.ticket_id is None:
            continue
        review, cause = needed.get(item.ticket_id), done.get(item.ticket_id)
        if review is not None and item.key.startswith(ABOUT_THE_DECISION):
            if item.key.partition("~")[0] != _key(item.ticket_id, review):
                moves[item.id] = TaskState.CANCELLED, "another reason came up"
        elif cause is not None and item.kind is TaskKind.REVIEW and item.key.startswith(ABOUT_THE_TICKET):
            moves[item.id] = TaskState.DONE, cause
    await move_tasks(tx, moves, actor=actor, at=at)
    tasks = [
        NewTask(
            key=_key(ticket_id, review),
            kind=TaskKind.REVIEW,
            title=f"Ticket {review.number} needs a decision: {review.code.replace('_', ' ')}",
            instructions=review.reason,
            ticket_id=ticket_id,
        )
        for ticket_id, review in needed.items()
    ]
    await require_tasks(tx, tasks, actor=actor, cause=None, at=at)


def _key(ticket_id: int, review: Review) -> str:
    return f"review:{ticket_id}:{review.code}"


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
