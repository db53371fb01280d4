"""Break-glass stock: small, for major incidents only; who authorises a draw, whose region goes first, what instead.

The part of the policy document, and what it means for the shelves that one ticket may draw on. Pure.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from connector.model.kinds import Lane
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.shelves import Holding
from connector.rules.policy.values import Name, Part


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) < len(values):
        raise ValueError("names a region more than once")
    return values


class BreakGlass(Part):
    """How break-glass stock is drawn. approval: the one that every draw waits for, unless its rule names another.

    region_priority: whose tickets go first, and for whom the hubs of these regions keep their units: a ticket draws on
    hubs of its own region and of regions that stand after it, those that are not named coming last. fallback: what a
    rule that draws on nothing else falls back to: normal stock, or a person. alert_share, window_days, minimum_draws:
    so large a share of the units drawn in so many days is an alert, once there were so many.
    """

    approval: Name
    region_priority: Annotated[tuple[str, ...], Field(examples=[["EU", "US"]]), AfterValidator(_distinct)] = ()
    fallback: Annotated[Literal["normal", "person"], Field(examples=["normal"])] = "normal"
    alert_share: Annotated[float, Field(gt=0, le=1, examples=[0.1])] = 0.1
    window_days: Annotated[int, Field(gt=0, le=365, examples=[30])] = 30
    minimum_draws: Annotated[int, Field(gt=0, le=100_000, examples=[10])] = 10

    def rank(self, region: str | None) -> int:
        """Place of a region, 0 the first."""
        return self.region_priority.index(region) if region in self.region_priority else len(self.region_priority)


def withheld(
    holdings: tuple[Holding, ...], facts: SourcingFacts, stated: BreakGlass | None
) -> tuple[tuple[Holding, ...], str, tuple[int, ...]]:
    """The shelves that a ticket may draw on; why it may not draw on break-glass shelves, "" when it may, and which.

    A refused authorisation bars all of them; region priority those of regions that go before the ticket's own.
    """
    drawn = [holding for holding in holdings if holding.lane is Lane.BREAK_GLASS]
    if not drawn or stated is None:
        return holdings, "", ()
    hubs = {hub for holding in drawn for hub in (*holding.free, *holding.kept)}
    if stated.approval in facts.refusals:
        barred, why = hubs, f"break-glass stock, and approval {stated.approval!r} was refused"
    elif stated.region_priority:
        own = facts.site.region if facts.site else None
        rank = stated.rank(own)
        regions = {hub: facts.fleet.hubs[hub].region for hub in hubs if hub in facts.fleet.hubs}
        barred = {hub for hub, region in regions.items() if region != own and stated.rank(region) < rank}
        why = f"break-glass stock of a region that goes before {own or 'an unknown region'}"
    else:
        barred, why = set(), ""
    if not barred:
        return holdings, "", ()
    left = tuple(item.without(barred) if item.lane is Lane.BREAK_GLASS else item for item in holdings)
    return left, why, tuple(sorted(barred))
