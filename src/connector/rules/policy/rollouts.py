"""Rollouts in the policy document: how much is at stake at a site, how waves are cut, and when one is stopped.

What these numbers are defaults for is kept with each rollout when it is made; see docs/rollouts.md. Which unit goes to
which site in which wave is planned by `connector.rules.rollouts.waves`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr

from connector.model.kinds import RolloutOutcome, Success
from connector.model.lifecycle import TICKET_OPEN, TicketState
from connector.rules.policy.conditions import Condition, ConditionFailed, Facts, compile_condition
from connector.rules.policy.values import Mode, Transport

Percent = Annotated[int, Field(ge=0, le=100, examples=[20])]
WaveSize = Annotated[int, Field(ge=1, le=10_000, examples=[25])]


def _condition(text: str) -> str:
    compile_condition(text)
    return text


def _end(state: TicketState) -> TicketState:
    if state in TICKET_OPEN:
        raise ValueError(f"a ticket that is {state.value} has not ended; give resolved, closed or cancelled")
    return state


EndState = Annotated[TicketState, AfterValidator(_end)]


class RiskRule(BaseModel):
    """Sites that meet a condition have this risk; the first rule whose condition holds says it."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    when: Annotated[str, AfterValidator(_condition), Field(examples=["site.service_class == 'critical'"])]
    risk: Percent
    _condition: Condition = PrivateAttr()

    def model_post_init(self, _context: object) -> None:
        """Keep the compiled condition."""
        self._condition = compile_condition(self.when)

    @property
    def condition(self) -> Condition:
        """The compiled `when`."""
        return self._condition


class Rollouts(BaseModel):
    """Defaults of rollouts, and the risk of sites. approval: one of `approvals`, which a rollout waits for.

    first_wave_size, wave_size: lines of the first wave and of each further one. keep_free_percent: share of what a hub
    could give that is left to incidents. success, success_percent, soak_minutes: a wave is done when so many of its
    lines were delivered or installed, and the next one begins so much later. halt_percent, halt_sample: a rollout halts
    when so many of those finished have failed, and so many have finished. transport: ways that a unit may travel.
    delivery_days: how long after its beginning all parcels of a wave should be there. outcomes: what the state in which
    a line's own ticket ends says of the line; states that are left out say nothing.
    """

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    risk: Annotated[
        tuple[RiskRule, ...], Field(examples=[[{"when": "site.service_class == 'critical'", "risk": 90}]])
    ] = ()
    default_risk: Percent = 50
    first_wave_size: WaveSize = 5
    wave_size: WaveSize = 25
    keep_free_percent: Percent = 20
    success: Annotated[Success, Field(examples=["delivered"])] = Success.DELIVERED
    success_percent: Percent = 90
    soak_minutes: Annotated[int, Field(ge=0, le=525_600, examples=[1440])] = 1440
    halt_percent: Annotated[int, Field(ge=1, le=100, examples=[10])] = 10
    halt_sample: Annotated[int, Field(ge=1, le=10_000, examples=[5])] = 5
    transport: Transport = (Mode.COURIER,)
    delivery_days: Annotated[int, Field(ge=1, le=365, examples=[7])] = 7
    outcomes: Annotated[dict[EndState, RolloutOutcome], Field(examples=[{"closed": "installed"}])] = Field(
        default_factory=lambda: {
            TicketState.RESOLVED: RolloutOutcome.INSTALLED,
            TicketState.CLOSED: RolloutOutcome.INSTALLED,
            TicketState.CANCELLED: RolloutOutcome.REFUSED,
        }
    )
    approval: Annotated[str, Field(examples=["change-board"])] | None = None


@dataclass(frozen=True, slots=True)
class Risk:
    """How much is at stake at a site, 0 to 100, and what says so."""

    value: int
    basis: str


def risk_of(facts: Facts, rollouts: Rollouts) -> Risk:
    """The risk of a site. A condition that cannot be evaluated on it counts as one that does not hold, and is told."""
    failed = ""
    for index, rule in enumerate(rollouts.risk):
        try:
            if rule.condition.holds(facts):
                return Risk(rule.risk, f"rollouts.risk[{index}]: {rule.when}{failed}")
        except ConditionFailed as error:
            failed += f"; risk[{index}] does not count: {error}"
    return Risk(rollouts.default_risk, f"rollouts.default_risk{failed}")
