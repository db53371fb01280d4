"""How couriers would carry a unit. What is known of the lane counts before what the policy says of all.

A courier's offer counts before the band of the distance, enough deliveries before both.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import timedelta

from connector.model.kinds import LaneScope
from connector.rules.arrival.destination import Destination
from connector.rules.arrival.lanes import LaneHistory, Offer, SiteLanes
from connector.rules.arrival.legs import NEVER, Carriage
from connector.rules.arrival.terms import Terms
from connector.rules.arrival.timetable import instant_of
from connector.rules.facts.fleet import HubFacts
from connector.rules.policy.document import Sourcing


class Carriages:
    """From each hub to the site of one decision.

    are_known: whether anything is known of any lane. start: the minute of the decision; due: the last one in time,
    NEVER without one.
    """

    def __init__(
        self,
        lanes: SiteLanes,
        sourcing: Sourcing,
        terms: Terms,
        destination: Destination,
        *,
        start: int,
        due: int,
    ) -> None:
        self._lanes, self._sourcing, self._terms, self._destination = lanes, sourcing, terms, destination
        self._start, self._due = start, due
        self.are_known = bool(lanes.offers or lanes.to_site or lanes.to_region) or (
            LaneScope.EVERYWHERE in sourcing.courier.history and bool(lanes.everywhere)
        )

    def of(self, hub: HubFacts, km: float, leaves: int) -> Carriage:
        """How a courier that leaves then would carry it: of several offers the one that fulfilment would take."""
        minutes, cost = self._terms.transits[bisect_left(self._terms.band_ends, km)]
        if not self.are_known:
            return Carriage(minutes, cost)
        courier = self._sourcing.courier
        known: list[Carriage] = []
        for offer in self._lanes.offers.get(hub.id, ()):
            if self._counts(offer):
                history = self._history(hub.id, offer.service)
                if history is None:
                    took = offer.transit(leaves, hub.profile.time_zone)
                else:
                    took = history.quantile(courier.estimate_share)
                known.append(Carriage(took, offer.amount_cents, offer, history))
        if not known:
            history = self._history(hub.id, "")
            if history is None:
                return Carriage(minutes, cost)
            return Carriage(history.quantile(courier.estimate_share), cost, history=history)

        def rank(carriage: Carriage) -> tuple[bool, int, int, str]:
            arrives = self.handed_over(leaves + carriage.minutes)
            is_late = arrives > self._due or self._due == NEVER
            service = carriage.offer.service if carriage.offer else ""
            return is_late, arrives if is_late else 0, carriage.cost_cents, service

        return min(known, key=rank)

    def handed_over(self, minute: int) -> int:
        """When the site takes what a courier brings then."""
        at = self._destination.handed_over(minute)
        return NEVER if at is None else at

    def _counts(self, offer: Offer) -> bool:
        age = instant_of(self._start) - offer.quoted_at
        is_fresh = age <= timedelta(days=self._sourcing.courier.quote_days)
        return is_fresh and offer.currency == self._sourcing.currency

    def _history(self, hub_id: int, service: str) -> LaneHistory | None:
        courier = self._sourcing.courier
        return self._lanes.history(hub_id, service, minimum=courier.minimum_history, scopes=courier.history)
