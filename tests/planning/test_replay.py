"""The simulation behind backtests; expected values are worked out by hand."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.model.kinds import HubTier, Lane, Priority, TicketType
from connector.model.lifecycle import TicketState
from connector.planning.backtest import backtest
from connector.planning.history import LeadTime, LeadTimes, PastTicket
from connector.planning.measures import Replay
from connector.planning.replay import replay
from connector.rules.facts.fleet import Fleet, hub_facts
from connector.rules.facts.scene import Scene, Shelf
from connector.rules.facts.shelves import SubstituteFacts
from connector.rules.facts.ticket import ProductFacts, SiteFacts, TicketFacts
from connector.rules.policy.reading import Policy, read_policy

START = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
PRODUCT, OTHER = ProductFacts(1, "Acme", "X1", unit_cost_cents=10_000), ProductFacts(2, "Acme", "X2")
BERLIN = SiteFacts(1, "Plant", None, 52.52, 13.405, "UTC", "EU")
HAMBURG_SITE = SiteFacts(2, "Port", None, 53.55, 9.993, "UTC", "NORTH")
TEN_DAYS = LeadTimes(otherwise=LeadTime(10, 0))

POLICY = """
name: test
rules:
  - {name: any, when: "ticket.category != 'password'", hardware: replace, RULE}
sourcing:
  drive: {detour_factor: 1, speed_kmh: 60, max_drive_km: 100, cost_cents_per_km: 50}
  courier:
    delivery_hours: 24x7
    transit: [{hours: 5, cost_cents: 4000}]
  default_service_class: critical
service_classes:
  critical: {maximum_outage_minutes: 240, calendar: 24x7}
"""


def policy(rule: str = "transport: [drive, courier]") -> Policy:
    return read_policy(POLICY.replace("RULE", rule))


def hub(number: int, latitude: float, longitude: float) -> Any:
    return hub_facts(
        id=number, label=f"HUB-{number}", tier=HubTier.LOCAL, latitude=latitude, longitude=longitude, time_zone="UTC",
        opening_hours="24x7", cut_offs=("17:00",), handling_minutes=60,
    )  # fmt: skip


def scene(stock: dict[Shelf, int], **values: Any) -> Scene:
    """HUB-1 stands where the site in Berlin is, HUB-2 in Munich."""
    hubs = Fleet([hub(1, 52.52, 13.405), hub(2, 48.137, 11.575)])
    return Scene(hubs, stock, {1: PRODUCT, 2: OTHER}, **{"regions": {1: "EU", 2: "SOUTH"}, **values})


def ticket(number: int, after: timedelta = timedelta(0), **values: Any) -> PastTicket:
    facts = TicketFacts(
        number, f"INC-{number}", TicketType.INCIDENT, TicketState.NEW, values.pop("priority", Priority.P2),
        category=values.pop("category", "hardware"), opened_at=START + after,
    )  # fmt: skip
    return PastTicket(facts, **{"product": PRODUCT, "site": BERLIN, **values})


def run(tickets: Sequence[PastTicket], world: Scene, by: Policy | None = None, **values: Any) -> Replay:
    (found,) = replay(tickets, world, [by or policy()], **{"lead_times": TEN_DAYS, **values})
    return found


def near(units: int = 1) -> dict[Shelf, int]:
    return {Shelf(1, 1, Lane.NORMAL): units}


def test_a_unit_next_door_restores_in_an_hour_by_car():
    found = run([ticket(1)], scene(near()))

    assert (found.total.tickets, found.total.needing, found.total.stock_outs) == (1, 1, 0)
    assert (found.total.sla_attainment, found.total.hours_to_restore) == (1.0, 1.0)
    assert (found.total.driven, found.total.emergency_shipments, found.total.freight_cents) == (1, 1, 0)


def test_a_parcel_from_far_away_is_late_and_costs():
    found = run([ticket(1)], scene({Shelf(2, 1, Lane.NORMAL): 1}))

    # ready at 10:00, collected at 17:00, there at 22:00; due at 13:00
    assert (found.total.sla_attainment, found.total.hours_to_restore) == (0.0, 13.0)
    assert (found.total.driven, found.total.emergency_shipments, found.total.freight_cents) == (0, 0, 4000)


def test_the_second_ticket_finds_nothing_and_gets_what_was_ordered_for_the_first():
    tickets = [ticket(1), ticket(2, timedelta(days=1))]

    found = run(tickets, scene(near()))

    # used on day 0, replaced on day 10 at 09:00, there an hour later: 9 days and 1 hour after the opening
    assert (found.total.stock_outs, found.total.unserved, found.total.sla_attainment) == (1, 0, 0.5)
    assert found.total.hours_to_restore == (1 + 9 * 24 + 1) / 2


def test_of_those_who_wait_the_most_urgent_is_served_first():
    tickets = [
        ticket(1),
        ticket(2, timedelta(hours=1), priority=Priority.P4, site=replace(BERLIN, region="LATER")),
        ticket(3, timedelta(hours=2), priority=Priority.P1, site=replace(BERLIN, region="FIRST")),
    ]

    found = run(tickets, scene(near()))

    assert found.regions["FIRST"].hours_to_restore == 10 * 24 - 2 + 1
    assert found.regions["LATER"].hours_to_restore == 20 * 24 - 1 + 1


def test_a_ticket_that_the_policy_never_lets_be_served_stays_unserved():
    only_far = {Shelf(2, 1, Lane.NORMAL): 2}
    tickets = [ticket(1), ticket(2, timedelta(days=30))]

    found = run(tickets, scene(only_far), policy("transport: [drive]"))

    assert (found.total.needing, found.total.stock_outs, found.total.unserved) == (2, 2, 2)
    assert (found.total.sla_attainment, found.total.hours_to_restore) == (0.0, None)


def test_a_ticket_for_two_waits_until_two_are_there():
    tickets = [ticket(1), ticket(2, timedelta(days=1), quantity=2)]

    found = run(tickets, scene(near(2)))

    assert (found.total.stock_outs, found.total.unserved) == (1, 0)
    assert found.total.hours_to_restore == (1 + 9 * 24 + 1) / 2


TAKING = "transport: [drive, courier], preempt: {}"


def test_a_p1_takes_what_a_p4_has_and_has_not_got_yet_which_is_served_anew():
    tickets = [
        ticket(1, priority=Priority.P4, site=replace(HAMBURG_SITE, region="LOSER")),  # collected from at 17:00
        ticket(2, timedelta(hours=1), priority=Priority.P1, site=replace(BERLIN, region="TAKER")),
        ticket(3, timedelta(days=11), priority=Priority.P1, site=replace(BERLIN, region="NEXT")),
    ]

    found = run(tickets, scene(near()), policy(TAKING))

    # the unit ordered at 09:00 comes ten days later and goes by courier, at 17:00 and five hours; nothing was ordered
    # for the P1, so that the next one waits until what the loser used is replaced
    assert {name: region.hours_to_restore for name, region in found.regions.items() if name != "EU"} == {
        "TAKER": 1.0, "LOSER": 10 * 24 + 8 + 5, "NEXT": 9 * 24 + 1,
    }  # fmt: skip
    assert (found.total.needing, found.total.unserved) == (3, 0)
    assert (found.total.preempted, found.regions["LOSER"].preempted, found.total.stock_outs) == (1, 1, 1)
    assert (found.total.driven, found.total.freight_cents) == (2, 4000)  # what was not sent costs nothing
    assert (found.total.sla_attainment, found.regions["LOSER"].sla_attainment) == (1 / 3, 0.0)
    assert [day.stock_units for day in found.days] == [0] * 10 + [0, 0]


@pytest.mark.parametrize(
    ("first", "rule"),
    [
        ({"priority": Priority.P4}, TAKING),  # by car, has left at ten
        ({"priority": Priority.P1, "site": HAMBURG_SITE}, TAKING),
        ({"priority": Priority.P4, "site": HAMBURG_SITE}, "transport: [drive, courier]"),
    ],
)
def test_nothing_is_taken_that_has_left_or_is_as_urgent_nor_where_the_policy_takes_nothing(first: Any, rule: str):
    tickets = [ticket(1, **first), ticket(2, timedelta(hours=2), priority=Priority.P1)]

    found = run(tickets, scene(near()), policy(rule))

    assert (found.total.preempted, found.total.stock_outs, found.total.unserved) == (0, 1, 0)


def test_a_ticket_loses_no_more_often_than_the_policy_lets_it():
    tickets = [
        ticket(1, priority=Priority.P4, site=HAMBURG_SITE),
        ticket(2, timedelta(hours=1), priority=Priority.P1),
        ticket(3, timedelta(hours=2), priority=Priority.P1),
    ]

    found = run(tickets, scene({Shelf(1, 1, Lane.NORMAL): 1, Shelf(2, 1, Lane.NORMAL): 1}), policy(TAKING))

    # the loser gets the unit in Munich by courier and keeps it, although it is there until 17:00
    assert (found.total.preempted, found.total.stock_outs, found.regions["NORTH"].hours_to_restore) == (1, 1, 13.0)


def test_what_is_there_is_sent_and_the_rest_waits_where_the_rule_says_so():
    tickets = [ticket(1, quantity=3), ticket(2, timedelta(days=1))]

    found = run(tickets, scene(near(2)), policy("transport: [drive, courier], partial: allowed"))

    # two at once, which are replaced after ten days: one for the rest, one for the other
    assert found.total.hours_to_restore == ((10 * 24 + 1) + (9 * 24 + 1)) / 2
    assert (found.total.needing, found.total.stock_outs, found.total.unserved) == (2, 2, 0)
    assert (found.total.driven, found.total.sla_attainment) == (3, 0.0)


def test_the_rest_may_come_from_a_supplier_and_the_ticket_is_in_time_when_all_of_it_is():
    by = read_policy(
        POLICY.replace("RULE", "transport: [drive], partial: allowed, ladder: [stock, purchase, person]").replace(
            "sourcing:\n", "sourcing:\n  suppliers: {shop: {offers: [purchase], lead_hours: 3, cost_cents: 700}}\n"
        )
    )

    found = run([ticket(1, quantity=2)], scene(near(1)), by)

    assert (found.total.unserved, found.total.sla_attainment, found.total.hours_to_restore) == (0, 1.0, 3.0)
    assert (found.total.emergency_shipments, found.total.driven) == (2, 1)


def test_a_unit_of_the_pool_is_lent_until_it_is_due_back_and_then_to_the_next():
    tickets = [ticket(1), ticket(2, timedelta(hours=1)), ticket(3, timedelta(days=6)), ticket(4, timedelta(days=6.5))]

    found = run(
        tickets, scene({Shelf(1, 1, Lane.LOANER): 1}), policy("transport: [drive, courier], loaner: {max_days: 5}")
    )

    # the first has it from day 0, the second from day 5, and then the third and the fourth, which wait still
    assert (found.total.loans, found.total.needing, found.total.stock_outs, found.total.unserved) == (4, 4, 4, 4)
    assert [day.stock_units for day in found.days] == [0] * 7


def test_a_ticket_gets_one_loan_however_long_it_waits():
    found = run([ticket(1)], scene({Shelf(1, 1, Lane.LOANER): 2}), policy("loaner: {max_days: 5}"))

    assert (found.total.loans, found.total.unserved, found.total.freight_cents) == (1, 1, 0)


def test_a_replacement_in_time_needs_no_loan():
    found = run([ticket(1)], scene({**near(), Shelf(1, 1, Lane.LOANER): 1}), policy("loaner: {max_days: 5}"))

    assert (found.total.loans, found.total.unserved) == (0, 0)


def test_a_substitute_serves_where_it_is_allowed():
    world = scene({Shelf(1, 2, Lane.NORMAL): 1}, substitutes={1: (SubstituteFacts(2, "Acme X2", 1),)})

    assert run([ticket(1)], world).total.stock_outs == 0
    assert run([ticket(1)], world, policy("allow_substitutes: false")).total.stock_outs == 1


def test_break_glass_and_car_are_one_emergency_shipment():
    world = scene({Shelf(1, 1, Lane.BREAK_GLASS): 1})

    found = run([ticket(1)], world, policy("lanes: [normal, break_glass]"))

    assert (found.total.driven, found.total.break_glass, found.total.emergency_shipments) == (1, 1, 1)


SUPPLIED = """sourcing:
  suppliers: {acme: {offers: [purchase], lead_hours: LEAD, cost_cents: 2500}}"""


@pytest.mark.parametrize(("lead", "in_time"), [(3, 1.0), (5, 0.0)])
def test_what_a_supplier_sends_is_an_emergency_shipment_with_its_whole_cost(lead: int, in_time: float):
    text = POLICY.replace("RULE", "ladder: [stock, purchase, person]")
    by = read_policy(text.replace("sourcing:", SUPPLIED.replace("LEAD", str(lead))))

    total = run([ticket(1)], scene({}), by).total

    # 25.00 for the order and 100.00 for the unit; the due time is four hours after the ticket was opened.
    assert (total.emergency_shipments, total.freight_cents, total.stock_outs, total.unserved) == (1, 12_500, 1, 0)
    assert (total.sla_attainment, total.hours_to_restore) == (in_time, lead)


def test_a_ticket_on_backorder_is_a_stock_out_and_gets_what_arrives():
    by = policy("ladder: [stock, backorder]")

    total = run([ticket(1), ticket(2, timedelta(hours=1))], scene(near(1)), by).total

    assert (total.stock_outs, total.unserved, total.reviews) == (1, 0, 0)


def test_what_needs_nothing_and_what_nobody_knows_is_in_no_share():
    tickets = [ticket(1), ticket(2, category="password"), ticket(3, product=None), ticket(4, site=None)]

    found = run(tickets, scene(near()))

    assert (found.total.tickets, found.total.needing, found.total.reviews) == (4, 1, 2)
    assert found.total.sla_attainment == 1.0


def test_capital_is_the_value_on_the_shelves_over_time():
    tickets = [ticket(1), ticket(2, timedelta(days=20), category="password")]
    stock = near(1) | {Shelf(2, 1, Lane.NORMAL): 3}

    found = run(tickets, scene(stock))

    # HUB-1 is empty for the first ten days of twenty; the three units of HUB-2 are worth 30,000 all the time
    assert found.regions["EU"].capital_cents == 5_000
    assert found.regions["SOUTH"].capital_cents == 30_000
    assert found.total.capital_cents == 35_000


def test_the_days_show_stock_and_service():
    tickets = [ticket(1), ticket(2, timedelta(days=1)), ticket(3, timedelta(days=11), category="password")]

    days = run(tickets, scene(near(), regions={})).days

    assert [day.day for day in days] == [date(2026, 11, 25) + timedelta(days=n) for n in range(12)]
    assert [(day.due, day.in_time, day.stock_outs) for day in days[:3]] == [(1, 1, 0), (1, 0, 1), (0, 0, 0)]
    assert {(day.stock_units, day.stock_cents) for day in days} == {(0, 0)}


def test_no_tickets_give_no_measures():
    found = run([], scene(near()))

    assert (found.total.tickets, found.total.sla_attainment, found.days) == (0, None, ())


def test_the_most_specific_lead_time_holds():
    keys = [("", ""), ("", "ber"), ("acme x1", ""), ("acme x1", "ber")]
    leads = LeadTimes({key: LeadTime(days) for days, key in enumerate(keys, 1)})

    asked = [("Acme X1", "BER"), ("Acme X1", "HAM"), ("Acme X2", "BER"), ("Acme X2", "HAM")]
    assert [leads.of(*names).days for names in asked] == [4, 3, 2, 1]
    assert LeadTimes().of("any", "any") == LeadTime(14, 4)


def test_sampled_lead_times_have_the_mean_and_deviation_that_are_stated():
    rng = random.Random(3)  # noqa: S311

    days = [LeadTime(14, 4).sample_minutes(rng) / 1440 for _ in range(20_000)]

    mean = sum(days) / len(days)
    assert mean == pytest.approx(14, abs=0.15)
    assert (sum((day - mean) ** 2 for day in days) / len(days)) ** 0.5 == pytest.approx(4, abs=0.15)


HISTORY = st.lists(
    st.tuples(
        st.integers(0, 60 * 24 * 40), st.sampled_from(list(Priority)), st.sampled_from([PRODUCT, OTHER]),
        st.sampled_from([BERLIN, HAMBURG_SITE]), st.integers(1, 2),
    ),
    max_size=25,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(history=HISTORY, near_by=st.integers(0, 3), far=st.integers(0, 3), seed=st.integers(0, 3), order=st.randoms())
def test_a_backtest_is_the_same_in_any_order_and_its_counts_add_up(
    history: list[Any], near_by: int, far: int, seed: int, order: random.Random
):
    tickets = [
        ticket(n, timedelta(minutes=minutes), priority=priority, product=product, site=site, quantity=quantity)
        for n, (minutes, priority, product, site, quantity) in enumerate(history)
    ]
    world = scene({Shelf(1, 1, Lane.NORMAL): near_by, Shelf(2, 2, Lane.NORMAL): far})
    policies = {"new": policy("transport: [courier], preempt: {}, partial: allowed"), "against": policy()}
    arguments: Any = {**policies, "lead_times": LeadTimes(), "seed": seed}

    found = backtest(tickets, world, **arguments)
    order.shuffle(tickets)

    assert backtest(tickets, world, **arguments).content() == found.content()
    for replayed in (found.against, found.new):
        total, regions = replayed.total, replayed.regions.values()
        names = ("tickets", "needing", "stock_outs", "unserved", "preempted", "freight_cents", "emergency_shipments")
        for name in (*names, "reviews"):
            assert getattr(total, name) == sum(getattr(region, name) for region in regions)
        assert max(total.unserved, total.stock_outs, total.preempted) <= total.needing <= total.tickets
        assert total.unserved <= total.stock_outs + total.preempted
        assert all(0 <= day.stock_units <= near_by + far for day in replayed.days)
        assert sum(day.stock_outs for day in replayed.days) == total.stock_outs
