"""Plans of syncs that are kept: what each would do, a page at a time, and what became of it.

A plan is proposed, approved by somebody, and applied; or it is discarded, or the source drifts. Each happens once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final
from zlib import compress, decompress

from sqlalchemy import Select, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import IllegalTransition, NotKnown
from connector.model.kinds import PlanState
from connector.storage.tables import source, sync_plan, sync_plan_page

PAGE: Final = 500
"""Changes of a page."""
_BEFORE: Final[Mapping[PlanState, tuple[PlanState, ...]]] = {
    PlanState.APPROVED: (PlanState.PROPOSED,),
    PlanState.APPLIED: (PlanState.APPROVED,),
    PlanState.DRIFTED: (PlanState.APPROVED,),
    PlanState.DISCARDED: (PlanState.PROPOSED, PlanState.APPROVED),
}
"""What a plan must be before it becomes this."""


@dataclass(frozen=True, slots=True)
class NewPlan:
    """A plan that is to be kept; see `connector.storage.tables.sources.SyncPlan`."""

    source_id: int
    streams: Sequence[str] | None
    is_full: bool
    exceeds_limit: bool
    fingerprint: str
    counts: Sequence[Mapping[str, Any]]
    alarms: Sequence[str]


@dataclass(frozen=True, slots=True)
class KeptPlan:
    """A plan as the database holds it."""

    id: int
    source_id: int
    source: str
    streams: list[str] | None
    is_full: bool
    exceeds_limit: bool
    state: PlanState
    fingerprint: str
    counts: list[dict[str, Any]]
    alarms: list[str]
    created_by: str
    created_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    ended_at: datetime | None
    result: str | None


async def keep_plan(tx: AsyncConnection, new: NewPlan, lines: Iterator[bytes], *, by: str, at: datetime) -> int:
    """Keep a plan with what it says; its id. lines: of JSON, each with its end."""
    values = {
        "source_id": new.source_id,
        "streams": None if new.streams is None else list(new.streams),
        "is_full": new.is_full,
        "exceeds_limit": new.exceeds_limit,
        "state": PlanState.PROPOSED,
        "fingerprint": new.fingerprint,
        "counts": [dict(item) for item in new.counts],
        "alarms": list(new.alarms),
        "created_by": by,
        "created_at": at,
    }
    number: int = (await tx.execute(insert(sync_plan).values(**values).returning(sync_plan.c.id))).scalar_one()
    page = 0
    while together := b"".join(islice(lines, PAGE)):
        await tx.execute(insert(sync_plan_page).values(plan_id=number, number=page, lines=compress(together)))
        page += 1
    return number


async def kept_plan(tx: AsyncConnection, number: int) -> KeptPlan:
    """A plan. Raises NotKnown."""
    row = (await tx.execute(_plans().where(sync_plan.c.id == number))).mappings().one_or_none()
    if row is None:
        raise NotKnown(f"there is no plan {number}", hint="connector plans list shows which there are.")
    return KeptPlan(**row)


async def list_plans(tx: AsyncConnection, states: Sequence[PlanState], *, limit: int) -> list[KeptPlan]:
    """Plans in these states, the newest first."""
    c = sync_plan.c
    statement = _plans().where(c.state.in_(states)).order_by(c.id.desc()).limit(limit)
    return [KeptPlan(**row) for row in (await tx.execute(statement)).mappings()]


def _plans() -> Select[Any]:
    """All plans, with the names of their sources."""
    return select(sync_plan, source.c.name.label("source")).join(source, source.c.id == sync_plan.c.source_id)


async def plan_lines(tx: AsyncConnection, number: int) -> AsyncIterator[bytes]:
    """What a plan says, page by page: lines of JSON."""
    c, page = sync_plan_page.c, 0
    while True:
        statement = select(c.lines).where(c.plan_id == number, c.number == page)
        packed = (await tx.execute(statement)).scalar_one_or_none()
        if packed is None:
            return
        yield decompress(packed)
        page += 1


async def plan_page(tx: AsyncConnection, number: int, page: int) -> tuple[bytes, int]:
    """A page of what a plan says, from 1, as lines of JSON, and how many pages there are. Raises NotKnown.

    The page is empty where there is none of that number: of a plan that does nothing, or was discarded.
    """
    c = sync_plan_page.c
    pages: int = (await tx.execute(select(func.count()).where(c.plan_id == number))).scalar_one()
    if pages == 0:
        await kept_plan(tx, number)
    packed = (await tx.execute(select(c.lines).where(c.plan_id == number, c.number == page - 1))).scalar_one_or_none()
    return b"" if packed is None else decompress(packed), pages


async def move_plan(
    tx: AsyncConnection,
    number: int,
    state: PlanState,
    *,
    at: datetime,
    by: str | None = None,
    result: str | None = None,
) -> None:
    """Have a plan become something. by: who decided it. Raises NotKnown, and IllegalTransition: it is something else.

    Of a plan that was discarded, what it says is not kept.
    """
    c = sync_plan.c
    values: dict[str, Any] = {"state": state}
    if by is not None:
        values |= {"decided_by": by, "decided_at": at}
    if state is not PlanState.APPROVED:
        values |= {"ended_at": at, "result": result}
    moved = update(sync_plan).where(c.id == number, c.state.in_(_BEFORE[state])).values(**values).returning(c.id)
    if (await tx.execute(moved)).scalar_one_or_none() is None:
        found = await kept_plan(tx, number)
        wanted = " or ".join(before.value for before in _BEFORE[state])
        raise IllegalTransition(
            f"plan {number} is {found.state.value}: only one that is {wanted} becomes {state.value}",
            hint="Nothing was changed. Make a new plan: connector sync --plan --save.",
        )
    if state is PlanState.DISCARDED:
        await tx.execute(delete(sync_plan_page).where(sync_plan_page.c.plan_id == number))
