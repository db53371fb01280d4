"""When tickets are about one cause, and what that means for each."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.rules.cases import NOW

from connector.model.kinds import GroupKind, Priority, TicketType
from connector.model.lifecycle import AssetState, GroupState, TicketState
from connector.rules.events.events import (
    Compared,
    Enough,
    Signal,
    enough,
    exposed_limit,
    proposed,
    signals_of,
    standing,
)
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.standing import GroupFacts, Standing
from connector.rules.facts.ticket import AssetFacts, ProductFacts, SiteFacts, TicketFacts
from connector.rules.policy.grouping import BatchDefect, Burst, Grouping, SiteEvent
from connector.rules.policy.reading import default_policy

POLICY = default_policy()
TICKET = TicketFacts(7, "INC-7", TicketType.INCIDENT, TicketState.NEW, Priority.P2)
FACTS = SourcingFacts(
    TICKET,
    AssetFacts(70, AssetState.DEPLOYED),
    ProductFacts(5, "Acme", "X1"),
    SiteFacts(3, "Plant", code="P1", region="EU"),
)


def signals(*subjects: str, kind: GroupKind = GroupKind.SITE_EVENT, places: tuple[int, ...] = ()) -> list[Signal]:
    return [
        Signal(kind, "site:3", "P1", subject, places[n] if places else 3, n + 1) for n, subject in enumerate(subjects)
    ]


def all_kinds(**grouping: object) -> Grouping:
    return Grouping(site_event=SiteEvent(**grouping), batch_defect=BatchDefect(), burst=Burst())  # type: ignore[arg-type]


def test_a_ticket_counts_for_each_kind_of_event_that_it_could_belong_to():
    policy = POLICY.model_copy(update={"grouping": all_kinds()})

    found = signals_of(FACTS, policy, NOW)

    assert [(s.kind.value, s.scope, s.subject, s.place) for s in found] == [
        ("site_event", "site:3", "asset:70", 3),
        ("batch_defect", "product:5", "asset:70", 3),
        ("burst", "region:EU", "asset:70", 3),
    ]
    assert [s.kind.value for s in signals_of(replace(FACTS, product=None), policy, NOW)] == ["site_event", "burst"]
    assert signals_of(replace(FACTS, site=None), policy, NOW) == []


def test_only_tickets_that_meet_the_condition_count_and_without_a_kind_none_does():
    picky = POLICY.model_copy(update={"grouping": all_kinds(when="ticket.category == 'power'")})
    none = POLICY.model_copy(update={"grouping": Grouping()})

    assert [s.kind.value for s in signals_of(FACTS, picky, NOW)] == ["batch_defect", "burst"]
    assert signals_of(FACTS, none, NOW) == []


def test_devices_of_one_site_are_an_event_from_the_one_with_which_there_are_enough():
    watch = SiteEvent(devices=3, window_minutes=30)
    twice = signals("asset:1", "asset:1", "asset:2")

    assert proposed(GroupKind.SITE_EVENT, watch, twice, None) is None
    found = proposed(GroupKind.SITE_EVENT, watch, signals("asset:1", "asset:1", "asset:2", "asset:3", "asset:4"), None)

    assert found is not None
    assert (found.title, found.number) == ("4 devices at P1 within 30 min", 4)


@pytest.mark.parametrize(("exposed", "is_event"), [(1000, Enough.YES), (1001, Enough.NO)])
def test_a_batch_is_suspected_for_its_share_of_the_devices_in_the_field(exposed: int, is_event: Enough):
    watch = BatchDefect(devices=5, sites=2, share_percent=0.5)
    five = signals(*(f"asset:{n}" for n in range(5)), kind=GroupKind.BATCH_DEFECT, places=(1, 1, 1, 1, 2))

    assert enough(watch, five) is Enough.UNKNOWN
    assert enough(watch, five, Compared(exposed=exposed)) is is_event
    assert exposed_limit(watch, 5) == 1001
    assert enough(watch, [replace(s, place=1) for s in five]) is Enough.NO


@pytest.mark.parametrize(
    ("usual", "is_event"), [((1, 2, 2, 90), Enough.YES), ((2, 4, 4, 90), Enough.NO), ((), Enough.YES)]
)
def test_a_burst_is_more_than_so_many_times_the_median_of_the_last_weeks(usual: tuple[int, ...], is_event: Enough):
    watch = Burst(tickets=20, times=5)
    twenty = signals(*(f"ticket:{n}" for n in range(20)), kind=GroupKind.BURST)

    assert enough(watch, twenty, Compared(usual=usual)) is is_event
    assert enough(watch, twenty[:19], Compared(usual=usual)) is Enough.NO


@pytest.mark.parametrize(
    ("watch", "group", "served", "is_before", "expected"),
    [
        (SiteEvent(), {}, 0, False, Standing.HELD),
        (SiteEvent(), {}, 0, True, Standing.SERVED),
        (SiteEvent(exempt=(Priority.P2,)), {}, 0, False, Standing.SERVED),
        (SiteEvent(hold="none"), {}, 9, False, Standing.SERVED),
        (SiteEvent(hold="beyond", units=2), {}, 1, False, Standing.SERVED),
        (SiteEvent(hold="beyond", units=2), {}, 2, False, Standing.HELD),
        (SiteEvent(), {"state": GroupState.CONFIRMED, "serves": False}, 0, True, Standing.NOTHING),
        (SiteEvent(), {"state": GroupState.CONFIRMED}, 9, False, Standing.SERVED),
        (SiteEvent(), {"state": GroupState.CONFIRMED, "limit_units": 3}, 2, False, Standing.SERVED),
        (SiteEvent(), {"state": GroupState.CONFIRMED, "limit_units": 3}, 3, False, Standing.HELD),
    ],
)
def test_what_belonging_to_an_event_means(
    watch: SiteEvent, group: dict[str, object], served: int, is_before: bool, expected: Standing
):
    facts = GroupFacts(1, GroupKind.SITE_EVENT, "3 devices", **{"state": GroupState.PROPOSED, **group})  # type: ignore[arg-type]

    assert standing(facts, watch, FACTS, served=served, is_before=is_before) is expected


@given(st.lists(st.integers(0, 6), max_size=12), st.integers(2, 5))
def test_more_signals_never_make_an_event_none(devices: list[int], needed: int):
    watch = SiteEvent(devices=needed)
    found = signals(*(f"asset:{n}" for n in devices))
    verdicts = [enough(watch, found[:n]) is Enough.YES for n in range(len(found) + 1)]

    assert verdicts == sorted(verdicts)
    proposal = proposed(GroupKind.SITE_EVENT, watch, found, None)
    assert (proposal.number if proposal else None) == (verdicts.index(True) if True in verdicts else None)


def test_units_without_beyond_are_refused_with_an_example():
    with pytest.raises(
        ValidationError, match=r"units goes with hold: beyond, and only with that; example: \{hold: bey"
    ):
        SiteEvent(hold="all", units=3)
