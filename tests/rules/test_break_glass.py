"""Break-glass stock: who must agree, which region's hubs give it, what comes instead, whose turn it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.rules.cases import NOW, SWITCH, facts

from connector.model.kinds import HubTier, Lane, Priority
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.fleet import Fleet, hub_facts
from connector.rules.facts.shelves import Holding
from connector.rules.facts.ticket import SiteFacts
from connector.rules.policy.reading import InvalidPolicy, Policy, read_policy
from connector.rules.sourcing.decide import decide
from connector.rules.sourcing.decision import Outcome
from connector.rules.sourcing.together import turn

DOCUMENT = """name: test
approvals: {{agreed: {{roles: [approver], within_minutes: 60}}, other: {{roles: [director], within_minutes: 60}}}}
break_glass: {{approval: {approval}, {more}}}
rules:
  - {{name: any, when: "true", hardware: replace, lanes: {lanes}, {rule}}}
sourcing:
  courier: {{transit: [{{hours: 24}}]}}
"""
EU, US, ASIA = 1, 2, 3


def policy(
    more: str = "fallback: normal", *, lanes: str = "[break_glass]", rule: str = "", approval: str = "agreed"
) -> Policy:
    return read_policy(DOCUMENT.format(more=more, lanes=lanes, rule=rule, approval=approval))


def case(region: str | None = "EU", *, normal: int = 0, refused: bool = False) -> SourcingFacts:
    """One hub each in EU, US and ASIA with a break-glass unit, and normal units in ASIA."""
    hubs = Fleet(
        hub_facts(id=number, label=name, tier=HubTier.REGIONAL, latitude=52.5, longitude=13.4 + number, time_zone="UTC",
                  opening_hours="24x7", cut_offs=("17:00",), handling_minutes=0, region=name)
        for number, name in ((EU, "EU"), (US, "US"), (ASIA, "ASIA"))
    )  # fmt: skip
    holdings = [Holding(SWITCH.id, Lane.BREAK_GLASS, {EU: 1, US: 1, ASIA: 1})]
    if normal:
        holdings.append(Holding(SWITCH.id, Lane.NORMAL, {ASIA: normal}))
    site = SiteFacts(1, "Site", "S", 52.5, 13.4, "UTC", region)
    made = facts(holdings=holdings, site=site)
    made = replace(made, fleet=hubs)
    return replace(made, refusals={"agreed": "next"}) if refused else made


def test_a_draw_waits_for_its_approval_and_normal_stock_does_not():
    drawn = decide(case(), policy(), NOW)
    usual = decide(case("ASIA", normal=1), policy(lanes="[normal]"), NOW)
    its_own = decide(case(), policy(rule="approval: other"), NOW)

    assert (drawn.picks[0].lane, drawn.approval, drawn.held_until) == (
        Lane.BREAK_GLASS,
        "agreed",
        NOW + timedelta(hours=1),
    )
    assert (usual.picks[0].lane, usual.approval, usual.authorisation) == (Lane.NORMAL, None, "")
    assert its_own.approval == "other"


@pytest.mark.parametrize(
    ("region", "hubs"), [("EU", {EU, US, ASIA}), ("US", {US, ASIA}), ("ASIA", {ASIA}), (None, {ASIA})]
)
def test_hubs_of_a_region_that_goes_before_keep_their_units(region: str | None, hubs: set[int]):
    decision = decide(case(region), policy("region_priority: [EU, US]"), NOW)

    kept = [losers for losers in decision.losers if losers.code == "break_glass_kept"]
    assert {candidate.hub_id for candidate in decision.candidates} == hubs
    assert {hub for losers in kept for hub in losers.hubs} == {EU, US, ASIA} - hubs


@pytest.mark.parametrize(
    ("fallback", "normal", "outcome", "lane"),
    [("normal", 1, "reserve", Lane.NORMAL), ("normal", 0, "review", None), ("person", 1, "review", None)],
)
def test_what_comes_instead_of_a_refused_draw(fallback: str, normal: int, outcome: str, lane: Lane | None):
    decision = decide(case(normal=normal, refused=True), policy(f"fallback: {fallback}"), NOW)

    assert decision.outcome is Outcome(outcome)
    assert [pick.lane for pick in decision.picks] == ([lane] if lane else [])
    if lane is None:
        assert decision.reason.value == "approval_refused"


def test_among_equal_priorities_the_favoured_region_goes_first():
    def of(number: int, region: str, priority: Priority) -> SourcingFacts:
        made = case(region)
        return replace(made, ticket=replace(made.ticket, id=number, priority=priority))

    tickets = [
        of(1, "ASIA", Priority.P2),
        of(2, "US", Priority.P2),
        of(3, "EU", Priority.P2),
        of(4, "ASIA", Priority.P1),
    ]
    stated = policy("region_priority: [EU, US]")

    assert [item.ticket.id for item in sorted(tickets, key=lambda item: turn(item, stated, NOW))] == [4, 3, 2, 1]


def test_an_approval_that_is_not_there_is_refused_with_its_place():
    with pytest.raises(InvalidPolicy) as refused:
        policy(approval="agred")

    assert str(refused.value.found[0]) == (
        "3:25: break_glass.approval: names 'agred', which is not under approvals: did you mean 'agreed'?"
    )
