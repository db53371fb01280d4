"""Units that other tickets hold: which of them a ticket may take, and from whom it takes.

It takes from the weakest rank that has a unit in time, there the best one by the ranking of its rule, and on that shelf
from the claim that began last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from datetime import datetime
from typing import Final, TypeAlias

from connector.model.frozen import frozen
from connector.model.kinds import Lane, Priority
from connector.rules.facts.shelves import ClaimedPart, Contested, Holding
from connector.rules.policy.competition import ROLLOUT_RANK, Claimant, Fairness, Preempt, Rank, rank_of
from connector.rules.sourcing.candidates import LANES, Found, Refusal
from connector.rules.sourcing.ranking import HUB, LATE, OTHER_LANE, PRODUCT, Route

Shelf: TypeAlias = tuple[int, Lane, int]
"""Product, lane, hub."""

CLAIMED: Final = frozenset({"claim_as_strong", "claim_protected", "claim_in_channel", "lost_before"})
"""Codes of claims that may not be taken."""


@frozen
class Offer:
    """route: how the units would come; None when nothing may be taken or brought. claims: whose they are.

    refused: why other claims may not be taken, with their hubs.
    """

    route: Route | None = None
    claims: tuple[Contested, ...] = ()
    refused: Mapping[Refusal, tuple[int, ...]] = field(default_factory=dict)


@frozen
class Taker:
    """A ticket that may take. own: its priority as stated: waiting counts for those who have the units, not for it.

    is_red: it goes through a red channel, whose tickets go before all others, so that only such a one takes from them.
    """

    own: Priority | None
    quantity: int
    preempt: Preempt
    fairness: Fairness
    now: datetime
    is_red: bool = False

    def best(
        self,
        contested: Iterable[Contested],
        look: Callable[[Iterable[Holding], Iterable[Contested]], Found],
        *,
        may_be_late: bool,
    ) -> Offer:
        """What is taken. look: how shelves with the units of claims are searched. may_be_late: nothing is in time."""
        by_rank, refused = self._sorted_out(contested)
        late: Offer | None = None
        for _, claims in sorted(by_rank.items(), reverse=True):
            found = look(_holdings(claims), claims)
            first = found.first
            if first is not None:
                shelf = (first[PRODUCT], LANES[first[OTHER_LANE]], first[HUB])
                offer = Offer(first, self._of_shelf(claims, shelf), refused)
                if not first[LATE]:
                    return offer
                late = late or offer
        return late if late is not None and may_be_late else Offer(refused=refused)

    def parts_given(self, claims: Iterable[Contested]) -> dict[Shelf, tuple[ClaimedPart, ...]]:
        """The components that come free with the devices, by the shelf on which those are taken."""
        known = tuple(claims)
        shelves = {(claim.product_id, claim.lane, claim.hub_id) for claim in known if claim.parts}
        return {
            shelf: tuple(part for claim in self._of_shelf(known, shelf) for part in claim.parts) for shelf in shelves
        }

    def _sorted_out(
        self, contested: Iterable[Contested]
    ) -> tuple[dict[Rank, list[Contested]], dict[Refusal, tuple[int, ...]]]:
        allowed: dict[Rank, list[Contested]] = {}
        refused: dict[Refusal, tuple[int, ...]] = {}
        for claim in contested:
            rank = (
                ROLLOUT_RANK if claim.is_for_no_incident else self.fairness.aged(claim.priority, claim.since, self.now)
            )
            refusal = self._refusal(claim, rank)
            if refusal is None:
                allowed.setdefault(rank, []).append(claim)
            else:
                refused[refusal] = (*refused.get(refusal, ()), claim.hub_id)
        return allowed, refused

    def _refusal(self, claim: Contested, rank: Rank) -> Refusal | None:
        if rank <= rank_of(self.own):
            return Refusal("claim_as_strong", f"held for tickets that rank no lower than {self.own or 'no priority'}")
        if claim.red_until is not None and self.now < claim.red_until and not self.is_red:
            return Refusal("claim_in_channel", "held for tickets that go through a red channel")
        name = Claimant.ROLLOUT if claim.is_for_no_incident else Claimant(f"P{rank}")
        if name not in self.preempt.over:
            return Refusal("claim_protected", f"held for {name.value} tickets, from which the rule does not take")
        most = self.fairness.preempted_at_most
        if self.preempt.at_most is not None:
            most = min(most, self.preempt.at_most)
        if not claim.is_for_no_incident and claim.losses >= most:
            return Refusal("lost_before", "held for tickets that have lost as many units as the policy lets them")
        return None

    def _of_shelf(self, claims: Iterable[Contested], shelf: Shelf) -> tuple[Contested, ...]:
        """The claims on a shelf that have enough units together, those that began last first."""
        there = [claim for claim in claims if (claim.product_id, claim.lane, claim.hub_id) == shelf]
        taken: list[Contested] = []
        for claim in sorted(there, key=lambda claim: (claim.made_at, claim.reservation_id), reverse=True):
            if sum(one.quantity for one in taken) < self.quantity:
                taken.append(claim)
        return tuple(taken)


def _holdings(claims: Iterable[Contested]) -> list[Holding]:
    """Shelves on which the units of these claims are as good as free."""
    units: dict[tuple[int, Lane], dict[int, int]] = {}
    for claim in claims:
        by_hub = units.setdefault((claim.product_id, claim.lane), {})
        by_hub[claim.hub_id] = by_hub.get(claim.hub_id, 0) + claim.quantity
    return [Holding(product_id, lane, by_hub) for (product_id, lane), by_hub in units.items()]
