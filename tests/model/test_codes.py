"""Codes on paper: read as they were written, and not where a digit is wrong."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.model.codes import LETTERS, check_digits, code_of, digits_fit, read_code
from connector.model.refs import EntityKind

THINGS = st.tuples(st.sampled_from(list(LETTERS)), st.integers(1, 10**12))


@given(THINGS, st.sampled_from(["-", " ", " - "]))
def test_a_code_is_read_as_it_was_written_however_it_is_typed(thing: tuple[EntityKind, int], between: str):
    code = code_of(*thing)

    assert read_code(code) == thing
    assert read_code(f" {code.lower().replace('-', between)} ") == thing


@given(THINGS, st.data())
def test_one_wrong_digit_or_two_that_changed_places_are_noticed(thing: tuple[EntityKind, int], data: st.DataObject):
    code = code_of(*thing)
    digits = [place for place, sign in enumerate(code) if sign.isdigit()]
    signs = list(code)
    if data.draw(st.booleans()):
        place = data.draw(st.sampled_from(digits))
        signs[place] = data.draw(st.sampled_from([d for d in "0123456789" if d != signs[place]]))
    else:
        first, second = data.draw(st.sampled_from(list(itertools.pairwise(digits))))
        signs[first], signs[second] = signs[second], signs[first]
    if "".join(signs) == code:
        return

    with pytest.raises(ValueError, match="was misread"):
        read_code("".join(signs))


def test_a_known_code():
    # R is 27: 27471100 is 283207 times 97 and 21, 98 - 21 = 77
    assert code_of(EntityKind.RESERVATION, 4711) == "R-4711-77"


@pytest.mark.parametrize("text", ["", "4711", "R-4711", "X-4711-05", "R-47x-11", "R471105"])
def test_what_is_no_code_is_said_so(text: str):
    with pytest.raises(
        ValueError, match="cannot be read: it is a letter \\(A, M, R, T\\), a number and two check digits"
    ):
        read_code(text)


@pytest.mark.parametrize(("text", "digits"), [("794", "44"), ("GB82WEST12345698765432"[4:] + "GB", "82")])
def test_check_digits_are_those_of_the_standard(text: str, digits: str):
    """ISO/IEC 7064 gives 794 as an example of MOD 97-10; an IBAN has them at its beginning."""
    assert check_digits(text) == digits
    assert digits_fit(text + digits)
    assert not digits_fit(text + f"{int(digits) + 1:02}")
