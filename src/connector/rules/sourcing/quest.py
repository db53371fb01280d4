"""What a ticket is looked for under the rungs of a ladder; what one of them has found serves the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import Final

from connector.model.frozen import frozen
from connector.rules.arrival.destination import Destination
from connector.rules.arrival.terms import terms_of
from connector.rules.arrival.ways import Ways
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.shelves import ClaimedPart, Holding
from connector.rules.facts.ticket import ProductFacts
from connector.rules.policy.document import Policy, Rule, Step
from connector.rules.sourcing.candidates import Found, Refusal, Search, search
from connector.rules.sourcing.kits import KitShelves
from connector.rules.sourcing.preemption import Shelf
from connector.rules.sourcing.ranking import ranking_of

NOTHING_GIVEN: Final[Mapping[Shelf, Sequence[ClaimedPart]]] = {}
KEPT: Final = "kept_back"
"""Code of shelves whose free units are all kept for something that the rung does not release."""


@frozen
class Quest:
    """What is looked for, and until when. start, due: minutes. preferences, refused: see `candidates.search`.

    is_red: it is looked for through a red channel. keeps: whether any shelf keeps units for worse days.
    """

    facts: SourcingFacts
    product: ProductFacts
    policy: Policy
    destination: Destination
    start: int
    due: int
    now: datetime
    holdings: tuple[Holding, ...]
    preferences: Mapping[int, int]
    refused: Mapping[int, Refusal]
    is_red: bool = False
    keeps: bool = field(init=False)
    _ways: dict[tuple[object, ...], Ways] = field(default_factory=dict)
    _found: dict[tuple[object, ...], Found] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Find out what every rung asks."""
        of_kit = self.facts.kit.holdings if self.facts.kit is not None else ()
        object.__setattr__(self, "keeps", any([holding.kept for holding in (*self.holdings, *of_kit)]))

    def look_for(self, step: Step, *, is_only: bool) -> Found:
        """What a rung finds on the shelves that it may use; rungs that search alike do so once. is_only: the one."""
        rule = step.rule
        key = (step.search, rule.releases if self.keeps else ())
        found = self._found.get(key)
        if found is None:
            shelves = self.shelves_of(rule, is_only=is_only)
            found = self.look(rule, shelves) if shelves else self._search(rule, self.facts.quantity).found()
            self._found[key] = found
        return found

    def shelves_of(self, rule: Rule, *, is_only: bool) -> Sequence[Holding]:
        """The shelves that a rung may use, those of other rungs are not its concern; the only rung tells of all."""
        if is_only:
            return self.holdings
        outside = self.facts.fleet.outside(rule.sources)
        mine = [holding for holding in self.holdings if holding.lane in rule.lanes]
        if outside:
            mine = [holding.without(outside) for holding in mine]
        return [holding for holding in mine if holding.free or holding.kept]

    def look(
        self,
        rule: Rule,
        holdings: Iterable[Holding],
        *,
        quantity: int | None = None,
        given: Mapping[Shelf, Sequence[ClaimedPart]] = NOTHING_GIVEN,
    ) -> Found:
        """What these shelves offer under a rule, with what it releases of them.

        given: components that come free when units of a shelf are taken from others.
        """
        facts = self.facts
        units = facts.quantity if quantity is None else quantity
        searching = self._search(rule, units)
        opened = [holding.opened(rule.releases) for holding in holdings] if rule.releases else list(holdings)
        kits = self.kits(rule)
        incomplete: Mapping[Refusal, tuple[int, ...]] = {}
        if kits is not None:
            may = set[int]().union(*(facts.fleet.tiers[tier] for tier in rule.sources))
            opened, incomplete = kits.without_incomplete(opened, units, devices=self.preferences, hubs=may, given=given)
        found = search(opened, self.preferences, self.refused, searching)
        for refusal, hubs in incomplete.items():
            found.refuse(hubs, refusal.code, refusal.text)
        for holding in opened:
            if holding.kept and holding.product_id in self.preferences and holding.lane in rule.lanes:
                for hub_id in sorted(holding.kept.keys() - holding.free.keys()):
                    found.refuse((hub_id,), KEPT, holding.kept[hub_id].text(rule.releases))
        return found

    def kits(self, rule: Rule) -> KitShelves | None:
        """What hubs have of the kit that goes along; None when none does."""
        return KitShelves(self.facts.kit, rule) if rule.kit == "swap" and self.facts.kit is not None else None

    def _search(self, rule: Rule, quantity: int) -> Search:
        return Search(rule, self.policy, self.facts, self._ways_of(rule), quantity=quantity)

    def _ways_of(self, rule: Rule) -> Ways:
        """The ways under a rule: the same for rungs that travel and compare alike."""
        ranking, terms = ranking_of(rule, self.policy), terms_of(rule, self.policy.sourcing)
        key = (ranking, terms.may_send, terms.may_collect, terms.max_km)
        ways = self._ways.get(key)
        if ways is None:
            ways = self._ways[key] = Ways(
                rule, self.policy, self.facts, self.destination, ranking, start=self.start, due=self.due
            )
        return ways
