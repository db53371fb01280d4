"""Rules that send what is there: a part now, the rest down the ladder, never more than what is needed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rules.cases import BERLIN, HAMBURG, MUNICH, NOW, POLICY, POTSDAM, STAND_IN, facts, holding, hub

from connector.model.kinds import HubTier, Lane, ProcurementKind
from connector.model.lifecycle import ProcurementState
from connector.rules.checks.policy_tests import run_tests
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.kits import KitFacts, KitPart
from connector.rules.facts.standing import ProcurementFacts
from connector.rules.facts.ticket import AssetFacts
from connector.rules.policy.reading import InvalidPolicy, Policy, read_policy
from connector.rules.sourcing.decide import decide
from connector.rules.sourcing.decision import Decision, Outcome, Reason
from connector.rules.sourcing.together import Case, InTurn

PARTLY = "partial: allowed, split: allowed"
WAITS = f"{PARTLY}, ladder: [stock, {{kind: backorder, expected_hours: 72}}]"
BUYS = f"{PARTLY}, ladder: [stock, {{kind: purchase, approval: buyer}}, person]"
PLACES = {1: POTSDAM, 2: HAMBURG, 3: MUNICH}


def policy(rule: str = WAITS) -> Policy:
    supplier = "sourcing:\n  suppliers: {shop: {offers: [purchase], lead_hours: 48}}\n"
    text = POLICY.replace("RULE", rule).replace("sourcing:\n", supplier)
    return read_policy(f"{text}approvals: {{buyer: {{roles: [approver], within_minutes: 60}}}}\n")


def case(units: dict[int, int], quantity: int = 3, **values: object) -> SourcingFacts:
    free = {number: count for number, count in units.items() if count}
    fleet = [hub(number, PLACES.get(number, BERLIN)) for number in units]
    shelves = [replace(holding(1), free=free)] if free else []
    return facts(fleet, shelves, quantity=quantity, **values)


def units_of(decision: Decision) -> int:
    return sum(pick.quantity for part in decision.parts for pick in part.picks)


def test_what_is_there_is_taken_and_the_rest_waits_for_stock():
    decision = decide(case({1: 1, 2: 1}), policy(), NOW)

    rest = decision.rest
    assert [(pick.hub_id, pick.quantity) for pick in decision.picks] == [(1, 1), (2, 1)]
    assert (decision.outcome, decision.quantity, decision.wanted, decision.had) == (Outcome.RESERVE, 2, 3, 0)
    assert (rest.outcome, rest.reason, rest.quantity, rest.had) == (Outcome.PROCURE, Reason.BACKORDER, 1, 2)
    assert [(order.kind, order.quantity) for order in rest.orders] == [(ProcurementKind.BACKORDER, 1)]
    assert decision.orders == ()
    assert decision.text.startswith("2 of 3 units: No hub has all of them: 1 from HUB-1, 1 from HUB-2; ")
    assert "The other 1: The ticket has 2 of the 3 units that it needs. No hub has a unit of 'Acme X1'" in decision.text
    told = decision.explanation()
    assert (told["quantity"], told["had"], told["total"], told["rest"]["had"]) == (2, 0, 3, 2)
    assert [(rung.number, rung.outcome.value) for rung in decision.ladder] == [(1, "taken"), (2, "not_reached")]
    assert decision.ladder[0].text == "2 of the 3 units that are wanted"


def test_without_such_a_rule_it_is_all_or_none():
    decision = decide(case({1: 1, 2: 1}), policy(WAITS.replace("partial: allowed, ", "")), NOW)

    assert (decision.outcome, decision.rest, decision.orders[0].quantity) == (Outcome.PROCURE, None, 3)


@pytest.mark.parametrize("units", [{1: 3}, {1: 2, 2: 1}, {1: 1, 2: 5}])
def test_where_all_units_can_be_had_they_come_as_ever(units: dict[int, int]):
    both = [decide(case(units), policy(rule), NOW) for rule in (WAITS, WAITS.replace("partial: allowed, ", ""))]

    assert both[0].picks == both[1].picks
    assert both[0].rest is None


def test_the_rest_is_bought_with_the_approval_of_its_rung():
    decision = decide(case({1: 2}), policy(BUYS), NOW)

    assert (units_of(decision), decision.approval) == (2, None)
    assert (decision.rest.reason, decision.rest.orders[0].quantity, decision.rest.approval) == (
        Reason.PURCHASE, 1, "buyer",
    )  # fmt: skip


def test_where_a_rule_does_not_split_each_shelf_is_a_part_of_its_own():
    rule = "partial: allowed, ladder: [{kind: stock, tiers: [regional]}, {kind: stock, tiers: [central]}, person]"
    found = case({1: 1, 2: 2, 3: 1}, quantity=5)
    fleet = [hub(1, POTSDAM), hub(2, HAMBURG), hub(3, MUNICH, tier=HubTier.CENTRAL)]
    found = replace(found, fleet=facts(fleet).fleet)

    decision = decide(found, policy(rule), NOW)

    taken = [[(pick.hub_id, pick.quantity) for pick in part.picks] for part in decision.parts]
    assert taken == [[(2, 2)], [(1, 1)], [(3, 1)], []]
    assert (decision.parts[-1].outcome, decision.parts[-1].quantity, decision.parts[-1].had) == (Outcome.REVIEW, 1, 4)


def test_what_is_late_is_not_taken_where_a_supplier_is_in_time():
    rule = f"{PARTLY}, ladder: [{{kind: stock, accept: in_time}}, {{kind: purchase}}, person]"
    due = replace(facts().ticket, sla_due_at=NOW + timedelta(hours=60))
    soon = replace(facts().ticket, sla_due_at=NOW + timedelta(hours=3))

    in_time = decide(case({2: 2}, ticket=due), policy(rule), NOW)
    late = decide(case({1: 1, 2: 2}, quantity=4, ticket=soon), policy(rule), NOW)

    assert (units_of(in_time), in_time.rest.reason) == (2, Reason.PURCHASE)
    assert [(pick.hub_id, pick.quantity) for pick in late.picks] == [(1, 1)]
    assert (late.rest.reason, late.rest.orders[0].quantity) == (Reason.PURCHASE, 3)


def test_a_late_unit_is_better_than_waiting_without_any():
    rule = f"{PARTLY}, ladder: [{{kind: stock, accept: in_time}}, backorder]"
    soon = replace(facts().ticket, sla_due_at=NOW + timedelta(hours=3))

    decision = decide(case({2: 2}, ticket=soon), policy(rule), NOW)

    assert (units_of(decision), decision.chosen.is_within_sla, decision.rest.reason) == (2, False, Reason.BACKORDER)


def ordered(state: ProcurementState, quantity: int) -> tuple[ProcurementFacts, ...]:
    return (ProcurementFacts(1, 1, ProcurementKind.PURCHASE, "shop", state, quantity, NOW + timedelta(hours=40)),)


def test_what_a_supplier_was_ordered_from_already_is_not_taken_from_a_shelf_as_well():
    placed = decide(case({1: 2}, procurements=ordered(ProcurementState.ORDERED, 3)), policy(BUYS), NOW)
    some = decide(case({1: 2}, procurements=ordered(ProcurementState.ORDERED, 2)), policy(BUYS), NOW)
    unknown = decide(case({1: 2}, procurements=ordered(ProcurementState.APPROVED, 3)), policy(BUYS), NOW)

    assert (units_of(placed), placed.orders[0].quantity) == (0, 3)
    assert (units_of(some), some.rest.orders[0].quantity) == (1, 2)
    assert (units_of(unknown), unknown.rest.orders[0].quantity) == (2, 1)


def test_the_rest_may_be_a_substitute_but_one_part_is_of_one_kind():
    found = case({1: 1}, substitutes=(STAND_IN,))
    found = replace(found, holdings=(*found.holdings, holding(1, product_id=2)))

    decision = decide(found, policy(), NOW)

    assert [pick.product_id for pick in decision.picks] == [1]
    assert decision.wanted == 3


def test_later_only_the_rest_is_wanted_and_conditions_still_read_all_units():
    found = replace(case({1: 5}, quantity=1), had=2)

    decision = decide(found, policy(), NOW)

    assert (units_of(decision), decision.rest, decision.had) == (1, None, 2)
    assert decision.text.startswith("The ticket has 2 of the 3 units that it needs. HUB-1 restores it")
    assert decision.inputs["ticket"]["quantity"] == 3


def test_tickets_of_a_batch_share_what_is_there():
    found, turn = case({1: 4}), InTurn(policy(), NOW)

    given_to = []
    for _ in range(3):
        decision = turn.decide(Case(found))
        turn.give(Case(found), decision)
        given_to.append(units_of(decision))

    assert given_to == [3, 1, 0]


def test_parts_are_of_the_devices_revision_too():
    device = AssetFacts(id=9, state=facts().asset.state, revision="B")
    found = replace(case({1: 3}, asset=device), revisions={(1, 1, Lane.NORMAL): {"A": 2, "B": 1}})

    decision = decide(found, policy(f"same_revision_only: true, {WAITS}"), NOW)

    assert [(pick.quantity, pick.revision) for pick in decision.picks] == [(1, "B")]
    assert [(order.quantity, order.revision) for order in decision.rest.orders] == [(2, "B")]


def test_a_part_is_of_whole_kits_and_the_rest_sees_what_is_left_of_them():
    kit = KitFacts(1, "Swap", (KitPart(7, "Bracket", 2),), (holding(1, product_id=7, free=5),))

    decision = decide(case({1: 4}, quantity=4, kit=kit), policy(f"kit: swap, {WAITS}"), NOW)

    assert [(pick.quantity, pick.parts[0].quantity) for pick in decision.picks] == [(2, 4)]
    assert (decision.rest.reason, decision.rest.quantity) == (Reason.BACKORDER, 2)
    assert [item.fact for item in decision.rest.assumed].count("kit") <= 1


STOCK = st.dictionaries(st.integers(1, 4), st.integers(0, 3), max_size=4)


@settings(max_examples=80, deadline=None)
@given(units=STOCK, more=STOCK, quantity=st.integers(1, 6), had=st.integers(0, 2), buys=st.booleans())
def test_never_more_than_needed_and_more_stock_brings_no_unit_later(units, more, quantity, had, buys):
    rule = policy((BUYS if buys else WAITS) + ", ranking: [arrival]")
    together = {number: units.get(number, 0) + more.get(number, 0) for number in {*units, *more}}

    before = decide(replace(case(units, quantity), had=had), rule, NOW)
    after = decide(replace(case(together, quantity), had=had), rule, NOW)

    for decision, there in ((before, units), (after, together)):
        assert decision.wanted == quantity
        orders = sum(order.quantity for part in decision.parts for order in part.orders)
        reviews = sum(part.quantity for part in decision.parts if part.outcome is Outcome.REVIEW)
        assert units_of(decision) + orders + reviews == quantity
        assert units_of(decision) == min(quantity, sum(there.values()))
        taken: dict[int, int] = {}
        for part in decision.parts:
            for pick in part.picks:
                taken[pick.hub_id] = taken.get(pick.hub_id, 0) + pick.quantity
        assert all(count <= there[number] for number, count in taken.items())
    assert units_of(after) >= units_of(before)
    if sum(together.values()) < quantity:
        was, now = arrivals(before), arrivals(after)
        assert all(later <= earlier for earlier, later in zip(was, now, strict=False))


def arrivals(decision: Decision) -> list[datetime]:
    """When each unit from stock arrives, the first one first."""
    return sorted(pick.arrives_at for part in decision.parts for pick in part.picks for _ in range(pick.quantity))


def test_a_policy_states_what_is_sent_and_what_waits():
    text = """
tests:
  - name: two of three
    given:
      ticket: {quantity: 3}
      product: {}
      site: {latitude: 52.5, longitude: 13.4}
      hubs: {H: {latitude: 52.4, longitude: 13.1}}
      stock: [{hub: H, free: 2}]
    expect: {outcome: reserve, units: 2, rest: backorder, rest_units: 1, hub: H}
  - name: the third one
    given:
      ticket: {quantity: 3}
      had: 2
      product: {}
      site: {latitude: 52.5, longitude: 13.4}
      hubs: {H: {latitude: 52.4, longitude: 13.1}}
      stock: [{hub: H, free: 2}]
    expect: {units: 1, rest: null, rest_units: 0}
"""
    base = POLICY.replace("RULE", WAITS)

    results = run_tests(read_policy(base + text))

    assert [result.differences for result in results] == [(), ()]
    with pytest.raises(InvalidPolicy, match=r"given\.had: is 3, of 3 units that it needs: give fewer"):
        read_policy(base + text.replace("had: 2", "had: 3"))
    with pytest.raises(InvalidPolicy, match=r"expect\.rest: names 'backorders', which is not there"):
        read_policy(base + text.replace("rest: backorder,", "rest: backorders,"))
