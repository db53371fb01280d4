"""Decisions, kept with their explanation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.refs import EntityKind
from connector.rules.sourcing.decision import Decision
from connector.rules.sourcing.grounds import grounds_of
from connector.rules.sourcing.told import told
from connector.storage.database.bulk import among_given, insert_numbered, update_rows
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.tables import decision as decision_table

RULES = "rules"
"""Actor of changes that the rules decided."""

_earlier = decision_table.alias("earlier")
_LAST = select(decision_table.c.ticket_id, decision_table.c.id, decision_table.c.grounds).where(
    decision_table.c.id.in_(
        select(func.max(_earlier.c.id))
        .where(among_given(_earlier.c.ticket_id, "ticket_ids"))
        .group_by(_earlier.c.ticket_id)
    )
)
"""The newest decision about each of these tickets."""


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
    looked_at: datetime
    grounds: str | None


async def record_decision(tx: AsyncConnection, ticket_id: int, decision: Decision, at: datetime) -> int:
    """Keep a decision and log that it was made; returns its id."""
    [(decision_id, change)] = await keep_decisions(tx, [(ticket_id, decision)], at)
    if change is not None:
        await log_changes(tx, [change], actor=RULES, at=at)
    return decision_id


async def keep_decisions(
    tx: AsyncConnection, decided: Sequence[tuple[int, Decision]], at: datetime
) -> list[tuple[int, NewChange | None]]:
    """Keep decisions about tickets, given by their ids; returns the id of each, and the change for the caller to log.

    A decision that claims nothing and says what the last one about its ticket said, for the same reasons, is that one,
    looked at again: no row and no change. A change names what was decided; the explanation stays in the decision
    alone, since it may be long. Of a ticket that is given a part of its units there are several. The transaction has
    locked the tickets.
    """
    grounds = {ticket_id: grounds_of(decision) for ticket_id, decision in decided if not decision.claims}
    same = await _unchanged(tx, grounds) if grounds else {}
    await update_rows(tx, decision_table, [{"id": number, "looked_at": at} for number in same.values()])
    new = [(ticket_id, decision) for ticket_id, decision in decided if decision.picks or ticket_id not in same]
    made = iter(await _insert(tx, new, grounds, at))
    return [
        next(made) if decision.picks or ticket_id not in same else (same[ticket_id], None)
        for ticket_id, decision in decided
    ]


async def _unchanged(tx: AsyncConnection, grounds: Mapping[int, str]) -> dict[int, int]:
    """By ticket, the last decision about it, where that was made on these grounds."""
    rows = await tx.execute(_LAST, {"ticket_ids": list(grounds)})
    return {ticket_id: number for ticket_id, number, known in rows if known == grounds[ticket_id]}


async def _insert(
    tx: AsyncConnection, decided: Sequence[tuple[int, Decision]], grounds: Mapping[int, str], at: datetime
) -> list[tuple[int, NewChange]]:
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
        {
            **values,
            "explanation": decision.recorded(),
            "decided_at": at,
            "looked_at": at,
            "grounds": None if decision.picks else grounds.get(ticket_id),
        }
        for values, (ticket_id, decision) in zip(named, decided, strict=True)
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
    return None if row is None else RecordedDecision(**{**row, "explanation": told(row["explanation"])})


def cause_of(decision: Decision) -> str:
    """Which rule of which policy is behind a change."""
    return f"rule {decision.rule or '(none)'} of {decision.policy_version}"
