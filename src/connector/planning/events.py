"""Events in a replay: what incident groups are in operation, with nobody there to answer but the policy's timeout."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from typing import Final, TypeAlias

from connector.model.kinds import GroupKind
from connector.model.lifecycle import GroupState
from connector.rules.arrival.timetable import instant_of
from connector.rules.events.events import (
    Compared,
    Enough,
    Signal,
    Watched,
    enough,
    proposed,
    required,
    signals_of,
    standing,
    strictest,
)
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.standing import GroupFacts
from connector.rules.policy.document import Policy
from connector.rules.policy.grouping import Burst

Scope: TypeAlias = tuple[GroupKind, str]
WEEK: Final = 7 * 24 * 60


@dataclass(slots=True)
class _Signals:
    """What counts for one scope, in the order in which it came. minutes: when each did."""

    minutes: list[int] = field(default_factory=list)
    signals: list[Signal] = field(default_factory=list)

    def add(self, minute: int, signal: Signal, *, since: int) -> None:
        self.minutes.append(minute)
        self.signals.append(signal)
        old = bisect_left(self.minutes, since)
        if old > 256 and old > len(self.minutes) // 2:
            del self.minutes[:old], self.signals[:old]

    def after(self, minute: int) -> list[Signal]:
        return self.signals[bisect_right(self.minutes, minute) :]

    def subjects(self, after: int, until: int) -> int:
        first, last = bisect_right(self.minutes, after), bisect_right(self.minutes, until)
        return len({signal.subject for signal in self.signals[first:last]})


@dataclass(slots=True)
class _Group:
    """An open group. before: tickets that came before it was an event; waits_until: when time changes it next."""

    facts: GroupFacts
    members: dict[int, None]
    before: frozenset[int]
    waits_until: int


class Events:
    """The events of a run. in_the_field: devices of each product that are in use, as far as that is known."""

    def __init__(self, policy: Policy, in_the_field: Mapping[int, int]) -> None:
        self._policy, self._watches, self._in_the_field = policy, policy.grouping.watches, in_the_field
        self._signals: dict[Scope, _Signals] = defaultdict(_Signals)
        self._of_ticket: dict[int, list[Signal]] = {}
        self._groups: dict[Scope, _Group] = {}
        self._quiet: dict[Scope, int] = {}
        self._timers: list[tuple[int, int, Scope]] = []
        self._numbers = 0

    @property
    def next_change(self) -> int | None:
        """The minute at which time changes a group next; None when none is open."""
        return self._timers[0][0] if self._timers else None

    def standing(self, facts: SourcingFacts, minute: int, served: Collection[int]) -> GroupFacts | None:
        """What the events of a ticket mean for it; raises proposals. served: tickets that have a unit."""
        if not self._watches:
            return None
        mine = [group for signal in self._noted(facts, minute) if (group := self._group_of(signal, minute))]
        if not mine:
            return None
        return strictest([self._judged(group, facts, served) for group in mine])

    def settle(self) -> tuple[int, list[int]]:
        """What time changes next: when, and the tickets that are decided anew because of it, by id."""
        minute, number, key = heappop(self._timers)
        group = self._groups.get(key)
        if group is None or group.facts.id != number:
            return minute, []
        watch = self._watches[key[0]]
        if group.facts.state is GroupState.CONFIRMED:
            over = self._over_at(key, watch, since=group.waits_until - watch.window_minutes)
            if over > minute:
                self._wait(key, group, over)
            else:
                del self._groups[key]
            return minute, []
        if watch.on_timeout == "confirm":
            group.facts = replace(group.facts, state=GroupState.CONFIRMED)
            self._wait(key, group, self._over_at(key, watch, since=minute))
        else:
            self._quiet[key] = minute + watch.window_minutes
            del self._groups[key]
        return minute, sorted(group.members)

    def _over_at(self, key: Scope, watch: Watched, *, since: int) -> int:
        """When a confirmed event is over: nothing has come for the length of its window."""
        minutes = self._signals[key].minutes
        return max(minutes[-1] if minutes else since, since) + watch.window_minutes

    def _wait(self, key: Scope, group: _Group, until: int) -> None:
        group.waits_until = until
        heappush(self._timers, (until, group.facts.id, key))

    def _noted(self, facts: SourcingFacts, minute: int) -> list[Signal]:
        """What a ticket counts for, from when it was first decided about."""
        known = self._of_ticket.get(facts.ticket.id)
        if known is None:
            known = self._of_ticket[facts.ticket.id] = signals_of(facts, self._policy, instant_of(minute))
            for signal in known:
                watch = self._watches[signal.kind]
                weeks = watch.weeks if isinstance(watch, Burst) else 0
                since = minute - watch.window_minutes - weeks * WEEK
                self._signals[signal.kind, signal.scope].add(minute, signal, since=since)
        return known

    def _group_of(self, signal: Signal, minute: int) -> _Group | None:
        """The open group that a ticket belongs to, perhaps since now."""
        key = (signal.kind, signal.scope)
        group = self._groups.get(key)
        if group is not None:
            group.members[signal.ticket_id] = None
            return group
        if self._quiet.get(key, minute) > minute:
            return None
        watch = self._watches[signal.kind]
        signals = self._signals[key].after(minute - watch.window_minutes)
        if len(signals) < required(watch):
            return None
        proposal = proposed(signal.kind, watch, signals, self._compared(key, watch, signals, minute))
        if proposal is None:
            return None
        self._numbers += 1
        facts = GroupFacts(
            self._numbers, signal.kind, proposal.title, GroupState.PROPOSED, serves=watch.confirmed == "serve"
        )
        before = frozenset(item.ticket_id for item in signals[: proposal.number - 1])
        group = self._groups[key] = _Group(facts, dict.fromkeys(item.ticket_id for item in signals), before, 0)
        self._wait(key, group, minute + watch.timeout_minutes)
        return group

    def _compared(self, key: Scope, watch: Watched, signals: list[Signal], minute: int) -> Compared | None:
        if enough(watch, signals) is not Enough.UNKNOWN:
            return None
        if not isinstance(watch, Burst):
            return Compared(exposed=self._in_the_field.get(int(key[1].partition(":")[2]), 0))
        ends = [minute - week * WEEK for week in range(1, watch.weeks + 1)]
        known = self._signals[key]
        return Compared(usual=tuple(known.subjects(end - watch.window_minutes, end) for end in ends))

    def _judged(self, group: _Group, facts: SourcingFacts, served: Collection[int]) -> GroupFacts:
        """What one group means for a ticket."""
        watch = self._watches[group.facts.kind]
        have = sum(ticket_id in served for ticket_id in group.members) if watch.hold == "beyond" else 0
        is_before = facts.ticket.id in group.before
        return replace(group.facts, standing=standing(group.facts, watch, facts, served=have, is_before=is_before))
