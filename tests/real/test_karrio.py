"""Labels of a real Karrio server's offline carrier: offers, return labels, voids."""

from __future__ import annotations

from collections.abc import AsyncIterator
from secrets import token_hex

import pytest

from connector.sdk import Address, BuyLabel, LabelFormat, Parcel, Party, VoidLabel
from tests.real.connected import Source, connected
from tests.real.karrio import CARRIER, SERVICES, Karrio

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
