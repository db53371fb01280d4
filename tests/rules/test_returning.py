"""What a policy says of a unit that has failed: whether it comes back, until when, and where to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.model.kinds import HubTier, TicketType
from connector.model.lifecycle import RMA_MOVES, RMA_OPEN, RmaState, TicketState
from connector.rules.events.returning import return_hub, return_terms
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.fleet import Fleet, HubFacts, hub_facts
from connector.rules.facts.ticket import ProductFacts, SiteFacts, TicketFacts
from connector.rules.policy.reading import InvalidPolicy, Policy, default_policy, read_policy

NOW = datetime(2026, 11, 25, 9, 0, 30, tzinfo=UTC)
HAMBURG, BERLIN, MUNICH = (53.55, 9.993), (52.52, 13.405), (48.137, 11.575)
POLICY = """
name: test
rules: [{name: any, when: "true", hardware: replace}]
sourcing: {courier: {transit: [{hours: 24, cost_cents: 3000}]}}
returns:
  due_days: 10
  rules:
    - {when: "product.asset_class == 'dock'", return: none}
    - {when: "product.asset_class == 'laptop'", due_days: 5, hub: muc}
"""


def policy(text: str = POLICY) -> Policy:
    return read_policy(text)


def hub(number: int, label: str, place: tuple[float, float] | None, tier: str = "regional", **values: Any) -> HubFacts:
    latitude, longitude = place or (None, None)
    return hub_facts(
        id=number, label=label, tier=HubTier(tier), latitude=latitude, longitude=longitude, time_zone="UTC",
        opening_hours="24x7", cut_offs=(), handling_minutes=30, **values,
    )  # fmt: skip


BER, MUC = hub(1, "BER", BERLIN), hub(2, "MUC", MUNICH)
ALL, VAN, BOX = (
    hub(3, "ALL", HAMBURG, "central"), hub(4, "VAN", HAMBURG, "local", is_mobile=True), hub(5, "BOX", HAMBURG, "local"),
)  # fmt: skip


def facts(*hubs: HubFacts, asset_class: str = "switch", site: tuple[float, float] | None = HAMBURG) -> SourcingFacts:
    ticket = TicketFacts(
        id=1, number="INC-1", type=TicketType.INCIDENT, state=TicketState.NEW, priority=None, title="", source="itsm"
    )
    product = ProductFacts(id=1, manufacturer="Acme", model="X1", asset_class=asset_class)
    latitude, longitude = site or (None, None)
    at = SiteFacts(id=1, name="Hamburg", latitude=latitude, longitude=longitude, region="EU")
    return SourcingFacts(ticket=ticket, product=product, site=at, fleet=Fleet(hubs))


def test_a_unit_comes_back_to_where_its_replacement_came_from_by_the_minute():
    found = return_terms(facts(BER, MUC), policy(), origin_hub_id=MUC.id, now=NOW)

    assert found is not None
    assert (found.hub_id, found.due_back_at, found.remark) == (
        MUC.id, datetime(2026, 12, 5, 9, 0, tzinfo=UTC), "",
    )  # fmt: skip


@pytest.mark.parametrize("origin", [ALL, VAN, None], ids=["central", "mobile", "supplier"])
def test_where_that_takes_none_the_nearest_regional_hub_does(origin: HubFacts | None):
    found = return_hub(facts(ALL, VAN, BOX, MUC, BER), origin.id if origin else None)

    assert found == BER


def test_without_a_regional_hub_it_is_the_nearest_that_stays_where_it_is_and_without_any_none():
    assert return_hub(facts(VAN, BOX), None) == BOX
    assert return_hub(facts(VAN), VAN.id) == VAN
    assert return_hub(facts(), None) is None


def test_where_nobody_knows_the_site_its_region_counts_and_hubs_without_position_come_last():
    south, east = hub(7, "SOUTH", None, region="SA"), hub(8, "EAST", None, region="EU")

    assert return_hub(facts(south, east, site=None), None) == east
    assert return_hub(facts(south, MUC), None) == MUC


def test_rules_say_what_stays_what_is_due_sooner_and_which_hub_takes_it():
    laptop = return_terms(facts(BER, MUC, asset_class="laptop"), policy(), origin_hub_id=BER.id, now=NOW)

    assert return_terms(facts(BER, asset_class="dock"), policy(), origin_hub_id=BER.id, now=NOW) is None
    assert laptop is not None
    assert (laptop.hub_id, laptop.due_back_at) == (MUC.id, datetime(2026, 11, 30, 9, 0, tzinfo=UTC))


def test_a_hub_that_is_not_there_is_told_and_the_usual_one_takes_it():
    found = return_terms(facts(BER, asset_class="laptop"), policy(), origin_hub_id=BER.id, now=NOW)

    assert found is not None
    assert (found.hub_id, found.remark) == (BER.id, "there is no hub 'muc', which the policy names for it")


def test_a_rule_that_cannot_be_evaluated_does_not_count_and_is_told():
    numbered = "ticket.title in ['', 'Switch is dead'] || int(ticket.title) > 3"
    text = POLICY.replace("product.asset_class == 'dock'", numbered)
    known = facts(BER)
    titled = replace(known, ticket=replace(known.ticket, title="no number"))

    found = return_terms(titled, policy(text), origin_hub_id=BER.id, now=NOW)

    assert found is not None
    assert (found.hub_id, found.due_back_at.day) == (BER.id, 5)
    assert found.remark.startswith(f"returns.rules[0] does not count: condition {numbered!r} cannot be evaluated")


def test_a_policy_without_the_section_lets_everything_stay():
    text = POLICY.partition("returns:")[0]

    assert return_terms(facts(BER), policy(text), origin_hub_id=BER.id, now=NOW) is None


def test_the_shipped_policy_leaves_docks_and_wants_what_bears_data_within_a_week():
    data = facts(BER)
    bearing = SourcingFacts(
        ticket=data.ticket, site=data.site, fleet=data.fleet,
        product=ProductFacts(id=1, manufacturer="Acme", model="T14", asset_class="laptop", is_data_bearing=True),
    )  # fmt: skip

    week = return_terms(bearing, default_policy(), origin_hub_id=BER.id, now=NOW)
    usual = return_terms(data, default_policy(), origin_hub_id=BER.id, now=NOW)

    assert return_terms(facts(BER, asset_class="dock"), default_policy(), origin_hub_id=BER.id, now=NOW) is None
    assert [item and item.due_back_at.date().isoformat() for item in (week, usual)] == ["2026-12-02", "2026-12-09"]


def test_what_does_not_fit_is_refused_where_it_stands():
    text = POLICY.replace("due_days: 10", "due_days: 0").replace("return: none", "return: maybe") + (
        "    - {when: \"product.asset_class == 'dock' && asset.known\", due_days: 3}\n"
        "    - {when: \"ticket.priority == 'P9'\", retur: none}\n"
    )

    with pytest.raises(InvalidPolicy) as refused:
        read_policy(text)

    found = [(problem.mark.line, problem.path, problem.text) for problem in refused.value.found]
    assert [(line, path) for line, path, _ in found] == [
        (6, "returns.due_days"), (8, "returns.rules[0].return"), (11, "returns.rules[3].retur"),
    ]  # fmt: skip
    assert "'required' or 'none' (given: 'maybe'); example: none" in found[1][2]
    assert "known keys are when, return, due_days, hub" in found[2][2]


def test_a_rule_behind_another_that_takes_all_of_its_tickets_is_refused():
    text = POLICY + (
        "    - {when: \"product.asset_class == 'dock' && asset.known\", due_days: 3}\n"
        "    - {when: \"ticket.priority == 'P9'\", return: none}\n"
    )

    with pytest.raises(InvalidPolicy) as refused:
        read_policy(text)

    told = [f"{problem.path}: {problem.text}" for problem in refused.value.found]
    assert told[0] == (
        "returns.rules[2].when: can never match: wherever it is true, rules[0] before it is true as well"
    )
    assert told[1].startswith("returns.rules[3].when: compares ticket.priority with 'P9', which it never is")


@settings(deadline=None)
@given(st.lists(st.sampled_from(list(RmaState)), max_size=12))
def test_what_is_over_stays_over_and_nothing_leaves_its_site_twice(wanted: list[RmaState]):
    state, seen = RmaState.EXPECTED, [RmaState.EXPECTED]
    for target in wanted:
        if target in RMA_MOVES[state]:
            state = target
            seen.append(state)

    assert len(seen) == len(set(seen))
    assert all(before in RMA_OPEN for before in seen[:-1])
    assert all((not RMA_MOVES[item]) == (item not in RMA_OPEN) for item in RmaState)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(list(HubTier)), st.booleans(), st.floats(-60, 60), st.floats(-170, 170)), max_size=6
    ),
    st.integers(0, 7),
)
def test_a_hub_on_wheels_or_a_central_one_takes_a_unit_only_where_there_is_no_other(
    hubs: list[tuple[HubTier, bool, float, float]], origin: int
):
    made = [hub(n, f"H{n}", (lat, lon), tier.value, is_mobile=van) for n, (tier, van, lat, lon) in enumerate(hubs)]

    found = return_hub(facts(*made), origin)

    if found is None:
        assert all(item.profile.is_mobile for item in made)
    elif found.profile.is_mobile:
        assert found.id == origin
        assert all(item.profile.is_mobile for item in made)
    elif found.tier is HubTier.CENTRAL:
        assert not any(item.tier is HubTier.REGIONAL and not item.profile.is_mobile for item in made)
