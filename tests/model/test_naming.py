from __future__ import annotations

import pytest

from connector.model.naming import fold, host_names, manufacturer_key, product_key, serial_key, tag_key
from connector.model.records import ProductKey


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Catalyst  C9300-48P", "catalyst c9300 48p"),
        ("  PowerEdge_R640 ", "poweredge r640"),
        ("Straße (ﬁber)", "strasse fiber"),
        ("X+ / 2", "x+ 2"),
        ("---", "---"),
    ],
)
def test_names_are_folded(text: str, folded: str):
    assert fold(text) == folded
    assert fold(fold(text)) == folded


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Cisco Systems, Inc.", "cisco"),
        ("CISCO", "cisco"),
        ("Hewlett-Packard Enterprise", "hpe"),
        ("Juniper Networks", "juniper"),
        ("Siemens AG", "siemens"),
        ("Inc.", "inc"),
    ],
)
def test_a_manufacturer_is_known_by_its_usual_name(name: str, key: str):
    assert manufacturer_key(name) == key


def test_a_model_that_repeats_its_manufacturer_is_taken_without_it():
    assert product_key(ProductKey(manufacturer="Cisco Systems", model="Cisco C9300")) == ("cisco", "c9300")
    assert product_key(ProductKey(manufacturer="Dell", model="Dell")) == ("dell", "dell")


@pytest.mark.parametrize("serial", [None, "", " ", "N/A", "Not Specified", "To be filled by O.E.M.", "0"])
def test_a_placeholder_is_no_serial(serial: str | None):
    assert serial_key(serial) is None


def test_serials_and_tags_are_upper_case_and_trimmed():
    assert serial_key(" foc123x ") == "FOC123X"
    assert (tag_key(" at-7 "), tag_key(" "), tag_key(None)) == ("AT-7", None, None)


def test_a_host_is_known_with_and_without_its_domain():
    assert host_names("Sw-1.example.com") == (
        "Sw-1.example.com", "sw-1.example.com", "SW-1.EXAMPLE.COM", "Sw-1", "sw-1", "SW-1",
    )  # fmt: skip
    assert host_names("10.1.2.3") == ("10.1.2.3",)
    assert host_names("") == ()
