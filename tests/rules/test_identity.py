"""Which device a record is about, by the facts alone."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.model.errors import InvalidConfiguration
from connector.rules.identity.facts import Agreement, DeviceFacts, Fact, KnownDevice
from connector.rules.identity.match_rules import DEFAULT_RULES, RULES, match_rules
from connector.rules.identity.matching import Verdict, match_records, resembling

MAC, OTHER_MAC = "00:1B:54:00:00:01", "00:1B:54:00:00:02"
CMDB, ITSM = 1, 2


def known(
    number: int, *, sources: frozenset[int] = frozenset({CMDB}), retired: bool = False, **facts: Any
) -> KnownDevice:
    if "macs" in facts:
        facts["macs"] = frozenset(facts["macs"])
    return KnownDevice(number, DeviceFacts(**facts), f"device-{number}", retired, sources)


def verdict(record: DeviceFacts, *devices: KnownDevice, rules: tuple[str, ...] = tuple(RULES)) -> Verdict:
    return match_records({"r": record}, devices, match_rules(rules), source=ITSM)["r"]


@pytest.mark.parametrize(
    ("record", "device"),
    [
        (DeviceFacts(serial="S", manufacturer="cisco"), known(1, serial="S", manufacturer="cisco", asset_tag="OLD")),
        (DeviceFacts(serial="S"), known(1, serial="S", manufacturer="cisco")),
        (DeviceFacts(asset_tag="T", serial="S"), known(1, asset_tag="T")),
        (DeviceFacts(macs=frozenset({MAC, OTHER_MAC})), known(1, macs={MAC}, serial="S")),
        (DeviceFacts(hostname="sw-1", site=7), known(1, hostname="sw-1", site=7, serial="S")),
    ],
)
def test_exactly_one_device_that_nothing_contradicts_is_linked(record: DeviceFacts, device: KnownDevice):
    found = verdict(record, device, known(2, serial="OTHER", asset_tag="OTHER", hostname="sw-2", site=7))

    assert (found.outcome, found.device) == ("link", 1)


@pytest.mark.parametrize(
    ("record", "device", "why"),
    [
        (DeviceFacts(serial="S", manufacturer="cisco"), known(1, serial="S", manufacturer="hp"),
         "manufacturer differs"),
        (DeviceFacts(asset_tag="T", serial="S"), known(1, asset_tag="T", serial="R"), "serial differs"),
        (
            DeviceFacts(macs=frozenset({MAC}), serial="S", asset_tag="T"),
            known(1, macs={MAC}, serial="R", asset_tag="U"),
            "serial and asset tag differ",
        ),
        (DeviceFacts(hostname="a", site=7, asset_tag="T"), known(1, hostname="a", site=7, asset_tag="U"),
         "asset tag differs"),
        (DeviceFacts(hostname="a", site=7), known(1, hostname="a", site=7, retired=True), "it is retired"),
        (DeviceFacts(macs=frozenset({MAC})), known(1, macs={MAC}, retired=True), "it is retired"),
        (DeviceFacts(serial="S"), known(1, serial="S", sources=frozenset({ITSM})),
         "the source has another record of it"),
    ],
)  # fmt: skip
def test_a_device_that_something_contradicts_is_another_one(record: DeviceFacts, device: KnownDevice, why: str):
    found = verdict(record, device)

    assert (found.outcome, found.device) == ("new", None)
    assert [left.reason for attempt in found.attempts for left in attempt.left_out] == [why]


@pytest.mark.parametrize(
    "record", [DeviceFacts(hostname="a"), DeviceFacts(site=7), DeviceFacts(hostname="a", site=8), DeviceFacts()]
)
def test_a_host_name_without_its_site_finds_nothing(record: DeviceFacts):
    assert verdict(record, known(1, hostname="a", site=7)).outcome == "new"


def test_of_several_devices_another_rule_may_leave_one():
    one, two = known(1, serial="S", asset_tag="T1"), known(2, serial="S", asset_tag="T2")

    assert verdict(DeviceFacts(serial="S", asset_tag="T2"), one, two).device == 2
    unclear = verdict(DeviceFacts(serial="S"), one, two)
    assert (unclear.outcome, unclear.device, unclear.candidates) == ("review", None, (1, 2))
    assert unclear.reason == "serial+manufacturer fits more than one device"


def test_of_several_devices_those_of_the_product_and_those_in_use_go_first():
    old, new = known(1, serial="S", product=5, retired=True), known(2, serial="S", product=6)

    assert verdict(DeviceFacts(serial="S"), old, new).device == 2
    assert verdict(DeviceFacts(serial="S", product=6), replace(new, id=3), known(4, serial="S", product=9)).device == 3


def test_rules_that_find_different_devices_are_a_question_with_both():
    found = verdict(DeviceFacts(serial="S", asset_tag="T"), known(1, serial="S"), known(2, asset_tag="T"))

    assert (found.outcome, found.candidates) == ("review", (1, 2))
    assert found.reason == (
        "the rules contradict each other: serial+manufacturer finds asset 1, asset_tag finds asset 2"
    )


def test_what_is_out_of_use_calls_nothing_into_question_that_an_earlier_rule_finds_in_use():
    record, gone = DeviceFacts(serial="S", asset_tag="T"), known(2, asset_tag="T", retired=True)

    assert verdict(record, known(1, serial="S"), gone).device == 1
    assert verdict(record, known(1, serial="S", retired=True), known(2, asset_tag="T")).outcome == "review"


def test_an_address_that_one_source_gives_to_several_devices_identifies_none():
    dock = known(1, macs={MAC}), known(2, macs={MAC})
    apart = known(1, macs={MAC}), known(2, macs={MAC}, sources=frozenset({3}))

    assert verdict(DeviceFacts(macs=frozenset({MAC})), *dock).outcome == "new"
    assert verdict(DeviceFacts(macs=frozenset({MAC})), *apart).outcome == "review"
    assert verdict(DeviceFacts(macs=frozenset({MAC, OTHER_MAC})), *dock, known(3, macs={OTHER_MAC})).device == 3


def test_what_several_records_of_the_source_state_identifies_none_of_them():
    record = DeviceFacts(hostname="sw-1", site=7, macs=frozenset({MAC}))

    found = match_records(
        {"a": record, "b": record}, [known(1, hostname="sw-1", site=7, macs={MAC})], DEFAULT_RULES, source=ITSM
    )

    assert {item.outcome for item in found.values()} == {"new"}
    assert found["a"].attempts[3].note == "several devices have sw-1 at site 7, so that identifies none of them"


def test_a_host_name_that_several_devices_have_at_a_site_identifies_none_unless_the_others_are_retired():
    record = DeviceFacts(hostname="a", site=7)
    one, two = known(1, hostname="a", site=7), known(2, hostname="a", site=7)

    assert verdict(record, one, two).outcome == "new"
    assert verdict(record, one, replace(two, is_retired=True)).device == 1


def test_two_records_that_fit_one_device_are_a_question_each():
    record = DeviceFacts(serial="S")

    found = match_records({"a": record, "b": record}, [known(1, serial="S")], DEFAULT_RULES, source=ITSM)

    assert [(item.outcome, item.candidates) for item in found.values()] == [("review", (1,))] * 2


def test_a_rule_that_is_switched_off_is_not_tried():
    found = verdict(DeviceFacts(serial="S", asset_tag="T"), known(1, serial="S"), known(2, asset_tag="T"),
                    rules=("asset_tag",))  # fmt: skip

    assert (found.device, [attempt.rule for attempt in found.attempts]) == (2, ["asset_tag"])


def test_every_mistake_in_the_list_of_rules_is_told_at_once():
    with pytest.raises(InvalidConfiguration) as told:
        match_rules(["mac", "name", "mac", "ip"])

    assert told.value.problems == (
        "'name' is no match rule; there are serial+manufacturer, asset_tag, mac, hostname+site",
        "'ip' is no match rule; there are serial+manufacturer, asset_tag, mac, hostname+site",
        "'mac' stands more than once; a rule is tried once",
    )


class Hub:
    """Takes records in as the hub does: what is linked completes the device, what is new becomes one."""

    def __init__(self) -> None:
        self.devices: dict[int, KnownDevice] = {}
        self.records: dict[int, set[int]] = defaultdict(set)

    def take(self, source: int, truth: int, facts: DeviceFacts) -> None:
        found = match_records({0: facts}, list(self.devices.values()), DEFAULT_RULES, source=source)[0]
        if found.outcome == "review":
            return
        number = found.device or len(self.devices) + 1
        before = self.devices.get(number, known(number, sources=frozenset()))
        if found.device is not None:
            assert any(
                all(facts.compare(fact, before.facts) is Agreement.AGREES for fact in rule.equal)
                and not any(facts.compare(fact, before.facts) is Agreement.DIFFERS for fact in rule.unless)
                for rule in DEFAULT_RULES
            )
            assert source not in before.sources
        stated = {name: getattr(facts, name) or getattr(before.facts, name) for name in DeviceFacts.__slots__}
        stated["macs"] = facts.macs | before.facts.macs
        self.devices[number] = replace(before, facts=DeviceFacts(**stated), sources=before.sources | {source})
        self.records[number].add(truth)


def of_device(number: int, facts: frozenset[Fact]) -> DeviceFacts:
    """What is true of a device, as far as a source states it; two makers use the same serials."""
    true = DeviceFacts(
        serial=f"S{number // 2}", manufacturer=("cisco", "hp")[number % 2], asset_tag=f"T{number}",
        macs=frozenset({f"00:1B:54:00:00:{number:02X}"}), hostname=f"sw-{number}", site=number // 3,
    )  # fmt: skip
    silent = {"macs" if fact is Fact.MAC else fact.value for fact in frozenset(Fact) - facts - {Fact.MANUFACTURER}}
    return replace(true, **{name: frozenset() if name == "macs" else None for name in silent})


SAID = st.lists(
    st.tuples(st.integers(1, 4), st.integers(0, 5), st.frozensets(st.sampled_from(Fact))),
    max_size=20, unique_by=lambda record: record[:2],
)  # fmt: skip


@given(SAID)
def test_records_of_different_devices_are_never_linked_in_whatever_order_they_come(
    records: list[tuple[int, int, frozenset[Fact]]],
):
    hub = Hub()
    for source, number, facts in records:
        hub.take(source, number, of_device(number, facts))

    assert all(len(truths) == 1 for truths in hub.records.values())


@given(SAID, st.randoms(use_true_random=False))
def test_records_that_state_their_serials_end_linked_the_same_way_in_whatever_order_they_come(
    records: list[tuple[int, int, frozenset[Fact]]], random: Any
):
    shuffled = random.sample(records, len(records))
    for order in (records, shuffled):
        hub = Hub()
        for source, number, facts in order:
            hub.take(source, number, of_device(number, facts | {Fact.SERIAL}))

        assert sorted(min(truths) for truths in hub.records.values()) == sorted({number for _, number, _ in records})


@given(SAID, st.lists(st.tuples(st.integers(0, 5), st.frozensets(st.sampled_from(Fact)), st.booleans()), max_size=4))
def test_what_resembles_no_known_device_is_new_and_to_know_that_before_changes_no_other_verdict(
    records: list[tuple[int, int, frozenset[Fact]]], devices: list[tuple[int, frozenset[Fact], bool]]
):
    told = {place: of_device(truth, facts) for place, (_, truth, facts) in enumerate(records)}
    there = [
        replace(known(n), facts=of_device(truth, facts), is_retired=is_retired)
        for n, (truth, facts, is_retired) in enumerate(devices, 1)
    ]

    of_all = match_records(told, there, DEFAULT_RULES, source=ITSM)
    alike = resembling(told, there, DEFAULT_RULES)
    of_these = match_records(told, there, DEFAULT_RULES, source=ITSM, wanted=alike)

    assert of_these == {name: verdict for name, verdict in of_all.items() if name in alike}
    assert all(verdict.outcome == "new" for name, verdict in of_all.items() if name not in alike)
    assert all(not any(a.found or a.left_out for a in of_all[name].attempts) for name in told.keys() - alike)
