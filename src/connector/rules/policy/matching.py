"""Which rule of a policy a ticket falls under: the first whose condition holds."""

from __future__ import annotations

from typing import Final

from connector.rules.policy.conditions import Answers, ConditionFailed, Facts
from connector.rules.policy.document import Rule

_MOST_KNOWN: Final = 16
"""Lists of rules whose answers are kept; a hub decides with one policy."""


class RuleFailed(Exception):  # noqa: N818 - named by what is wrong
    """The condition of a rule could not be evaluated; the text says why."""

    def __init__(self, rule: Rule, why: ConditionFailed) -> None:
        super().__init__(str(why))
        self.rule = rule


class Matching:
    """Rules in their order. What was answered is remembered by all fields that they read: one look instead of many."""

    __slots__ = ("_places", "_reads", "rules")

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self.rules = rules
        reads = [rule.condition.reads for rule in rules]
        known = [fields for fields in reads if fields is not None]
        self._reads = tuple(sorted(set().union(*known))) if len(known) == len(reads) else None
        self._places: Answers[int] = Answers()

    def rule_of(self, facts: Facts) -> Rule | None:
        """The rule of a ticket; None where none asks for it. Raises RuleFailed when a condition has no answer."""
        if self._reads is None:
            place = self._place(facts)
        else:
            values = facts.values(self._reads)
            known = self._places.get(values)
            place = self._places.keep(values, self._place(facts)) if known is None else known
        return self.rules[place] if place < len(self.rules) else None

    def _place(self, facts: Facts) -> int:
        """The place of the rule; that after the last one where none asks for the ticket."""
        for place, rule in enumerate(self.rules):
            try:
                if rule.condition.holds(facts):
                    return place
            except ConditionFailed as error:
                raise RuleFailed(rule, error) from error
        return len(self.rules)


_known: dict[int, Matching] = {}


def matching(rules: tuple[Rule, ...]) -> Matching:
    """The rules of a policy, put together once for those that are in use."""
    known = _known.get(id(rules))
    if known is None or known.rules is not rules:
        while len(_known) >= _MOST_KNOWN:
            _known.pop(next(iter(_known)))
        known = _known[id(rules)] = Matching(rules)
    return known
