"""Which site of a rollout is served from which hub, in which wave. Pure; the same input gives the same plan.

Lines are served in the order of their risk, the least first, each by the best way from a hub that can give all that it
needs and still keep what it has to keep (`connector.rules.rollouts.choosing`). What no hub can serve is short, with the
reason. What is served is cut into waves. When a later wave begins is estimated: when so many of the one before should
have arrived as must succeed, and its soak time has passed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Final

from connector.rules.arrival.lanes import NO_LANES, SiteLanes
from connector.rules.arrival.timetable import instant_of
from connector.rules.facts.ticket import SiteFacts
from connector.rules.policy.document import Mode
from connector.rules.rollouts.choosing import Asked, Choosing, NoWay
from connector.rules.rollouts.expecting import Short, Supply, expecting

MINUTES_PER_DAY: Final = 24 * 60
_FARTHEST: Final = 10 * 365 * MINUTES_PER_DAY
"""Minutes ahead beyond which no wave is estimated to begin: nothing that is known now says anything about that."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A line that has no unit yet.

    asked_wave: the wave that it was asked for; all lines of a rollout have one, or none has. problem: why nothing can
    be sent there at all.
    """

    line_id: int
    line: int
    site_id: int
    quantity: int
    risk: int
    asked_wave: int | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class HubShelf:
    """What a hub has. free: units that nobody has claimed; protected: how many of them are kept by the shelf itself.

    floor: units beyond those that an earlier plan left to incidents.
    """

    hub_id: int
    label: str
    free: int
    protected: int = 0
    floor: int = 0


@dataclass(frozen=True, slots=True)
class Placed:
    """A line with the hub that serves it, by which way, and its wave.

    distance_km: None when a position is not known. arrives_at: when it should be there; is_late: after what the wave
    aims at.
    """

    line_id: int
    wave: int
    hub_id: int
    distance_km: int | None
    mode: Mode
    arrives_at: datetime
    cost_cents: int
    is_late: bool


@dataclass(frozen=True, slots=True)
class HubPlan:
    """What a plan expects of a hub. kept: units that it leaves to incidents beside the protected ones."""

    hub_id: int
    label: str
    free: int
    protected: int
    kept: int
    promised: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What goes where and when. placed: in the order of waves and risk."""

    placed: tuple[Placed, ...]
    short: tuple[Short, ...]
    hubs: tuple[HubPlan, ...]

    @property
    def next_wave(self) -> tuple[Placed, ...]:
        """The lines of its first wave."""
        return tuple(item for item in self.placed if item.wave == self.placed[0].wave)


@dataclass(frozen=True, slots=True)
class Cut:
    """How waves are cut. begun: the newest wave that has begun, 0 before the first; its number is not used again.

    is_untried: of whatever has begun everything was given back, so that the next wave is the first to show anything.
    """

    first_wave_size: int
    wave_size: int
    begun: int = 0
    is_untried: bool = False

    def size(self, wave: int) -> int:
        """Lines of a wave."""
        is_first = wave == 1 or (self.is_untried and wave == self.begun + 1)
        return self.first_wave_size if is_first else self.wave_size


@dataclass(frozen=True, slots=True)
class Pace:
    """How waves follow each other. begins: the minute at which the next one may begin, at the earliest.

    soak_minutes, success_percent: of the rollout. delivery_days: until all of a wave should be there. due: the minute
    by which all of the rollout should, if anything says so.
    """

    begins: int
    soak_minutes: int = 0
    success_percent: int = 100
    delivery_days: int = 7
    due: int | None = None


def in_order(lines: Iterable[Wanted]) -> list[Wanted]:
    """Lines in the order in which they are served."""
    return sorted(lines, key=lambda line: (line.asked_wave or 0, line.risk, line.line, line.line_id))


class Planning:
    """A plan in the making: lines are given in their order, in parts, so that few sites are looked at at once.

    keep_free_percent: share of what each hub could give, rounded up, that it keeps beside what is protected. What it
    kept in an earlier plan it keeps at least, so that a rollout does not eat up stock bite by bite.
    """

    def __init__(
        self, shelves: Iterable[HubShelf], cut: Cut, pace: Pace, choosing: Choosing, *, keep_free_percent: int
    ) -> None:
        self._offers = [_Offer(shelf, keep_free_percent) for shelf in sorted(shelves, key=lambda shelf: shelf.hub_id)]
        self._left = {offer.shelf.hub_id: offer.usable for offer in self._offers if offer.usable}
        self._choosing = choosing
        self._waves = _Waves(cut, pace)
        self._placed: list[Placed] = []
        self._short: list[Short] = []

    def place(
        self, lines: Iterable[Wanted], sites: Mapping[int, SiteFacts], lanes: Mapping[int, SiteLanes] | None = None
    ) -> None:
        """Serve lines, which follow those before them in the order of `in_order`. sites, lanes: theirs, by site."""
        known = lanes or {}
        for line in lines:
            self._place(line, sites[line.site_id], known.get(line.site_id, NO_LANES))

    def plan(self, supplies: Iterable[Supply] = ()) -> Plan:
        """The plan of all lines. supplies: what comes for those that are short."""
        hubs = tuple(offer.told(self._left.get(offer.shelf.hub_id, 0)) for offer in self._offers)
        return Plan(tuple(self._placed), expecting(self._short, supplies), hubs)

    def _place(self, line: Wanted, site: SiteFacts, lanes: SiteLanes) -> None:
        if line.problem is not None:
            self._short.append(Short(line.line_id, line.problem, line.quantity, lacks_units=False))
            return
        if not any(units >= line.quantity for units in self._left.values()):
            self._short.append(Short(line.line_id, _why(line.quantity, self._offers, self._left), line.quantity))
            return
        wave = self._waves.next(line)
        choice = self._choosing.choose(Asked(site, lanes, line.quantity, wave.start, wave.due), self._left)
        if isinstance(choice, NoWay):
            self._short.append(Short(line.line_id, choice.reason, line.quantity, lacks_units=False))
            return
        self._take(choice.hub_id, line.quantity)
        wave.arrivals.append(choice.arrives)
        self._placed.append(
            Placed(
                line_id=line.line_id,
                wave=wave.number,
                hub_id=choice.hub_id,
                distance_km=choice.distance_km,
                mode=choice.mode,
                arrives_at=instant_of(choice.arrives),
                cost_cents=choice.cost_cents,
                is_late=choice.is_late,
            )
        )

    def _take(self, hub_id: int, units: int) -> None:
        left = self._left[hub_id] - units
        if left:
            self._left[hub_id] = left
        else:
            del self._left[hub_id]


def floors_of(plan: Plan) -> Mapping[int, int]:
    """What each hub keeps under a plan, for the next one."""
    return {hub.hub_id: hub.kept for hub in plan.hubs if hub.kept}


class _Offer:
    """What a plan may take of a shelf. kept: what it leaves to incidents; usable: the rest of what is not protected."""

    __slots__ = ("kept", "shelf", "usable")

    def __init__(self, shelf: HubShelf, keep_free_percent: int) -> None:
        self.shelf = shelf
        unprotected = max(shelf.free - shelf.protected, 0)
        self.kept = max(shelf.floor, ceil(unprotected * keep_free_percent / 100))
        self.usable = max(unprotected - self.kept, 0)

    def told(self, left: int) -> HubPlan:
        shelf = self.shelf
        protected = min(shelf.protected, shelf.free)
        return HubPlan(shelf.hub_id, shelf.label, shelf.free, protected, self.kept, self.usable - left)


@dataclass(slots=True)
class _Wave:
    """A wave that lines are put into. arrivals: of those in it, in minutes."""

    number: int
    start: int
    due: int
    arrivals: list[int]


class _Waves:
    """Which wave comes next, and when it should begin."""

    def __init__(self, cut: Cut, pace: Pace) -> None:
        self._cut, self._pace = cut, pace
        self._wave = self._begun(cut.begun + 1, pace.begins)
        self._asked: int | None = None

    def next(self, line: Wanted) -> _Wave:
        """The wave for the next line that is placed."""
        wave = self._wave
        number = wave.number
        if line.asked_wave is not None:
            number = self._asked_for(line.asked_wave)
        elif len(wave.arrivals) >= self._cut.size(number):
            number += 1
        if number != wave.number:
            self._wave = self._begun(number, self._after(wave) if wave.arrivals else wave.start)
        return self._wave

    def _asked_for(self, asked: int) -> int:
        """The number of a wave that was asked for; what comes late goes with the next one, once anything was tried."""
        if asked == self._asked:
            return self._wave.number
        follows = self._cut.is_untried and self._asked is not None
        self._asked = asked
        return max(asked, self._wave.number + 1 if follows else self._cut.begun + 1)

    def _begun(self, number: int, start: int) -> _Wave:
        pace = self._pace
        due = start + pace.delivery_days * MINUTES_PER_DAY
        return _Wave(number, start, due if pace.due is None else min(due, pace.due), [])

    def _after(self, wave: _Wave) -> int:
        """When the wave after one may begin, as far as that can be estimated."""
        enough = ceil(len(wave.arrivals) * self._pace.success_percent / 100)
        done = sorted(wave.arrivals)[enough - 1] if enough else wave.start
        return min(done + self._pace.soak_minutes, self._pace.begins + _FARTHEST)


def _why(quantity: int, offers: Sequence[_Offer], left: Mapping[int, int]) -> str:
    """Why no hub can give so many."""
    free = sum(offer.shelf.free for offer in offers)
    if free == 0:
        return "no hub has a free unit"
    units = "a unit" if quantity == 1 else f"{quantity} units at once"
    protected = sum(min(offer.shelf.protected, offer.shelf.free) for offer in offers)
    kept = sum(min(offer.kept, max(offer.shelf.free - offer.shelf.protected, 0)) for offer in offers)
    promised = sum(offer.usable for offer in offers) - sum(left.values())
    return (
        f"no hub can give {units}: of {free} free {protected} are safety stock or emergency buffer, {kept} are left to "
        f"incidents, {promised} are promised to lines with less risk"
    )
