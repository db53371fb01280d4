"""Loans in the policy document: for which tickets a unit is lent until the replacement is there, and for how long.

A part of a rule. How a decision uses it is in `connector.rules.sourcing.lending`; docs/loans.md tells the whole loop.
"""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from typing import Annotated

from pydantic import AfterValidator, Field

from connector.model.kinds import HubTier, Lane
from connector.rules.policy.conditions import Condition, compile_condition
from connector.rules.policy.values import ConditionText, DriveKm, Lanes, Mode, Part, Tiers, Transport


def _may_be_lent(lanes: tuple[Lane, ...]) -> tuple[Lane, ...]:
    if Lane.BREAK_GLASS in lanes:
        raise ValueError("names break_glass: that stock is drawn for good and with an approval, never lent")
    return lanes


class Loaner(Part):
    """A unit on loan for tickets whose replacement comes late, or only from outside.

    when: only for tickets of which this is true. lanes: whose units are lent. sources, transport, max_drive_km,
    allow_substitutes: as of a rule, for the unit that is lent. gain_hours: how much sooner than the replacement it must
    be there. max_days: after which it is due back in any case. return_days: within which it is due back once the
    replacement is there.
    """

    when: ConditionText | None = None
    lanes: Annotated[Lanes, Field(examples=[["loaner"]]), AfterValidator(_may_be_lent)] = (Lane.LOANER,)
    sources: Tiers = tuple(HubTier)
    transport: Transport = (Mode.DRIVE, Mode.COURIER)
    max_drive_km: DriveKm | None = None
    allow_substitutes: bool = True
    gain_hours: Annotated[float, Field(ge=0, le=24 * 30, examples=[4])] = 4
    max_days: Annotated[int, Field(gt=0, le=365, examples=[14])] = 14
    return_days: Annotated[int, Field(gt=0, le=90, examples=[3])] = 3

    @cached_property
    def condition(self) -> Condition | None:
        """The compiled `when`; None where every ticket of the rule may have one."""
        return None if self.when is None else compile_condition(self.when)

    @property
    def gain(self) -> timedelta:
        """How much sooner it must be there, as a duration."""
        return timedelta(hours=self.gain_hours)
