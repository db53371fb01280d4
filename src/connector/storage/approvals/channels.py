"""Red channels as the database keeps them. Steps of the caller's transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import IllegalTransition, NotKnown
from connector.model.lifecycle import RESERVATION_LIVE, TICKET_OPEN, ApprovalState, ReservationState
from connector.model.refs import EntityKind
from connector.rules.facts.standing import ChannelFacts, ChannelScope
from connector.rules.sourcing.told import told_chosen
from connector.storage.database.bulk import among
from connector.storage.database.rows import insert_logged, locked_row, update_logged
from connector.storage.tables import (
    LOAN_LINE,
    approval,
    asset,
    decision,
    product,
    red_channel,
    reservation,
    site,
    ticket,
)

BY_ITSELF: Final = "its end"
"""Who closed a channel that nobody closed."""

newest_open = select(func.max(red_channel.c.id)).where(red_channel.c.closed_at.is_(None)).correlate(None)
"""Id of a channel that nobody has closed; NULL when there is none, and then nothing more is read."""


def who_waives(channel_id: int) -> str:
    """Who decided a request that a channel has made unnecessary."""
    return f"red channel {channel_id}"


@dataclass(frozen=True, slots=True)
class NewChannel:
    """A channel that is to be opened. scope: key -> values, as the table has them."""

    name: str
    policy_version: str
    reason: str
    scope: dict[str, list[Any]]
    ends_at: datetime


async def insert_channel(tx: AsyncConnection, new: NewChannel, *, by: str, at: datetime) -> int:
    """Keep an opened channel; returns its id."""
    values: dict[str, Any] = {name: getattr(new, name) for name in NewChannel.__slots__}
    values |= {"opened_by": by, "opened_at": at}
    return await insert_logged(tx, red_channel, EntityKind.RED_CHANNEL, values, actor=by, cause=new.reason, at=at)


async def lock_open_channel(tx: AsyncConnection, channel_id: int, at: datetime) -> dict[str, Any]:
    """A channel that is open, locked. Raises NotKnown, and IllegalTransition when it is over."""
    row = await locked_row(tx, red_channel, EntityKind.RED_CHANNEL, channel_id)
    if row["closed_at"] is not None or row["ends_at"] <= at:
        ended = row["closed_at"] or row["ends_at"]
        raise IllegalTransition(
            f"red channel {channel_id} ({row['name']}) ended at {ended:%Y-%m-%d %H:%M}Z already",
            hint="Open another one.",
        )
    return row


async def extend_channel(
    tx: AsyncConnection, channel_id: int, ends_at: datetime, *, by: str, reason: str, at: datetime
) -> None:
    """Let a channel that the transaction has locked end at another time."""
    values = {"ends_at": ends_at}
    await update_logged(tx, red_channel, EntityKind.RED_CHANNEL, channel_id, values, actor=by, cause=reason, at=at)


async def close_channel(tx: AsyncConnection, channel_id: int, *, by: str, reason: str, at: datetime) -> dict[str, Any]:
    """Record the end of a channel that the transaction has locked, with the report of its use, which is returned."""
    report = await use_of(tx, channel_id)
    values = {"closed_at": at, "closed_by": by, "close_reason": reason, "report": report}
    await update_logged(tx, red_channel, EntityKind.RED_CHANNEL, channel_id, values, actor=by, cause=reason, at=at)
    return report


async def lock_ended_channels(tx: AsyncConnection, at: datetime) -> list[dict[str, Any]]:
    """Channels whose end has passed and is not recorded, locked; those that somebody else records are left out."""
    statement = (
        select(red_channel)
        .where(red_channel.c.closed_at.is_(None), red_channel.c.ends_at <= at)
        .order_by(red_channel.c.id)
        .with_for_update(skip_locked=True)
    )
    return [dict(row) for row in (await tx.execute(statement)).mappings()]


async def open_channels(tx: AsyncConnection) -> tuple[ChannelFacts, ...]:
    """Channels that nobody has closed, as decisions read them, by id."""
    statement = select(red_channel).where(red_channel.c.closed_at.is_(None)).order_by(red_channel.c.id)
    return tuple(_facts(row) for row in (await tx.execute(statement)).mappings())


async def past_channels(tx: AsyncConnection) -> tuple[ChannelFacts, ...]:
    """All channels that there ever were, by id, each with the moment at which it really ended."""
    statement = select(red_channel).order_by(red_channel.c.id)
    rows = (await tx.execute(statement)).mappings()
    return tuple(replace(_facts(row), ends_at=min(row["ends_at"], row["closed_at"] or row["ends_at"])) for row in rows)


async def channel_row(tx: AsyncConnection, channel_id: int) -> dict[str, Any]:
    """A channel as it is. Raises NotKnown."""
    statement = select(red_channel).where(red_channel.c.id == channel_id)
    row = (await tx.execute(statement)).mappings().one_or_none()
    if row is None:
        raise NotKnown(f"there is no red channel with id {channel_id}")
    return dict(row)


async def list_channels(tx: AsyncConnection, *, limit: int = 50) -> list[dict[str, Any]]:
    """Channels, the newest first."""
    statement = select(red_channel).order_by(red_channel.c.id.desc()).limit(limit)
    return [dict(row) for row in (await tx.execute(statement)).mappings()]


async def use_of(tx: AsyncConnection, channel_id: int) -> dict[str, Any]:
    """What a channel was used for so far: tickets, decisions by outcome, units by lane, cost in cents of their way.

    skipped_approvals: how many decisions needed an approval that the channel skipped, or had waited for one when it was
    opened. Units that were given back do not count.
    """
    decided = await tx.execute(
        select(decision.c.id, decision.c.ticket_id, decision.c.outcome, decision.c.explanation, ticket.c.number)
        .join(ticket, ticket.c.id == decision.c.ticket_id)
        .where(decision.c.red_channel_id == channel_id)
        .order_by(decision.c.id)
    )
    numbers: dict[str, None] = {}
    outcomes: Counter[str] = Counter()
    costs: dict[int, int] = {}
    skipped = 0
    for row in decided:
        numbers[row.number] = None
        outcomes[row.outcome] += 1
        costs[row.id] = (told_chosen(row.explanation) or {}).get("cost_cents") or 0
        skipped += "is skipped by red channel" in (row.explanation.get("authorisation") or {}).get("text", "")
    waived = (
        select(ticket.c.number)
        .join(approval, approval.c.ticket_id == ticket.c.id)
        .where(approval.c.state == ApprovalState.WAIVED, approval.c.decided_by == who_waives(channel_id))
        .order_by(approval.c.id)
    )
    for number in (await tx.execute(waived)).scalars():
        numbers[number] = None
        skipped += 1
    claimed = await tx.execute(
        select(reservation.c.decision_id, reservation.c.lane, reservation.c.quantity)
        .join(decision, decision.c.id == reservation.c.decision_id)
        .where(
            decision.c.red_channel_id == channel_id,
            reservation.c.state.in_((*RESERVATION_LIVE, ReservationState.FULFILLED)),
        )
    )
    units: Counter[str] = Counter()
    served: set[int] = set()
    for decision_id, lane, quantity in claimed:
        units[lane.value] += quantity
        served.add(decision_id)
    return {
        "tickets": list(numbers),
        "decisions": dict(sorted(outcomes.items())),
        "units": dict(sorted(units.items())),
        "cost_cents": sum(costs[number] for number in served),
        "skipped_approvals": skipped,
    }


async def tickets_in(tx: AsyncConnection, channel_id: int, *, only: Collection[int] | None = None) -> list[int]:
    """Open tickets in the scope of a channel that have nothing, the oldest first. only: of these ids."""
    has = (
        select(reservation.c.id)
        .where(
            reservation.c.ticket_id == ticket.c.id,
            reservation.c.state.in_((*RESERVATION_LIVE, ReservationState.FULFILLED)),
            reservation.c.line != LOAN_LINE,
        )
        .exists()
    )
    statement = await _in_scope(tx, channel_id, ~has)
    if only is not None:
        statement = statement.where(among(tx, ticket.c.id, only))
    return list((await tx.execute(statement)).scalars())


async def approvals_in(tx: AsyncConnection, channel_id: int) -> dict[int, list[int]]:
    """Pending requests about what the rules decided for open tickets in the scope of a channel; ids by ticket.

    What a person chose by hand, and rollouts, are not among them.
    """
    decided = exists().where(reservation.c.id == approval.c.subject_id, reservation.c.decision_id.is_not(None))
    asked = (
        select(approval.c.ticket_id, approval.c.id)
        .where(
            approval.c.state == ApprovalState.PENDING,
            or_(
                approval.c.subject_kind == EntityKind.PROCUREMENT,
                and_(approval.c.subject_kind == EntityKind.RESERVATION, decided),
            ),
            approval.c.ticket_id.in_((await _in_scope(tx, channel_id, true())).order_by(None)),
        )
        .order_by(approval.c.ticket_id, approval.c.id)
    )
    found: dict[int, list[int]] = {}
    for ticket_id, approval_id in await tx.execute(asked):
        found.setdefault(ticket_id, []).append(approval_id)
    return found


async def _in_scope(tx: AsyncConnection, channel_id: int, wanted: ColumnElement[bool]) -> Select[Any]:
    """Ids of open tickets in the scope of a channel, the oldest first."""
    scope = _facts(await channel_row(tx, channel_id)).scope
    needed, place = (
        func.coalesce(asset.c.product_id, ticket.c.product_id),
        func.coalesce(ticket.c.site_id, asset.c.site_id),
    )
    statement = (
        select(ticket.c.id)
        .outerjoin(asset, asset.c.id == ticket.c.asset_id)
        .outerjoin(product, product.c.id == needed)
        .outerjoin(site, site.c.id == place)
        .where(ticket.c.state.in_(TICKET_OPEN), ticket.c.retired_at.is_(None), wanted)
        .order_by(ticket.c.opened_at, ticket.c.id)
    )
    for column, allowed in ((needed, scope.products), (product.c.asset_class, scope.asset_classes),
                            (site.c.region, scope.regions), (place, scope.sites)):  # fmt: skip
        if allowed:
            statement = statement.where(column.in_(sorted(allowed)))
    return statement


async def products_named(tx: AsyncConnection, names: Sequence[str]) -> dict[str, int]:
    """Products by what people call them: `Acme SW-48`, its SKU or its part number."""
    label = product.c.manufacturer + " " + product.c.model
    statement = select(product.c.id, label, product.c.sku, product.c.part_number).where(
        or_(*(among(tx, column, names) for column in (label, product.c.sku, product.c.part_number)))
    )
    found: dict[str, int] = {}
    for product_id, *texts in await tx.execute(statement):
        found |= {text: product_id for text in texts if text in names}
    return found


async def sites_named(tx: AsyncConnection, names: Sequence[str]) -> dict[str, int]:
    """Sites by their code or name."""
    statement = select(site.c.id, site.c.name, site.c.code).where(
        or_(among(tx, site.c.name, names), among(tx, site.c.code, names))
    )
    found: dict[str, int] = {}
    for site_id, *texts in await tx.execute(statement):
        found |= {text: site_id for text in texts if text in names}
    return found


async def known_ids(tx: AsyncConnection, *, products: Sequence[int], sites: Sequence[int]) -> tuple[set[int], set[int]]:
    """Which of these products and sites exist."""
    there = select(product.c.id).where(among(tx, product.c.id, products))
    places = select(site.c.id).where(among(tx, site.c.id, sites))
    return set((await tx.execute(there)).scalars()), set((await tx.execute(places)).scalars())


def _facts(row: Any) -> ChannelFacts:
    scope = {key: frozenset(values) for key, values in row["scope"].items()}
    return ChannelFacts(row["id"], row["name"], row["reason"], ChannelScope(**scope), row["opened_at"], row["ends_at"])
