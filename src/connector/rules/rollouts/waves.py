"""Which site of a rollout is served from which hub, in which wave. Pure; the same input gives the same plan.

Lines are served in the order of their risk, the least first, each by the nearest hub that can give all that it needs
and still keep what it has to keep. What no hub can serve is short, with the reason. What is served is cut into waves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import asin, ceil, dist, inf

from connector.model.geo import EARTH_RADIUS_KM


@dataclass(frozen=True, slots=True)
class Wanted:
    """A line that has no unit yet. unit: position of its site as a unit vector, None when nobody knows it.

    asked_wave: the wave that it was asked for; all lines of a rollout have one, or none has. problem: why nothing can
    be sent there at all.
    """

    line_id: int
    line: int
    unit: tuple[float, float, float] | None
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
    unit: tuple[float, float, float] | None
    free: int
    protected: int = 0
    floor: int = 0


@dataclass(frozen=True, slots=True)
class Placed:
    """A line with the hub that serves it and its wave. distance_km: None when a position is not known."""

    line_id: int
    wave: int
    hub_id: int
    distance_km: int | None


@dataclass(frozen=True, slots=True)
class Short:
    """A line that cannot be served, and why, for people."""

    line_id: int
    reason: str


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
    """How waves are cut. begun: the newest wave that has begun, 0 before the first; its number is not used again."""

    first_wave_size: int
    wave_size: int
    begun: int = 0

    def size(self, wave: int) -> int:
        """Lines of a wave."""
        return self.first_wave_size if wave == 1 else self.wave_size


def plan_waves(lines: Iterable[Wanted], shelves: Iterable[HubShelf], cut: Cut, *, keep_free_percent: int) -> Plan:
    """The plan for lines that have no unit yet.

    keep_free_percent: share of what each hub could give, rounded up, that it keeps beside what is protected. What it
    kept in an earlier plan it keeps at least, so that a rollout does not eat up stock bite by bite.
    """
    offers = [_Offer(shelf, keep_free_percent) for shelf in sorted(shelves, key=lambda shelf: shelf.hub_id)]
    ordered = sorted(lines, key=lambda line: (line.asked_wave or 0, line.risk, line.line, line.line_id))
    served: list[tuple[Wanted, _Offer, int | None]] = []
    short: list[Short] = []
    for line in ordered:
        if line.problem is not None:
            short.append(Short(line.line_id, line.problem))
            continue
        offer, chord = _nearest(line, offers)
        if offer is None:
            short.append(Short(line.line_id, _why(line.quantity, offers)))
            continue
        offer.left -= line.quantity
        served.append((line, offer, None if chord == inf else round(2 * EARTH_RADIUS_KM * asin(min(chord / 2, 1)))))
    waves = _waves([line for line, _, _ in served], cut)
    placed = (
        Placed(line.line_id, wave, offer.shelf.hub_id, km)
        for (line, offer, km), wave in zip(served, waves, strict=True)
    )
    return Plan(tuple(placed), tuple(short), tuple(offer.told() for offer in offers))


def floors_of(plan: Plan) -> Mapping[int, int]:
    """What each hub keeps under a plan, for the next one."""
    return {hub.hub_id: hub.kept for hub in plan.hubs if hub.kept}


class _Offer:
    """What is left of a shelf while a plan is made."""

    __slots__ = ("kept", "left", "shelf", "usable")

    def __init__(self, shelf: HubShelf, keep_free_percent: int) -> None:
        self.shelf = shelf
        unprotected = max(shelf.free - shelf.protected, 0)
        self.kept = max(shelf.floor, ceil(unprotected * keep_free_percent / 100))
        self.usable = self.left = max(unprotected - self.kept, 0)

    def told(self) -> HubPlan:
        shelf = self.shelf
        promised = self.usable - self.left
        return HubPlan(shelf.hub_id, shelf.label, shelf.free, min(shelf.protected, shelf.free), self.kept, promised)


def _nearest(line: Wanted, offers: Sequence[_Offer]) -> tuple[_Offer | None, float]:
    """The nearest hub that can give all of it, and the chord to it; positions that nobody knows come last, by id."""
    best: _Offer | None = None
    nearest = inf
    for offer in offers:
        if offer.left < line.quantity:
            continue
        unit = offer.shelf.unit
        chord = inf if line.unit is None or unit is None else dist(line.unit, unit)
        if best is None or chord < nearest:
            best, nearest = offer, chord
    return best, nearest


def _why(quantity: int, offers: Sequence[_Offer]) -> str:
    """Why no hub can give so many."""
    free = sum(offer.shelf.free for offer in offers)
    if free == 0:
        return "no hub has a free unit"
    units = "a unit" if quantity == 1 else f"{quantity} units at once"
    protected = sum(min(offer.shelf.protected, offer.shelf.free) for offer in offers)
    kept = sum(min(offer.kept, max(offer.shelf.free - offer.shelf.protected, 0)) for offer in offers)
    promised = sum(offer.usable - offer.left for offer in offers)
    return (
        f"no hub can give {units}: of {free} free {protected} are safety stock or emergency buffer, {kept} are left to "
        f"incidents, {promised} are promised to lines with less risk"
    )


def _waves(lines: Sequence[Wanted], cut: Cut) -> list[int]:
    """The wave of each line, which come in order."""
    waves: list[int] = []
    wave, filled = cut.begun + 1, 0
    for line in lines:
        if line.asked_wave is not None:
            waves.append(max(line.asked_wave, cut.begun + 1))
            continue
        if filled >= cut.size(wave):
            wave, filled = wave + 1, 0
        waves.append(wave)
        filled += 1
    return waves
