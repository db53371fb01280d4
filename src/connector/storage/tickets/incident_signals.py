"""What tickets count for events, and what there is of each: one statement to note it, one to look."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final, TypeAlias

from sqlalchemy import ColumnElement, Select, and_, bindparam, delete, false, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.kinds import GroupKind
from connector.model.lifecycle import AssetState, TicketState
from connector.rules.events.events import Compared, Enough, Signal, Watched, enough, exposed_limit
from connector.rules.policy.grouping import BatchDefect, Burst
from connector.storage.database.bulk import among_given, insert_rows
from connector.storage.tables import asset, incident_signal, ticket

Scope: TypeAlias = tuple[GroupKind, str]
"""Kind of event, and what it would be about."""
KEPT: Final = timedelta(weeks=27)
"""How long signals are kept: longer than any policy looks back."""
MOST_READ: Final = 5_000
"""Signals of one scope that are looked at one by one."""

_c = incident_signal.c
_counts_still = and_(
    ticket.c.id == _c.ticket_id, ticket.c.state != TicketState.CANCELLED, ticket.c.retired_at.is_(None)
)


@dataclass(frozen=True, slots=True)
class Window:
    """Signals of a kind of event that count now."""

    kind: GroupKind
    scopes: Collection[str]
    since: datetime


async def note_signals(tx: AsyncConnection, signals: Sequence[Signal], at: datetime) -> None:
    """Keep what tickets count for; a ticket that was decided about before counts from then."""
    rows = [
        {
            "ticket_id": signal.ticket_id,
            "kind": signal.kind,
            "scope": signal.scope,
            "label": signal.label,
            "subject": signal.subject,
            "place": signal.place,
            "at": at,
        }
        for signal in signals
    ]
    await insert_rows(tx, incident_signal, rows, skip_existing=True)


async def count_subjects(tx: AsyncConnection, windows: Sequence[Window]) -> dict[Scope, int]:
    """How many devices count in each scope."""
    found = await tx.execute(_counts(tuple(window.kind for window in windows)), _bounds(windows))
    return {(row[0], row[1]): row[2] for row in found}


async def read_signals(tx: AsyncConnection, windows: Sequence[Window]) -> dict[Scope, list[Signal]]:
    """The signals of each scope in the order in which they came."""
    found: dict[Scope, list[Signal]] = defaultdict(list)
    statement = (
        select(_c.kind, _c.scope, _c.label, _c.subject, _c.place, _c.ticket_id)
        .join(ticket, _counts_still)
        .where(_within([window.kind for window in windows]))
        .order_by(_c.at, _c.id)
        .limit(MOST_READ)
    )
    for row in await tx.execute(statement, _bounds(windows)):
        found[row[0], row[1]].append(Signal(*row))
    return found


async def compare(tx: AsyncConnection, watch: Watched, signals: Sequence[Signal], now: datetime) -> Compared | None:
    """What the signals of a scope must be compared with; None when they are no event whatever that is, or need none."""
    if enough(watch, signals) is not Enough.UNKNOWN:
        return None
    scope = signals[0].scope
    match watch:
        case BatchDefect():
            limit = exposed_limit(watch, len({signal.subject for signal in signals}))
            product_id = int(scope.partition(":")[2])
            some = (
                select(asset.c.id)
                .where(asset.c.product_id == product_id, asset.c.state == AssetState.DEPLOYED)
                .limit(limit)
                .subquery()
            )
            return Compared(exposed=int((await tx.execute(select(func.count()).select_from(some))).scalar_one()))
        case Burst():
            return Compared(usual=await _usual(tx, watch, scope, now))
        case _:
            return None


async def forget_signals(tx: AsyncConnection, now: datetime) -> None:
    """Forget what is too old for any policy."""
    await tx.execute(delete(incident_signal).where(_c.at < now - KEPT))


async def newest_signals(tx: AsyncConnection, scopes: Collection[Scope]) -> Mapping[Scope, datetime]:
    """When each scope had its last signal."""
    statement = (
        select(_c.kind, _c.scope, func.max(_c.at))
        .where(or_(false(), *(and_(_c.kind == kind, _c.scope == scope) for kind, scope in scopes)))
        .group_by(_c.kind, _c.scope)
    )
    return {(row[0], row[1]): row[2] for row in await tx.execute(statement)}


async def _usual(tx: AsyncConnection, watch: Burst, scope: str, now: datetime) -> tuple[int, ...]:
    """How many devices counted in the same window of each of the last weeks, one statement for all of them."""
    window = timedelta(minutes=watch.window_minutes)
    counts: list[Any] = []
    for week in range(1, watch.weeks + 1):
        end = now - timedelta(weeks=week)
        within = (_c.kind == GroupKind.BURST, _c.scope == scope, _c.at > end - window, _c.at <= end)
        counts.append(select(func.count(_c.subject.distinct())).where(*within).scalar_subquery())
    return tuple((await tx.execute(select(*counts))).one())


@cache
def _counts(kinds: tuple[GroupKind, ...]) -> Select[Any]:
    return (
        select(_c.kind, _c.scope, func.count(_c.subject.distinct()))
        .join(ticket, _counts_still)
        .where(_within(kinds))
        .group_by(_c.kind, _c.scope)
    )


def _within(kinds: Sequence[GroupKind]) -> ColumnElement[bool]:
    """That a signal counts in one of the windows, one of each kind, that `_bounds` binds."""
    return or_(
        false(),
        *(
            and_(
                _c.kind == kind,
                among_given(_c.scope, f"{kind.value}_scopes"),
                _c.at > bindparam(f"{kind.value}_since", type_=_c.at.type),
            )
            for kind in kinds
        ),
    )


def _bounds(windows: Sequence[Window]) -> dict[str, Any]:
    scopes = {f"{window.kind.value}_scopes": list(window.scopes) for window in windows}
    return {**scopes, **{f"{window.kind.value}_since": window.since for window in windows}}
