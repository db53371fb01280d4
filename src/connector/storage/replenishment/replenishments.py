"""The rows of replenishments: read, proposed, moved. Every step logs what it changes in the caller's transaction.

Locks are taken in one order: the ticket, the shelves, the replenishment (see `connector.storage.stock.reserve`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import NotKnown
from connector.model.kinds import Lane, ReplenishmentKind
from connector.model.lifecycle import (
    REPLENISHMENT_MOVES,
    REPLENISHMENT_OPEN,
    ReplenishmentState,
    require_move,
)
from connector.model.refs import EntityKind
from connector.rules.replenishment.plan import Proposal
from connector.rules.replenishment.told import explanation_of, text_of
from connector.storage.database.bulk import among
from connector.storage.database.rows import insert_all_logged, locked_row, update_logged
from connector.storage.replenishment.facts import RULES
from connector.storage.tables import hub, product, replenishment, ticket


@dataclass(frozen=True, slots=True)
class ReplenishmentRow:
    """A replenishment with what people call its shelf. See `connector.storage.tables.replenishments`."""

    id: int
    state: ReplenishmentState
    kind: ReplenishmentKind
    stock_id: int
    hub_id: int
    product_id: int
    lane: Lane
    quantity: int
    transfer_quantity: int
    purchase_quantity: int
    received_quantity: int
    free: int
    cost_cents: int | None
    currency: str | None
    expected_at: datetime | None
    ticket_id: int | None
    rule: str
    explanation: Mapping[str, Any]
    reason: str
    decided_by: str | None
    cancelled_by: str | None
    created_at: datetime
    updated_at: datetime
    hub: str
    product: str
    ticket_number: str | None

    @property
    def is_open(self) -> bool:
        """Whether it is to be decided about, or something is still to come."""
        return self.state in REPLENISHMENT_OPEN

    @property
    def goods(self) -> str:
        """What is wanted, for people: `3 × Acme X1`."""
        return f"{self.quantity} × {self.product}"

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"replenishment {self.id} ({self.goods} for {self.hub})"


@dataclass(frozen=True, slots=True)
class Past:
    """The last replenishment of a shelf that has ended. free: of the shelf, when it was worked out.

    was_declined: a person did not want it. has_failed: something of it could not be sent, or was refused.
    """

    state: ReplenishmentState
    free: int
    was_declined: bool
    has_failed: bool


_OWN: Final = [name for name in ReplenishmentRow.__slots__ if name not in ("hub", "product", "ticket_number")]


def _rows() -> Select[Any]:
    return (
        select(
            *(replenishment.c[name] for name in _OWN),
            func.coalesce(hub.c.code, hub.c.name).label("hub"),
            (product.c.manufacturer + " " + product.c.model).label("product"),
            ticket.c.number.label("ticket_number"),
        )
        .join(hub, hub.c.id == replenishment.c.hub_id)
        .join(product, product.c.id == replenishment.c.product_id)
        .outerjoin(ticket, ticket.c.id == replenishment.c.ticket_id)
    )


async def replenishment_row(tx: AsyncConnection, replenishment_id: int) -> ReplenishmentRow:
    """The replenishment as it is, not locked. Raises NotKnown."""
    row = (await tx.execute(_rows().where(replenishment.c.id == replenishment_id))).mappings().one_or_none()
    if row is None:
        raise NotKnown(f"there is no replenishment with id {replenishment_id}")
    return ReplenishmentRow(**row)


async def lock_replenishment(tx: AsyncConnection, replenishment_id: int) -> ReplenishmentRow:
    """The replenishment, locked until the transaction ends; ticket and shelves before it. Raises NotKnown."""
    await locked_row(tx, replenishment, EntityKind.REPLENISHMENT, replenishment_id)
    return await replenishment_row(tx, replenishment_id)


async def open_replenishments(tx: AsyncConnection, stock_ids: Collection[int]) -> dict[int, ReplenishmentRow]:
    """What is open for these shelves, by shelf."""
    statement = _rows().where(
        among(tx, replenishment.c.stock_id, stock_ids), replenishment.c.state.in_(REPLENISHMENT_OPEN)
    )
    return {row["stock_id"]: ReplenishmentRow(**row) for row in (await tx.execute(statement)).mappings()}


async def past_replenishments(tx: AsyncConnection, stock_ids: Collection[int], *, since: datetime) -> dict[int, Past]:
    """The last one of each of these shelves that has ended, by shelf. since: older ones do not count any more."""
    c = replenishment.c
    newest = (
        select(func.max(c.id)).where(among(tx, c.stock_id, stock_ids), c.state.not_in(REPLENISHMENT_OPEN))
    ).group_by(c.stock_id)
    statement = select(c.stock_id, c.state, c.free, c.cancelled_by, c.has_failed)
    found = await tx.execute(statement.where(c.id.in_(newest), c.ended_at > since))
    return {
        row.stock_id: Past(
            row.state,
            row.free,
            row.state is ReplenishmentState.REJECTED or row.cancelled_by not in (None, RULES),
            row.has_failed,
        )
        for row in found
    }


async def list_replenishments(
    tx: AsyncConnection, states: Collection[ReplenishmentState], *, limit: int
) -> list[ReplenishmentRow]:
    """Replenishments in these states, the newest first."""
    statement = _rows().where(replenishment.c.state.in_(states)).order_by(replenishment.c.id.desc()).limit(limit)
    return [ReplenishmentRow(**row) for row in (await tx.execute(statement)).mappings()]


def values_of(proposal: Proposal) -> dict[str, Any]:
    """The columns that a proposal says."""
    shelf, seller = proposal.shelf, proposal.purchase
    return {
        "kind": proposal.kind,
        "stock_id": shelf.stock_id,
        "hub_id": shelf.hub.id,
        "product_id": shelf.product.id,
        "lane": shelf.lane,
        "quantity": proposal.quantity,
        "transfer_quantity": proposal.transfer_quantity,
        "purchase_quantity": proposal.purchase_quantity,
        "free": shelf.free,
        "coming": shelf.coming,
        "reorder_point": shelf.reorder_point,
        "target": shelf.target,
        "mode": proposal.rule.transport,
        "delivery_days": proposal.rule.delivery_days,
        "cost_cents": seller.cost_cents if seller else None,
        "currency": proposal.currency if seller else None,
        "expected_at": seller.expected_at if seller else None,
        "rule": proposal.rule.name,
        "approval_name": proposal.approval,
        "policy_version": proposal.policy_version,
        "explanation": explanation_of(proposal),
        "reason": text_of(proposal),
    }


def is_told(row: ReplenishmentRow, proposal: Proposal) -> bool:
    """Whether a proposal is what is there already; when it would come does not count."""
    return _told(row.explanation) == _told(explanation_of(proposal)) and row.reason == text_of(proposal)


def _told(explanation: Mapping[str, Any]) -> tuple[Any, ...]:
    taken = [(item["name"], item["takes"]) for item in explanation["candidates"] if item["takes"]]
    return explanation["rule"], explanation["act"], explanation["policy_version"], explanation["quantity"], taken


async def propose(tx: AsyncConnection, proposals: Sequence[Proposal], *, actor: str, at: datetime) -> Sequence[int]:
    """Keep new proposals; returns their ids."""
    rows = [
        {
            **values_of(proposal),
            "state": ReplenishmentState.PROPOSED,
            "received_quantity": 0,
            "has_failed": False,
        }
        for proposal in proposals
    ]
    return await insert_all_logged(
        tx, replenishment, EntityKind.REPLENISHMENT, rows, actor=actor, cause="the shelf is low", at=at
    )


async def move_replenishment(
    tx: AsyncConnection,
    row: ReplenishmentRow,
    state: ReplenishmentState,
    values: Mapping[str, Any],
    *,
    actor: str,
    cause: str | None = None,
    at: datetime,
) -> bool:
    """Move a replenishment that the transaction has locked, and set columns with it; False when nothing changes.

    Raises IllegalTransition naming the legal states.
    """
    require_move(REPLENISHMENT_MOVES, row.state, state, what=row.name)
    ended = {"ended_at": at} if row.is_open and state not in REPLENISHMENT_OPEN else {}
    return await update_logged(
        tx,
        replenishment,
        EntityKind.REPLENISHMENT,
        row.id,
        {"state": state, **ended, **values},
        actor=actor,
        cause=cause,
        at=at,
    )
