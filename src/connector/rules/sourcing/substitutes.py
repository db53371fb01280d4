"""Which products may stand in for the needed one under a rule, and why the others may not."""

from __future__ import annotations

from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.shelves import SubstituteFacts
from connector.rules.policy.conditions import ConditionFailed, Facts, compile_condition
from connector.rules.policy.document import Rule
from connector.rules.sourcing.candidates import Refusal


def substitutes_of(
    facts: SourcingFacts, rule: Rule, condition_facts: Facts
) -> tuple[dict[int, int], dict[int, Refusal]]:
    """Preferences of the substitutes that may serve, and why the others may not."""
    preferences: dict[int, int] = {}
    refused: dict[int, Refusal] = {}
    for substitute in facts.substitutes:
        refusal = _refusal(substitute, rule, condition_facts)
        if refusal is None:
            preferences[substitute.product_id] = substitute.preference
        else:
            refused[substitute.product_id] = refusal
    return preferences, refused


def _refusal(substitute: SubstituteFacts, rule: Rule, condition_facts: Facts) -> Refusal | None:
    label = substitute.label
    if not rule.takes_substitutes:
        return Refusal("substitute_not_allowed", f"substitute {label!r} not allowed by rule {rule.name!r}")
    if substitute.condition is None:
        return None
    try:
        if compile_condition(substitute.condition).holds(condition_facts):
            return None
    except (ValueError, ConditionFailed) as error:
        return Refusal("condition_failed", f"substitute {label!r}: {error}")
    return Refusal("condition_not_met", f"substitute {label!r} only when {substitute.condition}")
