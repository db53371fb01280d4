"""Several units from several shelves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.rules.cases import BERLIN, HAMBURG, MUNICH, NOW, STAND_IN, facts, holding, hub, policy, ticket_of

from connector.rules.sourcing.decide import decide
from connector.rules.sourcing.decision import Decision, Outcome, Reason
from connector.rules.sourcing.ranking import HUB, PRODUCT, Route
from connector.rules.sourcing.splitting import split

HUBS = (hub(1, BERLIN), hub(2, HAMBURG), hub(3, MUNICH))
FROM_HAMBURG = datetime(2026, 11, 26, 7, 0, tzinfo=UTC)
ANY = "ranking: [within_sla, exact, arrival], split: allowed"


def decided(*holdings, quantity: int, rule: str = ANY, due: datetime | None = None, **values) -> Decision:
    case = facts(HUBS, holdings, quantity=quantity, **values)
    return decide(replace(case, ticket=ticket_of(case, sla_due_at=due)), policy(rule), NOW)


def picked(decision: Decision) -> list[tuple[int, int, int]]:
    return [(pick.hub_id, pick.product_id, pick.quantity) for pick in decision.picks]


def test_units_of_two_shelves_are_combined_where_no_shelf_has_all_of_them():
    decision = decided(holding(1, free=1), holding(2, free=2), quantity=3)

    assert (decision.outcome, picked(decision)) == (Outcome.RESERVE, [(1, 1, 1), (2, 1, 2)])
    assert decision.text == (
        "No hub has all of them: 1 from HUB-1, 2 from HUB-2; the last ones arrive at 2026-11-26 07:00Z."
    )
    assert [candidate.why for candidate in decision.candidates] == ["", "chosen as well: brings 2 of the 3 units"]
    assert decision.ladder[0].text == "2 parcels together; the last one arrives in time"
    assert decision.ladder[0].arrives_at == FROM_HAMBURG


def test_what_one_shelf_has_is_not_split():
    assert picked(decided(holding(1, free=1), holding(2, free=3), quantity=3)) == [(2, 1, 3)]


def test_without_leave_to_split_one_shelf_must_have_everything():
    decision = decided(holding(1, free=1), holding(2, free=2), quantity=3, rule="split: never")

    assert (decision.outcome, decision.reason) == (Outcome.REVIEW, Reason.NOTHING_REACHABLE)
    assert decision.picks == ()


def test_as_few_parcels_as_possible_then_the_ranking():
    """HUB-1 arrives first, but two parcels are enough only with HUB-2 and HUB-3 or with HUB-1 and HUB-3."""
    decision = decided(holding(1, free=1), holding(2, free=2), holding(3, free=3), quantity=4)

    assert picked(decision) == [(1, 1, 1), (3, 1, 3)]


def test_a_split_in_time_goes_before_one_shelf_that_is_late():
    due = datetime(2026, 11, 26, 12, tzinfo=UTC)

    decision = decided(holding(1, free=1), holding(2, free=1), holding(3, free=2), quantity=2, due=due)

    assert picked(decision) == [(1, 1, 1), (2, 1, 1)]
    assert decision.margin_minutes == 5 * 60


def test_one_shelf_goes_before_a_split_when_both_are_late():
    assert picked(decided(holding(1, free=1), holding(2, free=1), holding(3, free=2), quantity=2, due=NOW)) == [
        (3, 1, 2)
    ]


def test_products_are_never_mixed():
    substitutes = (STAND_IN,)
    mixed = decided(holding(1, free=1), holding(2, product_id=2, free=1), quantity=2, substitutes=substitutes)
    other = decided(holding(1, free=1), holding(2, 3, product_id=2, free=1), quantity=2, substitutes=substitutes)

    assert (mixed.picks, mixed.outcome) == ((), Outcome.REVIEW)
    assert picked(other) == [(2, 2, 1), (3, 2, 1)]


def test_all_or_none():
    decision = decided(holding(1, free=1), holding(2, free=1), quantity=3)

    assert (decision.picks, decision.outcome) == ((), Outcome.REVIEW)


def _route(hub_id: int) -> Route:
    route = [0] * 15
    route[HUB], route[PRODUCT] = hub_id, 1
    return tuple(route)  # type: ignore[return-value]


@given(st.lists(st.integers(1, 5), max_size=7), st.integers(1, 20))
def test_a_split_has_exactly_the_quantity_from_the_fewest_shelves(units: list[int], quantity: int):
    shares = split([_route(n) for n in range(len(units))], lambda route: units[route[HUB]], quantity)

    if sum(units) < quantity:
        assert shares == ()
        return
    fewest = next(n for n in range(1, len(units) + 1) if sum(sorted(units, reverse=True)[:n]) >= quantity)
    assert sum(taken for _, taken in shares) == quantity
    assert len(shares) == fewest
    assert all(0 < taken <= units[route[HUB]] for route, taken in shares)
    assert [route[HUB] for route, _ in shares] == sorted(route[HUB] for route, _ in shares)


def test_the_quantity_of_a_ticket_may_be_asked_for_in_conditions():
    case = facts(HUBS, [holding(1, free=9)], quantity=6)

    skipped = decide(case, policy("ladder: [{kind: stock, when: ticket.quantity < 6}, person]"), NOW)

    assert skipped.reason is Reason.LADDER_SAYS_PERSON
    assert skipped.inputs["ticket"]["quantity"] == 6


@pytest.mark.parametrize("quantity", [1, 2])
def test_one_unit_is_never_split(quantity: int):
    assert len(decided(holding(1, 2, free=1), quantity=quantity).picks) == quantity
