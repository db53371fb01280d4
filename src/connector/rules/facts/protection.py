"""Units that a shelf keeps for worse days, and what of them a rule releases."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from connector.model.frozen import frozen
from connector.model.kinds import Protection

NAMES = {Protection.SAFETY_STOCK: "safety stock", Protection.EMERGENCY_BUFFER: "emergency buffer"}
"""How people call what units are kept for."""


@frozen
class Kept:
    """A shelf with units that are kept. free: all its free units, kept ones included. fitting: how many of them could
    serve; None for all.

    A claim leaves as many free units as the purposes that are not released ask for; so what is released is used up
    in the order of `Protection`: safety stock first.
    """

    free: int
    safety_stock: int = 0
    emergency_buffer: int = 0
    fitting: int | None = None

    def usable(self, releases: Collection[Protection] = ()) -> int:
        """Free units that may be claimed when these purposes are released; never below zero."""
        left = self._unprotected(releases)
        return left if self.fitting is None else min(left, self.fitting)

    def drawn(self, quantity: int, releases: Collection[Protection]) -> dict[Protection, int]:
        """How many kept units a claim of so many draws on, by purpose; empty when unprotected ones suffice."""
        short = max(quantity - self._unprotected(), 0)
        drawn = {}
        for purpose in Protection:
            if purpose in releases and short > 0 and self._of(purpose):
                drawn[purpose] = min(short, self._of(purpose))
                short -= drawn[purpose]
        return drawn

    def text(self, releases: Collection[Protection] = ()) -> str:
        """What its free units are kept as, for people, for example `kept as safety stock (2)`."""
        left, parts = self.free, []
        for purpose in reversed(Protection):
            units = 0 if purpose in releases else min(self._of(purpose), left)
            left -= units
            if units:
                parts.append(f"{NAMES[purpose]} ({units})")
        return f"kept as {' and '.join(reversed(parts))}"

    def _unprotected(self, releases: Collection[Protection] = ()) -> int:
        return max(self.free - sum(self._of(purpose) for purpose in Protection if purpose not in releases), 0)

    def _of(self, purpose: Protection) -> int:
        return self.safety_stock if purpose is Protection.SAFETY_STOCK else self.emergency_buffer


def drawn_text(drawn: Mapping[Protection, int]) -> str:
    """What a claim draws on, for people, for example `1 unit of safety stock`."""
    return " and ".join(f"{n} unit{'' if n == 1 else 's'} of {NAMES[purpose]}" for purpose, n in drawn.items())
