"""Units that shelves keep, and units that other tickets hold: when a ticket gets them, and when not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.rules.cases import BERLIN, HAMBURG, MUNICH, NOW, POLICY, facts, holding, hub, policy, ticket_of

from connector.model.kinds import HubTier, Lane, Priority, Protection
from connector.rules.facts.protection import Kept
from connector.rules.facts.shelves import Contested, Holding
from connector.rules.policy.reading import InvalidPolicy, default_policy, read_policy
from connector.rules.sourcing.decide import decide
from connector.rules.sourcing.decision import Decision, Outcome, Reason

HUBS = (hub(1, BERLIN, tier=HubTier.LOCAL), hub(2, HAMBURG), hub(3, MUNICH, tier=HubTier.CENTRAL))
# From Berlin 09:30 on the same day, from Hamburg 07:00 and from Munich 16:00 on the next one: see test_sourcing.
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
TOMORROW = datetime(2026, 11, 26, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def keeps(hub_id: int, free: int, safety: int, buffer: int = 0) -> Holding:
    kept = Kept(free, safety, buffer)
    return Holding(1, Lane.NORMAL, {hub_id: kept.usable()} if kept.usable() else {}, {hub_id: kept})


def claim(number: int, hub_id: int, priority: str = "P4", **values: Any) -> Contested:
    defaults = {
        "reservation_id": number, "ticket_id": 100 + number, "ticket": f"INC-{number}", "hub_id": hub_id,
        "product_id": 1, "lane": Lane.NORMAL, "quantity": 1, "priority": Priority(priority), "since": NOW,
        "made_at": NOW,
    }  # fmt: skip
    return Contested(**{**defaults, **values})


def decided(rule: str, *holdings: Holding, due: datetime | None = NOON, claims: Any = None, **ticket: Any) -> Decision:
    case = facts(HUBS, holdings, contested=claims)
    return decide(replace(case, ticket=ticket_of(case, sla_due_at=due, **ticket)), policy(rule), NOW)


def refusals(decision: Decision) -> list[tuple[str, str, tuple[int, ...]]]:
    return [(losers.code, losers.text, losers.hubs) for losers in decision.losers]


def test_what_a_shelf_keeps_is_not_used():
    decision = decided("hold_minutes: 60", keeps(1, 3, 2, 1), holding(2))

    assert (decision.chosen.hub, decision.drawn) == ("HUB-2", {})
    assert ("kept_back", "kept as safety stock (2) and emergency buffer (1)", (1,)) in refusals(decision)


def test_where_everything_is_kept_a_person_reads_why():
    decision = decided("hold_minutes: 60", keeps(1, 2, 2))

    assert (decision.outcome, decision.reason) == (Outcome.REVIEW, Reason.NOTHING_ALLOWED)
    assert decision.text == "There is stock of 'Acme X1', but none of it is allowed: 1 × kept as safety stock (2)."


def test_a_rule_releases_safety_stock_where_nothing_else_is_in_time_and_says_so():
    decision = decided("releases: [safety_stock]", keeps(1, 3, 2, 1), holding(2))

    assert decision.chosen.hub == "HUB-1"
    assert decision.drawn == {Protection.SAFETY_STOCK: 1}
    assert decision.picks[0].releases == (Protection.SAFETY_STOCK,)
    assert decision.text == (
        "HUB-1 restores it by car at 2026-11-25 09:30Z, with 1 unit of safety stock that rule 'any' releases."
    )
    assert [(rung.outcome.value, rung.text) for rung in decision.ladder][:2] == [
        ("lost", "late; rung 2 has one in time"), ("taken", "arrives in time"),
    ]  # fmt: skip


def test_released_stock_stays_where_it_is_while_something_else_is_in_time():
    decision = decided("releases: [safety_stock, emergency_buffer]", keeps(1, 2, 2), holding(2), due=TOMORROW)

    assert (decision.chosen.hub, decision.drawn, decision.picks[0].releases) == ("HUB-2", {}, ())


def test_the_emergency_buffer_is_not_released_with_the_safety_stock():
    decision = decided("releases: [safety_stock]", keeps(1, 1, 0, 1))

    assert decision.outcome is Outcome.REVIEW
    assert ("kept_back", "kept as emergency buffer (1)", (1,)) in refusals(decision)


@pytest.mark.parametrize(
    ("kept", "releases", "usable"),
    [
        (Kept(5, 2, 1), (), 2),
        (Kept(5, 2, 1), (Protection.SAFETY_STOCK,), 4),
        (Kept(5, 2, 1), (Protection.EMERGENCY_BUFFER,), 3),
        (Kept(2, 2, 1), (Protection.EMERGENCY_BUFFER,), 0),
        (Kept(5, 2, 1), tuple(Protection), 5),
    ],
)
def test_a_claim_leaves_what_is_kept_for_purposes_that_are_not_released(kept: Kept, releases: Any, usable: int):
    assert kept.usable(releases) == usable


def test_what_others_hold_is_asked_for_only_where_nothing_free_is_in_time():
    assert not decided("preempt: {}", holding(1)).wants_contested
    assert not decided("hold_minutes: 60", holding(2)).wants_contested
    assert not decided("preempt: {when: ticket.priority == 'P2'}", holding(2)).wants_contested

    late = decided("preempt: {}", holding(2))

    assert (late.wants_contested, late.chosen.hub) == (True, "HUB-2")


def test_a_unit_in_time_is_taken_from_the_weakest_claim():
    claims = (claim(1, 1, "P3"), claim(2, 1, "P5"), claim(3, 2, "P5", is_rollout=True), claim(4, 1, "P4"))

    decision = decided("preempt: {}", holding(2), claims=claims)

    assert (decision.chosen.hub, decision.picks[0].takes) == ("HUB-1", (2,))
    assert [taken.ticket for taken in decision.taken_from] == ["INC-2 (P5)"]
    assert decision.text == "HUB-1 restores it by car at 2026-11-25 09:30Z, taken from INC-2 (P5) by rule 'any'."
    assert decision.candidates[1].why == "arrives after the due time, 21 h 30 min later than HUB-1, which meets it"


def test_of_equally_weak_claims_on_a_shelf_the_newest_is_taken():
    claims = (claim(1, 1, made_at=NOW), claim(2, 1, made_at=NOW - HOUR), claim(3, 1, made_at=NOW - 2 * HOUR))

    assert decided("preempt: {}", claims=claims).picks[0].takes == (1,)


def test_no_claim_is_taken_where_a_free_unit_is_in_time():
    decision = decided("preempt: {}", holding(2), claims=(claim(1, 1),), due=TOMORROW)

    assert (decision.chosen.hub, decision.taken_from) == ("HUB-2", ())


def test_no_claim_that_comes_late_is_taken_where_a_free_unit_comes_late_as_well():
    decision = decided("preempt: {}", holding(3), claims=(claim(1, 2),))

    assert (decision.chosen.hub, decision.taken_from) == ("HUB-3", ())


def test_where_nothing_is_free_a_claim_is_taken_although_it_comes_late():
    decision = decided("preempt: {}", claims=(claim(1, 2),))

    assert (decision.chosen.hub, decision.chosen.is_within_sla, decision.picks[0].takes) == ("HUB-2", False, (1,))


@pytest.mark.parametrize(
    ("claimed", "rule", "own", "code"),
    [
        (claim(1, 1, "P1"), "preempt: {}", Priority.P1, "claim_as_strong"),
        (claim(1, 1, "P3"), "preempt: {}", Priority.P3, "claim_as_strong"),
        (claim(1, 1, "P3", since=NOW - 24 * HOUR), "preempt: {}", Priority.P2, "claim_as_strong"),
        (claim(1, 1, "P3", since=NOW - 24 * HOUR), "preempt: {}", Priority.P1, "claim_protected"),
        (claim(1, 1, "P2"), "preempt: {}", Priority.P1, "claim_protected"),
        (claim(1, 1, "P3"), "preempt: {over: [P4]}", Priority.P1, "claim_protected"),
        (claim(1, 1, "P4", losses=1), "preempt: {}", Priority.P1, "lost_before"),
        (claim(1, 1, "P4"), "preempt: {at_most: 0}", Priority.P1, "lost_before"),
    ],
)
def test_claims_that_are_not_taken(claimed: Contested, rule: str, own: Priority, code: str):
    decision = decided(rule, claims=(claimed,), priority=own)

    assert (decision.outcome, decision.reason) == (Outcome.REVIEW, Reason.NO_COMPATIBLE_STOCK)
    assert [refusal[0] for refusal in refusals(decision)] == [code]


def test_units_for_rollouts_are_taken_however_often_that_has_happened():
    assert decided("preempt: {}", claims=(claim(1, 1, losses=9, is_rollout=True),)).picks[0].takes == (1,)


def test_a_ticket_takes_by_its_own_priority_not_by_what_waiting_made_of_it():
    decision = decided("preempt: {}", claims=(claim(1, 1, "P4"),), priority=Priority.P4, opened_at=NOW - 99 * HOUR)

    assert decision.outcome is Outcome.REVIEW


def test_several_units_are_taken_from_one_shelf():
    claims = (claim(1, 1, quantity=2), claim(2, 1, quantity=3, made_at=NOW - HOUR), claim(3, 2, quantity=9))
    case = facts(HUBS, (), contested=claims, quantity=4)

    decision = decide(replace(case, ticket=ticket_of(case, sla_due_at=NOON)), policy("preempt: {}"), NOW)

    assert (decision.picks[0].takes, decision.picks[0].quantity) == ((1, 2), 4)


def test_rungs_say_for_themselves_what_they_release_and_take():
    ladder = """ladder: [{kind: stock, tiers: [local], accept: in_time, releases: [safety_stock]},
      {kind: stock, tiers: [regional], preempt: {over: [P5]}}, person]"""

    decision = decided(ladder, keeps(2, 1, 1), claims=(claim(1, 1, "P5"), claim(2, 2, "P5")))

    assert (decision.chosen.hub, decision.picks[0].takes) == ("HUB-2", (2,))


@pytest.mark.parametrize(
    ("preempt", "fairness", "problem"),
    [
        (
            "over: [P2, P3]", "",
            "over: can never take anything: the tickets of rule 'any' rank no higher than those it names",
        ),
        ("at_most: 2", "", "at_most: is 2, but fairness.preempted_at_most is 1, which counts"),
        (
            "over: [P4]", "preempted_at_most: 0",
            "over: can never take anything: fairness.preempted_at_most is 0, so no ticket loses a unit",
        ),
        (
            "when: ticket.priority == 'P1'", "",
            "when: can never match: \"ticket.priority == 'P1'\" is true of no ticket that its rule is about",
        ),
    ],
)  # fmt: skip
def test_what_can_never_be_taken_is_found(preempt: str, fairness: str, problem: str):
    text = POLICY.replace("RULE", f"preempt: {{{preempt}}}").replace('"true"', "ticket.priority == 'P3'")

    with pytest.raises(InvalidPolicy) as raised:
        read_policy(f"{text}fairness: {{{fairness}}}\n")

    [found] = raised.value.problems
    assert found.partition(": ")[2] == f"rules[0].preempt.{problem}"


def test_from_whom_the_shipped_policy_takes():
    stated, may = default_policy(), set()
    for own in Priority:
        for held in Priority:
            case = facts(HUBS, (), contested=(claim(1, 1, held.value),))
            decision = decide(replace(case, ticket=ticket_of(case, sla_due_at=NOON, priority=own)), stated, NOW)
            may |= {(own.value, held.value)} if decision.taken_from else set()

    assert may == {("P1", "P3"), ("P1", "P4"), ("P1", "P5"), ("P2", "P4"), ("P2", "P5")}
