"""Decisions, kept with their explanation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.refs import EntityKind
from connector.rules.sourcing.decision import Decision
from connector.storage.database.bulk import insert_numbered
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.tables import decision as decision_table

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
    red_channel_id: int | None
    explanation: dict[str, Any]
    decided_at: datetime


async def record_decision(tx: AsyncConnection, ticket_id: int, decision: Decision, at: datetime) -> int:
    """Keep a decision and log that it was made; returns its id."""
    [(decision_id, change)] = await insert_decisions(tx, [(ticket_id, decision)], at)
    await log_changes(tx, [change], actor=RULES, at=at)
    return decision_id


async def insert_decisions(
    tx: AsyncConnection, decided: Sequence[tuple[int, Decision]], at: datetime
) -> list[tuple[int, NewChange]]:
    """Keep decisions about tickets, given by their ids; returns the id of each, and the change for the caller to log.

    A change names what was decided; the explanation stays in the decision alone, since it may be long.
    """
    if not decided:
        return []
    named = [
        {
            "ticket_id": ticket_id,
            "outcome": decision.outcome.value,
            "reason": decision.reason.value,
            "rule": decision.rule,
            "policy_version": decision.policy_version,
            "red_channel_id": decision.channel.facts.id if decision.channel else None,
        }
        for ticket_id, decision in decided
    ]
    rows = [
        {**values, "explanation": decision.explanation(), "decided_at": at}
        for values, (_, decision) in zip(named, decided, strict=True)
    ]
    kept = []
    for number, values, (_, decision) in zip(
        await insert_numbered(tx, decision_table, rows), named, decided, strict=True
    ):
        fields = {name: (None, value) for name, value in values.items() if value is not None}
        kept.append((number, NewChange(EntityKind.DECISION, number, "created", fields, cause_of(decision))))
    return kept


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
