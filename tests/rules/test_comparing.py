from __future__ import annotations

from connector.rules.policy.comparing import PolicyChange, changes_between, text_difference
from connector.rules.policy.reading import read_policy

BEFORE = """
name: test
rules:
  - {name: a, when: "ticket.priority == 'P1'", hardware: replace}
  - {name: b, when: "ticket.priority == 'P2'", hardware: replace, hold_minutes: 60}
  - {name: c, when: "ticket.priority == 'P3'", hardware: none}
sourcing: {courier: {transit: [{hours: 24}]}}
service_classes: {gold: {maximum_outage_minutes: 60}}
"""


def test_rules_are_compared_by_name_and_defaults_are_written_out():
    after = BEFORE.replace("{name: a, when: \"ticket.priority == 'P1'\", hardware: replace}", "DEAD")
    after = after.replace("  - DEAD\n", "").replace("hold_minutes: 60", "lanes: [break_glass]")
    after = after.replace("hours: 24", "hours: 12").replace(
        "gold: {maximum_outage_minutes: 60}", "iron: {maximum_outage_minutes: 9}"
    )
    after = after.replace("sourcing:", "  - {name: d, when: 'asset.known', hardware: none}\nsourcing:")

    changes = changes_between(read_policy(BEFORE), read_policy(after))

    assert [(change.kind, change.path) for change in changes] == [
        ("removed", "rules[a]"), ("changed", "rules[b].lanes"), ("added", "rules[d]"),
        ("changed", "sourcing.courier.transit"), ("removed", "service_classes.gold"), ("added", "service_classes.iron"),
    ]  # fmt: skip
    assert changes[1] == PolicyChange("changed", "rules[b].lanes", ["normal"], ["break_glass"])


def test_a_rule_that_stands_elsewhere_has_moved():
    lines = BEFORE.splitlines()
    lines[3], lines[4] = lines[4], lines[3]

    changes = changes_between(read_policy(BEFORE), read_policy("\n".join(lines)))

    assert changes == (PolicyChange("moved", "rules[a]", 1, 2), PolicyChange("moved", "rules[b]", 2, 1))


def test_another_spelling_is_no_difference_but_of_the_text():
    other = BEFORE.replace("hold_minutes: 60", "hold_minutes: 60, allow_substitutes: true")

    assert changes_between(read_policy(BEFORE), read_policy(other)) == ()
    assert "+  - {name: b" in text_difference(BEFORE, other, names=("a", "b"))
    assert text_difference(BEFORE, BEFORE, names=("a", "b")) == ""
