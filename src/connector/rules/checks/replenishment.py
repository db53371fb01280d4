"""What must hold in the part of a policy document that is about replenishment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from connector.rules.checks.claims import findings_in_claims
from connector.rules.checks.expectations import Finding, Location, not_there
from connector.rules.checks.logic import Not, can_hold, formula_of
from connector.rules.policy.replenishment import ReplenishmentRule

_PURCHASE = "purchase"


def findings_in_replenishment(content: Mapping[str, Any]) -> Iterator[Finding]:
    """Everything that does not fit: rules that no shelf gets to, names that are not there, suppliers not selling."""
    section = content.get("replenishment")
    given = section.get("rules") if isinstance(section, dict) else None
    passed: list[tuple[int, ReplenishmentRule]] = []
    for index, part in enumerate(given if isinstance(given, list) else ()):
        try:
            rule = ReplenishmentRule.model_validate(part)
        except ValidationError:
            continue
        place: Location = ("replenishment", "rules", index)
        yield from _names(place, rule, content)
        twin = next((i for i, other in passed if other.name == rule.name), None)
        if twin is not None:
            yield (*place, "name"), f"is {rule.name!r}, which is the name of replenishment.rules[{twin}] already"
        yield from findings_in_claims((*place, "when"), rule.when)
        formula = formula_of(rule.when)
        at: Location = (*place, "when") if "when" in rule.model_fields_set else place
        if not can_hold(formula):
            yield at, f"can never match: {rule.when!r} is true of no shelf"
        else:
            before = next((i for i, other in passed if not can_hold(formula, Not(formula_of(other.when)))), None)
            if before is not None:
                yield at, f"can never match: wherever it is true, rules[{before}] before it is true as well"
        passed.append((index, rule))


def _names(place: Location, rule: ReplenishmentRule, content: Mapping[str, Any]) -> Iterator[Finding]:
    approvals, sourcing = content.get("approvals", {}), content.get("sourcing")
    if rule.approval is not None and isinstance(approvals, dict) and rule.approval not in approvals:
        yield (*place, "approval"), not_there(rule.approval, "approvals", approvals)
    suppliers = sourcing.get("suppliers", {}) if isinstance(sourcing, dict) else {}
    for number, name in enumerate(rule.suppliers or ()):
        at: Location = (*place, "suppliers", number)
        if not isinstance(suppliers, dict) or name not in suppliers:
            yield at, not_there(name, "sourcing.suppliers", suppliers if isinstance(suppliers, dict) else {})
        elif _PURCHASE not in _offers(suppliers[name]):
            yield at, f"is {name!r}, which is no supplier that offers {_PURCHASE}"


def _offers(supplier: Any) -> list[Any]:
    offers = supplier.get("offers") if isinstance(supplier, dict) else None
    return offers if isinstance(offers, list) else []
