"""The shelves of a replay: what lies on them, what is on order for them, what they are worth day by day."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable
from heapq import heappop, heappush

from connector.model.kinds import Lane
from connector.planning.history import MINUTES_PER_DAY, LeadTimes
from connector.planning.measures import Tally
from connector.rules.facts.protection import Kept
from connector.rules.facts.scene import Scene, Shelf
from connector.rules.facts.shelves import Holding, holding_of


class Stockroom:
    """All shelves, changed as a replay goes on; capital is counted into its tallies.

    Every unit that leaves a shelf is ordered anew for that shelf. _too_many: units on order in place of such that came
    back. _levels: units and their value, day by day.
    """

    def __init__(
        self,
        scene: Scene,
        lead_times: LeadTimes,
        seed: int,
        *,
        begin: int,
        end: int,
        total: Tally,
        regions: defaultdict[str, Tally],
    ) -> None:
        self._scene, self._lead_times, self._seed = scene, lead_times, seed
        self._end, self._total, self._regions = end, total, regions
        self._free: dict[tuple[int, Lane], dict[int, int]] = defaultdict(dict)
        for shelf, units in sorted(scene.stock.items()):
            if units:
                self._free[shelf.product_id, shelf.lane][shelf.hub_id] = units
        self._keeping = {(shelf.product_id, shelf.lane) for shelf in scene.keeps}
        self._arrivals: list[tuple[int, int, Shelf, int]] = []
        self._orders: dict[Shelf, int] = defaultdict(int)
        self._too_many: dict[Shelf, int] = defaultdict(int)
        self._sequence = 0
        self._cost = {key: product.unit_cost_cents or 0 for key, product in scene.products.items()}
        self._units = sum(scene.stock.values())
        self._value: dict[str, int] = defaultdict(int)
        self._valued_at: dict[str, int] = defaultdict(lambda: begin)
        for shelf, units in scene.stock.items():
            self._value[self._region_of(shelf)] += units * self._cost[shelf.product_id]
        self._levels: list[tuple[int, int]] = []
        self._next_day = (begin // MINUTES_PER_DAY + 1) * MINUTES_PER_DAY

    @property
    def next_arrival(self) -> int | None:
        """The minute at which the next order arrives; None when nothing is on order."""
        return self._arrivals[0][0] if self._arrivals else None

    def holdings(self, product_ids: Iterable[int]) -> tuple[Holding, ...]:
        """What there is of these products, as decisions see it."""
        return tuple(
            self._holding(product_id, lane, free)
            for product_id in product_ids
            for lane in Lane
            if (free := self._free.get((product_id, lane)))
        )

    def ample(self, product_ids: Iterable[int], quantity: int) -> set[Shelf]:
        """Shelves that have so many units beside what they keep, of any of these products."""
        shelves = {
            Shelf(hub_id, product_id, lane): units
            for product_id in product_ids
            for lane in Lane
            for hub_id, units in self._free.get((product_id, lane), {}).items()
        }
        return {shelf for shelf, units in shelves.items() if self._kept(shelf, units).usable() >= quantity}

    def has(self, shelf: Shelf) -> bool:
        """Whether anything lies on a shelf."""
        return bool(self._free[shelf.product_id, shelf.lane].get(shelf.hub_id))

    def take(self, shelf: Shelf, units: int, minute: int) -> None:
        """Units leave a shelf, and as many are ordered for it."""
        self._put(shelf, -units, minute)
        on_order = min(units, self._too_many[shelf])
        self._too_many[shelf] -= on_order
        units -= on_order
        if not units:
            return
        number = self._orders[shelf]
        self._orders[shelf] += 1
        hub, product = self._scene.fleet.hubs[shelf.hub_id].label, self._scene.products[shelf.product_id].label
        rng = random.Random(f"{self._seed}/{hub}/{product}/{shelf.lane.value}/{number}")  # noqa: S311 - a simulation
        lead = self._lead_times.of(product, hub).sample_minutes(rng)
        self._sequence += 1
        heappush(self._arrivals, (minute + lead, self._sequence, shelf, units))

    def lend(self, shelf: Shelf, units: int, minute: int, until: int) -> None:
        """Units leave a shelf and are back on it at a minute; nothing is ordered for them."""
        self._put(shelf, -units, minute)
        self._sequence += 1
        heappush(self._arrivals, (until, self._sequence, shelf, units))

    def give_back(self, shelf: Shelf, units: int, minute: int) -> None:
        """Units that were taken lie on their shelf again.

        What was ordered for them is for whoever takes the next; where nobody has by then, it does not come.
        """
        self._put(shelf, units, minute)
        self._too_many[shelf] += units

    def receive(self) -> tuple[int, Shelf]:
        """The next order arrives: when, and where."""
        minute, _, shelf, units = heappop(self._arrivals)
        self.close_days(minute)
        called_off = min(units, self._too_many[shelf])
        self._too_many[shelf] -= called_off
        self._put(shelf, units - called_off, minute)
        return minute, shelf

    def close_days(self, minute: int) -> None:
        """Note the stock at the end of each day that is over."""
        while self._next_day <= min(minute, self._end):
            self._levels.append((self._units, sum(self._value.values())))
            self._next_day += MINUTES_PER_DAY

    def close(self) -> list[tuple[int, int]]:
        """The history is over: units and their value at the end of each of its days."""
        self.close_days(self._end)
        self._levels.append((self._units, sum(self._value.values())))
        for region in list(self._value):
            self._accrue(region, self._end)
        return self._levels

    def _holding(self, product_id: int, lane: Lane, free: dict[int, int]) -> Holding:
        if (product_id, lane) not in self._keeping:
            return Holding(product_id, lane, free)
        return holding_of(
            product_id, lane, {hub: self._kept(Shelf(hub, product_id, lane), units) for hub, units in free.items()}
        )

    def _kept(self, shelf: Shelf, units: int) -> Kept:
        return Kept(units, *self._scene.keeps.get(shelf, ()))

    def _put(self, shelf: Shelf, units: int, minute: int) -> None:
        free = self._free[shelf.product_id, shelf.lane]
        left = free.get(shelf.hub_id, 0) + units
        if left:
            free[shelf.hub_id] = left
        else:
            free.pop(shelf.hub_id, None)
        region = self._region_of(shelf)
        self._accrue(region, min(minute, self._end))
        self._value[region] += units * self._cost[shelf.product_id]
        self._units += units

    def _accrue(self, region: str, minute: int) -> None:
        """Count the capital that lay in a region's hubs until now."""
        cents = self._value[region] * (minute - self._valued_at[region])
        self._total.value_minutes += cents
        self._regions[region].value_minutes += cents
        self._valued_at[region] = minute

    def _region_of(self, shelf: Shelf) -> str:
        return self._scene.regions.get(shelf.hub_id, "")
