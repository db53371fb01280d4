"""Units of the device's own revision, and the warranty of a device."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rules.cases import BERLIN, HAMBURG, NOW, POLICY, POTSDAM, STAND_IN, facts, holding, hub, policy

from connector.model.kinds import HubTier, Lane, Priority, Protection
from connector.model.lifecycle import AssetState
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.protection import Kept
from connector.rules.facts.shelves import Contested, Revisions, holding_of
from connector.rules.facts.ticket import AssetFacts
from connector.rules.policy.conditions import Facts, compile_condition
from connector.rules.policy.reading import InvalidPolicy, Policy, read_policy
from connector.rules.sourcing.decide import decide
from connector.rules.sourcing.decision import Outcome, Reason
from connector.rules.sourcing.scope import scope_of
from connector.rules.sourcing.together import Case, InTurn

SAME = "same_revision_only: true"
DEVICE = AssetFacts(id=9, state=AssetState.DEPLOYED, name="sw-1", revision="B")
NORMAL = Lane.NORMAL


def shelves(units: dict[int, dict[str, int]], **values: object) -> SourcingFacts:
    """Units by hub and revision; the device has revision B."""
    places = {1: POTSDAM, 2: HAMBURG}
    fleet = [hub(number, places.get(number, BERLIN)) for number in units]
    stock = [holding(number, free=sum(there.values())) for number, there in units.items() if sum(there.values())]
    free = {number: shelf.free[number] for shelf in stock for number in shelf.free}
    return facts(
        fleet, [replace(holding(1), free=free)] if free else [], asset=DEVICE, revisions=revisions(units), **values
    )


def revisions(units: dict[int, dict[str, int]]) -> Revisions:
    return {(number, 1, NORMAL): there for number, there in units.items()}


def test_only_units_of_the_devices_revision_count_and_the_others_are_listed_with_theirs():
    decision = decide(shelves({1: {"A": 3, "C": 1}, 2: {"B": 1, "A": 5}}), policy(SAME), NOW)

    assert (decision.chosen.hub_id, decision.chosen.free, decision.revision) == (2, 1, "B")
    assert [(pick.revision, pick.quantity) for pick in decision.picks] == [("B", 1)]
    [losers] = [item for item in decision.losers if item.code == "other_revision"]
    assert (losers.hubs, losers.text) == ((1,), "its units have revision 'A', 'C'; 'B' is needed")
    assert decision.explanation()["inputs"]["asset"]["revision"] == "B"
    assert decision.explanation()["revision"] == "B"


def test_without_such_a_rule_the_nearest_unit_of_any_revision_serves():
    decision = decide(shelves({1: {"A": 3}, 2: {"B": 1}}), policy(), NOW)

    assert (decision.chosen.hub_id, decision.revision, decision.picks[0].revision) == (1, None, None)


def test_where_nothing_is_of_that_revision_a_person_is_told_what_there_is():
    decision = decide(shelves({1: {"A": 3}, 2: {"": 2}}), policy(SAME), NOW)

    assert (decision.outcome, decision.reason) == (Outcome.REVIEW, Reason.NOTHING_ALLOWED)
    assert decision.text == (
        "There is stock, but none of it is of the device's revision: 1 × its units have revision 'A'; 'B' is needed; "
        "1 × nobody knows which revision its units have; 'B' is needed."
    )


def test_what_was_not_read_is_asked_for_and_counts_as_not_there():
    case = replace(shelves({1: {"B": 1}}), revisions=None)

    assert decide(case, policy(SAME), NOW).wants_revisions
    assert not decide(case, policy(), NOW).wants_revisions
    assert not decide(shelves({1: {"B": 1}}), policy(SAME), NOW).wants_revisions


@pytest.mark.parametrize(
    ("asset", "text"),
    [
        (replace(DEVICE, revision=None), "Nobody knows which revision device 'sw-1' has"),
        (None, "The ticket names no device, so that nobody knows which revision is needed"),
    ],
)
def test_a_revision_that_nobody_knows_is_a_persons_task_or_any_as_the_policy_says(asset: AssetFacts | None, text: str):
    case = replace(shelves({1: {"A": 1}}), asset=asset)
    lenient = policy(SAME)
    lenient = lenient.model_copy(
        update={
            "sourcing": lenient.sourcing.model_copy(
                update={"missing": lenient.sourcing.missing.model_copy(update={"revision": "any"})}
            )
        }
    )

    asked, taken = decide(case, policy(SAME), NOW), decide(case, lenient, NOW)

    assert (asked.outcome, asked.reason) == (Outcome.REVIEW, Reason.REVISION_UNKNOWN)
    assert asked.text == f"{text}, and rule 'any' takes no other: say which one it has."
    assert (taken.chosen.hub_id, taken.revision) == (1, None)
    assert [(item.fact, item.text) for item in taken.assumed if item.fact != "service_class"] == [
        ("revision", f"{text}: a unit of any revision is taken.")
    ]


def test_a_substitute_is_of_no_revision_of_the_device():
    case = shelves({1: {"A": 1}}, substitutes=(STAND_IN,))
    case = replace(case, holdings=(*case.holdings, holding(2, product_id=2)))

    decision = decide(case, policy(SAME), NOW)

    assert decision.outcome is Outcome.REVIEW
    assert decide(case, policy(), NOW).chosen.hub_id == 1


def test_a_shelf_gives_no_unit_of_the_revision_that_it_keeps():
    """Three units, two kept: one may go, of whatever revision; two of B are there."""
    case = shelves({1: {"A": 1, "B": 2}})
    kept = holding_of(1, NORMAL, {1: Kept(3, safety_stock=2)})
    case = replace(case, holdings=(kept,))

    one, two = decide(case, policy(SAME), NOW), decide(replace(case, quantity=2), policy(SAME), NOW)
    released = decide(replace(case, quantity=2), policy(f"{SAME}, releases: [safety_stock]"), NOW)

    assert (one.chosen.hub_id, two.outcome) == (1, Outcome.REVIEW)
    assert (released.picks[0].quantity, dict(released.drawn)) == (2, {Protection.SAFETY_STOCK: 1})
    assert decide(replace(case, quantity=3), policy(f"{SAME}, releases: [safety_stock]"), NOW).chosen is None


def test_only_claims_on_the_revision_are_taken_over():
    claim = Contested(7, 2, "INC-2", 1, 1, NORMAL, 1, Priority.P5, NOW, NOW, revision="A")
    case = shelves({1: {}}, contested=(claim, replace(claim, reservation_id=8, ticket_id=3, revision="B")))

    decision = decide(case, policy(f"{SAME}, preempt: {{over: [P5]}}"), NOW)

    assert [(pick.takes, pick.revision) for pick in decision.picks] == [((8,), "B")]


def test_tickets_of_a_batch_leave_each_other_what_each_of_them_needs():
    """Two units, one of B. Who takes any gets the other one; the second one that needs B gets none."""
    case, turn = shelves({1: {"A": 1, "B": 1}}), InTurn(policy(SAME), NOW)
    anyone = replace(case, asset=None)
    turns = [(policy(), anyone), (policy(SAME), case), (policy(SAME), case)]

    found = []
    for rule, item in turns:
        turn._policy = rule
        decision = turn.decide(Case(item))
        turn.give(Case(item), decision)
        found.append([pick.revision for pick in decision.picks])

    assert found == [[None], ["B"], []]


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        (f"{SAME}, allow_substitutes: true", "same_revision_only and allow_substitutes exclude each other"),
        ("same_revision_only: 'B'", "same_revision_only"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_when_the_policy_is_read(rule: str, problem: str):
    with pytest.raises(InvalidPolicy) as caught:
        policy(rule)

    assert problem in str(caught.value)


UNITS = st.dictionaries(st.integers(1, 4), st.dictionaries(st.sampled_from(["A", "B", ""]), st.integers(1, 3)))


@settings(max_examples=60, deadline=None)
@given(units=UNITS, more=UNITS, quantity=st.integers(1, 4), split=st.booleans())
def test_never_a_unit_of_another_revision_and_more_stock_never_means_later(units, more, quantity, split):
    rule = policy(f"{SAME}, ranking: [arrival], split: {'allowed' if split else 'never'}")
    together = {
        number: {
            name: units.get(number, {}).get(name, 0) + more.get(number, {}).get(name, 0)
            for name in (*units.get(number, {}), *more.get(number, {}))
        }
        for number in {*units, *more}
    }

    before = decide(shelves(units, quantity=quantity), rule, NOW)
    after = decide(shelves(together, quantity=quantity), rule, NOW)

    for decision, there in ((before, units), (after, together)):
        taken = sum(pick.quantity for pick in decision.picks)
        assert taken in (0, quantity)
        for pick in decision.picks:
            assert pick.revision == "B"
            assert pick.quantity <= there[pick.hub_id]["B"]
    if before.picks:
        assert after.picks
    if before.picks and not split:
        assert after.picks[0].arrives_at <= before.picks[0].arrives_at


@pytest.mark.parametrize(
    ("now", "holds", "days"),
    [
        (datetime(2026, 11, 20, 12, tzinfo=UTC), True, 5),
        (datetime(2026, 11, 25, 22, 59, tzinfo=UTC), True, 0),
        (datetime(2026, 11, 25, 23, 0, tzinfo=UTC), False, 0),
    ],
)
def test_a_warranty_holds_through_its_last_day_where_the_device_is(now: datetime, holds: bool, days: int):
    case = facts(asset=replace(DEVICE, warranty_ends_on=date(2026, 11, 25)))

    read = scope_of(case, None, now=now)["asset"]

    assert (read["warranty_known"], read["in_warranty"], read["warranty_days_left"]) == (True, holds, days)


def test_a_warranty_that_nobody_knows_is_known_to_be_unknown():
    scope = Facts(scope_of(facts(asset=DEVICE), None, now=NOW))

    assert not compile_condition("asset.in_warranty").holds(scope)
    assert compile_condition("!asset.warranty_known && asset.warranty_days_left == 0").holds(scope)
    with pytest.raises(ValueError, match=r"names asset.in_waranty, which does not exist: did you mean asset.in_warr"):
        compile_condition("asset.in_waranty")
    with pytest.raises(ValueError, match="cannot be evaluated"):
        compile_condition("asset.in_warranty > 3")


def test_a_maker_is_asked_for_what_is_in_warranty_and_told_which_revision_it_must_be():
    ladder = "ladder: [stock, {kind: vendor_replacement, when: asset.in_warranty}, person]"
    rule = _with_supplier(f"{SAME}, {ladder}")
    case = shelves({1: {"A": 1}})

    inside = decide(replace(case, asset=replace(DEVICE, warranty_ends_on=date(2027, 1, 1))), rule, NOW)
    outside = decide(replace(case, asset=replace(DEVICE, warranty_ends_on=date(2026, 1, 1))), rule, NOW)

    assert (inside.outcome, inside.orders[0].revision) == (Outcome.PROCURE, "B")
    assert [item.code for item in inside.losers] == ["other_revision"]
    assert (outside.outcome, outside.reason) == (Outcome.REVIEW, Reason.NOTHING_ALLOWED)


def _with_supplier(rule: str) -> Policy:
    supplier = "sourcing:\n  suppliers: {acme: {offers: [vendor_replacement], lead_hours: 24}}\n"
    return read_policy(POLICY.replace("RULE", rule).replace("sourcing:\n", supplier))


def test_local_and_regional_hubs_may_have_what_is_needed_after_the_nearest_has_not():
    ladder = "ladder: [{kind: stock, tiers: [local]}, {kind: stock, tiers: [regional]}, person]"
    case = shelves({1: {"A": 1}, 2: {"B": 1}})
    near = hub(1, POTSDAM, tier=HubTier.LOCAL)
    case = replace(case, fleet=facts([near, hub(2, HAMBURG)]).fleet)

    decision = decide(case, policy(f"{SAME}, {ladder}"), NOW)

    assert (decision.chosen.hub_id, [rung.outcome.value for rung in decision.ladder]) == (
        2, ["nothing", "taken", "not_reached"],
    )  # fmt: skip
