"""A kit goes whole or not at all: from one hub, with every component."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.rules.cases import BERLIN, HAMBURG, MUNICH, NOW, POLICY, POTSDAM, STAND_IN, facts, holding, hub, policy

from connector.model.kinds import Lane, Priority, Protection
from connector.rules.checks.policy_tests import run_tests
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.kits import KitFacts, KitPart
from connector.rules.facts.protection import Kept
from connector.rules.facts.shelves import ClaimedPart, Contested, Holding, holding_of
from connector.rules.policy.document import Policy
from connector.rules.policy.reading import InvalidPolicy, read_policy
from connector.rules.sourcing.decide import decide
from connector.rules.sourcing.decision import Outcome, Reason
from connector.rules.sourcing.picks import PartPick
from connector.rules.sourcing.together import Case, InTurn

BRACKET, SEAL = KitPart(11, "Acme Bracket", 2), KitPart(12, "Acme Seal", 1)
KIT = "kit: swap"


def kit(*holdings: Holding) -> KitFacts:
    return KitFacts(1, "Swap kit", (BRACKET, SEAL), holdings)


def parts(hubs: dict[int, tuple[int, int]], lane: Lane = Lane.NORMAL) -> tuple[Holding, Holding]:
    """Shelves of brackets and seals: by hub, how many of each."""
    brackets = {number: units for number, (units, _) in hubs.items() if units}
    seals = {number: units for number, (_, units) in hubs.items() if units}
    return Holding(BRACKET.product_id, lane, brackets), Holding(SEAL.product_id, lane, seals)


def near_and_far(stock: dict[int, tuple[int, int]], **values: Any) -> SourcingFacts:
    """A hub in Berlin (1) and one in Potsdam (2) with one switch each, and these components."""
    defaults: dict[str, Any] = {"holdings": [holding(1, 2)], "kit": kit(*parts(stock))}
    return facts([hub(1, BERLIN), hub(2, POTSDAM)], **{**defaults, **values})


def test_a_hub_that_lacks_a_component_loses_to_one_that_has_the_whole_kit():
    decision = decide(near_and_far({1: (2, 0), 2: (2, 1)}), policy(KIT), NOW)

    assert (decision.chosen.hub_id, decision.chosen.product_id) == (2, 1)
    [pick] = decision.picks
    assert pick.parts == (
        PartPick(11, "Acme Bracket", Lane.NORMAL, 2),
        PartPick(12, "Acme Seal", Lane.NORMAL, 1),
    )
    assert decision.explanation()["kit"] == {
        "id": 1,
        "name": "Swap kit",
        "parts": [{"product": "Acme Bracket", "quantity": 2}, {"product": "Acme Seal", "quantity": 1}],
    }


def test_the_explanation_names_the_component_that_each_hub_lacks():
    case = facts(
        [hub(1, BERLIN), hub(2, POTSDAM), hub(3, HAMBURG), hub(4, MUNICH)],
        [holding(1, 2, 3, 4)],
        kit=kit(*parts({1: (2, 0), 2: (1, 1), 3: (0, 0), 4: (2, 1)})),
    )

    decision = decide(case, policy(KIT), NOW)

    assert decision.chosen.hub_id == 4
    assert {(item.code, item.text): item.hubs for item in decision.losers} == {
        ("kit_incomplete", "lacks 1 × Acme Seal of kit 'Swap kit'"): (1,),
        ("kit_incomplete", "lacks 2 × Acme Bracket of kit 'Swap kit'"): (2,),
        ("kit_incomplete", "lacks 2 × Acme Bracket and 1 × Acme Seal of kit 'Swap kit'"): (3,),
    }


def test_without_a_whole_kit_anywhere_a_person_is_told_what_is_lacking():
    decision = decide(near_and_far({1: (2, 0), 2: (1, 5)}), policy(KIT), NOW)

    assert (decision.outcome, decision.reason) == (Outcome.REVIEW, Reason.KIT_INCOMPLETE)
    assert decision.text == (
        "There is stock of 'Acme X1', but no hub has the whole kit: "
        "1 × lacks 1 × Acme Seal of kit 'Swap kit'; 1 × lacks 2 × Acme Bracket of kit 'Swap kit'."
    )


def test_a_rule_that_sends_no_kit_sends_the_device_alone():
    decision = decide(near_and_far({}), policy(), NOW)

    assert (decision.chosen.hub_id, decision.picks[0].parts, decision.kit) == (1, (), None)


def test_a_product_without_a_kit_is_served_and_that_is_said():
    decision = decide(near_and_far({}, kit=None), policy(KIT), NOW)

    assert (decision.chosen.hub_id, decision.picks[0].parts, decision.kit) == (1, (), None)
    assert [item.explained() for item in decision.assumed if item.fact == "kit"] == [
        {"fact": "kit", "text": "Product 'Acme X1' has no swap kit: the device goes alone."}
    ]


def test_as_many_kits_as_devices_are_needed():
    stock = {1: (5, 3), 2: (6, 3)}

    decision = decide(
        near_and_far(stock, holdings=[holding(1, 2, free=3)], quantity=3), policy("kit: swap, split: never"), NOW
    )

    assert decision.chosen.hub_id == 2
    assert [part.quantity for part in decision.picks[0].parts] == [6, 3]
    assert decision.losers[0].text == "lacks 6 × Acme Bracket of kit 'Swap kit'"


def test_a_split_sends_whole_kits_from_each_hub():
    case = near_and_far({1: (3, 9), 2: (4, 2)}, holdings=[holding(1, 2, free=3)], quantity=3)

    decision = decide(case, policy("kit: swap, split: allowed"), NOW)

    picked = {(pick.hub_id, pick.quantity): [part.quantity for part in pick.parts] for pick in decision.picks}
    assert picked == {(1, 1): [2, 1], (2, 2): [4, 2]}


def test_two_lanes_of_a_hub_do_not_share_one_kit_in_a_split():
    reserve = Holding(1, Lane.BREAK_GLASS, {1: 1})
    case = near_and_far({1: (2, 1), 2: (2, 1)}, holdings=[holding(1, 2), reserve], quantity=2)

    decision = decide(case, policy("kit: swap, split: allowed, lanes: [normal, break_glass]"), NOW)

    assert sorted((pick.hub_id, pick.quantity) for pick in decision.picks) == [(1, 1), (2, 1)]


def test_a_substitute_goes_with_the_kit_of_the_needed_product_where_the_rule_allows_it():
    case = near_and_far({1: (2, 1)}, holdings=[holding(1, product_id=2)], substitutes=(STAND_IN,))

    assert decide(case, policy(KIT), NOW).chosen.product_id == 2
    refused = decide(case, policy("kit: swap, allow_substitutes: false"), NOW)
    assert refused.outcome is Outcome.REVIEW


def test_a_substitute_that_the_kit_itself_needs_does_not_stand_in():
    bracket = replace(STAND_IN, product_id=BRACKET.product_id, label=BRACKET.label)
    case = near_and_far(
        {1: (9, 9)}, holdings=[holding(1, product_id=BRACKET.product_id, free=9)], substitutes=(bracket,)
    )

    decision = decide(case, policy(KIT), NOW)

    assert decision.outcome is Outcome.REVIEW
    assert [(item.code, item.hubs) for item in decision.losers] == [("part_of_kit", (1,))]


def test_components_that_are_kept_back_count_only_where_the_rule_releases_them():
    brackets = holding_of(11, Lane.NORMAL, {1: Kept(2, safety_stock=1), 2: Kept(2)})
    seals = Holding(12, Lane.NORMAL, {1: 1, 2: 1})
    case = near_and_far({}, kit=kit(brackets, seals))
    alone = replace(case, holdings=(holding(1),))
    releasing = policy("kit: swap, releases: [safety_stock]")

    assert decide(case, policy(KIT), NOW).chosen.hub_id == 2
    assert decide(alone, policy(KIT), NOW).outcome is Outcome.REVIEW
    drawing = decide(alone, releasing, NOW)
    assert (drawing.chosen.hub_id, dict(drawing.drawn)) == (1, {Protection.SAFETY_STOCK: 1})


def test_a_component_comes_from_another_lane_only_where_the_rule_may_use_it():
    normal, glass = parts({1: (2, 0)}), parts({1: (0, 1)}, Lane.BREAK_GLASS)
    case = facts([hub(1)], [holding(1)], kit=kit(*normal, *glass))

    assert decide(case, policy(KIT), NOW).outcome is Outcome.REVIEW
    decision = decide(case, policy("kit: swap, lanes: [normal, break_glass]"), NOW)
    assert [part.lane for part in decision.picks[0].parts] == [Lane.NORMAL, Lane.BREAK_GLASS]


def test_a_component_that_somebody_else_has_emptied_makes_the_kit_incomplete():
    case = near_and_far({1: (2, 1), 2: (2, 1)})

    decision = decide(case, policy(KIT), NOW, emptied={(1, 12, Lane.NORMAL)})

    assert decision.chosen.hub_id == 2


def test_a_unit_that_is_taken_over_brings_the_components_that_were_with_it():
    claim = Contested(
        7, 70, "INC-7", 1, 1, Lane.NORMAL, 1, Priority.P4, since=NOW - timedelta(hours=1), made_at=NOW,
        parts=(ClaimedPart(8, 11, Lane.NORMAL, 2), ClaimedPart(9, 12, Lane.NORMAL, 1)),
    )  # fmt: skip
    case = facts([hub(1)], kit=kit(*parts({1: (0, 5)})), contested=(claim,))
    taking = policy("kit: swap, preempt: {over: [P4]}")

    decision = decide(case, taking, NOW)

    [pick] = decision.picks
    assert (pick.takes, pick.parts) == (
        (7,),
        (PartPick(11, "Acme Bracket", Lane.NORMAL, 2, 8), PartPick(12, "Acme Seal", Lane.NORMAL, 1, 9)),
    )
    bare = decide(replace(case, contested=(replace(claim, parts=()),)), taking, NOW)
    assert bare.outcome is Outcome.REVIEW


def test_what_one_ticket_takes_of_a_component_is_not_there_for_the_next():
    first = near_and_far({1: (3, 9), 2: (2, 1)}, holdings=[holding(1, 2, free=5)])
    second = replace(first, ticket=replace(first.ticket, id=2, number="INC-2"), asset=None)
    third = replace(first, ticket=replace(first.ticket, id=3, number="INC-3"), asset=None)

    in_turn, decisions = InTurn(policy(KIT), NOW), []
    for case in (Case(first), Case(second), Case(third)):
        decisions.append(in_turn.decide(case))
        in_turn.give(case, decisions[-1])

    assert [item.chosen.hub_id if item.chosen else None for item in decisions] == [1, 2, None]


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("{name: r, when: 'true', hardware: none, kit: swap}", "the rule says that no hardware is needed"),
        (
            "{name: r, when: 'true', hardware: replace, kit: swap, ladder: [person]}",
            "no rung of its ladder takes anything from stock",
        ),
        (
            "{name: r, when: 'true', hardware: replace, kit: swap, ladder: waiting}",
            "no rung of its ladder takes anything from stock",
        ),
    ],
)
def test_a_kit_that_can_never_go_along_is_refused(rule: str, why: str):
    text = POLICY.replace('{name: any, when: "true", hardware: replace, RULE}', rule)
    text = text.replace("sourcing:", "sourcing:\n  ladders: {waiting: [backorder]}")

    with pytest.raises(InvalidPolicy) as raised:
        read_policy(text)

    assert f"kit: can never matter: {why}" in str(raised.value)


TESTED = """
tests:
  - name: the hub that lacks an adapter does not serve
    given:
      site: {latitude: 52.5, longitude: 13.4}
      product: {model: X1}
      hubs: {BER: {latitude: 52.5, longitude: 13.4}, POT: {latitude: 52.4, longitude: 13.1}}
      kit: {name: Edge kit, components: {Bracket: 2, Adapter: 1}}
      stock:
        - {hub: BER}
        - {hub: BER, product: Bracket, free: 2}
        - {hub: POT}
        - {hub: POT, product: Bracket, free: 2}
        - {hub: POT, product: Adapter}
    expect: {hub: POT, kit: Edge kit}
  - name: a P1 takes the device of a P4 with the kit that is with it
    given:
      ticket: {priority: P1}
      site: {latitude: 52.5, longitude: 13.4}
      product: {model: X1}
      hubs: {BER: {latitude: 52.5, longitude: 13.4}}
      kit: {name: Edge kit, components: {Bracket: 2}}
      claims: [{hub: BER, ticket: INC-7, priority: P4, has_kit: true}]
    expect: {hub: BER, kit: Edge kit, taken_from: INC-7}
  - name: without its kit it is of no use
    given:
      ticket: {priority: P1}
      site: {latitude: 52.5, longitude: 13.4}
      product: {model: X1}
      hubs: {BER: {latitude: 52.5, longitude: 13.4}}
      kit: {name: Edge kit, components: {Bracket: 2}}
      claims: [{hub: BER, ticket: INC-7, priority: P4}]
    expect: {outcome: review, kit: null}
"""


def test_tests_of_a_policy_state_kits():
    tested = read_policy(POLICY.replace("RULE", "kit: swap, preempt: {over: [P4]}") + TESTED)

    assert [result.told() for result in run_tests(tested) if not result.has_passed] == []


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (
            "{hubs: {BER: {}}, kit: {components: {Bracket: 1}}, stock: [{hub: BER, product: Braket}]}",
            "given.stock[0].product: names 'Braket', which is not there: did you mean 'Bracket'?, "
            "under given.substitutes or given.kit",
        ),
        (
            "{hubs: {BER: {}}, claims: [{hub: BER, ticket: INC-7, has_kit: true}]}",
            "given.claims[0].has_kit: is true, but there is no given.kit",
        ),
    ],
)
def test_what_a_test_says_of_kits_must_fit(given: str, problem: str):
    text = POLICY.replace("RULE", KIT) + f"tests:\n  - {{name: t, given: {given}, expect: {{outcome: review}}}}\n"

    with pytest.raises(InvalidPolicy) as raised:
        read_policy(text)

    assert problem in str(raised.value)


units = st.integers(0, 6)
stocks = st.fixed_dictionaries({number: st.tuples(units, units, units) for number in (1, 2, 3, 4)})
PLACES = {1: BERLIN, 2: POTSDAM, 3: HAMBURG, 4: MUNICH}


def _case(stock: dict[int, tuple[int, int, int]], quantity: int) -> SourcingFacts:
    return facts(
        [hub(number, place) for number, place in PLACES.items()],
        [Holding(1, Lane.NORMAL, {number: devices for number, (devices, _, _) in stock.items() if devices})],
        kit=kit(*parts({number: (brackets, seals) for number, (_, brackets, seals) in stock.items()})),
        quantity=quantity,
    )


def _arrival(case: SourcingFacts, rules: Policy) -> Any:
    decision = decide(case, rules, NOW)
    return max((pick.arrives_at for pick in decision.picks), default=None)


@given(stock=stocks, quantity=st.integers(1, 3), split=st.sampled_from(["never", "allowed"]))
def test_no_hub_is_ever_chosen_that_lacks_a_component(stock, quantity, split):
    decision = decide(_case(stock, quantity), policy(f"kit: swap, split: {split}"), NOW)

    assert sum(pick.quantity for pick in decision.picks) in (0, quantity)
    for pick in decision.picks:
        devices, brackets, seals = stock[pick.hub_id]
        assert pick.quantity <= devices
        assert [part.quantity for part in pick.parts] == [2 * pick.quantity, pick.quantity]
        assert (2 * pick.quantity <= brackets, pick.quantity <= seals) == (True, True)
    if not decision.picks and split == "never":
        assert not any(min(devices, brackets // 2, seals) >= quantity for devices, brackets, seals in stock.values())


@given(stock=stocks, quantity=st.integers(1, 3), where=st.sampled_from([1, 2, 3, 4]), more=st.tuples(units, units))
def test_more_components_never_make_the_chosen_arrival_later(stock, quantity, where, more):
    rules = policy("kit: swap, ranking: [within_sla, arrival, cost]")
    devices, brackets, seals = stock[where]
    richer = {**stock, where: (devices, brackets + more[0], seals + more[1])}

    before, after = _arrival(_case(stock, quantity), rules), _arrival(_case(richer, quantity), rules)

    assert before is None or (after is not None and after <= before)
