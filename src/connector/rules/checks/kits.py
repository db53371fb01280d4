"""What must hold of rules that send kits: there is a rung at which the kit can matter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from connector.rules.checks.expectations import Finding
from connector.rules.policy.document import Rule
from connector.rules.policy.ladder import PLAIN, Rung, RungKind


def findings_in_kits(content: Mapping[str, Any], rules: Mapping[int, Rule]) -> Iterator[Finding]:
    """Rules whose kit can never go along. rules: those that can be read, by place."""
    for index, rule in rules.items():
        if rule.kit == "none":
            continue
        if rule.hardware == "none":
            yield ("rules", index, "kit"), "can never matter: the rule says that no hardware is needed"
        elif not _looks_at_stock(content, rule):
            yield ("rules", index, "kit"), "can never matter: no rung of its ladder takes anything from stock"


def _looks_at_stock(content: Mapping[str, Any], rule: Rule) -> bool:
    """Whether a rule can take anything from a hub; a ladder that cannot be read is given the benefit of the doubt."""
    if not isinstance(rule.ladder, str):
        return any(rung.kind is RungKind.STOCK for rung in rule.ladder or PLAIN)
    sourcing = content.get("sourcing")
    ladders = sourcing.get("ladders") if isinstance(sourcing, dict) else None
    given = ladders.get(rule.ladder) if isinstance(ladders, dict) else None
    if not isinstance(given, list):
        return True
    try:
        return any(Rung.model_validate(item).kind is RungKind.STOCK for item in given)
    except ValidationError:
        return True
