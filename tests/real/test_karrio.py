"""Labels of a real Karrio server's offline carrier: offers, return labels, voids; and what its trackers say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from secrets import token_hex

import httpx
import pytest

from connector.sdk import (
    Address,
    BuyLabel,
    LabelFormat,
    OutcomeUnknown,
    Parcel,
    Party,
    Receipt,
    ShipmentStatus,
    TrackShipment,
    VoidLabel,
)
from tests.real.connected import Source, connected
from tests.real.karrio import CARRIER, SERVICES, TRACKING_CARRIER, Karrio

HAMBURG = Party("Depot", Address(line1="Kai 1", city="Hamburg", postal_code="20457", country="DE"))
VIENNA = Party("Site", Address(line1="Ring 1", city="Vienna", postal_code="1010", country="AT"))


@pytest.fixture
async def source(parcels: Karrio) -> AsyncIterator[Source]:
    settings = {"base_url": parcels.url, "token": parcels.token, "carrier_ids": [CARRIER]}
    async with connected("karrio", settings) as source:
        yield source


async def test_offers_are_those_of_the_rate_sheet_cheapest_first(source: Source) -> None:
    quotes = await source.adapter.quote(Parcel(HAMBURG, VIENNA, 1200))

    wanted = sorted((service.cents, service.code, service.transit_days) for service in SERVICES)
    assert [(quote.amount_cents, quote.service, quote.transit_days) for quote in quotes] == wanted


@pytest.mark.parametrize(
    ("label_format", "begins"), [(LabelFormat.PDF, b"%PDF"), (LabelFormat.ZPL, b"^XA")], ids=["pdf", "zpl"]
)  # fmt: skip
async def test_a_return_label_is_bought_once_found_again_and_voided(
    source: Source, label_format: LabelFormat, begins: bytes
) -> None:
    parcel = Parcel(VIENNA, HAMBURG, 1200)
    op = BuyLabel(f"label-{token_hex(8)}", parcel, "4711", label_format=label_format, is_return=True)
    assert await source.adapter.find_label(op.key) is None

    label = await source.adapter.buy_label(op)

    assert label.document.lstrip().startswith(begins)
    assert (label.carrier, label.amount_cents) == (CARRIER, min(service.cents for service in SERVICES))
    again = await source.adapter.buy_label(op)
    found = await source.adapter.find_label(op.key)
    assert again.shipment == found.shipment == label.shipment
    void = VoidLabel(token_hex(8), label.shipment)
    await source.adapter.void_label(void)
    assert (await source.adapter.void_label(void)).external_id == label.shipment.external_id


async def test_parcels_that_are_tracked_are_pulled_page_by_page_with_what_was_scanned(
    parcels: Karrio, source: Source
) -> None:
    """The courier is a feed of ours; tracker, polling and list are Karrio's own."""
    numbers = [f"T{token_hex(6).upper()}" for _ in range(5)]
    at = (datetime.now(UTC) - timedelta(hours=3)).replace(microsecond=0)
    scans = [
        {"status": "transit", "at": f"{at:%Y-%m-%dT%H:%M:%S}", "place": "Leipzig", "text": "left the depot"},
        {
            "status": "delivered",
            "at": f"{at + timedelta(hours=1):%Y-%m-%dT%H:%M:%S}",
            "place": "Vienna",
            "text": "done",
        },
    ]
    _tell_the_courier(parcels, numbers[0], scans)
    settings = {"base_url": parcels.url, "token": parcels.token, "page_size": 2}
    async with connected("karrio", settings) as paged:
        receipts = [await _tracked(paged, number) for number in numbers]
        again = await _tracked(paged, numbers[0])

        batches = await paged.batches("trackers")
        found = {item.ref.external_id: item for batch in batches for item in batch.records}
        later = await paged.records("trackers", batches[-1].resume)

    ours = {receipt.external_id: number for receipt, number in zip(receipts, numbers, strict=True)}
    assert again.external_id == receipts[0].external_id
    assert len(batches) >= 3
    assert {key: found[key].tracking_number for key in ours} == ours
    delivered, waiting = found[receipts[0].external_id], found[receipts[1].external_id]
    assert (delivered.status, waiting.status) == (ShipmentStatus.DELIVERED, ShipmentStatus.LABEL_CREATED)
    assert [(event.occurred_at, event.location) for event in delivered.events] == [
        (at, "Leipzig"), (at + timedelta(hours=1), "Vienna"),
    ]  # fmt: skip
    assert ours.keys() <= later.keys()


def _tell_the_courier(parcels: Karrio, number: str, scans: list[dict[str, str]]) -> None:
    httpx.put(f"{parcels.feed_url}/parcels/{number}", json={"events": scans}).raise_for_status()


async def _tracked(source: Source, number: str) -> Receipt:
    """Asked once more where the outcome is unknown, as the hub does: Karrio's worker may hold its SQLite just then."""
    op = TrackShipment(token_hex(8), number, TRACKING_CARRIER)
    for _ in range(5):
        with suppress(OutcomeUnknown):
            receipt: Receipt = await source.adapter.track(op)
            return receipt
    raise AssertionError(f"Karrio does not make a tracker of {number}")
