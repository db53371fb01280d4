"""Going down the sourcing ladder, and what a policy may say about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.rules.cases import (
    BERLIN,
    HAMBURG,
    MUNICH,
    NOW,
    POLICY,
    STAND_IN,
    facts,
    holding,
    hub,
    policy,
    ticket_of,
)

from connector.model.kinds import HubTier, Lane
from connector.rules.policy.reading import InvalidPolicy, read_policy
from connector.rules.sourcing.decide import decide
from connector.rules.sourcing.decision import Decision, Outcome, Reason, RungOutcome

# When a unit of each hub is handed over at the site in Berlin, by hand: see test_sourcing.
FROM_BERLIN = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
FROM_HAMBURG = datetime(2026, 11, 26, 7, 0, tzinfo=UTC)
FROM_MUNICH = datetime(2026, 11, 26, 16, 0, tzinfo=UTC)

HUBS = (
    hub(1, BERLIN, tier=HubTier.LOCAL),
    hub(2, HAMBURG, tier=HubTier.REGIONAL),
    hub(3, MUNICH, tier=HubTier.CENTRAL),
)


def decided(ladder: str, *holdings, due: datetime | None = None, **values) -> Decision:
    case = facts(HUBS, holdings, **values)
    return decide(replace(case, ticket=ticket_of(case, sla_due_at=due)), policy(ladder), NOW)


def told(decision: Decision) -> list[tuple[str, str, str]]:
    return [(rung.kind, rung.outcome.value, rung.text) for rung in decision.ladder]


def test_a_rung_that_has_a_unit_in_time_ends_the_descent_however_much_better_those_below_are():
    ladder = "ladder: [{kind: stock, tiers: [central], accept: in_time}, {kind: stock, tiers: [local]}, person]"

    decision = decided(ladder, holding(1, 3), due=datetime(2026, 11, 27, tzinfo=UTC))

    assert (decision.chosen.hub, decision.chosen.arrives_at) == ("HUB-3", FROM_MUNICH)
    assert told(decision) == [
        ("stock", "taken", "arrives in time"),
        ("stock", "not_reached", "a rung above ends the ladder"),
        ("person", "not_reached", "a rung above ends the ladder"),
    ]


def test_a_rung_with_nothing_in_time_passes_on_to_the_next_one():
    ladder = "ladder: [{kind: stock, tiers: [central], accept: in_time}, {kind: stock, tiers: [regional]}, person]"

    decision = decided(ladder, holding(2, 3), due=datetime(2026, 11, 26, 12, tzinfo=UTC))

    assert (decision.chosen.hub, decision.chosen.arrives_at) == ("HUB-2", FROM_HAMBURG)
    assert told(decision) == [
        ("stock", "lost", "late; rung 2 has one in time"),
        ("stock", "taken", "arrives in time"),
        ("person", "not_reached", "a rung above ends the ladder"),
    ]
    assert [(losers.code, losers.text, losers.hubs) for losers in decision.losers] == [
        ("rung_passed", "rung 1 of the ladder has nothing that is better", (3,))
    ]


def test_the_best_late_unit_is_come_back_to_when_nothing_below_is_better():
    ladder = "ladder: [{kind: stock, tiers: [local], accept: in_time}, {kind: stock, tiers: [central]}, person]"

    decision = decided(ladder, holding(1, 3), due=datetime(2026, 11, 25, 9, 20, tzinfo=UTC))

    assert (decision.chosen.hub, decision.chosen.arrives_at) == ("HUB-1", FROM_BERLIN)
    assert told(decision)[:2] == [
        ("stock", "taken", "late; no rung below has anything better"),
        ("stock", "lost", "late as well; rung 1 has the better one, arrives 1 d 6 h later"),
    ]


def test_a_late_unit_goes_before_a_person():
    ladder = "ladder: [{kind: stock, tiers: [central], accept: in_time}, person]"

    decision = decided(ladder, holding(3), due=NOW)

    assert (decision.outcome, decision.chosen.hub) == (Outcome.RESERVE, "HUB-3")
    assert told(decision)[1] == ("person", "lost", "rung 1 has a unit, late as it is")


def test_a_rung_that_takes_what_is_in_time_asks_for_that_before_the_exact_product():
    ranking = "ranking: [exact, within_sla, arrival]"
    rungs = "ladder: [{kind: stock, accept: in_time}, person]"

    decision = decided(
        f"{ranking}, {rungs}", holding(3), holding(1, product_id=2), due=datetime(2026, 11, 25, 12, tzinfo=UTC),
        substitutes=(STAND_IN,),
    )  # fmt: skip

    assert (decision.chosen.hub, decision.chosen.is_exact) == ("HUB-1", False)


def test_without_a_due_time_everything_is_in_time():
    ladder = "ladder: [{kind: stock, tiers: [central], accept: in_time}, {kind: stock}, person]"

    assert decided(ladder, holding(1, 3)).chosen.hub == "HUB-3"


def test_a_rung_is_for_the_tickets_of_which_its_condition_is_true():
    ladder = "ladder: [{kind: stock, when: ticket.priority == 'P5'}, {kind: stock, tiers: [central]}, person]"

    decision = decided(ladder, holding(1, 3))

    assert decision.chosen.hub == "HUB-3"
    assert told(decision)[0] == ("stock", "skipped", "only when ticket.priority == 'P5'")


def test_a_condition_of_a_rung_that_fails_on_the_ticket_is_for_a_person():
    ladder = "ladder: [{kind: stock, when: size(ticket.title) < 20 || int(ticket.title) > 0}, person]"
    case = facts()

    decision = decided(ladder, holding(1), ticket=ticket_of(case, title="Switch is dead since nine"))

    assert (decision.outcome, decision.reason) == (Outcome.REVIEW, Reason.RULE_FAILED)
    assert decision.text.startswith("Rule 'any', rung 1: condition")


def test_where_no_rung_is_for_the_ticket_a_person_is_asked_and_told_so():
    decision = decided("ladder: [{kind: stock, when: ticket.priority == 'P5'}, person]", holding(1))

    assert (decision.outcome, decision.reason) == (Outcome.REVIEW, Reason.LADDER_SAYS_PERSON)
    assert decision.text == "No rung of the ladder looks for 'Acme X1' for this ticket."
    assert told(decision)[1] == ("person", "taken", "no rung above has anything")


def test_a_shelf_that_no_rung_may_use_is_refused_once():
    ladder = "ladder: [{kind: stock, tiers: [local]}, {kind: stock, tiers: [regional]}, person]"

    decision = decided(ladder, holding(3), holding(1, lane=Lane.BREAK_GLASS))

    assert decision.reason is Reason.NOTHING_ALLOWED
    assert [(losers.code, losers.hubs) for losers in decision.losers] == [
        ("tier_not_allowed", (3,)),
        ("lane_not_allowed", (1,)),
    ]
    assert {rung.outcome for rung in decision.ladder[:2]} == {RungOutcome.NOTHING}


def test_what_a_rung_gives_waits_for_its_approval():
    document = POLICY.replace("RULE", "lanes: [normal], ladder: [{kind: stock, accept: in_time}, person]")

    with pytest.raises(InvalidPolicy) as refused:
        read_policy(document.replace("accept: in_time}", "approval: nobody}"), source="p")

    assert "rules[0].ladder[0].approval: names 'nobody', which is not under approvals" in refused.value.problems[0]


def test_without_a_ladder_the_sources_of_the_rule_are_the_one_rung():
    decision = decided("sources: [central]", holding(1, 3))

    assert decision.chosen.hub == "HUB-3"
    assert told(decision) == [
        ("stock", "taken", "arrives in time"),
        ("person", "not_reached", "a rung above ends the ladder"),
    ]
    assert [losers.code for losers in decision.losers] == ["tier_not_allowed"]


def test_a_rule_may_name_a_ladder_and_its_rungs_take_the_sources_of_the_rule():
    named = "  ladders: {usual: [{kind: stock, accept: in_time}, person]}\n  ranking:"
    text = POLICY.replace("RULE", "ladder: usual, sources: [regional]").replace("  ranking:", named)

    decision = decide(facts(HUBS, [holding(1, 2)]), read_policy(text), NOW)

    assert (decision.chosen.hub, len(decision.ladder)) == ("HUB-2", 2)


def problems(ladder: str, ladders: str = "{usual: [stock, person]}", when: str = "'true'") -> list[str]:
    text = (
        f"name: test\nrules:\n  - name: any\n    when: {when}\n    hardware: replace\n    ladder: {ladder}\n"
        f"sourcing:\n  ladders: {ladders}\n  courier: {{transit: [{{hours: 24}}]}}\n"
    )
    try:
        read_policy(text, source="p")
    except InvalidPolicy as error:
        return [str(problem) for problem in error.found]
    return []


@pytest.mark.parametrize(
    ("ladder", "problem"),
    [
        (
            "[{kind: stock, accept: in_time}]",
            "6:13: rules[0].ladder: is a ladder with no end: the last rung is stock; end it with",
        ),
        (
            "[stock, {kind: person, when: ticket.priority == 'P1'}]",
            "6:13: rules[0].ladder: is a ladder with no end: the last rung is person, only when ticket.priority",
        ),
        ("[]", "6:13: rules[0].ladder: is empty: expected at least one entry"),
        ("[person, stock, person]", "6:22: rules[0].ladder[1]: is never tried: rung 1 before it ends the ladder"),
        (
            "[{kind: stock, when: asset.known && !asset.known}, person]",
            "6:34: rules[0].ladder[0].when: can never match: 'asset.known && !asset.known' is true of no ticket",
        ),
        (
            "[{kind: person, when: asset.known}, {kind: stock, when: asset.known}, person]",
            "6:69: rules[0].ladder[1].when: can never match: a rung before it ends the ladder for every ticket",
        ),
        (
            "[{kind: stock, when: ticket.priority == 'P9'}, person]",
            "6:34: rules[0].ladder[0].when: compares ticket.priority with 'P9', which it never is when rules are asked",
        ),
        ("usal", "6:13: rules[0].ladder: names 'usal', which is not under sourcing.ladders: did you mean 'usual'?"),
        ("[{kind: person, tiers: [local]}]", "6:14: rules[0].ladder[0]: a rung of kind person has no tiers"),
        ("[{kind: stok}, person]", "6:21: rules[0].ladder[0].kind: Input should be"),
        (
            "[{kind: stock, tier: [local]}, person]",
            "6:34: rules[0].ladder[0].tier: is no field here (given: ['local']): did you mean 'tiers'?",
        ),
    ],
)
def test_a_ladder_that_cannot_work_is_refused_with_its_place(ladder: str, problem: str):
    assert any(found.startswith(problem) for found in problems(ladder)), problems(ladder)


def test_a_rung_for_tickets_that_its_rule_is_not_about_is_refused():
    found = problems("[{kind: stock, when: ticket.priority == 'P1'}, person]", when="ticket.priority == 'P3'")

    assert [text for text in found if "that its rule is about" in text]


def test_a_named_ladder_is_judged_where_it_stands():
    found = problems("usual", ladders="{usual: [{kind: stock}]}")

    assert found[0].startswith("8:20: sourcing.ladders.usual: is a ladder with no end")


@pytest.mark.parametrize(
    ("said", "outcome", "text"),
    [
        ("person", Outcome.REVIEW, "The ticket names no asset and no product: say which device has failed."),
        (
            "nothing",
            Outcome.NOT_NEEDED,
            "The ticket names no asset and no product: say which device has failed."
            " The policy takes it that no hardware is needed.",
        ),
    ],
)
def test_without_a_product_the_policy_says_who_decides(said: str, outcome: Outcome, text: str):
    chosen = read_policy(
        POLICY.replace("RULE", "").replace("  ranking:", f"  missing: {{product: {said}}}\n  ranking:")
    )

    decision = decide(facts(asset=None, product=None), chosen, NOW)

    assert (decision.outcome, decision.reason, decision.text) == (outcome, Reason.ASSET_UNKNOWN, text)


def test_without_a_service_class_the_default_is_taken_and_the_explanation_says_so():
    with_default = POLICY.replace("RULE", "").replace("  ranking:", "  default_service_class: office\n  ranking:")
    asking = with_default.replace("  ranking:", "  missing: {service_class: person}\n  ranking:")
    case = facts(HUBS, [holding(1)])

    taken, asked = decide(case, read_policy(with_default), NOW), decide(case, read_policy(asking), NOW)

    assert taken.outcome is Outcome.RESERVE
    assert taken.explanation()["assumed"] == [
        {"fact": "service_class", "text": "Site 'S1' has no service class: 'office', the default, is taken."}
    ]
    assert (asked.outcome, asked.reason) == (Outcome.REVIEW, Reason.SERVICE_CLASS_UNKNOWN)
    assert asked.text == "Site 'S1' has no service class: say which one it has."


def test_the_explanation_lists_every_rung():
    ladder = "ladder: [{kind: stock, tiers: [local], accept: in_time}, {kind: stock, tiers: [central]}, person]"

    explained = decided(ladder, holding(1, 3), due=NOW).explanation()["ladder"]

    assert explained[0] == {
        "number": 1, "kind": "stock", "outcome": "taken", "text": "late; no rung below has anything better",
        "offered": "HUB-1", "arrives_at": "2026-11-25T09:30:00Z", "cost_cents": 0, "is_within_sla": False,
    }  # fmt: skip
    assert [rung["outcome"] for rung in explained] == ["taken", "lost", "not_reached"]
