"""The book: a parcel a key, whoever writes at the same time, and never half a file."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connector.sdk import (
    BuyLabel,
    ConfigError,
    EntityKind,
    Invalid,
    LabelFormat,
    NotFound,
    Party,
    SourceRef,
    Transient,
    UnexpectedResponse,
    VoidLabel,
)
from connector.sdk.testing import Connected, MovableClock
from connector_manual_courier.book import Book, Entry
from connector_manual_courier.numbers import numbers_for, read_number
from connector_manual_courier.sandbox import PARCEL, SITE, ManualCourierSandbox

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
OP = BuyLabel("wf-1:label", PARCEL, "INC-1001")


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(NOON)


@pytest.fixture
def van(clock: MovableClock) -> Iterator[ManualCourierSandbox]:
    sandbox = ManualCourierSandbox(clock)
    yield sandbox
    sandbox.close()


def connected(van: ManualCourierSandbox, clock: MovableClock, **settings: object) -> Connected:
    return Connected.to("manual_courier", van, clock, **settings)


def test_numbers_are_the_same_each_time_and_end_in_check_digits() -> None:
    """`printf '0\\037k' | sha256sum` ends in 849840397700 as a decimal number; V, A, N are 31, 10, 23."""
    first, second = (next(numbers_for("k", "VAN")) for _ in range(2))

    assert first == second == "VAN84984039770039"
    assert read_number(f"  {first[:3].lower()} {first[3:9]}-{first[9:]} ") == first
    for place in range(3, len(first)):
        wrong = first[:place] + str((int(first[place]) + 1) % 10) + first[place + 1 :]
        assert read_number(wrong) is None
    assert [read_number(text) for text in ("", "VAN", "V" * 17, "VAN" + "٣" * 14, "../../etc/passwd")] == [None] * 5


async def test_the_same_key_is_one_parcel_even_at_the_same_time(van: ManualCourierSandbox, clock: MovableClock) -> None:
    dearer = [{"name": "taxi", "base": "99", "transit_hours": 1}]
    async with connected(van, clock) as one, connected(van, clock, services=dearer) as other:
        receipts = await asyncio.gather(*(each.adapter.buy_label(OP) for each in (one, other) * 8))
        clock.advance(timedelta(hours=1))
        receipts.append(await other.adapter.find_label(OP.key))

    assert len({(each.tracking_number, each.document, each.estimated_delivery_at) for each in receipts}) == 1
    assert [entry.op for entry in van.book.entries()] == [OP]
    assert [path.name for path in van.folder.rglob(".*")] == []


async def test_a_number_that_another_parcel_has_is_passed_over(van: ManualCourierSandbox, clock: MovableClock) -> None:
    first, second, *_ = (number for number, _ in zip(numbers_for(OP.key, "VAN"), range(2), strict=False))
    async with connected(van, clock) as source:
        taken = await source.adapter.buy_label(replace(OP, key="other"))
        entry = van.book.entry(taken.tracking_number)
        assert entry is not None
        path = van.folder / first[-2:] / f"{first}.json"
        path.parent.mkdir(exist_ok=True)
        (van.folder / entry.number[-2:] / f"{entry.number}.json").rename(path)

        assert await source.adapter.find_label(OP.key) is None
        assert (await source.adapter.buy_label(OP)).tracking_number == second
        assert (await source.adapter.find_label(OP.key)).tracking_number == second


async def test_a_process_that_dies_while_it_writes_leaves_no_parcel(
    van: ManualCourierSandbox, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    async with connected(van, clock) as source:
        number = next(numbers_for(OP.key, "VAN"))
        with monkeypatch.context() as patched:
            patched.setattr(os, "link", die)
            with pytest.raises(KeyboardInterrupt):
                van.book.enter(OP.key, lambda number: Entry(number, OP, "Van", "day", 1, "EUR", NOON, NOON))
        assert van.book.entry(number) is None
        assert (await source.adapter.buy_label(OP)).tracking_number == number


async def test_labels_and_receipts_are_what_was_asked_for(van: ManualCourierSandbox, clock: MovableClock) -> None:
    async with connected(van, clock) as source:
        way_back = replace(OP, is_return=True, label_format=LabelFormat.ZPL, service="messenger")
        receipt = await source.adapter.buy_label(way_back)

    assert (receipt.carrier, receipt.service, receipt.amount_cents, receipt.currency) == (
        "Van Berlin", "messenger", 3500, "EUR",
    )  # fmt: skip
    assert (receipt.estimated_delivery_at, receipt.tracking_url) == (datetime(2026, 11, 25, 13, 30, tzinfo=UTC), None)
    text = receipt.document.decode()
    for said in ("RETURN", "messenger, by Wed 25 Nov 14:30", "Site Potsdam", "14467 Potsdam", "INC-1001", "Spares"):
        assert f"^FD{said}^FS" in text
    assert f"https://hub.example.com/webhooks/van?parcel={receipt.tracking_number}&proof=" in text


async def test_without_an_address_for_reports_the_code_is_the_number(
    van: ManualCourierSandbox, clock: MovableClock
) -> None:
    async with connected(van, clock, report_address=None, dots_per_mm=12) as source:
        receipt = await source.adapter.buy_label(replace(OP, label_format=LabelFormat.ZPL))

    assert f"^FDMA,{receipt.tracking_number}^FS" in receipt.document.decode()
    assert b"^PW1219" in receipt.document


async def test_a_place_without_street_is_found_by_its_position_and_one_without_either_is_refused(
    van: ManualCourierSandbox, clock: MovableClock
) -> None:
    field = Party("Mast 7", SITE.address.model_copy(update={"line1": None, "city": None}), point=SITE.point)
    async with connected(van, clock, services=[{"name": "van", "transit_hours": 2}]) as source:
        found = await source.adapter.buy_label(
            replace(OP, parcel=replace(PARCEL, recipient=field), label_format=LabelFormat.ZPL)
        )
        with pytest.raises(Invalid, match="nobody would find Mast 7") as told:
            await source.adapter.buy_label(
                replace(OP, key="k", parcel=replace(PARCEL, recipient=replace(field, point=None)))
            )

    assert "^FD52.39890, 13.06570^FS" in found.document.decode()
    assert list(told.value.fields) == ["recipient"]


async def test_a_voided_parcel_is_void_once_and_for_good(van: ManualCourierSandbox, clock: MovableClock) -> None:
    async with connected(van, clock) as source:
        receipt = await source.adapter.buy_label(OP)
        await source.adapter.void_label(VoidLabel("wf-1:void", receipt.shipment))
        clock.advance(timedelta(hours=1))
        await source.adapter.void_label(VoidLabel("wf-2:void", receipt.shipment))

        voided = van.book.voided(receipt.tracking_number)
        assert voided is not None
        assert (voided.key, voided.at) == ("wf-1:void", NOON)
        assert await source.adapter.find_label(OP.key) == receipt


@pytest.mark.parametrize("number", ["VAN00000000000000", "../../etc/passwd", next(numbers_for("nobody", "VAN"))])
async def test_a_parcel_that_the_book_does_not_have_is_not_found(
    van: ManualCourierSandbox, clock: MovableClock, number: str
) -> None:
    async with connected(van, clock) as source:
        with pytest.raises(NotFound, match="the book has no parcel"):
            await source.adapter.void_label(VoidLabel("k", SourceRef(kind=EntityKind.SHIPMENT, external_id=number)))


async def test_what_was_changed_by_hand_is_told(van: ManualCourierSandbox, clock: MovableClock) -> None:
    async with connected(van, clock) as source:
        number = (await source.adapter.buy_label(OP)).tracking_number
        (van.folder / number[-2:] / f"{number}.json").write_text("{}")
        with pytest.raises(UnexpectedResponse, match=f"{number}.json of the book cannot be read: Field required"):
            await source.adapter.find_label(OP.key)


async def test_the_book_is_made_by_the_first_check_and_nobody_else_reads_it(
    van: ManualCourierSandbox, clock: MovableClock
) -> None:
    folder = van.folder / "book"
    async with connected(van, clock, book=str(folder)) as source:
        assert (await source.adapter.check()).detail == "2 services"
        number = (await source.adapter.buy_label(OP)).tracking_number

    assert stat.S_IMODE((folder / number[-2:] / f"{number}.json").stat().st_mode) == 0o600


async def test_a_book_that_cannot_be_kept_is_a_matter_of_the_settings(
    van: ManualCourierSandbox, clock: MovableClock
) -> None:
    async with connected(van, clock, book=str(van.folder / "no" / "book")) as source:
        with pytest.raises(ConfigError, match="cannot be used: No such file or directory"):
            await source.adapter.check()


def test_a_full_disk_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Transient, match="No space left on device"):
        Book(tmp_path, "VAN").void("VAN00000000000000", "k", NOON)
    assert list(tmp_path.rglob("*.json")) == []
