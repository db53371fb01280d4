"""The workflows of swaps: which sources are to be told, and each of them until it knows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from connector.fulfilment.durable import Durable, Run, StepResult
from connector.fulfilment.keys import ORDER_SWAP, SWAP
from connector.fulfilment.order_workflows import Insist
from connector.fulfilment.swapping import Delivery, Swapping
from connector.fulfilment.work import Work


class SwapWorkflows:
    """Registers them; starts them by their ids, so that starting twice is once."""

    def __init__(self, durable: Durable, work: Work, insist: Insist) -> None:
        self._durable = durable
        self._work = work
        self._insist = insist
        self._swapping = Swapping(work)
        durable.workflow(SWAP, partial(self._swap, False))
        durable.workflow(ORDER_SWAP, partial(self._swap, True))

    async def start_parcel(self, shipment_id: int) -> None:
        """Begin to tell sources what a delivered parcel replaced, where there is one that may be told."""
        if self._work.asset_writers():
            await self._durable.start(SWAP, Delivery(shipment_id).id, shipment_id)

    async def start_order(self, procurement_id: int) -> None:
        """The same for goods that a supplier sent to the site."""
        if self._work.asset_writers():
            await self._durable.start(ORDER_SWAP, Delivery(procurement_id, is_order=True).id, procurement_id)

    async def _swap(self, is_order: bool, run: Run, number: int) -> str:
        delivery = Delivery(number, is_order)
        await self._try(run, "booked", delivery, lambda: self._swapping.require_booked(delivery))

        async def plan() -> StepResult:
            return {"sources": list(await self._swapping.plan(delivery))}

        sources = (await run.step("plan", plan))["sources"]
        for source in sources:
            await self._write(run, delivery, source)
        return "done" if sources else "nothing"

    async def _write(self, run: Run, delivery: Delivery, source: str) -> None:
        async def tell(reason: str) -> None:
            await _step(run, f"tell-{source}", lambda: self._swapping.tell_stalled(delivery, source, reason))

        name = f"write-{source}"
        attempt = await self._insist(
            run, name, self._work_of(delivery, lambda: self._swapping.write(delivery, source)), tell=tell
        )
        if attempt.status == "failed":
            reason = attempt.reason
            await _step(run, f"hand-over-{source}", lambda: self._swapping.hand_over(delivery, source, reason))

    async def _try(self, run: Run, step: str, delivery: Delivery, do: Callable[[], Awaitable[None]]) -> None:
        await self._insist(run, step, self._work_of(delivery, do))

    def _work_of(self, delivery: Delivery, do: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[StepResult]]:
        async def work() -> StepResult:
            return (await self._work.attempt(delivery.id, do())).to_json()

        return work


async def _step(run: Run, name: str, do: Callable[[], Awaitable[None]]) -> None:
    async def work() -> StepResult:
        await do()
        return {}

    await run.step(name, work)
