from __future__ import annotations

import pytest

from connector.rules.policy.reading import InvalidPolicy, read_policy

DOCUMENT = """name: test
rules:
{rules}
sourcing:
  courier: {{transit: [{{hours: 24}}]}}
"""


def problems(*rules: str) -> list[str]:
    """What is wrong with a policy of these rules, each on a line of its own, the first on line 3."""
    text = DOCUMENT.format(rules="\n".join(f"  - {{name: r{index}, {rule}}}" for index, rule in enumerate(rules)))
    try:
        read_policy(text, source="p")
    except InvalidPolicy as error:
        return [str(problem) for problem in error.found]
    return []


def when(condition: str, then: str = "hardware: none") -> str:
    return f'when: "{condition}", {then}'


@pytest.mark.parametrize(
    "condition",
    [
        "false",
        "1 == 2",
        "ticket.priority == 'P1' && ticket.priority == 'P2'",
        "ticket.priority in ['P1', 'P2'] && !(ticket.priority in ['P1', 'P2', 'P3'])",
        "asset.known && !asset.known",
        "ticket.title.matches('x') && !ticket.title.matches('x')",
        "product.weight_g > 10 && product.weight_g < 11",
        "site.region == 'EU' && (site.region == 'US' || site.region == '')",
        "ticket.type.startsWith('z')",
        "ticket.state == 'new' && ticket.state.contains('old')",
    ],
)
def test_a_rule_that_is_true_of_no_ticket_is_refused(condition: str):
    (problem,) = problems(when(condition))

    assert problem.startswith("3:22: rules[0].when: can never match: ")
    assert problem.endswith(" is true of no ticket")


@pytest.mark.parametrize(
    "condition",
    [
        "true",
        "ticket.priority == 'P1' || ticket.priority == 'P2'",
        "product.weight_g > 10 && product.weight_g < 12",
        "site.region != 'EU' && site.region != 'US'",
        "ticket.title.matches('x') && !ticket.title.matches('y')",
        "(ticket.category + ' ' + ticket.title).matches('(?i)disk') && ticket.priority != 'P5'",
        "ticket.asset_hint == '' || int(ticket.asset_hint) > 3",
        "ticket.priority == 'P1' ? asset.known : site.known",
        "size(ticket.title) > 3 && !('x' in ['y', ticket.title])",
    ],
)
def test_a_condition_that_some_ticket_can_meet_is_taken(condition: str):
    assert problems(when(condition)) == []


def test_a_rule_behind_one_that_takes_every_ticket_is_refused():
    found = problems(when("asset.known || !asset.known"), when("ticket.priority == 'P1'"))

    assert found == [
        "4:22: rules[1].when: can never match: rules[0] ('r0') stands before it and is true of every ticket; "
        "put that one last"
    ]


def test_a_rule_whose_tickets_are_all_taken_by_one_before_it_is_refused():
    found = problems(
        when("ticket.priority in ['P1', 'P2']", "hardware: replace"),
        when("ticket.priority == 'P2' && site.known"),
        when("ticket.priority == 'P3'"),
    )

    assert found == [
        "4:22: rules[1].when: can never match: wherever it is true, rules[0] ('r0') before it is true as well"
    ]


def test_a_rule_whose_tickets_are_taken_by_several_before_it_together_is_refused():
    found = problems(
        when("asset.known"), when("!asset.known && ticket.priority == 'P1'"), when("ticket.priority == 'P1'")
    )

    assert found == ["5:22: rules[2].when: can never match: the 2 rules before it take every ticket that it is about"]


def test_the_same_condition_with_another_outcome_is_a_conflict():
    found = problems(
        when("ticket.priority == 'P1'", "hardware: replace"),
        when("ticket.priority=='P1'", "hardware: none"),
        when(" ( ticket.priority == 'P1' ) ", "hardware: replace"),
    )

    assert found == [
        "4:22: rules[1].when: is in conflict with rules[0] ('r0'): the same condition with another outcome, and only "
        "the first decides",
        "5:22: rules[2].when: can never match: rules[0] ('r0') has the same condition and stands before it",
    ]


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        (
            "ticket.priority in ['P1', 'P9']",
            "compares ticket.priority with 'P9', which it never is when rules are asked",
        ),
        ("asset.known || ticket.type == 'incidnet'", "did you mean 'incident'?"),
        ("asset.known || ticket.state == 'closed'", "which it never is when rules are asked"),
        ("asset.known || product.weight_g == '5'", "compares product.weight_g with '5', but it is a whole number"),
        (
            "asset.name != 'z' || ticket.title > 5",
            "contains 'ticket.title > 5', which cannot be evaluated: No such overload",
        ),
        (
            "asset.name != 'z' || ticket.title.shout() == ''",
            "which cannot be evaluated: Undefined variable or function",
        ),
        ("asset.name != 'z' || ticket.title.matches('(')", "'(' not a valid regex"),
    ],
)
def test_a_claim_of_the_wrong_type_is_told_even_where_the_rest_hides_it(condition: str, problem: str):
    found = problems(when(condition))

    assert any(problem in text and text.startswith("3:22: rules[0].when: ") for text in found), found


def test_one_mistake_does_not_hide_another():
    found = problems("when: 'true', hardware: maybe", when("false"), when("asset.known", "hardware: none, gold: 1"))

    assert [text.split(": ")[1] for text in found] == ["rules[0].hardware", "rules[1].when", "rules[2].gold"]


def test_twenty_rules_over_texts_are_judged_at_once():
    rules = [
        when(f"ticket.title.matches('word{n}') && (ticket.category.matches('a{n}') || asset.known)") for n in range(20)
    ]

    assert problems(*rules) == []


def test_a_document_that_refers_to_itself_or_is_nested_without_end_is_refused():
    for text in ("name: &a [*a]\nrules: *a\nsourcing: {}", "[" * 2_000, "name: x\nrules: 2026-99-99\nsourcing: {}"):
        with pytest.raises(InvalidPolicy):
            read_policy(text)


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        (
            "grouping: {burst: {when: \"ticket.type == 'rma' && ticket.type == 'incident'\"}}",
            "6:26: grouping.burst.when: can never match: "
            "\"ticket.type == 'rma' && ticket.type == 'incident'\" is true of no ticket",
        ),
        (
            "watching: {service_classes: {critcal: {act: task}}}",
            "6:39: watching.service_classes.critcal: names 'critcal', which is not under service_classes: "
            "known are none",
        ),
        (
            "grouping: {site_event: {hold: beyond}}",
            "6:24: grouping.site_event: units goes with hold: beyond, and only with that; "
            "example: {hold: beyond, units: 5}; example: {'site_event': {'devices': 3, 'window_minutes': 30}}",
        ),
    ],
)
def test_events_and_parcels_are_refused_where_they_can_never_happen(section: str, problem: str):
    text = DOCUMENT.format(rules='  - {name: any, when: "true", hardware: replace}') + section

    with pytest.raises(InvalidPolicy) as refused:
        read_policy(text, source="p")

    assert [str(found) for found in refused.value.found] == [problem]
