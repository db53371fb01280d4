"""A queue of Request Tracker as a supplier: orders that are tickets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import httpx
import pytest
from pydantic import ValidationError

from connector.sdk import (
    CancelOrder,
    ConfigError,
    Conflict,
    EntityKind,
    NotFound,
    OrderParts,
    OrderRecord,
    ProcurementState,
    ProductKey,
    RequestReplacement,
    SourceClient,
    SourceRef,
    TicketRecord,
    Warranty,
)
from connector.sdk.testing import MovableClock
from connector_request_tracker import RequestTracker, RequestTrackerConfig
from connector_request_tracker.adapter import ORDERS, TICKETS
from connector_request_tracker.mapping import ticket_ref
from connector_request_tracker.sandbox import RequestTrackerSandbox
from connector_request_tracker.sandbox.system import HAMBURG, SWITCH

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
KEY = "order-7:20261125T115900.000000Z"


@pytest.fixture
def sandbox() -> RequestTrackerSandbox:
    return RequestTrackerSandbox(MovableClock(NOON))


def connected(sandbox: RequestTrackerSandbox) -> SourceClient:
    headers = RequestTrackerConfig.model_validate(sandbox.settings()).headers()
    transport = httpx.ASGITransport(app=sandbox.app())
    return SourceClient("http://rt.test", headers=headers, attempts=1, transport=transport)


def adapter(sandbox: RequestTrackerSandbox, http: SourceClient, **changes: object) -> RequestTracker:
    return RequestTracker(
        RequestTrackerConfig.model_validate({**sandbox.settings(), **changes}), http, MovableClock(NOON)
    )


@pytest.fixture
async def tracker(sandbox: RequestTrackerSandbox) -> AsyncIterator[RequestTracker]:
    async with connected(sandbox) as http:
        yield adapter(sandbox, http)


def parts(**changes: object) -> OrderParts:
    return replace(OrderParts(KEY, SWITCH, 2, HAMBURG, "1001", needed_by=NOON + timedelta(days=2)), **changes)


async def pulled(tracker: RequestTracker, stream: object) -> list[object]:
    return [record async for batch in tracker.pull(stream, None) for record in batch.records]  # type: ignore[arg-type]


async def test_an_order_says_everything_that_a_buyer_needs(sandbox: RequestTrackerSandbox, tracker: RequestTracker):
    covered = Warranty(contract="C-77", ends_on=date(2027, 3, 1))
    op = RequestReplacement(
        KEY, SWITCH, "FOC1", "PSU 1 is dead", HAMBURG, "1001", needed_by=NOON, warranty=covered, revision="B2"
    )

    receipt = await tracker.order(op)

    [ticket] = sandbox.desk.tickets.values()
    [text] = [each.content for each in sandbox.desk.attachments]
    assert (receipt.order_number, receipt.state, receipt.expected_at) == ("1", ProcurementState.ORDERED, NOON)
    assert ticket.queue == "Purchasing"
    assert ticket.subject == f"Replacement in advance: 1 x Cisco C9300-48P for ticket 1001 [connector:{KEY}]"
    assert ticket.due == "2026-11-25T12:00:00Z"
    assert ticket.fields == {"Part Number": ["C9300-48P-E"], "Serial Number": ["FOC1"]}
    assert text.splitlines() == [
        "Product: Cisco C9300-48P", "Part number: C9300-48P-E",
        "Revision: B2, no other", "Quantity: 1", "Serial of the failed unit: FOC1",
        "Contract: C-77", "Warranty ends: 2027-03-01", "Ticket: 1001", "Needed by: 2026-11-25 12:00 UTC", "",
        "Deliver to:", "Site Hamburg", "2 Quay", "20095 Hamburg", "DE", "", "Fault:", "PSU 1 is dead",
    ]  # fmt: skip


async def test_an_order_with_a_long_name_is_found_again_by_its_whole_key(tracker: RequestTracker):
    long = ProductKey(manufacturer="Acme", model="X" * 250)
    first = await tracker.order(parts(product=long))

    assert await tracker.find_order(KEY[:-1]) is None
    assert await tracker.find_order(KEY) == first
    assert (await tracker.order(parts(product=long))).order == first.order


async def test_what_buyers_do_is_what_becomes_of_the_order(sandbox: RequestTrackerSandbox, tracker: RequestTracker):
    receipt = await tracker.order(parts())
    ticket = sandbox.desk.tickets[int(receipt.order_number)]
    said: list[tuple[object, ...]] = []
    steps: list[dict[str, object]] = [
        {"Status": "open", "Due": "2026-11-30T08:00:00Z"},
        {"CustomFields": {"Carrier": "dhl", "Tracking Number": "JD01"}},
        {"Status": "resolved", "CustomFields": {"Delivered Serials": ["FOC1 FOC2"]}},
    ]
    for step in steps:
        sandbox.desk.update(ticket, step, "buyer")
        [record] = await pulled(tracker, ORDERS)
        assert isinstance(record, OrderRecord)
        assert (record.ref, record.key) == (receipt.order, KEY)
        said.append((record.state, record.expected_at, record.tracking_number, record.serials))

    moved = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)
    assert said == [
        (ProcurementState.CONFIRMED, moved, None, ()),
        (ProcurementState.SHIPPED, moved, "JD01", ()),
        (ProcurementState.RECEIVED, moved, "JD01", ("FOC1", "FOC2")),
    ]


async def test_an_order_that_buyers_reject_is_refused(sandbox: RequestTrackerSandbox, tracker: RequestTracker):
    receipt = await tracker.order(parts())
    sandbox.desk.set_status(sandbox.desk.tickets[1], "rejected", "buyer")

    record = await tracker.fetch(receipt.order)

    assert isinstance(record, OrderRecord)
    assert (record.state, record.reason) == (ProcurementState.REFUSED, "ticket 1 is rejected")


async def test_a_cancelled_order_says_why_on_its_ticket_once(sandbox: RequestTrackerSandbox, tracker: RequestTracker):
    receipt = await tracker.order(parts())
    op = CancelOrder("call-off-7", receipt.order, "ticket 1001 is resolved")

    await tracker.cancel_order(op)
    await tracker.cancel_order(op)

    texts = [each.content for each in sandbox.desk.attachments]
    assert sandbox.desk.tickets[1].status == "rejected"
    assert sum("This order is not needed any more: ticket 1001 is resolved" in text for text in texts) == 1


async def test_an_order_that_came_or_is_gone_cannot_be_cancelled(
    sandbox: RequestTrackerSandbox, tracker: RequestTracker
):
    came, gone = [sandbox.open_order() for _ in range(2)]
    sandbox.desk.set_status(came, "resolved", "buyer")
    sandbox.desk.set_status(gone, "deleted", "root")

    def cancel(external_id: object) -> CancelOrder:
        return CancelOrder("c", SourceRef(kind=EntityKind.PROCUREMENT, external_id=str(external_id)), "enough")

    with pytest.raises(Conflict, match=f"order {came.id} is received: it cannot be cancelled any more"):
        await tracker.cancel_order(cancel(came.id))
    with pytest.raises(NotFound, match=f"order {gone.id} was deleted, or merged into another ticket"):
        await tracker.cancel_order(cancel(gone.id))
    with pytest.raises(NotFound, match="its orders have numbers"):
        await tracker.cancel_order(cancel("PO-1"))


async def test_orders_are_no_incidents_even_where_all_queues_are_read(sandbox: RequestTrackerSandbox):
    incident, order = sandbox.open_ticket(NOON), sandbox.open_order(NOON)
    async with connected(sandbox) as http:
        everything = adapter(sandbox, http, queues=[])
        tickets, orders = await pulled(everything, TICKETS), await pulled(everything, ORDERS)
        announced = await everything.fetch(ticket_ref(order.id))

    assert [record.ref.external_id for record in tickets if isinstance(record, TicketRecord)] == [str(incident.id)]
    assert [record.ref.external_id for record in orders if isinstance(record, OrderRecord)] == [str(order.id)]
    assert announced in orders


async def test_a_source_without_a_queue_for_orders_takes_none(sandbox: RequestTrackerSandbox):
    async with connected(sandbox) as http:
        tracker = adapter(sandbox, http, order_queue=None)

        with pytest.raises(ConfigError, match="this source takes no orders: it has no queue for them") as refused:
            await tracker.order(parts())
        assert await pulled(tracker, ORDERS) == []
    assert refused.value.hint == "Name the queue in the setting `order_queue`."


async def test_a_queue_that_does_not_take_the_order_is_a_matter_of_configuration(sandbox: RequestTrackerSandbox):
    sandbox.desk.statuses = ("open",)
    async with connected(sandbox) as http:
        with pytest.raises(ConfigError, match="queue 'Purchasing' does not take the order: order: the system answered"):
            await adapter(sandbox, http).order(parts())


def test_settings_of_orders_that_cannot_be_meant_are_refused(sandbox: RequestTrackerSandbox):
    def configured(**changes: object) -> None:
        RequestTrackerConfig.model_validate({**sandbox.settings(), **changes})

    with pytest.raises(ValidationError, match="order_queue 'Hardware' is among `queues`"):
        configured(order_queue="Hardware")
    with pytest.raises(ValidationError, match="'draft' cannot mean requested"):
        configured(order_states={"draft": "requested"})
