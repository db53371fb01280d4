"""What must hold in the part of a policy document that is about rollouts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from connector.rules.checks.claims import findings_in_claims
from connector.rules.checks.expectations import Finding, Location, not_there
from connector.rules.checks.logic import Not, can_hold, formula_of
from connector.rules.policy.rollouts import RiskRule


def findings_in_rollouts(content: Mapping[str, Any]) -> Iterator[Finding]:
    """Everything that does not fit: risks that no site can have, an approval that is not there."""
    rollouts = content.get("rollouts")
    if not isinstance(rollouts, dict):
        return
    yield from _risks(rollouts.get("risk"))
    approvals, name = content.get("approvals", {}), rollouts.get("approval")
    if isinstance(name, str) and isinstance(approvals, dict) and name not in approvals:
        yield ("rollouts", "approval"), not_there(name, "approvals", approvals)


def _risks(given: Any) -> Iterator[Finding]:
    passed: list[tuple[int, RiskRule]] = []
    for index, part in enumerate(given if isinstance(given, list) else ()):
        try:
            rule = RiskRule.model_validate(part)
        except ValidationError:
            continue
        place: Location = ("rollouts", "risk", index, "when")
        yield from findings_in_claims(place, rule.when)
        formula = formula_of(rule.when)
        if not can_hold(formula):
            yield place, f"can never match: {rule.when!r} is true of no site"
        else:
            before = next((i for i, other in passed if not can_hold(formula, Not(formula_of(other.when)))), None)
            if before is not None:
                yield place, f"can never match: wherever it is true, risk[{before}] before it is true as well"
        passed.append((index, rule))
