"""By which way from which hub a line of a rollout is served: the ways of tickets, compared for what does not hurry.

In time for its wave before late, of late ones the soonest; then the cheapest, the nearest, the soonest. Where the site
or a hub has no coordinates, the policy's assumed distance counts whatever it says of tickets: nobody waits for the
parcel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from connector.model.kinds import Lane
from connector.rules.arrival.destination import Destination
from connector.rules.arrival.lanes import SiteLanes
from connector.rules.arrival.ways import MODES, Ways
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.fleet import Fleet
from connector.rules.facts.shelves import Holding
from connector.rules.facts.ticket import ProductFacts, SiteFacts, TicketFacts
from connector.rules.policy.document import Criterion, Mode, Policy, Rule
from connector.rules.sourcing.candidates import Found, Search, search
from connector.rules.sourcing.ranking import ARRIVES, COST, DISTANCE, HUB, LATE, MODE, Route, ranking_of

RANKING: Final = (
    Criterion.WITHIN_SLA, Criterion.LATENESS, Criterion.COST, Criterion.DISTANCE, Criterion.ARRIVAL,
)  # fmt: skip
_MOST_KNOWN: Final = 8


@dataclass(frozen=True, slots=True)
class Asked:
    """What a line asks for. start: the minute at which its wave begins; due: the one by which it should be there."""

    site: SiteFacts
    lanes: SiteLanes
    quantity: int
    start: int
    due: int


@dataclass(frozen=True, slots=True)
class Choice:
    """How a line is served. arrives: minute. distance_km: None when a position is not known."""

    hub_id: int
    mode: Mode
    arrives: int
    cost_cents: int
    distance_km: int | None
    is_late: bool


@dataclass(frozen=True, slots=True)
class NoWay:
    """No hub with enough units can send it there; why, for people."""

    reason: str


class Choosing:
    """Chooses for line after line of one rollout, from what is left of the shelves at that time."""

    def __init__(self, ticket: TicketFacts, product: ProductFacts, policy: Policy, fleet: Fleet) -> None:
        self._terms = _terms(policy)
        self._product_id, self._fleet = product.id, fleet
        self._facts = SourcingFacts(ticket=ticket, product=product, fleet=fleet)
        self._last: tuple[Asked, Found] | None = None

    def choose(self, asked: Asked, left: Mapping[int, int]) -> Choice | NoWay:
        """The best way from a hub that has enough. left: units that may be taken, by hub; only ever less of them."""
        route = self._known(asked, left)
        if route is None:
            try:
                found = self._search(asked, left)
            except ValueError as error:
                return NoWay(f"site {asked.site.label!r} cannot be planned for: {error}")
            if found.first is None:
                return NoWay(_why(found))
            self._last = (asked, found)
            route = found.first
        hub_id = route[HUB]
        is_located = asked.site.point is not None and hub_id in self._fleet.units
        return Choice(
            hub_id=hub_id,
            mode=MODES[route[MODE]],
            arrives=route[ARRIVES],
            cost_cents=route[COST],
            distance_km=round(route[DISTANCE]) if is_located else None,
            is_late=route[LATE] == 1,
        )

    def _known(self, asked: Asked, left: Mapping[int, int]) -> Route | None:
        """The best way that is left of those found for the line before, where this one asks for the same."""
        if self._last is None or self._last[0] != asked:
            return None
        return next((route for route in self._last[1].best if left.get(route[HUB], 0) >= asked.quantity), None)

    def _search(self, asked: Asked, left: Mapping[int, int]) -> Found:
        policy, rule = self._terms
        facts = replace(self._facts, site=asked.site, lanes=asked.lanes)
        destination = Destination(asked.site, policy, asked.start)
        ways = Ways(rule, policy, facts, destination, ranking_of(rule, policy), start=asked.start, due=asked.due)
        searching = Search(rule, policy, facts, ways, quantity=asked.quantity)
        holding = Holding(self._product_id, Lane.NORMAL, left)
        return search((holding,), {self._product_id: 0}, {}, searching)


_known_terms: dict[int, tuple[Policy, Policy, Rule]] = {}


def _terms(policy: Policy) -> tuple[Policy, Rule]:
    """The policy as rollouts plan by it, and the rule that stands for them; kept for the policies in use."""
    known = _known_terms.get(id(policy))
    if known is None or known[0] is not policy:
        while len(_known_terms) >= _MOST_KNOWN:
            _known_terms.pop(next(iter(_known_terms)))
        assumed = {"site_coordinates": "assume", "hub_coordinates": "assume"}
        missing = policy.sourcing.missing.model_copy(update=assumed)
        sourcing = policy.sourcing.model_copy(update={"missing": missing})
        rule = Rule(
            name="rollout", when="true", hardware="replace", transport=policy.rollouts.transport, ranking=RANKING
        )
        known = _known_terms[id(policy)] = (policy, policy.model_copy(update={"sourcing": sourcing}), rule)
    return known[1], known[2]


def _why(found: Found) -> str:
    """Why nothing leads there from the hubs that have enough."""
    told = "; ".join(
        f"{len(hubs)} × {refusal.text}" for refusal, hubs in found.refused.items() if refusal.code != "not_enough"
    )
    return f"no way leads there from a hub that can give it: {told}"
