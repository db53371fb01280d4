"""Decisions, kept with their explanation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.refs import EntityKind
from connector.rules.decision import Decision
from connector.storage.changes import NewChange, log_changes
from connector.storage.tables import decision as decision_table

_INSERT = insert(decision_table).returning(decision_table.c.id)

RULES = "rules"
"""Actor of changes that the rules decided."""


@dataclass(frozen=True, slots=True)
class RecordedDecision:
    """A decision as it was recorded. explanation: see `Decision.explanation`."""

    id: int
    ticket_id: int
    outcome: str
    reason: str
    rule: str | None
    policy_version: str
    explanation: dict[str, Any]
    decided_at: datetime


async def record_decision(tx: AsyncConnection, ticket_id: int, decision: Decision, at: datetime) -> int:
    """Keep a decision and log that it was made; returns its id."""
    decision_id, change = await insert_decision(tx, ticket_id, decision, at)
    await log_changes(tx, [change], actor=RULES, cause=cause_of(decision), at=at)
    return decision_id


async def insert_decision(
    tx: AsyncConnection, ticket_id: int, decision: Decision, at: datetime
) -> tuple[int, NewChange]:
    """Keep a decision; the change is for the caller to log with the others of its transaction.

    The change names what was decided; the explanation stays in the decision alone, since it may be long.
    """
    named = {
        "ticket_id": ticket_id,
        "outcome": decision.outcome.value,
        "reason": decision.reason.value,
        "rule": decision.rule,
        "policy_version": decision.policy_version,
    }
    values = {**named, "explanation": decision.explanation(), "decided_at": at}
    decision_id = int((await tx.execute(_INSERT, values)).scalar_one())
    fields = {name: (None, value) for name, value in named.items() if value is not None}
    return decision_id, NewChange(EntityKind.DECISION, decision_id, "created", fields)


async def latest_decision(tx: AsyncConnection, ticket_id: int) -> RecordedDecision | None:
    """The newest decision about a ticket; None when nothing was decided yet."""
    statement = (
        select(decision_table)
        .where(decision_table.c.ticket_id == ticket_id)
        .order_by(decision_table.c.id.desc())
        .limit(1)
    )
    row: RowMapping | None = (await tx.execute(statement)).mappings().one_or_none()
    return None if row is None else RecordedDecision(**row)


def cause_of(decision: Decision) -> str:
    """Which rule of which policy is behind a change."""
    return f"rule {decision.rule or '(none)'} of {decision.policy_version}"
