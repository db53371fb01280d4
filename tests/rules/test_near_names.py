"""Which names are near each other, and which never are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.model.geo import Point
from connector.model.naming import fold
from connector.rules.naming.near import LEAST, Model, Place, near_makers, near_models, near_names, near_places

NAMES = st.text(alphabet="abc 12", max_size=12).map(fold)


@pytest.mark.parametrize(
    ("one", "other", "score", "why"),
    [
        ("c9300 48p", "c930048p", 97, "'c9300 48p' and 'c930048p' differ in spaces alone"),
        ("hamburg altona", "altona hamburg", 95,
         "'hamburg altona' and 'altona hamburg' are the same words in another order"),
        ("c9300 48p", "c9300 48p a", 82, "'c9300 48p a' is 'c9300 48p' with 'a' at its end"),
        ("catalyst 9300", "catalist 9300", 92,
         "'catalyst 9300' and 'catalist 9300' are 92 % alike, with the same digits"),
    ],
)  # fmt: skip
def test_names_that_are_near_say_why(one: str, other: str, score: int, why: str):
    near = near_names(one, other)

    assert near is not None
    assert (near.score, near.why) == (score, why)


@pytest.mark.parametrize(
    ("one", "other"),
    [("poweredge r740", "poweredge r750"), ("mx204", "mx240"), ("ex4300 p", "ex4300 t"), ("x1", "x2"), ("", "r740")],
)
def test_models_that_digits_or_single_letters_tell_apart_are_never_near(one: str, other: str):
    assert near_names(one, other) is None


@given(NAMES, NAMES)
def test_nearness_has_no_direction(one: str, other: str):
    assert near_names(one, other) == near_names(other, one)


def test_what_a_source_lists_stays_and_each_double_is_told_once():
    listed = Model(1, "acme", "sw 48", part_number="S-48")
    brought = [
        Model(2, "acme", "sw48", is_loose=True, units=9),
        Model(3, "acme", "s 48", is_loose=True),
        Model(4, "other", "sw 48", is_loose=True),
    ]

    pairs = near_models([listed, *brought], new=[2, 3, 4])

    assert [(pair.double.id, pair.stays.id, pair.near.score) for pair in pairs] == [(2, 1, 97), (3, 1, 96)]


def test_a_maker_of_one_product_may_be_one_of_many():
    (pair,) = near_makers({"fortinet": 12, "fortinett": 1, "fujitsu": 1, "netapp": 3})

    assert (pair.double, pair.stays) == ("fortinett", "fortinet")
    assert pair.near.score >= LEAST


def test_a_hub_stays_and_sites_far_apart_are_two():
    near, far = Point(52.52, 13.40), Point(48.13, 11.57)
    hub = Place("hub", 1, "Berlin Mitte", code="BER", point=near)
    places = [
        hub,
        Place("site", 2, "Mitte, Berlin"),
        Place("site", 3, "Berlin-Mitte", point=far),
        Place("site", 4, "Werk 7", country="DE"),
        Place("site", 5, "Werk-7", country="FR"),
    ]

    pairs = near_places([*places[1:], "ber"], places)

    assert [(pair.double if isinstance(pair.double, str) else pair.double.id, pair.stays.id) for pair in pairs] == [
        (2, 1), ("ber", 1),
    ]  # fmt: skip
