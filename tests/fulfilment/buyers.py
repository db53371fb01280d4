"""The customer's buyers behind Request Tracker, as a supplier of the fulfilment tests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

import httpx

from connector.sdk import (
    CancelOrder,
    Clock,
    Connection,
    IdempotencyKey,
    Invalid,
    OrderParts,
    OrderReceipt,
    Receipt,
    RequestReplacement,
    SourceClient,
    Transient,
)
from connector_request_tracker import RequestTracker, RequestTrackerConfig
from connector_request_tracker.sandbox import RequestTrackerSandbox, SandboxTicket


class Buyers:
    """Their queue, and the way to it.

    down: whether their server is; lose_answer: the next order is taken and the answer to it lost. meanwhile: happens
    while an order is under way. refuses: what they say to every replacement, by the interface. turned_away: how often
    somebody asked in vain while their server was down.
    """

    def __init__(self, clock: Clock) -> None:
        self.sandbox = RequestTrackerSandbox(clock)
        self.down = False
        self.lose_answer = False
        self.meanwhile: Callable[[], Awaitable[object]] | None = None
        self.refuses = ""
        self.turned_away = 0
        config = RequestTrackerConfig.model_validate(self.sandbox.settings())
        http = SourceClient(
            "http://rt.test", headers=config.headers(), attempts=1, transport=_Wire(self), now=clock.now
        )
        self.connection = Connection("buyers", "request_tracker", _Adapter(self, config, http, clock), http)

    def orders(self) -> list[SandboxTicket]:
        """Tickets in their queue."""
        return [ticket for ticket in self.sandbox.desk.tickets.values() if ticket.queue == "Purchasing"]

    def work_on(self, order: SandboxTicket, at: datetime, **change: object) -> None:
        """A buyer changes an order."""
        self.sandbox.desk.update(order, change, "buyer", at=at)


class _Adapter(RequestTracker):
    def __init__(self, buyers: Buyers, config: RequestTrackerConfig, http: SourceClient, clock: Clock) -> None:
        super().__init__(config, http, clock)
        self._buyers = buyers

    async def find_order(self, key: IdempotencyKey) -> OrderReceipt | None:
        self._require_up("find order")
        return await super().find_order(key)

    async def cancel_order(self, op: CancelOrder) -> Receipt:
        self._require_up("cancel order")
        return await super().cancel_order(op)

    def _require_up(self, operation: str) -> None:
        if self._buyers.down:
            self._buyers.turned_away += 1
            raise Transient(f"{operation}: nobody answers", operation=operation)

    async def order(self, op: RequestReplacement | OrderParts) -> OrderReceipt:
        if self._buyers.refuses and isinstance(op, RequestReplacement):
            raise Invalid(self._buyers.refuses, operation="order")
        return await super().order(op)


class _Wire(httpx.ASGITransport):
    def __init__(self, buyers: Buyers) -> None:
        super().__init__(app=buyers.sandbox.app())
        self._buyers = buyers

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        is_order = request.method == "POST" and request.url.path.endswith("/ticket")
        if is_order and self._buyers.meanwhile is not None:
            meanwhile, self._buyers.meanwhile = self._buyers.meanwhile, None
            await meanwhile()
        response = await super().handle_async_request(request)
        if is_order and self._buyers.lose_answer:
            self._buyers.lose_answer = False
            raise httpx.ReadError("connection lost", request=request)
        return response
