"""A unit on loan bridges the time until the replacement is there; what is given for good is not touched by it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rules.cases import HAMBURG, MUNICH, NOW, POTSDAM, STAND_IN, facts, holding, hub, policy, ticket_of

from connector.model.kinds import Lane, Trouble
from connector.model.lifecycle import LoanState, ReservationState
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.shelves import Holding
from connector.rules.facts.standing import LoanFacts, Recovery, Relief
from connector.rules.policy.reading import InvalidPolicy
from connector.rules.sourcing.decide import decide
from connector.rules.sourcing.decision import Outcome
from connector.rules.sourcing.loan import LoanOutcome
from connector.rules.sourcing.together import Case, InTurn

NEAR, FAR = hub(1, POTSDAM), hub(2, MUNICH)
DUE = NOW + timedelta(hours=4)
LENDING = policy("loaner: {max_days: 10, return_days: 2}")


def loaner(*hub_ids: int, **values: int) -> Holding:
    return holding(*hub_ids, lane=Lane.LOANER, **values)


def late(*lent: Holding, **values: Any) -> SourcingFacts:
    """A ticket due in four hours whose only spare is a day away in Munich."""
    case = facts((NEAR, FAR), (holding(2), *lent), **values)
    return replace(case, ticket=ticket_of(case, sla_due_at=DUE))


def nobody(*lent: Holding) -> SourcingFacts:
    case = facts((NEAR, FAR), lent)
    return replace(case, ticket=ticket_of(case, sla_due_at=DUE))


def test_a_late_replacement_is_bridged_by_a_loan_that_is_due_back_after_it():
    decision = decide(late(loaner(1)), LENDING, NOW)

    loan = decision.loan
    assert (decision.outcome, [pick.hub_id for pick in decision.picks]) == (Outcome.RESERVE, [2])
    assert loan is not None
    assert loan.pick is not None
    assert (loan.outcome, loan.pick.hub_id, loan.pick.lane, loan.pick.quantity) == (
        LoanOutcome.LENT, 1, Lane.LOANER, 1,
    )  # fmt: skip
    assert loan.pick.arrives_at < DUE < decision.picks[0].arrives_at
    assert loan.due_back_at == decision.picks[0].arrives_at + timedelta(days=2)
    assert decision.claims == (*decision.picks, loan.pick)
    assert loan.text.startswith("A unit on loan from HUB-1 bridges the gap, there by car at 2026-11-25 10:")
    assert decision.explanation()["loan"]["chosen"]["hub"] == "HUB-1"


def test_while_a_person_looks_for_a_replacement_a_unit_is_lent_for_as_long_as_the_rule_allows():
    decision = decide(nobody(loaner(1)), LENDING, NOW)

    assert (decision.outcome, decision.picks) == (Outcome.REVIEW, ())
    assert decision.loan is not None
    assert (decision.loan.outcome, decision.loan.due_back_at) == (LoanOutcome.LENT, NOW + timedelta(days=10))


def test_what_comes_from_outside_is_bridged_even_where_it_is_in_time():
    waiting = policy("loaner: {}, ladder: [stock, {kind: backorder, expected_hours: 72}]")
    case = nobody(loaner(1))
    unhurried = replace(case, ticket=ticket_of(case, sla_due_at=NOW + timedelta(days=30)))

    decision = decide(unhurried, waiting, NOW)

    assert decision.outcome is Outcome.PROCURE
    assert decision.loan is not None
    assert decision.loan.due_back_at == NOW + timedelta(hours=72, days=3)
    assert "the replacement comes from outside (backorder), is expected at 2026-11-28 09:00Z" in decision.loan.text


def test_a_replacement_in_time_from_stock_needs_no_loan():
    decision = decide(facts((NEAR,), (holding(1), loaner(1))), LENDING, NOW)

    assert (decision.outcome, decision.loan) == (Outcome.RESERVE, None)


@pytest.mark.parametrize(
    ("rule", "case", "why"),
    [
        ("loaner: {when: ticket.priority == 'P2'}", late(loaner(1)), "only when ticket.priority == 'P2'"),
        ("loaner: {}", late(), "no hub has a free unit to lend"),
        ("loaner: {}", late(loaner(1), quantity=1, loan=LoanFacts(7, 8, LoanState.RETURNED, NOW)), "which is returned"),
        ("loaner: {sources: [local]}", late(loaner(1)), "1 × tier regional not allowed by rule 'any'"),
        ("loaner: {transport: [courier], gain_hours: 20}", late(loaner(1)), "is not 20 h before the replacement"),
    ],
)
def test_why_nothing_is_lent_is_told(rule: str, case: SourcingFacts, why: str):
    decision = decide(case, policy(rule), NOW)

    assert decision.loan is not None
    assert (decision.loan.outcome, decision.loan.pick) == (LoanOutcome.NONE, None)
    assert why in decision.loan.text


def test_a_ticket_for_several_units_gets_none_on_loan():
    case = facts((NEAR, FAR), (holding(2, free=3), loaner(1, free=3)), quantity=3)
    decision = decide(replace(case, ticket=ticket_of(case, sla_due_at=DUE)), LENDING, NOW)

    assert decision.loan is not None
    assert decision.loan.text == "Nothing is lent: the ticket needs 3 units, and a loan is one."


def test_a_substitute_is_lent_although_the_rule_sends_the_exact_product_only():
    lending = policy("allow_substitutes: false, loaner: {}")
    case = late(holding(1, product_id=2, lane=Lane.LOANER), substitutes=(STAND_IN,))

    decision = decide(case, lending, NOW)

    assert [pick.product_id for pick in decision.claims] == [1, 2]


@pytest.mark.parametrize(
    ("lanes", "units", "outcome"),
    [
        ("[loaner]", 2, LoanOutcome.NONE),
        ("[loaner, normal]", 1, LoanOutcome.NONE),
        ("[loaner, normal]", 2, LoanOutcome.LENT),
    ],
)
def test_normal_stock_is_lent_only_where_the_rule_names_its_lane_and_never_the_unit_that_is_sent(
    lanes: str, units: int, outcome: LoanOutcome
):
    lending = policy(f"transport: [courier], loaner: {{lanes: {lanes}, transport: [drive]}}")
    case = nobody(holding(1, free=units))

    decision = decide(case, lending, NOW)

    assert [pick.hub_id for pick in decision.picks] == [1]
    assert decision.loan is not None
    assert decision.loan.outcome is outcome
    assert [pick.lane for pick in decision.claims] == [Lane.NORMAL] * (2 if outcome is LoanOutcome.LENT else 1)


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        (LoanState.RESERVED, LoanOutcome.GIVEN_BACK),
        (LoanState.LENT, LoanOutcome.KEPT),
        (LoanState.DUE_BACK, LoanOutcome.KEPT),
    ],
)
def test_a_unit_in_time_makes_a_loan_unnecessary_that_has_not_left(state: LoanState, outcome: LoanOutcome):
    case = facts((NEAR,), (holding(1), loaner(1)), loan=LoanFacts(7, 8, state, NOW))

    decision = decide(case, LENDING, NOW)

    assert decision.outcome is Outcome.RESERVE
    assert decision.loan is not None
    assert (decision.loan.outcome, decision.loan.pick) == (outcome, None)


def test_a_loan_stays_while_the_replacement_is_late_still_and_goes_back_when_nothing_is_needed():
    held = LoanFacts(7, 8, LoanState.RESERVED, NOW)
    needed = late(loaner(1), loan=held)

    kept = decide(needed, LENDING, NOW)
    not_needed = decide(replace(needed, relief=Relief("INC-9", 99, ReservationState.HELD, "HUB-1")), LENDING, NOW)

    assert kept.loan is not None
    assert (kept.loan.outcome, kept.loan.pick) == (LoanOutcome.KEPT, None)
    assert not_needed.loan is not None
    assert (not_needed.outcome, not_needed.loan.outcome) == (Outcome.NOT_NEEDED, LoanOutcome.GIVEN_BACK)


def test_a_second_unit_for_a_parcel_in_trouble_changes_nothing_about_a_loan():
    recovery = Recovery(3, "parcel TRK", Trouble.LOST, None, timedelta(0), "lost.")

    decision = decide(late(loaner(1), recovery=recovery), LENDING, NOW)

    assert (decision.outcome, decision.loan) == (Outcome.RESERVE, None)


def test_one_loan_unit_is_lent_once_among_tickets_that_are_decided_together():
    first, second = late(loaner(1)), late(loaner(1), ticket=ticket_of(late(), id=2, number="INC-2", sla_due_at=DUE))
    second = replace(second, asset=None, ticket=ticket_of(second, sla_due_at=DUE))

    in_turn, lent = InTurn(LENDING, NOW), []
    for case in (Case(first), Case(second)):
        decision = in_turn.decide(case)
        in_turn.give(case, decision)
        lent.append(decision.loan.outcome if decision.loan is not None else None)

    assert lent == [LoanOutcome.LENT, LoanOutcome.NONE]


Places = st.sampled_from([POTSDAM, HAMBURG, MUNICH])


@settings(deadline=None)
@given(
    places=st.lists(Places, min_size=1, max_size=4),
    stocked=st.sets(st.integers(1, 4)),
    lendable=st.sets(st.integers(1, 4)),
    hours=st.integers(0, 60),
    gain=st.integers(0, 30),
)
def test_a_loan_never_changes_what_is_given_for_good_and_always_comes_sooner(
    places: list[tuple[float, float]], stocked: set[int], lendable: set[int], hours: int, gain: int
):
    hubs = [hub(number, place) for number, place in enumerate(places, 1)]
    known = {item.id for item in hubs}
    shelves = [holding(*sorted(stocked & known))] if stocked & known else []
    lent = [loaner(*sorted(lendable & known))] if lendable & known else []
    case = facts(hubs, [*shelves, *lent])
    case = replace(case, ticket=ticket_of(case, sla_due_at=NOW + timedelta(hours=hours)))

    plain = decide(case, policy(), NOW)
    lending = decide(case, policy(f"loaner: {{gain_hours: {gain}, max_days: 5}}"), NOW)

    assert (lending.outcome, lending.picks, lending.orders) == (plain.outcome, plain.picks, plain.orders)
    assert [item.lane for item in lending.picks] == [Lane.NORMAL] * len(lending.picks)
    loan = lending.loan
    if loan is not None and loan.pick is not None:
        assert loan.pick.lane is Lane.LOANER
        assert loan.pick.hub_id in lendable
        for pick in lending.picks:
            assert pick.arrives_at > NOW + timedelta(hours=hours)
            assert loan.pick.arrives_at <= pick.arrives_at - timedelta(hours=gain)
        assert loan.due_back_at is not None
        assert NOW < loan.due_back_at <= NOW + timedelta(days=5)


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("loaner: {lanes: [break_glass]}", "that stock is drawn for good and with an approval, never lent"),
        ("loaner: {max_days: 0}", "rules[0].loaner.max_days"),
        ("loaner: {when: ticket.colour == 'red'}", "rules[0].loaner.when"),
        ("loaner: {when: \"ticket.priority == 'P1' && ticket.priority == 'P2'\"}", "is true of no ticket"),
    ],
)
def test_a_policy_with_a_loan_that_cannot_be_is_refused(rule: str, problem: str):
    with pytest.raises(InvalidPolicy) as refused:
        policy(rule)

    assert problem in str(refused.value)
