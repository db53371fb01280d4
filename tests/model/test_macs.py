from __future__ import annotations

import pytest

from connector.model.macs import mac_key, mac_keys
from connector.model.naming import host_key


@pytest.mark.parametrize("text", ["00:1b:54:aa:bb:cc", "00-1B-54-AA-BB-CC", "001b.54aa.bbcc", " 001B54AABBCC "])
def test_an_address_is_kept_in_one_way_of_writing(text: str):
    assert mac_key(text) == "00:1B:54:AA:BB:CC"


@pytest.mark.parametrize(
    "text",
    [
        "", "n/a", "00:1B:54:AA:BB", "00:1B:54:AA:BB:CC:DD", "00:1B:54:AA:BB:CG",  # none at all
        "00:00:00:00:00:00", "FF:FF:FF:FF:FF:FF", "01:00:5E:00:00:01",  # of nobody, of everybody, of a group
        "02:42:AC:11:00:02", "DA:A1:19:00:00:01",  # a container's, a phone's that hides
        "00:05:9a:3c:7a:00", "00:00:5E:00:01:0A", "00:50:56:C0:00:08", "24:B6:20:52:41:53",  # of many machines
    ],
)  # fmt: skip
def test_what_no_maker_gave_to_one_device_tells_nothing(text: str):
    assert mac_key(text) is None


def test_addresses_are_sorted_and_stand_once():
    assert mac_keys(["00:1b:54:00:00:02", "none", "001B54000001", "00-1B-54-00-00-02"]) == (
        "00:1B:54:00:00:01", "00:1B:54:00:00:02",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("SW-1.example.com", "sw-1"), (" edge_7 ", "edge_7"), ("gandalf", "gandalf"),
        ("Reception printer", None), ("10.1.2.3", None), ("12345", None), ("localhost", None), ("Laptop", None),
        ("bürö-1", None), ("", None), (None, None),
    ],
)  # fmt: skip
def test_a_host_name_is_compared_without_its_domain_and_other_names_are_not(name: str | None, key: str | None):
    assert host_key(name) == key
