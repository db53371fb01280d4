"""Tickets that belong to one event: which they are, since when, and what a person has said about it.

`join_events` stands between the facts of tickets and their decisions. It notes what they count for, raises a proposal
where there are enough of them, and says what that means for each. Of two processes that see the same event at the same
moment one proposes it: a scope has one open group, by a unique index.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import and_, func, or_, select, text
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.frozen import but
from connector.model.kinds import GroupKind, TaskKind
from connector.model.lifecycle import (
    GROUP_MOVES,
    RESERVATION_LIVE,
    TICKET_OPEN,
    GroupState,
    ReservationState,
    require_move,
)
from connector.model.refs import EntityKind
from connector.rules.events.events import (
    Proposal,
    Signal,
    Watched,
    proposed,
    required,
    signals_of,
    standing,
    strictest,
    units_limit,
)
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.standing import GroupFacts, Standing
from connector.rules.policy.document import Policy
from connector.storage.database.bulk import among, among_given, insert_rows
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.rows import json_value, locked_row, update_logged
from connector.storage.tables import LOAN_LINE, incident_group, incident_group_ticket, reservation, ticket
from connector.storage.tickets.incident_signals import (
    Scope,
    Window,
    compare,
    count_subjects,
    note_signals,
    read_signals,
)
from connector.storage.tickets.tasks import NewTask, require_task

RULES: Final = "rules"
TIMED_OUT: Final = "time-out"
"""Who decides when nobody does."""
OPEN: Final = (GroupState.PROPOSED, GroupState.CONFIRMED)
_ANSWER: Final = {"dismiss": "dismisses", "confirm": "confirms"}


_IS_OPEN: Final = text("state IN ('proposed', 'confirmed')")
"""Without parameters: a prepared statement would not recognise the index by them."""


_HAS_UNIT = select(reservation.c.id).where(
    reservation.c.ticket_id == incident_group_ticket.c.ticket_id,
    reservation.c.state.in_((*RESERVATION_LIVE, ReservationState.FULFILLED)),
    reservation.c.line != LOAN_LINE,
)
"""That a member of a group has a unit, or had one sent."""

_OF_SCOPES = select(incident_group).where(
    among_given(incident_group.c.scope, "scopes"),
    or_(incident_group.c.state != GroupState.CLOSED, incident_group.c.closed_by != TIMED_OUT),
)
"""The groups of scopes that are open, or about which somebody has said something."""


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A group as the database holds it."""

    id: int
    kind: GroupKind
    scope: str
    title: str
    state: GroupState
    statistics: dict[str, Any]
    policy_version: str
    serves: bool
    limit_units: int | None
    cause: str | None
    decided_by: str | None
    decided_at: datetime | None
    closed_by: str | None
    close_reason: str | None
    closed_at: datetime | None
    expires_at: datetime
    created_at: datetime

    def facts(self) -> GroupFacts:
        """As decisions look at it."""
        return GroupFacts(self.id, self.kind, self.title, self.state, self.serves, self.limit_units, self.cause)


async def join_events(
    tx: AsyncConnection, facts: Sequence[SourcingFacts], policy: Policy, now: datetime
) -> dict[int, GroupFacts]:
    """The events that tickets belong to, by ticket; those of none are left out. In the order that is given.

    Nothing is asked of the database when the policy looks for no events.
    """
    signals = [signal for item in facts for signal in signals_of(item, policy, now)]
    if not signals:
        return {}
    await note_signals(tx, signals, now)
    watches = policy.grouping.watches
    by_scope: dict[Scope, list[Signal]] = defaultdict(list)
    for signal in signals:
        by_scope[signal.kind, signal.scope].append(signal)
    groups, quiet = await _groups(tx, by_scope, watches, now)
    before = await _propose(tx, by_scope.keys() - groups.keys() - quiet, policy, groups, now)
    if not groups:
        return {}
    await _add_members(tx, [(groups[key].id, s.ticket_id) for key in groups for s in by_scope[key]], now)
    return await _standings(tx, facts, by_scope, groups, watches, before)


async def _groups(
    tx: AsyncConnection, scopes: Collection[Scope], watches: Mapping[GroupKind, Watched], now: datetime
) -> tuple[dict[Scope, GroupRow], set[Scope]]:
    """The open groups of these scopes, and those of which a person said lately that they are no event, or over."""
    found: dict[Scope, GroupRow] = {}
    quiet: set[Scope] = set()
    for row in (await tx.execute(_OF_SCOPES, {"scopes": list({scope for _, scope in scopes})})).mappings():
        group = _row(row)
        key = (group.kind, group.scope)
        if group.state in OPEN:
            found[key] = group
        elif group.kind in watches and (said_at := group.closed_at or group.decided_at) is not None:
            window = timedelta(minutes=watches[group.kind].window_minutes)
            if said_at + window > now:
                quiet.add(key)
    return {key: group for key, group in found.items() if key in scopes}, quiet


async def _propose(
    tx: AsyncConnection, scopes: Collection[Scope], policy: Policy, groups: dict[Scope, GroupRow], now: datetime
) -> dict[int, set[int]]:
    """Raise the proposals that are due; by group, the tickets that came before it was one."""
    watches, before = policy.grouping.watches, {}
    counts = await count_subjects(tx, _windows(scopes, watches, now)) if scopes else {}
    due = [key for key, count in counts.items() if count >= required(watches[key[0]])]
    if not due:
        return {}
    for key, signals in sorted((await read_signals(tx, _windows(due, watches, now))).items()):
        watch = watches[key[0]]
        proposal = proposed(key[0], watch, signals, await compare(tx, watch, signals, now))
        if proposal is None:
            continue
        group = await _open_group(tx, proposal, watch, policy, now)
        groups[key] = group
        await _add_members(tx, [(group.id, signal.ticket_id) for signal in signals], now)
        before[group.id] = {signal.ticket_id for signal in signals[: proposal.number - 1]}
    return before


def _windows(scopes: Collection[Scope], watches: Mapping[GroupKind, Watched], now: datetime) -> list[Window]:
    by_kind: dict[GroupKind, set[str]] = defaultdict(set)
    for kind, scope in scopes:
        by_kind[kind].add(scope)
    return [
        Window(kind, names, now - timedelta(minutes=watches[kind].window_minutes))
        for kind, names in sorted(by_kind.items())
    ]


async def _open_group(
    tx: AsyncConnection, proposal: Proposal, watch: Watched, policy: Policy, now: datetime
) -> GroupRow:
    """The open group of a scope: a new proposal, unless another process has just made one."""
    values = {
        "kind": proposal.kind,
        "scope": proposal.scope,
        "title": proposal.title,
        "state": GroupState.PROPOSED,
        "statistics": dict(proposal.statistics),
        "policy_version": policy.version,
        "serves": watch.confirmed == "serve",
        "limit_units": None,
        "expires_at": now + timedelta(minutes=watch.timeout_minutes),
    }
    make = pg_insert if tx.dialect.name == "postgresql" else sqlite_insert
    c = incident_group.c
    statement = (
        make(incident_group)
        .values(**values, created_at=now, updated_at=now)
        .on_conflict_do_nothing(index_elements=["kind", "scope"], index_where=_IS_OPEN)
        .returning(c.id)
    )
    made = (await tx.execute(statement)).scalar_one_or_none()
    if made is not None:
        fields = {name: (None, json_value(value)) for name, value in values.items() if value is not None}
        change = NewChange(EntityKind.INCIDENT_GROUP, made, "created", fields)
        await log_changes(tx, [change], actor=RULES, cause=f"grouping of {policy.version}", at=now)
        await _ask(tx, made, proposal, watch, values["expires_at"], now)
    found = select(incident_group).where(c.kind == proposal.kind, c.scope == proposal.scope, c.state.in_(OPEN))
    return _row((await tx.execute(found)).mappings().one())


async def _ask(
    tx: AsyncConnection, group_id: int, proposal: Proposal, watch: Watched, expires_at: Any, now: datetime
) -> None:
    held = {"all": "wait", "none": "do not wait", "beyond": f"wait beyond {watch.units} units"}[watch.hold]
    new = NewTask(
        key=f"group:{group_id}",
        kind=TaskKind.REVIEW,
        title=f"A major incident? {proposal.title}",
        instructions=(
            f"Incident group {group_id} ({proposal.kind.value.replace('_', ' ')}). Confirm it with its cause, or "
            f"dismiss it: `connector groups confirm {group_id}`, `connector groups dismiss {group_id}`. Its further "
            f"tickets {held} until then; without an answer the policy {_ANSWER[watch.on_timeout]} it."
        ),
        due_at=expires_at,
    )
    await require_task(tx, new, actor=RULES, cause=None, at=now)


async def _add_members(tx: AsyncConnection, members: Sequence[tuple[int, int]], now: datetime) -> None:
    rows = [{"group_id": group_id, "ticket_id": ticket_id, "joined_at": now} for group_id, ticket_id in members]
    await insert_rows(tx, incident_group_ticket, rows, skip_existing=True)


async def _standings(
    tx: AsyncConnection,
    facts: Sequence[SourcingFacts],
    by_scope: Mapping[Scope, Sequence[Signal]],
    groups: Mapping[Scope, GroupRow],
    watches: Mapping[GroupKind, Watched],
    before: Mapping[int, Collection[int]],
) -> dict[int, GroupFacts]:
    """What its events mean for each ticket: of several, the strictest."""
    of_ticket: dict[int, list[GroupRow]] = defaultdict(list)
    for key, group in groups.items():
        for signal in by_scope[key]:
            of_ticket[signal.ticket_id].append(group)
    limits = {
        group.id: limit
        for item in facts
        for group in of_ticket[item.ticket.id]
        if (limit := units_limit(group.facts(), watches[group.kind], item)) is not None
    }
    served = await _served_within(tx, limits) if limits else {}
    found: dict[int, GroupFacts] = {}
    for item in facts:
        ticket_id = item.ticket.id
        mine = [
            but(
                stated,
                standing=standing(
                    stated,
                    watches[group.kind],
                    item,
                    served=served.get(group.id, 0),
                    is_before=ticket_id in before.get(group.id, ()),
                ),
            )
            for group in of_ticket[ticket_id]
            for stated in (group.facts(),)
        ]
        if not mine:
            continue
        found[ticket_id] = counts = strictest(mine)
        if counts.standing is Standing.SERVED:
            for event in mine:
                served[event.id] = served.get(event.id, 0) + 1
    return found


async def _served_within(tx: AsyncConnection, limits: Mapping[int, int]) -> dict[int, int]:
    """How many tickets of each group have a unit, or had one sent; counted no further than to its limit."""
    c = incident_group_ticket.c
    counts: list[Any] = []
    for group_id, limit in limits.items():
        some = select(c.ticket_id).where(c.group_id == group_id, _HAS_UNIT.exists()).limit(limit).subquery()
        counts.append(select(func.count()).select_from(some).scalar_subquery())
    return dict(zip(limits, (await tx.execute(select(*counts))).one(), strict=True))


async def events_of(tx: AsyncConnection, facts: SourcingFacts, policy: Policy, now: datetime) -> GroupFacts | None:
    """The open event that a ticket belongs to, or would join, and what that means for it; nothing is written.

    An event that it would be the one to raise is not looked for.
    """
    watches = policy.grouping.watches
    signals = {(signal.kind, signal.scope): [signal] for signal in signals_of(facts, policy, now)}
    if not signals:
        return None
    groups, _ = await _groups(tx, signals, watches, now)
    return (await _standings(tx, [facts], signals, groups, watches, {})).get(facts.ticket.id)


async def members_waiting(tx: AsyncConnection, group_ids: Collection[int]) -> list[int]:
    """Open tickets of these groups that have nothing.

    Of those that were closed by time only where its tickets are served: what needed no unit gets none by that.
    """
    c = incident_group_ticket.c
    group = incident_group.c
    has = select(reservation.c.id).where(
        reservation.c.ticket_id == ticket.c.id,
        reservation.c.state.in_((*RESERVATION_LIVE, ReservationState.FULFILLED)),
        reservation.c.line != LOAN_LINE,
    )
    statement = (
        select(ticket.c.id)
        .join(incident_group_ticket, c.ticket_id == ticket.c.id)
        .join(incident_group, group.id == c.group_id)
        .where(
            among(tx, c.group_id, group_ids),
            or_(group.state != GroupState.CLOSED, group.serves, group.closed_by != TIMED_OUT),
            ticket.c.state.in_(TICKET_OPEN),
            ticket.c.retired_at.is_(None),
            ~has.exists(),
        )
        .distinct()
        .order_by(ticket.c.id)
    )
    return list((await tx.execute(statement)).scalars())


async def group_row(tx: AsyncConnection, group_id: int) -> GroupRow:
    """A group, locked until the transaction ends. Raises NotKnown."""
    return _row(await locked_row(tx, incident_group, EntityKind.INCIDENT_GROUP, group_id))


async def settle_group(
    tx: AsyncConnection, group: GroupRow, target: GroupState, *, actor: str, at: datetime, **values: Any
) -> bool:
    """Move a group, and set columns with it; False when nothing changes.

    Raises IllegalTransition naming the legal states.
    """
    if target is not group.state:
        require_move(GROUP_MOVES, group.state, target, what=f"incident group {group.id}")
    changed = {"state": target, **values}
    return await update_logged(tx, incident_group, EntityKind.INCIDENT_GROUP, group.id, changed, actor=actor, at=at)


async def groups_to_settle(tx: AsyncConnection, now: datetime, *, limit: int = 200) -> list[GroupRow]:
    """Proposals that nobody has answered in time, and all that are confirmed; ids ascending."""
    c = incident_group.c
    statement = (
        select(incident_group)
        .where(or_(c.state == GroupState.CONFIRMED, and_(c.state == GroupState.PROPOSED, c.expires_at <= now)))
        .order_by(c.id)
        .limit(limit)
    )
    return [_row(row) for row in (await tx.execute(statement)).mappings()]


async def list_groups(tx: AsyncConnection, states: Collection[GroupState]) -> list[tuple[GroupRow, int, int]]:
    """Groups in these states, the newest first, each with its tickets and how many of them have a unit."""
    c = incident_group.c
    members = select(func.count()).select_from(incident_group_ticket).where(incident_group_ticket.c.group_id == c.id)
    counts = (
        members.scalar_subquery().label("members"),
        members.where(_HAS_UNIT.exists()).scalar_subquery().label("served"),
    )
    statement = select(incident_group, *counts).where(c.state.in_(states)).order_by(c.id.desc())
    return [(_row(row), row["members"], row["served"]) for row in (await tx.execute(statement)).mappings()]


def _row(row: Any) -> GroupRow:
    return GroupRow(**{name: row[name] for name in GroupRow.__slots__})
