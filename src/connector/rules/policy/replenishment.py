"""The section `replenishment` of a policy: what is done about shelves that are low.

What comes from where is worked out by `connector.rules.replenishment.plan`. Every field is explained in
docs/replenishment.md.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from connector.model.kinds import HubTier
from connector.rules.policy.conditions import Condition, ConditionFailed, Facts, compile_condition
from connector.rules.policy.values import Mode, Name, Part, no_repetition, not_empty


class Act(StrEnum):
    """What is done about a low shelf: a person is shown what could be done, it is done at once, or nothing is."""

    PROPOSE = "propose"
    ORDER = "order"
    OFF = "off"


def _written(value: Any) -> Any:
    """YAML reads a bare `off` as false."""
    return Act.OFF if value is False else value


def _of_shelf(text: str) -> str:
    compile_condition(text, about_shelf=True)
    return text


def _carried(mode: Mode) -> Mode:
    if mode is Mode.TECHNICIAN:
        raise ValueError("no technician comes for a transfer: give courier or drive")
    return mode


ShelfCondition = Annotated[str, AfterValidator(_of_shelf), Field(examples=["shelf.lane == 'break_glass'"])]


class ReplenishmentRule(Part):
    """What is done about shelves that meet a condition; the first rule whose condition holds decides.

    sources: tiers of the hubs that give, of which only those above the shelf's own count; none: nothing is moved.
    suppliers: of `sourcing.suppliers`, those that are asked; all that offer `purchase` when left out, none: nothing is
    bought. approval: one of `approvals`, which orders wait for. transport: how transfers travel, within delivery_days.
    """

    name: Name
    when: ShelfCondition = "true"
    act: Annotated[Act, BeforeValidator(_written), Field(examples=["propose"])] = Act.PROPOSE
    sources: Annotated[
        tuple[HubTier, ...], Field(examples=[["regional", "central"]]), AfterValidator(no_repetition)
    ] = (HubTier.REGIONAL, HubTier.CENTRAL)
    suppliers: Annotated[tuple[Name, ...], Field(examples=[["wholesaler"]])] | None = None
    approval: Annotated[str, Field(examples=["costly-spare"])] | None = None
    transport: Annotated[Mode, AfterValidator(_carried), Field(examples=["courier"])] = Mode.COURIER
    delivery_days: Annotated[int, Field(ge=1, le=365, examples=[7])] = 7

    @cached_property
    def condition(self) -> Condition:
        """The compiled `when`."""
        return compile_condition(self.when, about_shelf=True)


_ANY_SHELF = (ReplenishmentRule(name="any-shelf"),)


class Replenishment(Part):
    """What is done about low shelves. Where no rule holds, nothing is.

    again_after_days: how long what a person did not want is not proposed again, unless the shelf gets emptier.
    """

    rules: Annotated[
        tuple[ReplenishmentRule, ...],
        Field(examples=[[{"name": "any-shelf", "act": "propose"}]]),
        AfterValidator(not_empty),
    ] = _ANY_SHELF
    again_after_days: Annotated[float, Field(ge=0, le=365, examples=[7])] = 7

    def rule_for(self, facts: Facts) -> ReplenishmentRule | None:
        """The rule that decides about a shelf. A condition that cannot be evaluated on it does not hold."""
        for rule in self.rules:
            try:
                if rule.condition.holds(facts):
                    return rule
            except ConditionFailed:
                continue
        return None
