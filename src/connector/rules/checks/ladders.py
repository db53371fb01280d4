"""What must hold of the ladders of a policy document: every rung can be got to, and what it names is there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from connector.rules.checks.claims import compiles, findings_in_claims
from connector.rules.checks.expectations import Finding, Location, not_there
from connector.rules.checks.logic import Formula, Not, can_hold, formula_of
from connector.rules.policy.document import Rule
from connector.rules.policy.ladder import OF_SUPPLIERS, Rung


def findings_in_ladders(content: Mapping[str, Any], rules: Mapping[int, Rule]) -> Iterator[Finding]:
    """Everything that does not fit together in the ladders of a document. rules: those that can be read, by place."""
    sourcing = content.get("sourcing")
    ladders = sourcing.get("ladders") if isinstance(sourcing, dict) else None
    named = ladders if isinstance(ladders, dict) else {}
    approvals = content.get("approvals")
    suppliers = sourcing.get("suppliers") if isinstance(sourcing, dict) else None
    known = _Known(
        list(approvals) if isinstance(approvals, dict) else [],
        {str(name): _offered(given) for name, given in suppliers.items()} if isinstance(suppliers, dict) else {},
    )
    for name, given in suppliers.items() if isinstance(suppliers, dict) else ():
        when = given.get("when") if isinstance(given, dict) else None
        if isinstance(when, str) and compiles(when):
            yield from findings_in_claims(("sourcing", "suppliers", str(name), "when"), when)
    for name, given in named.items():
        yield from _ladder(("sourcing", "ladders", str(name)), given, (), known)
    given_rules = content.get("rules")
    for index, rule in enumerate(given_rules if isinstance(given_rules, list) else ()):
        ladder = rule.get("ladder") if isinstance(rule, dict) else None
        place: Location = ("rules", index, "ladder")
        if isinstance(ladder, str) and ladder not in named:
            yield place, not_there(ladder, "sourcing.ladders", named)
        elif isinstance(ladder, list):
            conditions = (formula_of(rules[index].when),) if index in rules else ()
            yield from _ladder(place, ladder, conditions, known)


@dataclass(frozen=True, slots=True)
class _Known:
    """What rungs may name: approvals; suppliers, with what each offers."""

    approvals: Sequence[str]
    suppliers: Mapping[str, Collection[str]]


def _offered(given: Any) -> Collection[str]:
    offers = given.get("offers") if isinstance(given, dict) else None
    return [str(kind) for kind in offers] if isinstance(offers, list) else []


def _ladder(place: Location, given: Any, within: Sequence[Formula], known: _Known) -> Iterator[Finding]:
    """What is wrong with one ladder. within: what is true of every ticket that goes down it."""
    passed = list(within)
    ends: int | None = None
    for number, item in enumerate(given if isinstance(given, list) else ()):
        try:
            rung = Rung.model_validate(item)
        except ValidationError:
            continue
        at: Location = (*place, number)
        if rung.approval is not None and rung.approval not in known.approvals:
            yield (*at, "approval"), not_there(rung.approval, "approvals", known.approvals)
        yield from _suppliers(at, rung, known)
        if ends is not None:
            yield at, f"is never tried: rung {ends + 1} before it ends the ladder"
            continue
        if rung.when is not None:
            yield from findings_in_claims((*at, "when"), rung.when)
            yield from _condition((*at, "when"), rung.when, within, passed)
        if rung.is_terminal:
            if rung.when is None:
                ends = number
            else:
                passed.append(Not(formula_of(rung.when)))


def _suppliers(place: Location, rung: Rung, known: _Known) -> Iterator[Finding]:
    """Suppliers that a rung names and that are not there, or that offer something else; a rung without any."""
    if rung.kind not in OF_SUPPLIERS:
        return
    offer = f"offers {rung.kind.value}"
    for number, name in enumerate(rung.suppliers or ()):
        if name not in known.suppliers:
            yield (*place, "suppliers", number), not_there(name, "sourcing.suppliers", known.suppliers)
        elif rung.kind.value not in known.suppliers[name]:
            yield (*place, "suppliers", number), f"is {name!r}, which is no supplier that {offer}"
    if rung.suppliers is None and not any(rung.kind.value in offers for offers in known.suppliers.values()):
        yield place, f"has nobody to ask: no supplier under sourcing.suppliers {offer}"


def _condition(place: Location, when: str, within: Sequence[Formula], passed: Sequence[Formula]) -> Iterator[Finding]:
    formula = formula_of(when)
    if not can_hold(formula):
        yield place, f"can never match: {when!r} is true of no ticket"
    elif not can_hold(*within, formula):
        yield place, f"can never match: {when!r} is true of no ticket that its rule is about"
    elif not can_hold(*passed, formula):
        yield place, "can never match: a rung before it ends the ladder for every ticket of which it is true"
