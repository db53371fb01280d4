"""From a consignment to a parcel, from offers to one, and what people are told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.fulfilment.options import Backoff, TicketWrites
from connector.fulfilment.outcomes import Attempt, Stopped, attempt_of, pause_after
from connector.fulfilment.parcels import choose_offer, hand_over_at, lane_offers, parcel_of
from connector.fulfilment.wording import arrival_text, packing_list, pickup_instructions, sent_note
from connector.model.errors import IllegalTransition, InvalidConfiguration, InvalidInput, Unavailable
from connector.model.lifecycle import ReservationState, TicketState
from connector.rules.policy.document import Mode
from connector.rules.policy.reading import default_policy
from connector.sdk import (
    Address,
    AuthError,
    ConfigError,
    Conflict,
    Invalid,
    NotFound,
    NotOffered,
    OutcomeUnknown,
    Point,
    Quote,
    RateLimited,
    Transient,
    UnexpectedResponse,
)
from connector.storage.shipments.consignments import Consignment, Goods, Place, TicketSide
from connector.storage.shipments.packed import KitLine

WEDNESDAY = datetime(2026, 11, 25, 9, tzinfo=UTC)
GERMANY = Address(line1="1 Main St", city="Berlin", postal_code="10115", country="DE", contact="Ada")
GOODS = Consignment(
    reservation_id=7,
    made_at=WEDNESDAY,
    state=ReservationState.COMMITTED,
    estimated_arrival_at=datetime(2026, 11, 26, 7, 30, tzinfo=UTC),
    ticket=TicketSide(id=1, number="4711", external_id="4711", state=TicketState.NEW, source="itsm"),
    hub=Place(2, "Berlin Depot", "BER", "DE", "Europe/Berlin", GERMANY),
    site=Place(3, "Hamburg Port", "HAM", "DE", "Europe/Berlin", GERMANY.model_copy(update={"contact": None})),
    goods=Goods(
        product_id=4, manufacturer="Acme", model="SW-48", part_number="P-48", quantity=1, asset_id=5, serial="S1",
        asset_tag=None, weight_g=4_500, length_mm=400, width_mm=300, height_mm=44,
    ),
    kit=(KitLine("Acme Bracket", "BR-1", 2),),
    kit_instructions="Swap, then return the old one.",
    mode=Mode.COURIER,
    departs_at=None,
    due_at=None,
)  # fmt: skip


def offer(service: str, cents: int, *, days: int | None = None, at: datetime | None = None) -> Quote:
    return Quote("dhl", service, cents, "EUR", transit_days=days, estimated_delivery_at=at)


def test_a_parcel_is_declared_with_its_size_and_both_parties():
    parcel = parcel_of(GOODS, default_weight_g=1_000)

    assert (parcel.sender.name, parcel.sender.company) == ("Ada", "Berlin Depot")
    assert (parcel.recipient.name, parcel.recipient.company) == ("Hamburg Port", "Hamburg Port")
    assert (parcel.weight_g, parcel.length_mm, parcel.width_mm, parcel.height_mm) == (4_500, 400, 300, 44)
    assert parcel.description == "Acme SW-48"


def test_a_parcel_tells_where_both_parties_are_if_that_is_known():
    located = replace(GOODS, hub=replace(GOODS.hub, point=Point(52.52, 13.405)))

    parcel = parcel_of(located, default_weight_g=1_000)

    assert (parcel.sender.point, parcel.recipient.point) == (Point(52.52, 13.405), None)


def test_several_units_weigh_as_many_and_have_no_size():
    several = replace(GOODS, goods=replace(GOODS.goods, quantity=3, weight_g=None))

    parcel = parcel_of(several, default_weight_g=1_000)

    assert (parcel.weight_g, parcel.length_mm) == (3_000, None)
    assert parcel.description == "3 × Acme SW-48"


def test_without_a_site_there_is_no_parcel():
    with pytest.raises(InvalidInput, match="ticket '4711' names no site that is known"):
        parcel_of(replace(GOODS, site=None), default_weight_g=1_000)


@pytest.mark.parametrize(
    ("due_in", "chosen"),
    [
        (None, "express"),
        (timedelta(hours=12), "express"),
        (timedelta(days=2), "express"),
        (timedelta(days=9), "economy"),
    ],
    ids=["no due time: first to arrive", "none in time: first to arrive", "one in time", "both in time: cheapest"],
)
def test_the_cheapest_offer_in_time_is_taken_or_the_first_to_arrive(due_in: timedelta | None, chosen: str):
    offers = [offer("economy", 900, days=5), offer("express", 4_200, days=1), offer("silent", 100)]

    found = choose_offer(offers, leaves=WEDNESDAY, due_at=WEDNESDAY + due_in if due_in else None)

    assert found is not None
    assert found.service == chosen


def test_what_an_offer_says_of_its_lane_keeps_its_business_days():
    friday = datetime(2026, 11, 27, 16, tzinfo=UTC)
    offers = [offer("ground", 100, days=2), offer("sunday", 500, at=friday + timedelta(days=2)), offer("mute", 1)]

    kept = lane_offers(offers, now=WEDNESDAY, leaves=friday)

    assert [(item.minutes, item.business_days, item.quoted_at) for item in kept] == [
        (2 * 1_440, 2, WEDNESDAY), (2 * 1_440, None, WEDNESDAY),
    ]  # fmt: skip


def test_transit_days_do_not_count_the_weekend():
    friday = datetime(2026, 11, 27, 9, tzinfo=UTC)
    by_days = offer("one day", 100, days=1)
    by_time = offer("sunday", 500, at=friday + timedelta(days=2))

    assert choose_offer([by_days, by_time], leaves=friday, due_at=friday + timedelta(days=2)) == by_time
    assert choose_offer([by_days, by_time], leaves=friday, due_at=friday + timedelta(days=3)) == by_days


@pytest.mark.parametrize(
    ("hours", "chosen"),
    [(None, "dear"), ("24x7", "dear"), ("Mon-Fri 08:00-17:00", "cheap")],
)
def test_an_offer_counts_from_when_the_site_lets_its_courier_in(hours: str | None, chosen: str):
    saturday = datetime(2026, 11, 28, 9, tzinfo=UTC)
    # the dear one is there on Saturday and let in on Monday at 08:00, the cheap one on Monday at 07:30
    offers = [offer("dear", 900, at=saturday), offer("cheap", 100, at=saturday + timedelta(hours=45, minutes=30))]
    assert GOODS.site is not None
    taken = hand_over_at(replace(GOODS.site, access_hours=hours), default_policy().sourcing, WEDNESDAY)

    found = choose_offer(offers, leaves=WEDNESDAY, due_at=saturday + timedelta(hours=12), taken=taken)

    assert found is not None
    assert found.service == chosen


@pytest.mark.parametrize(("holidays", "chosen"), [("local", "dear"), ("none", "cheap")])
def test_no_offer_is_in_time_by_coming_on_a_holiday_of_the_site(holidays: str, chosen: str):
    christmas_eve = datetime(2026, 12, 24, 12, tzinfo=UTC)
    offers = [offer("dear", 900, at=christmas_eve), offer("cheap", 100, at=christmas_eve + timedelta(days=1))]
    sourcing = default_policy().sourcing
    courier = sourcing.courier.model_copy(update={"holidays": holidays})
    taken = hand_over_at(GOODS.site, sourcing.model_copy(update={"courier": courier}), christmas_eve)

    found = choose_offer(offers, leaves=christmas_eve, due_at=christmas_eve + timedelta(days=2), taken=taken)

    assert found is not None
    assert found.service == chosen


@pytest.mark.parametrize("site", [None, replace(GOODS.site, access_hours="whenever")])
def test_a_site_that_is_not_known_or_cannot_be_read_takes_parcels_at_any_time(site: Place | None):
    sunday_night = datetime(2026, 11, 29, 2, tzinfo=UTC)

    assert hand_over_at(site, default_policy().sourcing, WEDNESDAY)(sunday_night) == sunday_night


def test_offers_that_say_nothing_are_compared_by_cost_and_none_is_none():
    assert choose_offer([offer("b", 200), offer("a", 100)], leaves=WEDNESDAY, due_at=None) == offer("a", 100)
    assert choose_offer([], leaves=WEDNESDAY, due_at=None) is None


quotes = st.builds(
    offer,
    st.sampled_from(["a", "b", "c"]),
    st.integers(0, 1_000),
    days=st.none() | st.integers(0, 9),
    at=st.none() | st.integers(0, 200).map(lambda hours: WEDNESDAY + timedelta(hours=hours)),
)


@given(st.lists(quotes, min_size=1, max_size=6), st.randoms())
def test_the_choice_does_not_depend_on_the_order_of_offers(offers: list[Quote], random: object):
    shuffled = list(offers)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    due_at = WEDNESDAY + timedelta(days=2)

    first = choose_offer(offers, leaves=WEDNESDAY, due_at=due_at)
    second = choose_offer(shuffled, leaves=WEDNESDAY, due_at=due_at)

    assert first is not None
    assert second is not None
    assert (first.carrier, first.service, first.amount_cents) == (second.carrier, second.service, second.amount_cents)


def test_people_are_told_in_the_time_of_the_site():
    assert arrival_text(GOODS, None) == "Thu 26 Nov 2026, 08:30 (Europe/Berlin)"
    assert arrival_text(replace(GOODS, estimated_arrival_at=None), None) == "not known yet"
    assert "Device: Acme SW-48 (serial S1)" in sent_note(GOODS, None)


def test_a_driver_is_told_where_to_take_it_and_how_to_swap():
    assert pickup_instructions(replace(GOODS, mode=Mode.DRIVE), None) == (
        "Pick and check the unit at Berlin Depot (BER) and take it to Hamburg Port (HAM).\n"
        "Swap, then return the old one."
    )


def test_the_packing_list_names_the_devices_and_all_that_goes_along():
    several = replace(GOODS, goods=replace(GOODS.goods, quantity=3), kit=(KitLine("Acme Bracket", "BR-1", 6),))

    assert [(line["product"], line["quantity"], line["is_device"]) for line in packing_list(several)] == [
        ("Acme SW-48", 3, True),
        ("Acme Bracket", 6, False),
    ]


@pytest.mark.parametrize(
    ("error", "status", "is_unexpected"),
    [
        (Transient("down"), "retry", False),
        (OutcomeUnknown("lost"), "retry", False),
        (AuthError("expired"), "retry", False),
        (ConfigError("not connected"), "retry", False),
        (Unavailable("away"), "retry", False),
        (RateLimited("slow"), "retry", False),
        (Conflict("changed"), "retry", True),
        (UnexpectedResponse("HTML"), "retry", True),
        (KeyError("id"), "retry", True),
        (Invalid("refused"), "failed", False),
        (NotFound("gone"), "failed", False),
        (NotOffered("no such thing"), "failed", False),
        (IllegalTransition("expired"), "failed", False),
        (Stopped(), "stopped", False),
    ],
)
def test_what_follows_from_an_error_is_decided_by_its_class(error: Exception, status: str, is_unexpected: bool):
    attempt = attempt_of(error)

    assert (attempt.status, attempt.is_unexpected) == (status, is_unexpected)


def test_a_lost_answer_is_asked_about_when_the_other_side_knows():
    waited = attempt_of(OutcomeUnknown("lost", known_after=timedelta(minutes=2)))

    assert pause_after(waited, timedelta(seconds=1)) == timedelta(minutes=2)
    assert pause_after(attempt_of(OutcomeUnknown("lost")), timedelta(seconds=1)) == timedelta(seconds=1)


def test_a_refusal_names_the_fields_and_says_what_to_do():
    refused = Invalid("courier: the label was refused", fields={"postal_code": "too short"}, hint="Correct it")

    assert attempt_of(refused).reason == ("courier: the label was refused. Correct it. (postal_code: too short)")


def test_pauses_double_up_to_the_longest_and_last_as_long_as_was_asked_for():
    backoff = Backoff(first=timedelta(seconds=1), longest=timedelta(minutes=5))

    assert [backoff.wait(number).total_seconds() for number in (1, 2, 5, 9, 10, 1_000)] == [1, 2, 16, 256, 300, 300]
    asked = attempt_of(RateLimited("slow", retry_after=timedelta(seconds=90)))
    assert pause_after(asked, backoff.wait(1)) == timedelta(seconds=90)
    assert pause_after(Attempt("retry"), backoff.wait(3)) == timedelta(seconds=4)


def test_every_wrong_field_of_a_ticket_is_named():
    with pytest.raises(InvalidConfiguration) as wrong:
        TicketWrites(fields={"A": "{tracking}", "B": "{serial", "C": "{serial} {hub}"})

    assert wrong.value.problems == (
        "field 'A': placeholder 'tracking' is not known",
        "field 'B': '{serial' cannot be read (expected '}' before end of string)",
    )
