from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from tests.rules.cases import (
    BERLIN,
    HAMBURG,
    MUNICH,
    NOW,
    POTSDAM,
    STAND_IN,
    facts,
    holding,
    hub,
    policy,
    ticket_of,
)

from connector.model.kinds import HubTier, Lane
from connector.model.lifecycle import TicketState
from connector.rules.facts.ticket import ServiceClassFacts, SiteFacts
from connector.rules.policy.reading import default_policy
from connector.rules.sourcing.decide import decide
from connector.rules.sourcing.decision import Decision, Outcome, Reason


def chosen_hub(decision: Decision) -> str:
    assert decision.chosen is not None, decision.text
    return decision.chosen.hub


def why(decision: Decision, label: str) -> str:
    return next(candidate.why for candidate in decision.candidates if candidate.hub == label)


def refused(decision: Decision) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {losers.code: (losers.text, losers.hubs) for losers in decision.losers}


def test_a_short_drive_beats_a_carrier():
    case = facts([hub(1, POTSDAM), hub(2, HAMBURG)], [holding(1, 2)])

    decision = decide(case, policy(), NOW)

    chosen = decision.chosen
    assert chosen is not None
    assert (chosen.hub, chosen.mode, chosen.distance_km) == ("HUB-1", "drive", pytest.approx(26.9, abs=0.1))
    # 30 min handling, then 26.9 km * 1.3 / 60 km/h = 35 min
    assert chosen.ready_at == datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
    assert chosen.arrives_at == datetime(2026, 11, 25, 10, 5, tzinfo=UTC)
    # there and back: 2 * 26.9 * 1.3 * 0.60
    assert chosen.cost_cents == pytest.approx(4_196, abs=20)


def test_a_courier_leaves_at_the_cut_off_and_hands_over_in_delivery_hours():
    decision = decide(facts([hub(2, HAMBURG)], [holding(2)]), policy(), NOW)

    chosen = decision.chosen
    assert chosen is not None
    # 17:00 in Hamburg is 16:00Z; 14 hours later it is 07:00 in Berlin on Thursday, delivered from 08:00 on
    assert chosen.departs_at == datetime(2026, 11, 25, 16, 0, tzinfo=UTC)
    assert chosen.arrives_at == datetime(2026, 11, 26, 7, 0, tzinfo=UTC)
    assert (chosen.mode, chosen.cost_cents) == ("courier", 3500)


def test_a_cut_off_that_handling_misses_means_the_next_open_day():
    friday = datetime(2026, 11, 27, 15, 45, tzinfo=UTC)
    case = facts([hub(2, HAMBURG, opening_hours="Mon-Fri 08:00-18:00")], [holding(2)])

    chosen = decide(case, policy(), friday).chosen

    assert chosen is not None
    assert chosen.ready_at == datetime(2026, 11, 27, 16, 15, tzinfo=UTC)
    assert chosen.departs_at == datetime(2026, 11, 30, 16, 0, tzinfo=UTC)
    assert chosen.arrives_at == datetime(2026, 12, 1, 7, 0, tzinfo=UTC)


def test_handling_counts_only_while_the_hub_is_open():
    near = hub(1, POTSDAM, opening_hours="Mon-Fri 07:00-10:10")
    decision = decide(facts([near], [holding(1)]), policy(), NOW)

    chosen = decision.chosen
    assert chosen is not None
    # 10 minutes are left today, the other 20 are worked tomorrow from 07:00 (06:00Z)
    assert chosen.ready_at == datetime(2026, 11, 26, 6, 20, tzinfo=UTC)


def test_the_nearest_hub_loses_while_it_is_closed():
    near = hub(1, POTSDAM, opening_hours="Sat 08:00-12:00")
    decision = decide(facts([near, hub(2, HAMBURG)], [holding(1, 2)]), policy(), NOW)

    assert chosen_hub(decision) == "HUB-2"
    # Thursday 07:00Z against Saturday 07:00Z + 30 min + 35 min
    assert why(decision, "HUB-1") == "arrives 2 d 1 h later than HUB-2 (closed until 2026-11-28 07:00Z)"


def test_a_site_lets_nobody_in_outside_its_access_hours():
    case = facts([hub(1, POTSDAM)], [holding(1)])
    assert case.site is not None
    case = replace(case, site=replace(case.site, access_hours="Mon-Fri 14:00-16:00"))

    chosen = decide(case, policy(), NOW).chosen

    assert chosen is not None
    assert chosen.arrives_at == datetime(2026, 11, 25, 13, 0, tzinfo=UTC)


def test_the_exact_product_comes_before_a_substitute_that_arrives_sooner():
    case = facts([hub(1, POTSDAM), hub(2, HAMBURG)], [holding(1, product_id=2), holding(2)], substitutes=(STAND_IN,))

    decision = decide(case, policy(), NOW)

    assert chosen_hub(decision) == "HUB-2"
    assert why(decision, "HUB-1") == "substitute, and HUB-2 has the exact product"


def test_a_rule_may_rank_a_substitute_in_time_before_the_exact_product_late():
    case = facts(
        [hub(1, POTSDAM), hub(2, HAMBURG)], [holding(1, product_id=2), holding(2)], substitutes=(STAND_IN,),
        service_class=ServiceClassFacts("critical", 240, "24x7"),
    )  # fmt: skip

    decision = decide(case, policy("ranking: [within_sla, exact, arrival]"), NOW)

    assert chosen_hub(decision) == "HUB-1"
    assert decision.chosen is not None
    assert not decision.chosen.is_exact
    assert why(decision, "HUB-2") == "arrives after the due time, 20 h 55 min later than HUB-1, which meets it"


def test_of_two_substitutes_the_preferred_one_is_taken():
    second = replace(STAND_IN, product_id=3, label="Acme X3", preference=2)
    case = facts(
        [hub(1, POTSDAM), hub(2, BERLIN)], [holding(1, product_id=2), holding(2, product_id=3)],
        substitutes=(second, STAND_IN),
    )  # fmt: skip

    decision = decide(case, policy(), NOW)

    assert decision.chosen is not None
    assert decision.chosen.product_id == 2
    assert why(decision, "HUB-2") == "substitute of preference 2, HUB-1 has one of preference 1"


def test_compatibility_has_a_direction():
    case = facts([hub(1)], [holding(1, product_id=2)])

    decision = decide(case, policy(), NOW)

    assert (decision.outcome, decision.reason) == (Outcome.REVIEW, Reason.NOTHING_REACHABLE)
    assert refused(decision)["not_compatible"] == ("cannot stand in for the product", (1,))


@pytest.mark.parametrize(
    ("condition", "reason", "text"),
    [
        ("site.region == 'US'", Reason.NOTHING_ALLOWED, "substitute 'Acme X2' only when site.region == 'US'"),
        (
            "site.regoin == 'US'", Reason.NOTHING_REACHABLE,
            "substitute 'Acme X2': names site.regoin, which does not exist: did you mean site.region?",
        ),
    ],
)  # fmt: skip
def test_a_substitute_counts_only_when_its_condition_holds(condition: str, reason: Reason, text: str):
    case = facts([hub(1)], [holding(1, product_id=2)], substitutes=(replace(STAND_IN, condition=condition),))

    decision = decide(case, policy(), NOW)

    assert (decision.outcome, decision.reason) == (Outcome.REVIEW, reason)
    assert [losers.text for losers in decision.losers] == [text]


def test_a_condition_that_holds_lets_the_substitute_serve():
    met = replace(STAND_IN, condition="ticket.priority == 'P1' && asset.name.startsWith('sw-')")
    case = facts([hub(1)], [holding(1, product_id=2)], substitutes=(met,))

    assert chosen_hub(decide(case, policy(), NOW)) == "HUB-1"


def test_what_a_rule_does_not_allow_is_refused_by_name():
    case = facts(
        [hub(1), hub(2, tier=HubTier.CENTRAL), hub(3)],
        [holding(1, lane=Lane.BREAK_GLASS), holding(2), holding(3, product_id=2)],
        substitutes=(STAND_IN,),
    )

    decision = decide(case, policy("sources: [local, regional], allow_substitutes: false"), NOW)

    assert (decision.outcome, decision.reason) == (Outcome.REVIEW, Reason.NOTHING_ALLOWED)
    assert refused(decision) == {
        "lane_not_allowed": ("break_glass lane not allowed by rule 'any'", (1,)),
        "tier_not_allowed": ("tier central not allowed by rule 'any'", (2,)),
        "substitute_not_allowed": ("substitute 'Acme X2' not allowed by rule 'any'", (3,)),
    }
    assert decision.text == (
        "There is stock of 'Acme X1' or its substitutes 'Acme X2', but none of it is allowed: 1 × tier central not"
        " allowed by rule 'any'; 1 × break_glass lane not allowed by rule 'any'; 1 × substitute 'Acme X2' not allowed"
        " by rule 'any'."
    )


def test_break_glass_stock_is_drawn_last_when_it_is_allowed():
    case = facts([hub(1)], [holding(1, lane=Lane.BREAK_GLASS), holding(1)])

    decision = decide(case, policy("lanes: [normal, break_glass]"), NOW)

    assert [(c.lane, c.why) for c in decision.candidates] == [
        (Lane.NORMAL, ""),
        (Lane.BREAK_GLASS, "draws on the break_glass lane, HUB-1 on the normal one"),
    ]


def test_hubs_that_cannot_be_planned_with_are_refused_with_their_reason():
    case = facts(
        [
            hub(1, None), hub(2, opening_hours="whenever"), hub(3, opening_hours=""),
            hub(4, MUNICH, cut_offs=()), hub(5, time_zone="Mars/Olympus"),
        ],
        [holding(1, 2, 3, 4, 5)],
    )  # fmt: skip

    decision = decide(case, policy(), NOW)

    assert (decision.outcome, decision.reason) == (Outcome.REVIEW, Reason.NOTHING_REACHABLE)
    assert refused(decision)["no_coordinates"] == ("no coordinates", (1,))
    assert refused(decision)["never_open"] == ("has no opening hours", (3,))
    assert refused(decision)["no_courier"] == (
        "no courier collects there, since no cut-off is known, and it is too far to drive",
        (4,),
    )
    texts = {losers.hubs: losers.text for losers in decision.losers if losers.code == "unusable_data"}
    assert texts[(2,)].startswith("hours 'whenever' cannot be read")
    assert texts[(5,)].startswith("time zone 'Mars/Olympus' is not in the IANA database")


def test_without_a_courier_only_what_can_be_driven_serves():
    case = facts([hub(1, POTSDAM), hub(2, HAMBURG)], [holding(1, 2)])

    decision = decide(case, policy("transport: [drive]"), NOW)

    assert chosen_hub(decision) == "HUB-1"
    assert refused(decision) == {
        "too_far": ("farther than 120 km by road, and rule 'any' allows no courier", (2,))
    }  # fmt: skip


def test_a_rule_may_prefer_what_is_cheap():
    case = facts([hub(1, POTSDAM), hub(2, HAMBURG)], [holding(1, 2)])

    decision = decide(case, policy("ranking: [cost, arrival]"), NOW)

    # Potsdam by courier costs the same as Hamburg by courier, less than the drive; both arrive on Thursday 08:00
    assert [(c.hub, c.mode, c.cost_cents, c.why) for c in decision.candidates] == [
        ("HUB-1", "courier", 3500, ""),
        ("HUB-2", "courier", 3500, "equal to HUB-1 in everything that is compared, and comes after it by number"),
    ]


@pytest.mark.parametrize("wanted", [1, 2])
def test_only_shelves_with_enough_units_serve(wanted: int):
    case = facts([hub(1, BERLIN), hub(2, POTSDAM)], [holding(1), holding(2, free=2)], quantity=wanted)
    # one holding per product and lane, as the database gives it
    case = replace(case, holdings=(replace(case.holdings[0], free={1: 1, 2: 2}),))

    assert chosen_hub(decide(case, policy(), NOW)) == f"HUB-{wanted}"


@pytest.mark.parametrize(
    ("changes", "reason", "text"),
    [
        (
            {"asset": None, "product": None}, Reason.ASSET_UNKNOWN,
            "The ticket names no asset and no product: say which device has failed.",
        ),
        ({"product": None}, Reason.PRODUCT_UNKNOWN, "Asset 'sw-1' has no product: say which model it is."),
        (
            {"site": None}, Reason.SITE_UNKNOWN,
            "Neither the ticket nor its asset names a site: say where the unit must go.",
        ),
        (
            {"site": SiteFacts(id=5, name="Plant")}, Reason.SITE_WITHOUT_COORDINATES,
            "Site 'Plant' has no coordinates: add them, or choose the hub by hand.",
        ),
        (
            {"site": SiteFacts(id=5, name="Plant", latitude=91.0, longitude=0.0)}, Reason.SITE_UNUSABLE,
            "Site 'Plant' cannot be planned for: latitude 91.0 is outside [-90, 90]. Correct it in its source.",
        ),
        ({}, Reason.NO_COMPATIBLE_STOCK, "No hub has a free unit of 'Acme X1'."),
        (
            {"substitutes": (STAND_IN,)}, Reason.NO_COMPATIBLE_STOCK,
            "No hub has a free unit of 'Acme X1' or its substitutes 'Acme X2'.",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_decided_goes_to_a_person_with_a_reason(changes: dict, reason: Reason, text: str):
    decision = decide(facts(**changes), policy(), NOW)

    assert (decision.outcome, decision.reason, decision.text) == (Outcome.REVIEW, reason, text)
    assert decision.rule == "any"


def test_an_asset_that_nobody_knows_is_named_as_the_ticket_names_it():
    case = facts(asset=None, product=None)
    case = replace(case, ticket=ticket_of(case, asset_hint="SW-404"))

    assert decide(case, policy(), NOW).text == "The ticket names the asset 'SW-404', which nobody knows."


def test_a_product_that_the_ticket_names_is_enough():
    assert chosen_hub(decide(facts([hub(1)], [holding(1)], asset=None), policy(), NOW)) == "HUB-1"


def test_a_closed_ticket_needs_nothing():
    case = facts([hub(1)], [holding(1)])
    decision = decide(replace(case, ticket=ticket_of(case, state=TicketState.RESOLVED)), policy(), NOW)

    assert (decision.outcome, decision.reason) == (Outcome.NOT_NEEDED, Reason.TICKET_NOT_OPEN)
    assert decision.text == "The ticket is resolved: it needs nothing."


def test_a_shelf_emptied_meanwhile_is_listed_and_the_next_one_chosen():
    case = facts([hub(1, POTSDAM), hub(2, HAMBURG)], [holding(1, 2)])

    decision = decide(case, policy(), NOW, emptied={(1, 1, Lane.NORMAL)})

    assert chosen_hub(decision) == "HUB-2"
    assert refused(decision)["emptied"] == (
        "the last unit was claimed by somebody else while this was decided", (1,)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "due", "margin"),
    [
        ({"service_class": ServiceClassFacts("critical", 999, "24x7")}, datetime(2026, 11, 25, 13, tzinfo=UTC), 175),
        # 16:00 in Berlin is one hour before the office closes; the other three count from 08:00 tomorrow
        ({"opened_at": datetime(2026, 11, 25, 15, tzinfo=UTC)}, datetime(2026, 11, 26, 10, tzinfo=UTC), 1435),
        ({"sla_due_at": NOW + timedelta(minutes=60)}, NOW + timedelta(minutes=60), -5),
        ({"opened_at": None}, None, None),
    ],
)
def test_the_due_time_is_the_tickets_or_the_service_class_in_its_calendar(
    changes: dict, due: datetime | None, margin: int | None
):
    case = facts([hub(1, POTSDAM)], [holding(1)], service_class=ServiceClassFacts("office", 1, "24x7"))
    named = {name: value for name, value in changes.items() if name != "service_class"}
    case = replace(
        case, ticket=ticket_of(case, **named), service_class=changes.get("service_class", case.service_class)
    )

    decision = decide(case, policy(), NOW)

    assert decision.due_at == due
    assert decision.margin_minutes == margin
    assert decision.chosen is not None
    assert decision.chosen.is_within_sla is (margin is None or margin >= 0)


def test_the_explanation_is_complete_json_and_bounded():
    hubs = [hub(n, (BERLIN[0] - n / 100, BERLIN[1])) for n in range(1, 501)]
    case = facts(hubs, [holding(*range(1, 501))])

    explanation = decide(case, policy(), NOW).explanation()
    text = orjson.dumps(explanation)

    assert explanation["considered"] == 500
    listed = [candidate["hub_id"] for candidate in explanation["candidates"]]
    listed += [hub_id for losers in explanation["losers"] for hub_id in losers["hubs"]]
    assert sorted(listed) == list(range(1, 501))
    assert len(explanation["candidates"]) == 20
    assert len(text) < 16_000
    assert explanation["chosen"]["hub"] == "HUB-1"
    assert explanation["inputs"]["ticket"] == {
        "number": "INC-1", "type": "incident", "priority": "P1", "state": "new", "title": "Switch is dead",
        "category": "hardware", "quantity": 1, "source": "itsm", "id": 1,
    }  # fmt: skip
    assert explanation["policy_version"].startswith("test@")
    assert explanation["sla"]["basis"] == "no service class is known, so any arrival counts as in time"


def test_long_texts_are_cut_in_the_explanation_only():
    case = facts([hub(1)], [holding(1)])
    case = replace(case, ticket=ticket_of(case, description="x" * 60_000))

    assert len(decide(case, policy(), NOW).explanation()["inputs"]["ticket"]["description"]) == 200


@pytest.mark.parametrize(
    ("changes", "outcome", "rule"),
    [
        ({}, Outcome.RESERVE, "critical-hardware"),
        ({"type": "request"}, Outcome.NOT_NEEDED, "not-an-incident"),
        ({"category": "Password reset"}, Outcome.NOT_NEEDED, "not-about-hardware"),
        ({"priority": "P4"}, Outcome.RESERVE, "network-device"),
        ({"priority": "P4", "title": "Badge reader"}, Outcome.RESERVE, "hardware"),
        ({"priority": "P4", "category": "", "title": "The badge reader is broken."}, Outcome.RESERVE, "hardware"),
        ({"priority": "P4", "category": "", "title": "Unbrokenness"}, Outcome.NOT_NEEDED, None),
    ],
)
def test_the_shipped_policy_decides_the_usual_tickets(changes: dict, outcome: Outcome, rule: str | None):
    case = facts([hub(1)], [holding(1)])
    ticket = case.ticket
    for name, value in changes.items():
        field = getattr(ticket, name)
        ticket = replace(ticket, **{name: type(field)(value)})

    decision = decide(replace(case, ticket=ticket), default_policy(), NOW)

    assert (decision.outcome, decision.rule) == (outcome, rule)


def test_a_critical_incident_with_an_unknown_asset_is_not_passed_over():
    case = facts(asset=None, product=None)
    case = replace(case, ticket=ticket_of(case, category="", title="Nothing works", asset_hint="SW-404"))

    decision = decide(case, default_policy(), NOW)

    assert (decision.outcome, decision.reason) == (Outcome.REVIEW, Reason.ASSET_UNKNOWN)


def test_the_same_facts_give_the_same_decision():
    case, rules = facts([hub(2), hub(1)], [holding(1, 2)]), policy()

    assert decide(case, rules, NOW) == decide(case, rules, NOW)
    assert chosen_hub(decide(case, rules, NOW)) == "HUB-1"
