"""Several tickets decided one after the other, each with what those before it have left.

Pure, as one decision is: the facts of all were read at the same moment, and what one is given is taken off the shelves
that the next ones see. A ticket about a device that another one of them was given a unit for is relieved by that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from connector.model.frozen import but, frozen
from connector.model.kinds import Lane
from connector.model.lifecycle import ReservationState
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.fleet import Fleet
from connector.rules.facts.kits import KitFacts
from connector.rules.facts.shelves import Contested, Holding, Revisions, ShelfKey
from connector.rules.facts.standing import NO_LINKS, LinkedTicket, Links, Relief
from connector.rules.policy.competition import Place, Waiting, place_of
from connector.rules.policy.document import Policy
from connector.rules.sourcing.decide import decide, is_in_channel
from connector.rules.sourcing.decision import Decision
from connector.rules.sourcing.picks import Pick


def turn(facts: SourcingFacts, policy: Policy, now: datetime) -> Place:
    """What sorts tickets into the order in which they are decided: see `connector.rules.policy.competition`."""
    ticket, region = facts.ticket, facts.site.region if facts.site else None
    waiting = Waiting(
        ticket_id=ticket.id,
        priority=ticket.priority,
        since=ticket.opened_at or ticket.known_since or now,
        losses=int(ticket.has_lost),
        region_rank=policy.break_glass.rank(region) if policy.break_glass is not None else 0,
        is_red=bool(facts.channels) and is_in_channel(facts, policy, now),
    )
    return place_of(waiting, policy.fairness, now)


@frozen
class Case:
    """One of several tickets to be decided.

    number: the id that its reservation will have; None when nobody else needs to know. emptied: shelves that it was
    refused although the facts have units on them.
    """

    facts: SourcingFacts
    number: int | None = None
    emptied: Collection[ShelfKey] = ()


class InTurn:
    """Decides about tickets in the order in which they are handed to it."""

    def __init__(self, policy: Policy, now: datetime) -> None:
        self._policy, self._now, self._left = policy, now, _Left()

    def decide(self, case: Case) -> Decision:
        """What a ticket gets after those before it. It does not have it yet, so this may be asked again."""
        return decide(self._left.seen_by(case.facts), self._policy, self._now, emptied=case.emptied)

    def give(self, case: Case, decision: Decision) -> None:
        """Let the ticket have what was decided: those after it see what is left."""
        self._left.give(case, [pick for part in decision.parts for pick in part.picks])
        if decision.loan is not None and decision.loan.pick is not None:
            self._left.take(case.facts, decision.loan.pick)


class _Left:
    """What earlier decisions have changed about the facts of later ones."""

    def __init__(self) -> None:
        self._holdings: dict[tuple[int, Lane], Holding] = {}
        self._devices: dict[int, Relief] = {}
        self._tickets: dict[int, Relief] = {}
        self._taken: set[int] = set()
        self._revisions: dict[ShelfKey, Counter[str]] = {}

    def seen_by(self, facts: SourcingFacts) -> SourcingFacts:
        if not self._holdings and not self._taken:
            return facts
        current = [self._holdings.get((h.product_id, h.lane), h) for h in facts.holdings]
        relief = facts.relief
        if relief is None and facts.asset is not None:
            relief = self._devices.get(facts.asset.id)
        return but(
            facts,
            holdings=tuple([holding for holding in current if holding.free or holding.kept]),
            kit=self._kit(facts.kit),
            relief=relief,
            links=self._linked(facts.links),
            contested=self._untaken(facts.contested),
            revisions=self._less_given(facts.revisions),
        )

    def give(self, case: Case, picks: Sequence[Pick]) -> None:
        facts = case.facts
        of_kit = facts.kit.holdings if facts.kit is not None else ()
        for pick in picks:
            self._taken.update(pick.takes)
            for part in pick.parts:
                if part.takes is None:
                    self._less((part.product_id, part.lane), pick.hub_id, part.quantity, of_kit)
            if pick.takes:
                continue
            self._less((pick.product_id, pick.lane), pick.hub_id, pick.quantity, facts.holdings)
            if pick.revision is not None:
                given = self._revisions.setdefault((pick.hub_id, pick.product_id, pick.lane), Counter())
                given[pick.revision] += pick.quantity
        if picks and case.number is not None:
            hub = _label(facts.fleet, picks[0].hub_id)
            relief = Relief(facts.ticket.number, case.number, ReservationState.HELD, hub)
            self._tickets[facts.ticket.id] = relief
            if facts.asset is not None:
                self._devices.setdefault(facts.asset.id, relief)

    def _less_given(self, revisions: Revisions | None) -> Revisions | None:
        """What is left of each revision. Who takes any unit is given one that nobody before them needs by revision."""
        if revisions is None or not self._revisions:
            return revisions
        return {
            shelf: {name: units - given[name] for name, units in there.items()}
            if (given := self._revisions.get(shelf))
            else there
            for shelf, there in revisions.items()
        }

    def take(self, facts: SourcingFacts, pick: Pick) -> None:
        """A unit that is lent is not there for anybody else."""
        self._less((pick.product_id, pick.lane), pick.hub_id, pick.quantity, facts.holdings)

    def _less(self, key: tuple[int, Lane], hub_id: int, quantity: int, holdings: Sequence[Holding]) -> None:
        holding = self._holdings.get(key) or _holding(holdings, key)
        self._holdings[key] = holding.less(hub_id, quantity)

    def _kit(self, kit: KitFacts | None) -> KitFacts | None:
        if kit is None:
            return None
        return replace(kit, holdings=tuple(self._holdings.get((h.product_id, h.lane), h) for h in kit.holdings))

    def _untaken(self, contested: tuple[Contested, ...] | None) -> tuple[Contested, ...] | None:
        if not contested:
            return contested
        return tuple(claim for claim in contested if claim.reservation_id not in self._taken)

    def _linked(self, links: Links) -> Links:
        if links is NO_LINKS:
            return links
        return Links(
            family=tuple(self._relieved(item) for item in links.family),
            parent=self._relieved(links.parent) if links.parent is not None else None,
        )

    def _relieved(self, linked: LinkedTicket) -> LinkedTicket:
        relief = self._tickets.get(linked.id)
        return linked if relief is None else replace(linked, relief=relief)


def _holding(holdings: Sequence[Holding], key: tuple[int, Lane]) -> Holding:
    return next((h for h in holdings if (h.product_id, h.lane) == key), Holding(*key, {}))


def _label(fleet: Fleet, hub_id: int) -> str:
    hub = fleet.hubs.get(hub_id)
    return hub.label if hub else str(hub_id)
