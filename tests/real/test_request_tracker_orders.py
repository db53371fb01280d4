"""Orders in a queue of a real Request Tracker: placed once, followed as the buyers work on them, called off."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any

import httpx
import pytest

from connector.sdk import (
    Address,
    CancelOrder,
    Conflict,
    OrderParts,
    OrderRecord,
    Party,
    ProcurementState,
    ProductKey,
    SourceRef,
)
from tests.real.connected import Source, connected
from tests.real.request_tracker import ORDER_QUEUE, RequestTracker

SWITCH = ProductKey(manufacturer="Cisco", model="C9300", part_number="C9300-48P")
HAMBURG = Party("Store", Address(line1="Kai 1", city="Hamburg", postal_code="20457", country="DE"))


@dataclass(frozen=True, slots=True)
class Buyers:
    """Orders as those who buy see and change them."""

    client: httpx.Client

    def shown(self, ref: SourceRef) -> dict[str, Any]:
        """The ticket of an order."""
        found: dict[str, Any] = self.client.get(f"ticket/{ref.external_id}").raise_for_status().json()
        return found

    def change(self, ref: SourceRef, **values: object) -> None:
        """Change it."""
        self.client.put(f"ticket/{ref.external_id}", json=values).raise_for_status()

    def texts(self, ref: SourceRef) -> list[str]:
        """What was written on it."""
        params: dict[str, str | int] = {"fields": "Content", "per_page": 100}
        found = self.client.get(f"ticket/{ref.external_id}/attachments", params=params).raise_for_status().json()
        return [item["Content"] for item in found["items"]]


@pytest.fixture
def buyers(desk: RequestTracker) -> Iterator[Buyers]:
    with desk.client() as client:
        yield Buyers(client)


@pytest.fixture
async def source(desk: RequestTracker) -> AsyncIterator[Source]:
    settings = {"base_url": desk.url, "token": desk.token, "queues": [desk.queue], "order_queue": ORDER_QUEUE}
    async with connected("request_tracker", settings) as source:
        yield source


def order() -> OrderParts:
    """Two switches for the store."""
    needed = datetime(2027, 1, 4, 8, tzinfo=UTC)
    return OrderParts(f"order-{token_hex(8)}", SWITCH, 2, HAMBURG, "4711", needed_by=needed)


async def seen(source: Source, ref: SourceRef, began: datetime) -> OrderRecord:
    """What a pull tells of an order."""
    found = await source.records("orders", source.since("orders", began))
    record = found[ref.external_id]
    assert isinstance(record, OrderRecord)
    return record


async def test_an_order_is_placed_once_and_followed_to_its_delivery(source: Source, buyers: Buyers) -> None:
    began, op = datetime.now(UTC), order()
    assert await source.adapter.find_order(op.key) is None

    receipt = await source.adapter.order(op)

    assert await source.adapter.order(op) == receipt
    assert await source.adapter.find_order(op.key) == receipt
    ticket = buyers.shown(receipt.order)
    assert ticket["Subject"] == f"Order: 2 x Cisco C9300 for ticket 4711 [connector:{op.key}]"
    assert (ticket["Status"], ticket["Due"]) == ("new", "2027-01-04T08:00:00Z")
    assert {field["name"]: field["values"] for field in ticket["CustomFields"]}["Part Number"] == ["C9300-48P"]
    placed = await seen(source, receipt.order, began)
    assert (placed.key, placed.state, placed.expected_at) == (op.key, ProcurementState.ORDERED, op.needed_by)

    buyers.change(receipt.order, Status="open")
    assert (await seen(source, receipt.order, began)).state is ProcurementState.CONFIRMED
    sent = {"Carrier": "dhl", "Tracking Number": ["JD1"]}
    buyers.change(receipt.order, CustomFields=sent, Due="2027-01-02 10:00:00")
    shipped = await seen(source, receipt.order, began)
    assert (shipped.state, shipped.carrier, shipped.tracking_number) == (ProcurementState.SHIPPED, "dhl", "JD1")
    assert shipped.expected_at == datetime(2027, 1, 2, 10, tzinfo=UTC)
    with pytest.raises(Conflict, match="is shipped: it cannot be cancelled any more"):
        await source.adapter.cancel_order(CancelOrder(token_hex(8), receipt.order, "not needed"))
    serials = {"Delivered Serials": ["FOC1", "FOC2"]}
    buyers.change(receipt.order, Status="resolved", CustomFields=serials)
    delivered = await seen(source, receipt.order, began)
    assert (delivered.state, set(delivered.serials)) == (ProcurementState.RECEIVED, {"FOC1", "FOC2"})


async def test_an_order_that_is_called_off_is_rejected_with_the_reason(source: Source, buyers: Buyers) -> None:
    began = datetime.now(UTC) - timedelta(seconds=1)
    receipt = await source.adapter.order(order())
    op = CancelOrder(f"cancel-{token_hex(8)}", receipt.order, "the old one works again")

    await source.adapter.cancel_order(op)
    await source.adapter.cancel_order(op)

    assert buyers.shown(receipt.order)["Status"] == "rejected"
    said = [text for text in buyers.texts(receipt.order) if op.key in text]
    assert said == [f"This order is not needed any more: {op.reason}\n\n[connector:{op.key}]"]
    assert (await seen(source, receipt.order, began)).state is ProcurementState.REFUSED
