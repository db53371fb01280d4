"""Values with other values of some fields."""

from __future__ import annotations

from dataclasses import field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.model.frozen import but, frozen

NUMBERS = st.integers() | st.none()


@frozen
class Parcel:
    """A value with defaults of both kinds."""

    weight: int | None
    width: int | None = 3
    marks: list[int] = field(default_factory=list)


@given(weight=NUMBERS, width=NUMBERS, changed=st.dictionaries(st.sampled_from(["weight", "width"]), NUMBERS))
def test_it_is_what_replace_gives(weight: int | None, width: int | None, changed: dict[str, Any]):
    parcel = Parcel(weight, width, [1])

    found = but(parcel, **changed)

    assert found == replace(parcel, **changed)
    assert (parcel.weight, parcel.width, found.marks is parcel.marks) == (weight, width, True)


def test_an_unknown_field_is_refused():
    with pytest.raises(KeyError, match="height"):
        but(Parcel(1), height=2)
