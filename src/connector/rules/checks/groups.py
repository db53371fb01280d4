"""What must hold in the sections `grouping` and `watching` of a policy document, whatever of the rest can be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connector.model.kinds import GroupKind
from connector.rules.checks.claims import findings_in_claims
from connector.rules.checks.expectations import Finding, Location, not_there
from connector.rules.checks.logic import can_hold, formula_of
from connector.rules.policy.conditions import compile_condition


def findings_in_groups(content: Mapping[str, Any]) -> Iterator[Finding]:
    """Everything in both sections that does not fit together with the rest."""
    yield from _conditions(content)
    yield from _watched_classes(content)


def _conditions(content: Mapping[str, Any]) -> Iterator[Finding]:
    """Conditions of events that no ticket meets, or that make claims which are wrong by themselves."""
    grouping = content.get("grouping")
    for kind in GroupKind:
        given = grouping.get(kind.value) if isinstance(grouping, dict) else None
        when = given.get("when") if isinstance(given, dict) else None
        if not isinstance(when, str) or not _is_readable(when):
            continue
        place: Location = ("grouping", kind.value, "when")
        yield from findings_in_claims(place, when)
        if not can_hold(formula_of(when)):
            yield place, f"can never match: {when!r} is true of no ticket"


def _is_readable(when: str) -> bool:
    try:
        compile_condition(when)
    except ValueError:
        return False
    return True


def _watched_classes(content: Mapping[str, Any]) -> Iterator[Finding]:
    watching, classes = content.get("watching"), content.get("service_classes", {})
    own = watching.get("service_classes") if isinstance(watching, dict) else None
    known = classes if isinstance(classes, dict) else {}
    for name in own if isinstance(own, dict) else ():
        if name not in known:
            yield ("watching", "service_classes", name), not_there(str(name), "service_classes", known)
