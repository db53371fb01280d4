"""What a replay knows of lanes, channels, events and tickets about one failure; expected values are by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.planning.test_replay import (
    BERLIN,
    HAMBURG_SITE,
    OTHER,
    POLICY,
    PRODUCT,
    START,
    near,
    policy,
    run,
    scene,
    ticket,
)

from connector.model.kinds import Lane, LaneScope, Priority
from connector.model.lifecycle import AssetState
from connector.planning.backtest import backtest
from connector.planning.history import LeadTimes, PastTicket
from connector.rules.arrival.lanes import LaneHistory, Offer, SiteLanes, Travel
from connector.rules.facts.scene import Shelf
from connector.rules.facts.standing import ChannelFacts, ChannelScope
from connector.rules.facts.ticket import AssetFacts
from connector.rules.policy.reading import Policy, read_policy

FAR = {Shelf(2, 1, Lane.NORMAL): 5}
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def device(number: int) -> AssetFacts:
    return AssetFacts(number, AssetState.DEPLOYED, f"dev-{number}")


def with_sections(sections: str, rule: str = "transport: [drive, courier]") -> Policy:
    return read_policy(POLICY.replace("RULE", rule) + sections)


def test_what_parcels_took_on_a_lane_and_what_a_courier_asked_for_count_before_the_band():
    lanes = {
        1: SiteLanes(
            to_site={2: {"": LaneHistory(LaneScope.SITE, "", (60,) * 8)}},
            offers={2: (Offer("dhl/express", 120, 900, "EUR", START + 90 * DAY),)},
        )
    }

    plain, known = run([ticket(1)], scene(FAR)), run([ticket(1)], scene(FAR, lanes=lanes))

    # collected at 17:00; the band says five hours for 40.00, deliveries one hour, the offer 9.00
    assert (plain.total.hours_to_restore, plain.total.freight_cents) == (13.0, 4000)
    assert (known.total.hours_to_restore, known.total.freight_cents) == (9.0, 900)


def test_a_road_that_was_measured_counts_and_where_there_is_none_nobody_drives():
    world = scene(near())
    here = world.fleet.units[1]
    around = SiteLanes(travel={1: Travel(120, 90.0, "osrm", START, origin=here, target=here)})
    island = SiteLanes(travel={1: Travel(None, None, "osrm", START, origin=here, target=here)})

    measured = run([ticket(1)], replace(world, lanes={1: around}), policy("transport: [drive]"))
    none = run([ticket(1)], replace(world, lanes={1: island}), policy("transport: [drive]"))

    # an hour of handling, two of road; 90 km there and back at 50 cents
    assert (measured.total.hours_to_restore, measured.total.freight_cents) == (3.0, 9000)
    assert (none.total.stock_outs, none.total.unserved) == (1, 1)


def test_tickets_about_one_device_draw_one_unit_until_that_has_left_and_a_later_failure_draws_another():
    tickets = [
        ticket(1, asset=device(7)),
        ticket(2, 30 * MINUTE, asset=device(7)),
        ticket(3, 30 * MINUTE, asset=device(8)),
        ticket(4, 3 * DAY, asset=device(7)),
    ]

    total = run(tickets, scene(near(5))).total

    assert (total.tickets, total.needing, total.joined, total.driven) == (4, 3, 1, 3)


def test_of_tickets_about_one_device_that_wait_the_first_that_is_served_serves_all():
    tickets = [ticket(1), ticket(2, HOUR, asset=device(7)), ticket(3, 2 * HOUR, asset=device(7)), ticket(4, 3 * HOUR)]

    total = run(tickets, scene(near())).total

    # one at once, 2 and 4 from the shelf's orders after ten and twenty days; 3 has its device's
    assert (total.needing, total.joined, total.stock_outs, total.unserved) == (3, 1, 2, 0)
    assert total.hours_to_restore == (1 + (10 * 24 - 1 + 1) + (20 * 24 - 3 + 1)) / 3
    assert (total.sla_attainment, total.driven) == (1 / 3, 3)


def test_duplicates_follow_their_master_and_parts_their_parent_where_the_policy_says_so():
    tickets = [
        ticket(1), replace(ticket(2, MINUTE), duplicate_of="INC-1"), replace(ticket(3, MINUTE), duplicate_of="INC-2"),
        replace(ticket(4, MINUTE), parent="INC-1"), replace(ticket(5, MINUTE), duplicate_of="INC-99"),
    ]  # fmt: skip

    shipped = run(tickets, scene(near(9))).total
    none = run(tickets, scene(near(9)), with_sections("grouping: {links: {duplicates: decide}}")).total
    parts = run(tickets, scene(near(9)), with_sections("grouping: {links: {children: follow}}")).total

    assert [(t.needing, t.joined) for t in (shipped, none, parts)] == [(3, 2), (5, 0), (2, 3)]


def test_a_duplicate_of_a_ticket_that_was_restored_before_is_a_failure_of_its_own():
    tickets = [ticket(1), replace(ticket(2, 2 * HOUR), duplicate_of="INC-1")]

    assert run(tickets, scene(near(9))).total.needing == 2


EVENT = "grouping: {site_event: {devices: 3, window_minutes: 30, timeout_minutes: 120, CONFIRMED}}"


@pytest.mark.parametrize(
    ("confirmed", "needing", "joined", "hours"),
    [
        ("on_timeout: dismiss", 5, 0, (1 + 1 + 3 + 119 / 60 + 1 + 1) / 5),
        ("on_timeout: confirm, confirmed: serve", 5, 0, (1 + 1 + 3 + 119 / 60 + 1 + 1) / 5),
        ("on_timeout: confirm, confirmed: nothing", 3, 2, 1.0),
        ("hold: none", 5, 0, 1.0),
    ],
)
def test_tickets_of_an_event_wait_for_the_policys_own_answer_since_nobody_is_there(
    confirmed: str, needing: int, joined: int, hours: float
):
    tickets = [
        ticket(1, asset=device(1)), ticket(2, 10 * MINUTE, asset=device(2)), ticket(3, 20 * MINUTE, asset=device(3)),
        ticket(4, 21 * MINUTE, asset=device(4)), ticket(5, 2 * DAY, asset=device(5)),
    ]  # fmt: skip

    total = run(tickets, scene(near(9)), with_sections(EVENT.replace("CONFIRMED", confirmed))).total

    # the third makes it an event; it and the fourth wait until 11:20, two hours after the third
    assert (total.needing, total.joined, total.held) == (needing, joined, 0 if "none" in confirmed else 2)
    assert (total.reviews, total.hours_to_restore) == (0, pytest.approx(hours, abs=0.01))


def test_an_event_at_the_end_of_the_history_is_settled_as_well_and_urgent_tickets_never_wait():
    tickets = [
        ticket(n, n * MINUTE, asset=device(n), priority=Priority.P1 if n == 4 else Priority.P2) for n in range(1, 5)
    ]
    by = with_sections(EVENT.replace("CONFIRMED", "exempt: [P1]"))

    total = run(tickets, scene(near(9)), by).total

    assert (total.needing, total.held, total.unserved, total.reviews) == (4, 1, 0, 0)


def test_a_defect_is_suspected_by_the_share_of_devices_in_the_field_and_a_burst_by_what_is_usual():
    tickets = [ticket(n, n * MINUTE, asset=device(n), site=(BERLIN, HAMBURG_SITE)[n % 2]) for n in range(1, 5)]
    last_week = [ticket(10 + n, -7 * DAY + n * MINUTE, asset=device(10 + n)) for n in range(1, 4)]
    defect = with_sections("grouping: {batch_defect: {devices: 3, sites: 2, share_percent: 10}}", "max_drive_km: 1")
    burst = with_sections("grouping: {burst: {tickets: 3, times: 1, weeks: 1}}")
    both = [replace(item, site=BERLIN) for item in tickets]

    assert run(tickets, scene(FAR, in_the_field={1: 20}), defect).total.held == 2
    assert run(tickets, scene(FAR, in_the_field={1: 200}), defect).total.held == 0
    assert run(both, scene(near(9)), burst).total.held == 2
    # last week the third one was too many, this week the fourth: three are usual
    assert run([*last_week, *both], scene(near(9)), burst).total.held == 2


CHANNELS = """red_channels:
  recall: {roles: [duty], max_hours: 48, lanes: [break_glass]}
"""
GLASS = {Shelf(1, 1, Lane.BREAK_GLASS): 9}


def channel(opens: timedelta, ends: timedelta, **scope: Any) -> ChannelFacts:
    return ChannelFacts(1, "recall", "a recall", ChannelScope(**scope), START + opens, START + ends)


@pytest.mark.parametrize(
    ("opened", "in_time"),
    [
        (channel(-HOUR, HOUR), True),
        (channel(-HOUR, timedelta(0)), False),
        (channel(-HOUR, HOUR, products=frozenset({2})), False),
        (channel(-HOUR, HOUR, regions=frozenset({"EU"})), True),
    ],
)
def test_a_channel_that_was_open_then_serves_the_tickets_of_its_scope(opened: ChannelFacts, in_time: bool):
    by = with_sections(CHANNELS)

    total = run([ticket(1)], scene(GLASS, channels=(opened,)), by).total

    assert (total.break_glass, total.unserved) == (int(in_time), int(not in_time))
    assert run([ticket(1)], scene(GLASS, channels=(opened,))).total.unserved == 1


def test_who_waits_when_a_channel_opens_is_decided_anew():
    tickets = [ticket(1), ticket(2, HOUR, product=OTHER), ticket(3, 9 * HOUR, category="password")]
    opened = channel(4 * HOUR, 20 * HOUR, products=frozenset({1}))

    total = run(tickets, scene(GLASS, channels=(opened,)), with_sections(CHANNELS)).total

    # opened at 13:00, an hour of handling: five hours after the ticket
    assert (total.stock_outs, total.unserved, total.hours_to_restore) == (2, 1, 5.0)


def test_units_of_several_shelves_each_leave_their_own_and_the_last_one_restores():
    stock = near(1) | {Shelf(2, 1, Lane.NORMAL): 1}
    by = policy("split: allowed, transport: [drive, courier]")

    found = run([ticket(1, quantity=2)], scene(stock), by)

    # one next door by car, one parcel collected at 17:00 that needs five hours
    assert (found.total.needing, found.total.stock_outs, found.total.driven) == (1, 0, 1)
    assert (found.total.freight_cents, found.total.hours_to_restore) == (4000, 13.0)
    assert found.days[-1].stock_units == 0


HISTORY = st.lists(
    st.tuples(
        st.integers(0, 60 * 24 * 3), st.sampled_from([PRODUCT, OTHER]), st.sampled_from([BERLIN, HAMBURG_SITE]),
        st.none() | st.integers(1, 4), st.none() | st.integers(0, 11), st.none() | st.integers(0, 11),
    ),
    max_size=12,
)  # fmt: skip
TOGETHER = """grouping:
  links: {duplicates: follow, children: follow}
  site_event: {devices: 2, window_minutes: 600, timeout_minutes: 300, ON_TIMEOUT}
  burst: {tickets: 3, times: 1, weeks: 1, window_minutes: 900, hold: beyond, units: 1}
"""


@settings(max_examples=60, deadline=None)
@given(
    HISTORY, st.integers(0, 2), st.integers(0, 2), st.booleans(), st.sampled_from(["dismiss", "confirm"]), st.randoms()
)
def test_whatever_belongs_together_every_ticket_is_counted_once_and_in_any_order(
    history: list[Any], near_by: int, far: int, opens: bool, on_timeout: str, order: Any
):
    tickets: list[PastTicket] = [
        replace(
            ticket(n, minutes * MINUTE, product=product, site=site, asset=None if dev is None else device(dev)),
            duplicate_of=None if master is None else f"INC-{master}",
            parent=None if parent is None else f"INC-{parent}",
        )
        for n, (minutes, product, site, dev, master, parent) in enumerate(history)
    ]
    sections = TOGETHER.replace("ON_TIMEOUT", f"on_timeout: {on_timeout}") + CHANNELS
    new, against = with_sections(sections), with_sections(sections, "transport: [courier], preempt: {}")
    channels = (channel(DAY, 2 * DAY),) if opens else ()
    stock = {Shelf(1, 1, Lane.NORMAL): near_by, Shelf(2, 2, Lane.NORMAL): far, Shelf(1, 1, Lane.BREAK_GLASS): 1}
    world = scene(stock, channels=channels)
    arguments: Any = {"new": new, "against": against, "lead_times": LeadTimes(), "seed": 1}

    found = backtest(tickets, world, **arguments)
    order.shuffle(tickets)

    assert backtest(tickets, world, **arguments).content() == found.content()
    for replayed in (found.new, found.against):
        total = replayed.total
        assert total.tickets == total.needing + total.joined + total.reviews
        assert 0 <= total.unserved <= total.needing
        assert 0 <= total.stock_outs <= total.needing
        assert all(day.stock_units >= 0 for day in replayed.days)
