"""What must hold between the parts of a policy document: names that fit together, rules that leave each other room.

Each part is judged as far as it can be read, so that one mistake does not hide another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from connector.rules.checks.claims import findings_in_claims
from connector.rules.checks.competition import findings_in_competition
from connector.rules.checks.expectations import Finding, Location, findings_in_tests, not_there
from connector.rules.checks.groups import findings_in_groups
from connector.rules.checks.kits import findings_in_kits
from connector.rules.checks.ladders import findings_in_ladders
from connector.rules.checks.loaners import findings_in_loaners
from connector.rules.checks.logic import Not, can_hold, claims_in, formula_of
from connector.rules.checks.placement import findings_in_asset_classes
from connector.rules.checks.replenishment import findings_in_replenishment
from connector.rules.checks.returning import findings_in_returns
from connector.rules.checks.rollouts import findings_in_rollouts
from connector.rules.policy.document import Rule


def findings(content: Mapping[str, Any]) -> Iterator[Finding]:
    """Everything that does not fit together in a document, which may have other mistakes as well."""
    rules = _readable(content.get("rules"))
    yield from _names(content.get("rules"))
    for index, rule in rules.items():
        yield from findings_in_claims(("rules", index, "when"), rule.when)
    yield from _reach(rules)
    yield from findings_in_ladders(content, rules)
    yield from findings_in_kits(content, rules)
    yield from findings_in_competition(content, rules)
    yield from findings_in_loaners(rules)
    yield from _default_class(content)
    yield from findings_in_groups(content)
    yield from _approvals(content)
    yield from _channels(content, rules)
    yield from findings_in_rollouts(content)
    yield from findings_in_asset_classes(content)
    yield from findings_in_replenishment(content)
    yield from findings_in_returns(content)
    yield from findings_in_tests(content)


def _readable(rules: Any) -> dict[int, Rule]:
    """The rules that can be read by themselves, by their place."""
    read: dict[int, Rule] = {}
    for index, given in enumerate(rules if isinstance(rules, list) else ()):
        try:
            read[index] = Rule.model_validate(given)
        except ValidationError:
            continue
    return read


def _names(rules: Any) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for index, given in enumerate(rules if isinstance(rules, list) else ()):
        name = given.get("name") if isinstance(given, dict) else None
        if not isinstance(name, str):
            continue
        if name in seen:
            yield ("rules", index, "name"), f"is {name!r}, which is the name of rules[{seen[name]}] already"
        seen.setdefault(name, index)


def _reach(rules: Mapping[int, Rule]) -> Iterator[Finding]:
    """Rules that no ticket can get to, and why."""
    passed: list[int] = []
    for index, rule in rules.items():
        formula = formula_of(rule.when)
        place: Location = ("rules", index, "when")
        if not can_hold(formula):
            yield place, f"can never match: {rule.when!r} is true of no ticket"
            continue
        before = next((i for i in passed if not can_hold(formula, Not(formula_of(rules[i].when)))), None)
        if before is not None:
            yield place, _behind(before, rules[before], rule)
        elif not can_hold(formula, *(Not(formula_of(rules[i].when)) for i in passed)):
            yield place, f"can never match: the {len(passed)} rules before it take every ticket that it is about"
        passed.append(index)


def _behind(index: int, first: Rule, rule: Rule) -> str:
    other = f"rules[{index}] ({first.name!r})"
    if formula_of(first.when) == formula_of(rule.when):
        if _outcome(first) != _outcome(rule):
            return f"is in conflict with {other}: the same condition with another outcome, and only the first decides"
        return f"can never match: {other} has the same condition and stands before it"
    if not can_hold(Not(formula_of(first.when))):
        return f"can never match: {other} stands before it and is true of every ticket; put that one last"
    return f"can never match: wherever it is true, {other} before it is true as well"


def _outcome(rule: Rule) -> dict[str, Any]:
    return rule.model_dump(exclude={"name", "when"})


def _approvals(content: Mapping[str, Any]) -> Iterator[Finding]:
    """Names of approvals that are not there."""
    known = content.get("approvals", {})
    rules, stated = content.get("rules"), content.get("break_glass")
    name = stated.get("approval") if isinstance(stated, dict) else None
    if isinstance(name, str) and isinstance(known, dict) and name not in known:
        yield ("break_glass", "approval"), not_there(name, "approvals", known)
    for index, given in enumerate(rules if isinstance(rules, list) and isinstance(known, dict) else ()):
        name = given.get("approval") if isinstance(given, dict) else None
        if isinstance(name, str) and name not in known:
            yield ("rules", index, "approval"), not_there(name, "approvals", known)
        wanted = given.get("min_data_quality") if isinstance(given, dict) else None
        name = wanted.get("approval") if isinstance(wanted, dict) else None
        if isinstance(name, str) and name not in known:
            yield ("rules", index, "min_data_quality", "approval"), not_there(name, "approvals", known)


def _channels(content: Mapping[str, Any], rules: Mapping[int, Rule]) -> Iterator[Finding]:
    """Rules that wait for a kind of red channel that is not there."""
    known = content.get("red_channels", {})
    for index, rule in rules.items():
        named = [claim for claim in claims_in(formula_of(rule.when)) if claim.field == "channel.name"]
        for value in (value for claim in named for value in claim.literals):
            if value and value not in known:
                yield ("rules", index, "when"), not_there(str(value), "red_channels", known)


def _default_class(content: Mapping[str, Any]) -> Iterator[Finding]:
    sourcing, classes = content.get("sourcing"), content.get("service_classes", {})
    default = sourcing.get("default_service_class") if isinstance(sourcing, dict) else None
    if isinstance(default, str) and isinstance(classes, dict) and default not in classes:
        known = ", ".join(sorted(map(str, classes))) or "none"
        yield ("sourcing", "default_service_class"), f"is {default!r}, which is not under service_classes: {known}"
