"""Shelves that could serve and shelves that lost; and how candidates are recorded: by numbers, without many words.

Recorded are `routes`, as they were compared; `shelves` (hub, tier, whether it is a car, place of its hours among
`schedules`, free units); `steps` of the best; and either what they were `compared` by, or `why` each of them lost.
`connector.rules.sourcing.told` makes of it what people and programs read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias, overload

from connector.model.frozen import frozen
from connector.model.kinds import HubTier, Lane
from connector.rules.arrival.itinerary import ArrivalStep
from connector.rules.arrival.timetable import minute_at_or_after
from connector.rules.arrival.ways import MODES
from connector.rules.policy.document import Mode
from connector.rules.sourcing.candidates import LANES
from connector.rules.sourcing.deferred import Deferred
from connector.rules.sourcing.many_hubs import recorded_hubs
from connector.rules.sourcing.ranking import Route

Recorded: TypeAlias = Mapping[str, Any]
"""Candidates as they are recorded, as JSON values."""
NONE: Final[Recorded] = {"routes": ()}
"""No candidate."""


@frozen
class Candidate:
    """A shelf that could serve, and how. why: what it lost by; "" for the chosen one.

    hours: when its hub works, and whose public holidays close it, for people. distance_km: great circle. ready_at:
    picked, checked and packed. departs_at: when it leaves. steps: all of the way, one by one. probability: to arrive
    in time, 0 to 1. is_mobile: the hub is an engineer's car. Costs in cents of the policy's currency.
    """

    hub_id: int
    hub: str
    tier: HubTier
    product_id: int
    preference: int
    lane: Lane
    free: int
    mode: Mode
    distance_km: float
    cost_cents: int
    ready_at: datetime
    departs_at: datetime
    arrives_at: datetime
    is_within_sla: bool
    hours: str = ""
    why: str = ""
    probability: float = 1.0
    is_mobile: bool = False
    steps: Sequence[ArrivalStep] = ()

    @property
    def is_exact(self) -> bool:
        """Whether it is the needed product itself."""
        return self.preference == 0


@frozen
class Losers:
    """Shelves that lost for the same reason, without further detail.

    hubs: ids, once per shelf. minutes: for those that arrive later, by how many minutes, in the order of `hubs`.
    """

    code: str
    text: str
    hubs: tuple[int, ...]
    minutes: tuple[int, ...] = ()

    def recorded(self) -> dict[str, Any]:
        """As JSON values."""
        if self.minutes:
            return {"code": self.code, "text": self.text, "hubs": self.hubs, "minutes_later": self.minutes}
        return {"code": self.code, "text": self.text, "hubs": recorded_hubs(self.hubs)}


class Compared(Deferred[Candidate]):
    """Candidates of one comparison, in its order: the chosen one, which is made by itself, and the others.

    recorded: the same as they are recorded, which costs less to make.
    """

    __slots__ = ("_chosen", "_first", "recorded")

    def __init__(
        self,
        chosen: Callable[[], Candidate],
        others: Callable[[], Iterable[Candidate]],
        recorded: Callable[[], Recorded],
    ) -> None:
        super().__init__(others)
        self._chosen = chosen
        self._first: Candidate | None = None
        self.recorded = recorded

    @property
    def _all(self) -> tuple[Candidate, ...]:
        if self._items is None:
            self._items = (self[0], *self._make())
        return self._items

    @overload
    def __getitem__(self, place: int) -> Candidate: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Candidate, ...]: ...

    def __getitem__(self, place: int | slice) -> Candidate | tuple[Candidate, ...]:
        """The candidate at a place; the others are not made for the sake of the chosen one."""
        if place != 0:
            return self._all[place]
        if self._first is None:
            self._first = self._chosen()
        return self._first


def recorded_of(candidates: Sequence[Candidate]) -> Recorded:
    """Candidates as they are recorded; of those of a comparison what each lost by follows from it."""
    if isinstance(candidates, Compared):
        return candidates.recorded()
    if not candidates:
        return NONE
    hours = {candidate.hours: None for candidate in candidates}
    places = {text: place for place, text in enumerate(hours)}
    return {
        "routes": [_route(candidate) for candidate in candidates],
        "shelves": [(item.hub, item.tier.value, item.is_mobile, places[item.hours], item.free) for item in candidates],
        "steps": [
            [(step.name, minute_at_or_after(step.at), step.minutes, step.text) for step in candidate.steps]
            for candidate in candidates
        ],
        "schedules": [(text, None) for text in hours],
        "why": [candidate.why for candidate in candidates],
    }


def _route(candidate: Candidate) -> Route:
    """What is known of how it would be compared."""
    return (
        int(not candidate.is_exact),
        candidate.preference,
        LANES.index(candidate.lane),
        candidate.hub_id,
        candidate.product_id,
        int(not candidate.is_within_sla),
        0,
        0,
        minute_at_or_after(candidate.arrives_at),
        candidate.cost_cents,
        candidate.distance_km,
        MODES.index(candidate.mode),
        minute_at_or_after(candidate.ready_at),
        minute_at_or_after(candidate.departs_at),
        candidate.probability,
    )
