"""Units of the very revision that the device has, for rules that take no others.

What lies on the shelves is narrowed before anything is searched, so that searching, ranking and refusing stay as they
are. What a revision is called is the maker's affair: two are the same when their texts are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from connector.model.frozen import frozen
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.shelves import Holding, Revisions
from connector.rules.policy.document import Rule
from connector.rules.sourcing.candidate import Losers
from connector.rules.sourcing.decision import Assumption, Decision, Reason
from connector.rules.sourcing.deferred import Deferred
from connector.rules.sourcing.lacking import assumed_revision, revision_of

OTHER = "other_revision"
"""Code of shelves whose free units are of other revisions."""


@frozen
class Narrowed:
    """The facts as a rule may look at them. revision: the one that units must have; None when any will do.

    losers: shelves that have none of it. is_unread: nobody has read which revisions lie there.
    """

    facts: SourcingFacts
    revision: str | None = None
    assumed: tuple[Assumption, ...] = ()
    losers: tuple[Losers, ...] = ()
    is_unread: bool = False

    def told(self, decision: Decision) -> Decision:
        """The decision with the revision that it is about, and with the shelves that have others."""
        if self.revision is None:
            return decision
        told = replace(
            decision,
            revision=self.revision,
            wants_revisions=self.is_unread,
            losers=Deferred(lambda: (*decision.losers, *self.losers)),
            picks=tuple(replace(pick, revision=self.revision) for pick in decision.picks),
            orders=tuple(replace(order, revision=self.revision) for order in decision.orders),
            rest=self.told(decision.rest) if decision.rest is not None else None,
        )
        if decision.reason is not Reason.NO_COMPATIBLE_STOCK or not self.losers:
            return told
        counts = "; ".join(f"{len(item.hubs)} × {item.text}" for item in self.losers)
        text = f"There is stock, but none of it is of the device's revision: {counts}."
        return replace(told, reason=Reason.NOTHING_ALLOWED, text=text)


def narrowed(facts: SourcingFacts, rule: Rule) -> Narrowed:
    """What a rule may look at: all, or only units of the device's revision. A revision that is not known is assumed."""
    if not rule.same_revision_only:
        return Narrowed(facts)
    revision = revision_of(facts)
    if not revision:
        return Narrowed(facts, assumed=(assumed_revision(facts),))
    revisions: Revisions = facts.revisions or {}
    holdings = tuple(_of_revision(holding, revisions, revision) for holding in facts.holdings)
    contested = facts.contested
    if contested is not None:
        contested = tuple(claim for claim in contested if claim.revision == revision)
    losers: dict[str, list[int]] = {}
    for before, after in zip(facts.holdings, holdings, strict=True):
        if facts.product is None or before.product_id != facts.product.id:
            continue
        for hub in sorted((before.free.keys() | before.kept.keys()) - (after.free.keys() | after.kept.keys())):
            there = revisions.get((hub, before.product_id, before.lane), {})
            losers.setdefault(_text(there, revision), []).append(hub)
    return Narrowed(
        facts=replace(facts, holdings=holdings, contested=contested),
        revision=revision,
        losers=tuple(Losers(OTHER, text, tuple(hubs)) for text, hubs in sorted(losers.items())),
        is_unread=facts.revisions is None,
    )


def _of_revision(holding: Holding, revisions: Revisions, revision: str) -> Holding:
    hubs = holding.free.keys() | holding.kept.keys()
    units = {hub: revisions.get((hub, holding.product_id, holding.lane), {}).get(revision, 0) for hub in hubs}
    return holding.fitting(units)


def _text(there: Mapping[str, int], revision: str) -> str:
    """Why a shelf has nothing, for people."""
    known = sorted(repr(name) for name in there if name)
    if not known:
        return f"nobody knows which revision its units have; {revision!r} is needed"
    return f"its units have revision {', '.join(known)}; {revision!r} is needed"
