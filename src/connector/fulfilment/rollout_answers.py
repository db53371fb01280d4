"""What planning a rollout answers: small enough to be kept under the key that it was asked with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from pydantic import TypeAdapter

from connector.fulfilment.rollout_course import Planned
from connector.model.lifecycle import RolloutState
from connector.rules.policy.document import Mode
from connector.rules.rollouts.waves import HubPlan
from connector.storage.rollouts.rollouts import RolloutRow


class PlannedLine(NamedTuple):
    """A line of a plan, for people. What is None has a `reason` to be: no hub can serve it."""

    site: str
    risk: int
    risk_rule: str
    wave: int | None
    hub: str | None
    distance_km: int | None
    mode: Mode | None
    estimated_arrival_at: datetime | None
    reason: str | None
    expected_at: datetime | None


@dataclass(frozen=True, slots=True)
class PlanResult:
    """A plan. state: of the rollout then; is_kept: False for a mere look."""

    name: str
    state: RolloutState
    is_kept: bool
    lines: tuple[PlannedLine, ...]
    hubs: tuple[HubPlan, ...]

    @classmethod
    def of(cls, rollout: RolloutRow, planned: Planned, *, is_kept: bool) -> PlanResult:
        """Of what was worked out."""
        labels = {hub.hub_id: hub.label for hub in planned.plan.hubs}
        lines = tuple(
            PlannedLine(
                site=planned.sites[line.site_id].facts.label,
                risk=line.risk,
                risk_rule=line.risk_rule,
                wave=line.wave,
                hub=None if line.hub_id is None else labels[line.hub_id],
                distance_km=line.distance_km,
                mode=line.mode,
                estimated_arrival_at=line.estimated_arrival_at,
                reason=line.reason,
                expected_at=line.expected_at,
            )
            for _, line in planned.planned_lines()
        )
        return cls(rollout.name, rollout.state, is_kept, lines, planned.plan.hubs)

    def kept(self) -> dict[str, Any]:
        """As JSON."""
        values: dict[str, Any] = _RESULT.dump_python(self, mode="json")
        return values

    @classmethod
    def again(cls, kept: dict[str, Any]) -> PlanResult:
        """What `kept` has made JSON of."""
        return _RESULT.validate_python(kept)


_RESULT: Final = TypeAdapter(PlanResult)
