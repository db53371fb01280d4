"""What must hold of competition in a policy document: a rule that may take something can get to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from connector.model.kinds import Priority
from connector.rules.checks.claims import findings_in_claims
from connector.rules.checks.expectations import Finding, Location
from connector.rules.checks.logic import can_hold, formula_of
from connector.rules.policy.competition import ROLLOUT_RANK, Claimant, Fairness, Preempt, rank_of
from connector.rules.policy.document import Rule
from connector.rules.policy.ladder import Rung


def findings_in_competition(content: Mapping[str, Any], rules: Mapping[int, Rule]) -> Iterator[Finding]:
    """Everything that does not fit together. rules: those that can be read, by place."""
    try:
        fairness = Fairness.model_validate(content.get("fairness", {}))
    except ValidationError:
        fairness = Fairness()
    for index, rule in rules.items():
        if rule.preempt is not None:
            yield from _preempt(("rules", index, "preempt"), rule.preempt, rule, fairness)
        for number, rung in enumerate(rule.ladder if isinstance(rule.ladder, tuple) else ()):
            if isinstance(rung, Rung) and rung.preempt is not None:
                yield from _preempt(("rules", index, "ladder", number, "preempt"), rung.preempt, rule, fairness)


def _preempt(place: Location, preempt: Preempt, rule: Rule, fairness: Fairness) -> Iterator[Finding]:
    most = fairness.preempted_at_most
    if preempt.at_most is not None and preempt.at_most > most:
        yield (*place, "at_most"), f"is {preempt.at_most}, but fairness.preempted_at_most is {most}, which counts"
    if preempt.when is not None:
        yield from findings_in_claims((*place, "when"), preempt.when)
        if not can_hold(formula_of(rule.when), formula_of(preempt.when)):
            yield (*place, "when"), f"can never match: {preempt.when!r} is true of no ticket that its rule is about"
    own = [rank_of(p) for p in Priority if can_hold(formula_of(rule.when), formula_of(f"ticket.priority == '{p}'"))]
    weakest = max(ROLLOUT_RANK if name is Claimant.ROLLOUT else rank_of(Priority(name.value)) for name in preempt.over)
    if own and weakest <= min(own):
        text = f"the tickets of rule {rule.name!r} rank no higher than those it names"
        yield (*place, "over"), f"can never take anything: {text}"
    elif weakest < ROLLOUT_RANK and most == 0:
        yield (*place, "over"), "can never take anything: fairness.preempted_at_most is 0, so no ticket loses a unit"
