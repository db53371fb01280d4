"""The first rule whose condition holds decides, and what is remembered of that never decides about another ticket."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.rules.cases import POLICY

from connector.rules.policy.conditions import MOST_REMEMBERED, SAMPLE, Facts
from connector.rules.policy.document import Policy
from connector.rules.policy.matching import Matching, RuleFailed, matching
from connector.rules.policy.reading import read_policy

RULES = """
rules:
  - {name: urgent, when: "ticket.priority == 'P1' && asset.known", hardware: replace}
  - {name: counted, when: "12 / (3 - ticket.quantity) == 6", hardware: replace}
  - {name: dead, when: "ticket.title.matches('dead')", hardware: none}
"""


def of_rules(rules: str) -> Policy:
    return read_policy(POLICY.replace('\nrules:\n  - {name: any, when: "true", hardware: replace, RULE}\n', rules))


def facts(*, known: bool = False, **ticket: str | int) -> Facts:
    asset = {**SAMPLE["asset"], "known": known}
    return Facts(
        {
            **SAMPLE,
            "asset": asset,
            "ticket": {**SAMPLE["ticket"], "priority": "P3", "title": "", "quantity": 2, **ticket},
        }
    )


def name_of(found: Matching, read: Facts) -> str | None:
    rule = found.rule_of(read)
    return rule.name if rule is not None else None


TICKETS = st.tuples(
    st.sampled_from(["P1", "P2"]), st.booleans(), st.sampled_from([1, 2, 4]), st.sampled_from(["dead", ""])
)


@given(st.lists(TICKETS, min_size=1))
def test_the_first_rule_whose_condition_holds_decides(tickets: list[tuple[str, bool, int, str]]):
    found = matching(of_rules(RULES).rules)

    for priority, known, quantity, title in tickets:
        expected = "dead" if title else None
        expected = "counted" if quantity == 1 else expected
        expected = "urgent" if priority == "P1" and known else expected
        read = facts(known=known, priority=priority, quantity=quantity, title=title)
        assert name_of(found, read) == expected


def test_a_condition_without_an_answer_names_its_rule_each_time():
    found = matching(of_rules(RULES).rules)

    for _ in range(2):
        with pytest.raises(RuleFailed, match="division by zero") as failed:
            found.rule_of(facts(quantity=3))
        assert failed.value.rule.name == "counted"
    assert name_of(found, facts(quantity=3, priority="P1", known=True)) == "urgent"


def test_what_cannot_be_told_by_fields_is_asked_each_time():
    found = matching(of_rules(RULES.replace("ticket.title.matches", "ticket['title'].matches")).rules)

    assert [name_of(found, facts(title=title)) for title in ("dead", "", "dead")] == ["dead", None, "dead"]


def test_what_is_remembered_of_rules_is_bounded():
    found = matching(of_rules(RULES).rules)

    for number in range(MOST_REMEMBERED + 10):
        found.rule_of(facts(title=f"{number} dead"))
    found.rule_of(facts(title="x" * 10_000))

    assert 0 < len(found._places) <= MOST_REMEMBERED
    assert max(len(str(values)) for values in found._places) < 200


def test_a_copy_of_a_policy_goes_by_its_own_rules():
    policy = of_rules(RULES)
    first = policy.rules[0]
    before = policy.steps_of(first)
    changed = policy.rules[0].model_copy(update={"transport": policy.rules[0].transport[:1]})
    copied = policy.model_copy(update={"rules": (changed,)})

    assert [step.rule.transport for step in copied.steps_of(changed)] == [changed.transport] * 2
    assert [step.rule.transport for step in before] == [step.rule.transport for step in policy.steps_of(first)]
    assert matching(copied.rules).rule_of(facts(priority="P1", known=True)) is changed
