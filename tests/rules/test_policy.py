from __future__ import annotations

from pathlib import Path

import pytest
from tests.rules.cases import NOW, POLICY, facts, policy

from connector.model.errors import InvalidConfiguration
from connector.rules.policy.conditions import KNOWN, ConditionFailed, Facts, compile_condition
from connector.rules.policy.reading import default_policy, default_policy_text, read_policy
from connector.rules.sourcing.scope import scope_of

BAD = """
name: Bad Name
rules:
  - {name: a, when: "ticket.prioritty == 'P1'", hardware: maybe, hold_minutes: 0, extra: 1}
  - {name: b, when: "ticket.title +", hardware: none, lanes: [gold], sources: []}
  - {hardware: none, when: "true", ranking: [cost, cost]}
sourcing:
  drive: {speed_kmh: 0}
  courier: {transit: [{within_km: 5, hours: 2}], delivery_hours: Mon 9-10}
service_classes: {x: {maximum_outage_minutes: -1, calendar: never}}
"""


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(InvalidConfiguration) as caught:
        read_policy(text, source="policy.yaml")
    return caught.value.problems


def test_every_problem_is_reported_at_once_with_path_and_example():
    found = problems(BAD)

    assert [problem.split(": ")[1] for problem in found] == [
        "name", "rules[0].when", "rules[0].hardware", "rules[0].hold_minutes", "rules[0].extra", "rules[1].when",
        "rules[1].lanes[0]", "rules[1].sources", "rules[2].name", "rules[2].ranking", "sourcing.drive.speed_kmh",
        "sourcing.courier.delivery_hours", "service_classes.x.maximum_outage_minutes", "service_classes.x.calendar",
    ]  # fmt: skip
    assert found[1] == (
        "policy.yaml:4:21: rules[0].when: names ticket.prioritty, which does not exist: did you mean ticket.priority?"
        " (given: \"ticket.prioritty == 'P1'\"); example: ticket.priority in ['P1', 'P2']"
    )
    assert found[2] == (
        "policy.yaml:4:59: rules[0].hardware: Input should be 'replace' or 'none' (given: 'maybe'); example: replace"
    )
    assert "known keys are name, when, hardware" in found[4]
    assert found[7] == (
        "policy.yaml:5:79: rules[1].sources: is empty: expected at least one entry (given: []);"
        " example: ['local', 'regional']"
    )
    assert found[12].endswith("(given: -1); example: 240")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "1:1: is empty or no mapping: expected the keys name, rules, sourcing, service_classes"),
        ("- 1", "1:1: is empty or no mapping: expected the keys name, rules, sourcing, service_classes"),
        ("name: x\nname: y\nrules: 1", "2:1: key 'name' stands there twice"),
        ("name: [", "1:8: expected the node content, but found '<stream end>'"),
        (POLICY.replace("RULE", "lanes: [normal, normal]"), "4:57: rules[0].lanes: names normal more than once"),
    ],
)
def test_a_document_that_is_no_policy_is_refused(text: str, problem: str):
    assert any(found.startswith(f"policy.yaml:{problem}") for found in problems(text))


@pytest.mark.parametrize(
    ("bands", "problem"),
    [
        (
            "[{within_km: 5, hours: 2}]",
            "the last band, and only that, has no within_km: it serves every distance beyond",
        ),
        (
            "[{within_km: 9, hours: 2}, {within_km: 5, hours: 3}, {hours: 4}]",
            "within_km must grow from band to band",
        ),
    ],
)
def test_transit_bands_must_cover_every_distance_in_order(bands: str, problem: str):
    text = f"name: x\nrules: [{{name: a, when: 'true', hardware: none}}]\nsourcing: {{courier: {{transit: {bands}}}}}"

    assert problems(text) == (f"policy.yaml:3:21: sourcing.courier: {problem}",)


def test_names_must_fit_together():
    twice = POLICY.replace(
        '- {name: any, when: "true", hardware: replace, RULE}', "- &r {name: a, when: 'true', hardware: none}\n  - *r"
    )
    unknown = POLICY.replace("RULE", "hold_minutes: 1").replace(
        "  ranking:", "  default_service_class: gold\n  ranking:"
    )

    assert problems(twice) == (
        "policy.yaml:4:15: rules[1].name: is 'a', which is the name of rules[0] already",
        "policy.yaml:4:24: rules[1].when: can never match: rules[0] ('a') has the same condition and stands before it",
    )
    assert problems(unknown) == (
        "policy.yaml:12:26: sourcing.default_service_class: is 'gold', which is not under service_classes: "
        "critical, office",
    )


def test_the_version_names_the_policy_and_its_text():
    first, same, other = policy(), policy(), policy("hold_minutes: 61")

    assert first.version == same.version
    assert first.version != other.version
    assert first.version.partition("@")[0] == "test"
    assert len(first.version.partition("@")[2]) == 12


def test_a_file_is_read_by_its_path(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text(default_policy_text())

    assert read_policy(path) == default_policy()
    with pytest.raises(InvalidConfiguration, match=r"(?s)gone\.yaml' has 1 problem.*cannot be read: .*No such file"):
        read_policy(tmp_path / "gone.yaml")
    assert read_policy(path).version == default_policy().version


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ticket.title + 1 > 2", "Unsupported operation: string + int"),
        ("ticket.title", "gives 'Switch is dead', not true or false"),
        ("tickets.title == ''", "names 'tickets', which does not exist"),
        ("ticket.priority == 'P1' || size(site.nmae) > 0", "did you mean site.name?"),
        ("ticket.title.lowerAscii() == ''", "lowerAscii"),
        ("", "is no CEL expression"),
    ],
)
def test_a_condition_is_checked_when_it_is_loaded(text: str, message: str):
    with pytest.raises(ValueError, match=r".") as caught:
        compile_condition(text)

    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["ticket.title == 'ticket.nothing'", 'ticket.title != "site.nope"', "true"])
def test_what_stands_in_quotes_is_no_name(text: str):
    compile_condition(text)


def test_a_condition_that_fails_on_real_facts_says_so():
    condition = compile_condition("ticket.asset_hint == '' || int(ticket.asset_hint) > 3")
    scope = dict(scope_of(facts(), None, now=NOW))
    scope["ticket"] = {**scope["ticket"], "asset_hint": "sw-1"}

    with pytest.raises(ConditionFailed, match="cannot be evaluated: Function 'int' error"):
        condition.holds(Facts(scope))


def test_conditions_are_checked_against_the_names_that_decisions_give_them():
    scope = scope_of(facts(), None, now=NOW)

    assert {name: set(fields) for name, fields in scope.items()} == {n: set(f) for n, f in KNOWN.items()}
    for name, fields in scope.items():
        assert {f: type(v) for f, v in fields.items()} == {f: type(v) for f, v in KNOWN[name].items()}
