"""What must hold of the loans of a policy document: some ticket of the rule can have one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from connector.rules.checks.claims import findings_in_claims
from connector.rules.checks.expectations import Finding, Location
from connector.rules.checks.logic import can_hold, formula_of
from connector.rules.policy.document import Rule


def findings_in_loaners(rules: Mapping[int, Rule]) -> Iterator[Finding]:
    """Everything that does not fit together. rules: those that can be read, by their place."""
    for index, rule in rules.items():
        when = None if rule.loaner is None else rule.loaner.when
        if when is None:
            continue
        place: Location = ("rules", index, "loaner", "when")
        yield from findings_in_claims(place, when)
        if not can_hold(formula_of(when)):
            yield place, f"can never match: {when!r} is true of no ticket"
        elif not can_hold(formula_of(rule.when), formula_of(when)):
            yield place, f"can never match: {when!r} is true of no ticket that its rule is about"
