"""How good the data must be for a rule to decide alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.rules.cases import BERLIN, NOW, SWITCH, facts, holding, hub, policy

from connector.model.kinds import Lane
from connector.rules.checks.policy_tests import run_tests
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.scene import Place, Scene, Shelf
from connector.rules.facts.standing import ChannelFacts, ChannelScope
from connector.rules.policy.reading import InvalidPolicy, Policy, read_policy
from connector.rules.sourcing.decide import decide
from connector.rules.sourcing.decision import Outcome, Reason

APPROVALS = """
approvals:
  data-check: {roles: [approver], within_minutes: 60, auto_approve_when: "request.cost_cents < 1000"}
  costly: {roles: [approver], within_minutes: 30}
red_channels:
  recall: {roles: [duty], max_hours: 1, skips_approvals: true}
tests:
  - name: doubtful data is a person's affair
    given:
      product: {data_quality: 60, unit_cost_cents: 5000}
      site: {latitude: 52.5, longitude: 13.4, time_zone: UTC}
      hubs: {BER: {latitude: 52.5, longitude: 13.4}}
      stock: [{hub: BER}]
    expect: {approval: data-check, outcome: reserve}
  - name: what is not given is good
    given:
      product: {}
      site: {latitude: 52.5, longitude: 13.4, time_zone: UTC}
      hubs: {BER: {latitude: 52.5, longitude: 13.4}}
      stock: [{hub: BER}]
    expect: {approval: null, outcome: reserve}
"""


def asking(terms: str, more: str = "hold_minutes: 60") -> Policy:
    return policy(f"min_data_quality: {{{terms}}}, {more}")


def with_approvals(terms: str, more: str = "hold_minutes: 60") -> Policy:
    from tests.rules.cases import POLICY

    return read_policy(POLICY.replace("RULE", f"min_data_quality: {{{terms}}}, {more}") + APPROVALS)


def scored(product: int | None, site: int | None, *, cost: int = 180_000) -> SourcingFacts:
    defects = {"asset_without_serial": 1, "duplicate_serial": 3}
    case = facts([hub(1, BERLIN)], [holding(1, free=2)])
    return replace(
        case,
        product=replace(SWITCH, data_quality=product, data_defects=defects, unit_cost_cents=cost),
        site=replace(case.site, data_quality=site) if case.site else None,
    )


def test_below_the_threshold_a_person_decides_and_reads_what_to_mend():
    decision = decide(scored(89, 100), asking("product: 90, site: 95"), NOW)

    assert (decision.outcome, decision.reason, decision.picks) == (Outcome.REVIEW, Reason.DATA_QUALITY, ())
    assert decision.text == (
        "Of the records behind product 'Acme X1' 89 % have no defect, and rule 'any' asks for 90 %: 3 × duplicate "
        "serial, 1 × asset without serial (connector quality --product 'Acme X1')."
    )
    assert decide(scored(90, 95), asking("product: 90, site: 95"), NOW).outcome is Outcome.RESERVE
    assert decide(scored(90, 94), asking("product: 90, site: 95"), NOW).reason is Reason.DATA_QUALITY
    assert decide(scored(1, 94), asking("site: 90"), NOW).outcome is Outcome.RESERVE


def test_what_nobody_has_measured_is_below():
    decision = decide(scored(None, 100), asking("product: 1"), NOW)

    assert decision.text == (
        "Nobody has measured the records behind product 'Acme X1' yet, and rule 'any' asks for 1 %: connector quality "
        "--measure."
    )


def test_with_an_approval_the_unit_is_held_and_whoever_answers_reads_why():
    decision = decide(scored(50, 100), with_approvals("product: 90, approval: data-check"), NOW)

    assert (decision.outcome, decision.approval) == (Outcome.RESERVE, "data-check")
    assert decision.held_until == NOW + timedelta(minutes=60)
    assert "50 % have no defect" in decision.text
    assert decision.authorisation.startswith("waits for approval 'data-check'")
    assert decide(scored(90, 100), with_approvals("product: 90, approval: data-check"), NOW).approval is None


def test_an_approval_that_is_needed_anyway_is_the_only_one_and_tells_of_the_data():
    decision = decide(scored(50, 100), with_approvals("product: 90, approval: data-check", "approval: costly"), NOW)

    assert (decision.approval, decision.held_until) == ("costly", NOW + timedelta(minutes=30))
    assert "50 % have no defect" in decision.text


def test_the_policy_may_give_that_approval_itself():
    decision = decide(scored(50, 100, cost=10), with_approvals("product: 90, approval: data-check"), NOW)

    assert (decision.outcome, decision.approval) == (Outcome.RESERVE, None)
    assert decision.authorisation == "approval 'data-check' is given by the policy: request.cost_cents < 1000"


def test_after_a_no_it_is_a_persons_task():
    case = replace(scored(50, 100), refusals={"data-check": "next"})

    decision = decide(case, with_approvals("product: 90, approval: data-check"), NOW)

    assert (decision.outcome, decision.reason) == (Outcome.REVIEW, Reason.APPROVAL_REFUSED)
    assert "approval 'data-check' was refused" in decision.text


@pytest.mark.parametrize("terms", ["product: 90", "product: 90, approval: data-check"])
def test_a_red_channel_that_skips_approvals_goes_on_and_says_what_the_data_lacks(terms: str):
    hour = timedelta(hours=1)
    channel = ChannelFacts(1, "recall", "fire", ChannelScope(), NOW - hour, NOW + hour)

    decision = decide(replace(scored(50, 100), channels=(channel,)), with_approvals(terms), NOW)

    assert (decision.outcome, decision.approval) == (Outcome.RESERVE, None)
    [told] = [item.text for item in decision.assumed if item.fact == "data_quality"]
    assert "50 % have no defect" in told
    assert told.endswith("Red channel 'recall' asks nobody about that.")


def test_tests_of_a_policy_know_it():
    results = run_tests(with_approvals("product: 90, approval: data-check"))

    assert [result.told() for result in results if not result.has_passed] == []


@pytest.mark.parametrize(
    ("terms", "problem"),
    [
        ("approval: data-check", "asks for nothing: state the least percent of `product`, of `site`, or of both"),
        ("product: 90, approval: nobody", "'nobody', which is not under approvals"),
        ("product: 101", "less than or equal to 100"),
    ],
)
def test_what_asks_for_nothing_or_names_what_is_not_there_is_refused(terms: str, problem: str):
    with pytest.raises(InvalidPolicy) as refused:
        asking(terms)

    assert problem in str(refused.value)


def test_a_replay_takes_the_scores_of_now_and_leaves_out_what_nobody_measured():
    from connector.planning.replay import _replayable

    asked = asking("product: 90")
    place = Place(scored(50, None).site) if scored(50, None).site else None
    scene = Scene(facts().fleet, {Shelf(1, 1, Lane.NORMAL): 1}, {1: SWITCH}, places=(place,) if place else ())
    measured = replace(scene, products={1: replace(SWITCH, data_quality=50)})

    assert _replayable(asked, scene).rules[0].min_data_quality is None
    assert _replayable(asked, measured).rules[0].min_data_quality is not None
