"""Rollouts as they are kept: made, found, locked and changed.

Locks are taken in this order: the ticket, the rollout, then what `connector.storage.stock.reserve` locks after a
ticket. Whoever holds a rollout's lock is the only one who changes its lines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import case, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import InvalidInput, NotKnown
from connector.model.kinds import Success
from connector.model.lifecycle import ROLLOUT_MOVES, RolloutLineState, RolloutState, require_move
from connector.model.refs import EntityKind
from connector.storage.database.bulk import insert_rows, new_ids
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.locks import lock_ticket
from connector.storage.database.rows import insert_logged, json_value
from connector.storage.tables import reservation, rollout, rollout_line

FIRST_LINE: Final = 1001
"""Line of a ticket from which on rollouts claim; what the ticket needs itself is claimed before."""
_TALLY: Final = ("plan", "progress")
"""Columns that a change row does not repeat: they are long, and what they say is in the rows of the lines."""


@dataclass(frozen=True, slots=True)
class RolloutRow:
    """A rollout: see `connector.storage.tables.rollouts`."""

    id: int
    name: str
    ticket_id: int
    product_id: int
    preparation: str | None
    state: RolloutState
    reason: str | None
    author: str
    starts_at: datetime | None
    first_wave_size: int
    wave_size: int
    keep_free_percent: int
    success: Success
    success_percent: int
    soak_minutes: int
    halt_percent: int
    halt_sample: int
    delivery_days: int
    approval: str | None
    policy_version: str
    wave: int
    opened_at: datetime | None
    settled_at: datetime | None
    counted_from: datetime | None
    plan: Mapping[str, Any] | None
    progress: Mapping[str, Any]

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be sent."""
        return self.state in (RolloutState.COMPLETED, RolloutState.CANCELLED)


@dataclass(frozen=True, slots=True)
class NewRolloutLine:
    """A parcel to be sent.

    quantity: 1 for a serialised product. asked_wave: None when the plan chooses. ticket_id: a ticket of its own.
    """

    site_id: int
    quantity: int
    asked_wave: int | None = None
    ticket_id: int | None = None


async def insert_rollout(
    tx: AsyncConnection, values: Mapping[str, Any], lines: Sequence[NewRolloutLine], *, author: str, at: datetime
) -> int:
    """Keep a new rollout with its lines, as a draft; returns its id. values: columns that are not set here.

    Raises InvalidInput when another one has its name.
    """
    name = values["name"]
    if (await tx.execute(select(rollout.c.id).where(rollout.c.name == name))).first() is not None:
        raise InvalidInput(f"there is a rollout called {name!r} already", hint="Choose another name.")
    await lock_ticket(tx, values["ticket_id"])
    progress = {"states": {RolloutLineState.PLANNED.value: len(lines)}, "waves": []}
    own = {"state": RolloutState.DRAFT, "author": author, "wave": 0, "progress": progress}
    rollout_id = await insert_logged(tx, rollout, EntityKind.ROLLOUT, {**values, **own}, actor=author, at=at)
    first = await _first_free_line(tx, values["ticket_id"])
    ids = await new_ids(tx, rollout_line, len(lines))
    rows: list[dict[str, Any]] = [
        {
            "id": line_id,
            "rollout_id": rollout_id,
            "line": first + offset,
            "site_id": line.site_id,
            "ticket_id": line.ticket_id,
            "quantity": line.quantity,
            "asked_wave": line.asked_wave,
            "state": RolloutLineState.PLANNED,
            "risk": 0,
            "risk_rule": "not planned yet",
            "created_at": at,
            "updated_at": at,
        }
        for offset, (line_id, line) in enumerate(zip(ids, lines, strict=True))
    ]
    await insert_rows(tx, rollout_line, rows)
    logged = ("rollout_id", "line", "site_id", "ticket_id", "quantity", "state")
    changes = [
        NewChange(
            EntityKind.ROLLOUT_LINE,
            row["id"],
            "created",
            {name: (None, json_value(row[name])) for name in logged if row[name] is not None},
        )
        for row in rows
    ]
    await log_changes(tx, changes, actor=author, at=at)
    return rollout_id


async def rollout_id_of(tx: AsyncConnection, name: str) -> int:
    """The rollout that a person means: by its name, else by `#` and the hub's own id. Raises NotKnown."""
    found = (await tx.execute(select(rollout.c.id).where(rollout.c.name == name))).scalar_one_or_none()
    own = name.removeprefix("#")
    if found is None and name.startswith("#") and own.isascii() and own.isdigit() and len(own) < 19:
        found = (await tx.execute(select(rollout.c.id).where(rollout.c.id == int(own)))).scalar_one_or_none()
    if found is None:
        raise NotKnown(f"there is no rollout {name!r}", hint="Give its name, or #ID. `connector rollout list` has all.")
    return int(found)


async def rollout_row(tx: AsyncConnection, rollout_id: int) -> RolloutRow:
    """The rollout, not locked. Raises NotKnown."""
    return _row((await tx.execute(_SELECT.where(rollout.c.id == rollout_id))).mappings().one_or_none(), rollout_id)


async def lock_rollout(tx: AsyncConnection, rollout_id: int) -> RolloutRow:
    """The rollout, its ticket and itself locked until the transaction ends. Raises NotKnown."""
    ticket_id = (await tx.execute(select(rollout.c.ticket_id).where(rollout.c.id == rollout_id))).scalar_one_or_none()
    if ticket_id is not None:
        await lock_ticket(tx, ticket_id)
    statement = _SELECT.where(rollout.c.id == rollout_id).with_for_update()
    return _row((await tx.execute(statement)).mappings().one_or_none(), rollout_id)


async def write_rollout(
    tx: AsyncConnection,
    before: RolloutRow,
    values: Mapping[str, Any],
    *,
    actor: str,
    cause: str | None = None,
    at: datetime,
) -> RolloutRow:
    """Set columns of a locked rollout and log those that changed, its progress as one number for each state.

    Raises IllegalTransition when its state cannot become that.
    """
    changed = {name: value for name, value in values.items() if getattr(before, name) != value}
    if not changed:
        return before
    if "state" in changed:
        require_move(ROLLOUT_MOVES, before.state, changed["state"], what=f"rollout {before.name!r}")
    await tx.execute(update(rollout).where(rollout.c.id == before.id).values(**changed, updated_at=at))
    logged = {
        name: (json_value(getattr(before, name)), json_value(value))
        for name, value in changed.items()
        if name not in _TALLY
    }
    if "progress" in changed:
        logged["counts"] = (before.progress["states"], changed["progress"]["states"])
    if logged:
        await log_changes(
            tx, [NewChange(EntityKind.ROLLOUT, before.id, "updated", logged)], actor=actor, cause=cause, at=at
        )
    return RolloutRow(**{**{field.name: getattr(before, field.name) for field in fields(before)}, **changed})


async def running_rollouts(tx: AsyncConnection) -> list[int]:
    """Ids of those that are running."""
    statement = select(rollout.c.id).where(rollout.c.state == RolloutState.RUNNING).order_by(rollout.c.id)
    return list((await tx.execute(statement)).scalars())


async def rollouts_of_ticket(tx: AsyncConnection, ticket_id: int) -> list[int]:
    """Ids of the rollouts under a ticket that are not over."""
    over = (RolloutState.COMPLETED, RolloutState.CANCELLED)
    statement = select(rollout.c.id).where(rollout.c.ticket_id == ticket_id, rollout.c.state.not_in(over))
    return list((await tx.execute(statement.order_by(rollout.c.id))).scalars())


@dataclass(frozen=True, slots=True)
class Tally:
    """Lines of a rollout, counted. finished, failed: of those that count for its share of failures.

    by_wave: wave to state to number; 0 stands for lines without wave.
    """

    by_wave: Mapping[int, Mapping[RolloutLineState, int]]
    finished: int
    failed: int

    @property
    def states(self) -> dict[RolloutLineState, int]:
        """State to number, of all waves together."""
        states: dict[RolloutLineState, int] = {}
        for counts in self.by_wave.values():
            for state, number in counts.items():
                states[state] = states.get(state, 0) + number
        return states

    def progress(self) -> dict[str, Any]:
        """As the rollout keeps it."""
        return {
            "states": _named(self.states),
            "waves": [{"wave": wave, "states": _named(self.by_wave[wave])} for wave in sorted(self.by_wave) if wave],
        }


async def tally(tx: AsyncConnection, row: RolloutRow) -> Tally:
    """Count the lines of a rollout, in one statement."""
    c = rollout_line.c
    counts = c.finished_at > row.counted_from if row.counted_from else c.finished_at.is_not(None)
    failed = case((c.state == RolloutLineState.FAILED, 1))
    statement = (
        select(
            func.coalesce(c.wave, 0), c.state, func.count(), func.count().filter(counts),
            func.count(failed).filter(counts),
        )
        .where(c.rollout_id == row.id)
        .group_by(c.wave, c.state)
    )  # fmt: skip
    by_wave: dict[int, dict[RolloutLineState, int]] = {}
    finished = failures = 0
    for wave, state, number, ended, bad in await tx.execute(statement):
        by_wave.setdefault(wave, {})[state] = number
        finished += ended
        failures += bad
    return Tally(by_wave, finished, failures)


async def _first_free_line(tx: AsyncConnection, ticket_id: int) -> int:
    """The first line of a ticket that neither a rollout nor a claim has."""
    of_rollouts = (
        select(func.max(rollout_line.c.line))
        .join(rollout, rollout.c.id == rollout_line.c.rollout_id)
        .where(rollout.c.ticket_id == ticket_id)
    )
    claimed = select(func.max(reservation.c.line)).where(reservation.c.ticket_id == ticket_id)
    taken: list[int | None] = list(
        (await tx.execute(select(of_rollouts.scalar_subquery(), claimed.scalar_subquery()))).one()
    )
    return max([FIRST_LINE, *(line + 1 for line in taken if line is not None)])


def _named(counts: Mapping[RolloutLineState, int]) -> dict[str, int]:
    return {state.value: counts[state] for state in RolloutLineState if counts.get(state)}


def _row(row: Any, rollout_id: int) -> RolloutRow:
    if row is None:
        raise NotKnown(f"there is no rollout with id {rollout_id}")
    return RolloutRow(**row)


_SELECT = select(*(rollout.c[field.name] for field in fields(RolloutRow)))
