"""Red channels: preapproved kinds of event whose tickets skip the queue, for a limited time and within a scope.

The policy says which kinds there are and who may open one; an open one is a fact. A decision looks at the time itself,
so a channel that has ended serves nobody, whether or not anything has closed it. See docs/channels.md.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, PrivateAttr

from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.standing import ChannelFacts, ChannelScope
from connector.rules.policy.approvals import Roles
from connector.rules.policy.conditions import Condition, ConditionFailed, Facts, compile_condition
from connector.rules.policy.values import ConditionText, Lanes, Part, no_repetition, not_empty


class ScopeKey(StrEnum):
    """What a channel may be narrowed to."""

    PRODUCTS = "products"
    ASSET_CLASSES = "asset_classes"
    REGIONS = "regions"
    SITES = "sites"


class RedChannel(Part):
    """A kind of event that skips the queue.

    roles: who may open, extend and close one. max_hours: how long it may be open from its opening or extension on.
    scope: what whoever opens it may, and at least by one of it must, narrow it to. when: which tickets of that scope.
    lanes: that its tickets may draw on beside those of their rule. skips_approvals: whether they need none.
    """

    roles: Roles
    max_hours: Annotated[int, Field(gt=0, le=720, examples=[48])]
    scope: Annotated[
        tuple[ScopeKey, ...],
        Field(examples=[["products", "regions"]]),
        AfterValidator(not_empty),
        AfterValidator(no_repetition),
    ] = tuple(ScopeKey)
    when: ConditionText = "true"
    lanes: Lanes | None = None
    skips_approvals: bool = False
    _condition: Condition = PrivateAttr()

    def model_post_init(self, _context: object) -> None:
        """Keep the compiled condition."""
        self._condition = compile_condition(self.when)

    @property
    def condition(self) -> Condition:
        """The compiled `when`."""
        return self._condition


@dataclass(frozen=True, slots=True)
class Channel:
    """The channel that a ticket goes through: an open one, and what the policy says of its kind."""

    facts: ChannelFacts
    stated: RedChannel

    def explained(self) -> dict[str, object]:
        """As JSON values."""
        return {"id": self.facts.id, "name": self.facts.name, "reason": self.facts.reason}


def channel_of(
    facts: SourcingFacts, channels: Mapping[str, RedChannel], condition_facts: Facts, now: datetime
) -> Channel | None:
    """The channel that a ticket goes through at a moment, the one that was opened first; None for none.

    One whose kind the policy does not have any more serves nobody; a condition that cannot be evaluated holds for none.
    """
    for item in facts.channels:
        stated = channels.get(item.name)
        if stated is None or not item.opened_at <= now < item.ends_at or not covers(item.scope, facts):
            continue
        try:
            if stated.condition.holds(condition_facts):
                return Channel(item, stated)
        except ConditionFailed:
            continue
    return None


def covers(scope: ChannelScope, facts: SourcingFacts) -> bool:
    """Whether a ticket lies in a scope: within all that it is narrowed to."""
    product, site = facts.product, facts.site
    return (
        _within(product.id if product else None, scope.products)
        and _within(product.asset_class if product else None, scope.asset_classes)
        and _within(site.region if site else None, scope.regions)
        and _within(site.id if site else None, scope.sites)
    )


def _within(value: object, allowed: Collection[object]) -> bool:
    return not allowed or value in allowed
