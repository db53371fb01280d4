from __future__ import annotations

from datetime import timedelta

import pytest
import yaml

from connector.rules.checks.policy_tests import Difference, PolicyTestResult, facts_of, run_tests
from connector.rules.policy.conditions import KNOWN
from connector.rules.policy.given import NOW, Given, PolicyTest
from connector.rules.policy.reading import InvalidPolicy, default_policy, read_policy
from connector.rules.sourcing.scope import scope_of

POLICY = """
name: test
rules:
  - {name: urgent, when: "ticket.priority in ['P1', 'P2']", hardware: replace, lanes: [normal, break_glass]}
  - {name: nothing, when: "ticket.type != 'incident'", hardware: none}
sourcing:
  courier: {transit: [{hours: 24, cost_cents: 3000}]}
  default_service_class: office
service_classes:
  critical: {maximum_outage_minutes: 240}
  office: {maximum_outage_minutes: 540, calendar: "Mon-Fri 08:00-17:00"}
tests:
"""
BERLIN = "{latitude: 52.52, longitude: 13.405}"


def results(*tests: str) -> tuple[PolicyTestResult, ...]:
    return run_tests(read_policy(POLICY + "".join(f"  - {test}\n" for test in tests)))


def problems(*tests: str) -> list[str]:
    with pytest.raises(InvalidPolicy) as caught:
        results(*tests)
    return [str(problem) for problem in caught.value.found]


def test_a_test_that_states_one_fact_passes_or_says_what_came_out():
    good, bad = results(
        "{name: urgent, given: {ticket: {priority: P1}}, expect: {rule: urgent, lanes: [normal, break_glass]}}",
        "{name: wrong, given: {ticket: {type: change}}, expect: {rule: urgent, hardware: replace, outcome: review}}",
    )

    assert good.has_passed
    assert bad.name == "wrong"
    assert bad.differences == (
        Difference("rule", "urgent", "nothing"),
        Difference("hardware", "replace", "none"),
        Difference("outcome", "review", "not_needed"),
    )
    assert bad.text == "Rule 'nothing': no hardware is needed."


def test_null_expects_that_there_is_none():
    none, some = results(
        "{name: none, given: {}, expect: {rule: null, hub: null, lanes: null, reason: no_rule_matched}}",
        "{name: some, given: {ticket: {priority: P1}}, expect: {rule: null}}",
    )

    assert none.has_passed
    assert some.differences == (Difference("rule", None, "urgent"),)


def test_the_due_time_counts_from_the_moment_of_the_test():
    outcomes = results(
        "{name: critical, given: {site: {service_class: critical}}, expect: {due_minutes: 240}}",
        # 09:00 to 17:00 is 480 minutes; the other 60 come after fifteen hours of night
        "{name: default, given: {}, expect: {due_minutes: 1440}}",
        "{name: own, given: {service_class: {name: lab, maximum_outage_minutes: 30}}, expect: {due_minutes: 30}}",
        "{name: itsm, given: {ticket: {sla_due_at: 2026-01-07T10:00:00Z}}, expect: {due_minutes: 60}}",
        "{name: late, given: {ticket: {opened_at: 2026-01-07T08:00:00Z}, site: {service_class: critical}},"
        " expect: {due_minutes: 180}}",
    )

    assert [(outcome.name, outcome.differences) for outcome in outcomes] == [
        ("critical", ()), ("default", ()), ("own", ()), ("itsm", ()), ("late", ()),
    ]  # fmt: skip


def test_stock_hubs_and_substitutes_lead_to_a_hub():
    given = (
        f"ticket: {{priority: P1}}, product: {{}}, site: {BERLIN}, "
        f"hubs: {{NEAR: {BERLIN}, FAR: {{latitude: 48.1, longitude: 11.6}}}}, substitutes: [{{product: Acme X2}}]"
    )
    near, far, stand_in = results(
        f"{{name: near, given: {{{given}, stock: [{{hub: NEAR}}, {{hub: FAR}}]}}, "
        "expect: {hub: NEAR, mode: drive, is_within_sla: true, outcome: reserve, reason: sourced}}",
        f"{{name: far, given: {{{given}, stock: [{{hub: FAR, free: 2}}], quantity: 2}}, expect: {{hub: FAR}}}}",
        f"{{name: stand-in, given: {{{given}, stock: [{{hub: NEAR, product: Acme X2}}, {{hub: FAR}}]}}, "
        "expect: {hub: FAR, mode: courier}}",
    )

    assert (near.differences, far.differences, stand_in.differences) == ((), (), ())


def test_what_a_test_names_must_be_there():
    found = problems(
        "{name: a, given: {stock: [{hub: X, product: Y}]}, expect: {}}",
        "{name: a, given: {site: {service_class: gold}}, expect: {rule: urgnt, outcome: maybe, reason: none, hub: H}}",
        "{name: b, given: {ticket: {prio: P1}, asset: {state: broken}}, expect: {rule: urgent}}",
    )

    assert [text.partition(": ")[2] for text in found] == [
        "tests[0].given.stock[0].hub: names 'X', which is not there: known are none, under given.hubs",
        "tests[0].given.stock[0].product: names 'Y', which is not there: known are none, under given.substitutes",
        "tests[0].expect: expects nothing: name at least one of rule, hardware, outcome, reason, lanes, due_minutes, "
        "hub, mode, is_within_sla, probability_percent, rung, approval, taken_from, draws, supplier, trouble, "
        "revision, assumed, kit, loan, loan_hub, loan_days, units, rest, rest_units",
        "tests[1].name: is 'a', which is the name of a test before it",
        "tests[1].given.site.service_class: is 'gold', which is not under service_classes (critical, office): "
        "describe it in given.service_class",
        "tests[1].expect.rule: names 'urgnt', which is not there: did you mean 'urgent'?",
        "tests[1].expect.outcome: names 'maybe', which is not there: known are not_needed, procure, reserve, review",
        found[7].partition(": ")[2],
        "tests[1].expect.hub: names 'H', which is not there: known are none",
        found[9].partition(": ")[2],
        found[10].partition(": ")[2],
    ]
    assert found[7].partition(": ")[2].startswith("tests[1].expect.reason: names 'none', which is not there")
    assert "tests[2].given.ticket.prio: is no field here" in found[9]
    assert "known keys are number, type, priority" in found[9]
    assert found[0].startswith("13:37: ")


def test_everything_that_a_condition_reads_can_be_given():
    for name, fields in KNOWN.items():
        model = Given.model_fields[name].annotation
        given = PolicyTest.model_validate({"name": "x", "given": {name: {**fields}}, "expect": {}}).given

        assert set(fields) <= set(getattr(given, name).model_fields_set), model
    whole = {name: dict(fields) for name, fields in KNOWN.items()}
    whole["site"]["service_class"] = "critical"

    facts = facts_of(Given.model_validate(whole))

    assert scope_of(facts, facts.service_class, "recall", now=NOW) == KNOWN


def test_what_is_not_known_is_left_out_of_the_facts():
    facts = facts_of(Given.model_validate({"asset": {"known": False}, "site": {"known": False}}))

    assert (facts.asset, facts.site, facts.product, facts.service_class) == (None, None, None, None)
    assert facts.ticket.opened_at == NOW
    assert NOW.strftime("%A") == "Wednesday"
    assert timedelta(0) == NOW.utcoffset()


def test_the_text_of_a_policy_with_tests_is_plain_yaml():
    assert yaml.safe_load(POLICY + "  - {name: a, expect: {rule: null}}")["tests"] == [
        {"name": "a", "expect": {"rule": None}}
    ]


def test_the_shipped_policy_passes_its_own_tests_and_tests_every_rule():
    policy = default_policy()

    assert [result.told() for result in run_tests(policy) if not result.has_passed] == []
    assert {rule.name for rule in policy.rules} == {test.expect.rule for test in policy.tests if test.expect.rule}
