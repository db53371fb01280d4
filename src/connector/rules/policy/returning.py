"""The section `returns` of a policy: what has to come back once its replacement is there, until when, and where.

Judged by `connector.rules.events.returning`; docs/returns.md tells the whole loop.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field

from connector.rules.policy.conditions import Condition, compile_condition
from connector.rules.policy.values import ConditionText, Part

DueDays = Annotated[int, Field(gt=0, le=365, examples=[14])]
HubName = Annotated[str, Field(min_length=1, max_length=255, examples=["BER"])]


class ReturnRule(Part):
    """What is different for tickets of which `when` is true; what is left out is as for all."""

    when: ConditionText
    return_: Annotated[Literal["required", "none"] | None, Field(alias="return", examples=["none"])] = None
    due_days: DueDays | None = None
    hub: HubName | None = None

    @cached_property
    def condition(self) -> Condition:
        """The compiled `when`."""
        return compile_condition(self.when)


class Returns(Part):
    """Failed units come back.

    return: whether they have to. due_days: until when, after the replacement was delivered. hub: where to, by its code
    (its name where it has none), instead of the hub that the replacement came from. rules: what is different for which
    tickets; the first one whose condition holds counts.
    """

    return_: Annotated[Literal["required", "none"], Field(alias="return", examples=["required"])] = "required"
    due_days: DueDays = 14
    hub: HubName | None = None
    rules: Annotated[
        tuple[ReturnRule, ...],
        Field(examples=[[{"when": "product.asset_class in ['dock', 'charger']", "return": "none"}]]),
    ] = ()
