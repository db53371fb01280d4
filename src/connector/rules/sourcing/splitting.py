"""Several units from several shelves, where no shelf has all of them.

All of one product, all or none. As few shelves as possible, since each is a parcel of its own; of as many, those that
the ranking prefers. Only units that are free for everybody are combined, of the shelves that were timed in detail.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from connector.rules.sourcing.ranking import LATE, PRODUCT, Route

Share: TypeAlias = tuple[Route, int]
"""A route, and how many units travel it."""


def split(routes: Sequence[Route], free: Callable[[Route], int], quantity: int) -> tuple[Share, ...]:
    """The shelves that make up a quantity together, the best first; none when they cannot.

    routes: best first, one per shelf. A set that is in time goes before one that is not.
    """
    in_time = [route for route in routes if not route[LATE]]
    for among in (in_time, routes):
        for product in dict.fromkeys(route[PRODUCT] for route in among):
            found = _fewest([route for route in among if route[PRODUCT] == product], free, quantity)
            if found:
                return found
    return ()


def _fewest(routes: Sequence[Route], free: Callable[[Route], int], quantity: int) -> tuple[Share, ...]:
    units = [free(route) for route in routes]
    shelves = _needed(units, quantity)
    shares: list[Share] = []
    left = quantity
    for place, route in enumerate(routes):
        if left == 0:
            break
        after = sorted(units[place + 1 :], reverse=True)[: shelves - len(shares) - 1]
        if units[place] + sum(after) >= left:
            taken = min(units[place], left)
            shares.append((route, taken))
            left -= taken
    return tuple(shares) if left == 0 else ()


def _needed(units: Sequence[int], quantity: int) -> int:
    """The fewest shelves that have so many units together; more than there are when all of them have fewer."""
    left = quantity
    for count, most in enumerate(sorted(units, reverse=True), 1):
        left -= most
        if left <= 0:
            return count
    return len(units) + 1
