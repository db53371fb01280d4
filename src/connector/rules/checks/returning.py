"""What must hold in the section `returns` of a policy document, whatever of the rest can be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from connector.rules.checks.claims import findings_in_claims
from connector.rules.checks.expectations import Finding, Location
from connector.rules.checks.logic import Not, can_hold, formula_of
from connector.rules.policy.returning import ReturnRule


def findings_in_returns(content: Mapping[str, Any]) -> Iterator[Finding]:
    """Rules that no ticket can get to, and claims that are wrong by themselves."""
    returns = content.get("returns")
    given = returns.get("rules") if isinstance(returns, dict) else None
    passed: list[tuple[int, ReturnRule]] = []
    for index, part in enumerate(given if isinstance(given, list) else ()):
        try:
            rule = ReturnRule.model_validate(part)
        except ValidationError:
            continue
        place: Location = ("returns", "rules", index, "when")
        yield from findings_in_claims(place, rule.when)
        formula = formula_of(rule.when)
        if not can_hold(formula):
            yield place, f"can never match: {rule.when!r} is true of no ticket"
        else:
            before = next((i for i, other in passed if not can_hold(formula, Not(formula_of(other.when)))), None)
            if before is not None:
                yield place, f"can never match: wherever it is true, rules[{before}] before it is true as well"
        passed.append((index, rule))
