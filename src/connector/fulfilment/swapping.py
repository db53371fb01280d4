"""Swaps that are written to the sources which list the devices: once each, whatever breaks.

What was delivered for a ticket has replaced its device. Each source that knows one of both, and lets the hub write, is
told: it is asked whether it shows the swap already, and only then written to, outside any transaction; the hub's own
records follow in the transaction of the receipt. What cannot be written is a person's, with what to enter where.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from connector.fulfilment.keys import ACTOR, effect_key, order_swap_id, swap_id
from connector.fulfilment.swap_tasks import asking, entering, stalled, stalled_key
from connector.fulfilment.work import Work, naming
from connector.model.errors import NotKnown
from connector.model.lifecycle import TaskState
from connector.model.refs import IdempotencyKey
from connector.sdk import RecordSwap
from connector.storage.database.engine import Transaction, reading, transaction
from connector.storage.database.receipts import find_receipt, record_receipt
from connector.storage.sources.sources import source_ids
from connector.storage.stock.swapped import Told, settle_swap
from connector.storage.stock.swaps import Called, Swap, called, sources_that_know, swap_of_order, swap_of_parcel
from connector.storage.tickets.tasks import move_task, require_task, unfinished_tasks


@dataclass(frozen=True, slots=True)
class Delivery:
    """What was delivered: a parcel, or with is_order goods that a supplier sent to the site. number: of its row."""

    number: int
    is_order: bool = False

    @property
    def id(self) -> str:
        """The workflow that writes its swap, and the beginning of every key of it."""
        return order_swap_id(self.number) if self.is_order else swap_id(self.number)

    async def swap(self, tx: Transaction) -> Swap | None:
        """What it replaced. Raises Unavailable while that is not booked yet."""
        return await (swap_of_order if self.is_order else swap_of_parcel)(tx, self.number)


class Swapping:
    """What the workflows of swaps do, step by step."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def require_booked(self, delivery: Delivery) -> None:
        """Raises Unavailable while the hub has not booked what was delivered."""
        async with reading(self._work.database) as tx:
            await delivery.swap(tx)

    async def plan(self, delivery: Delivery) -> Sequence[str]:
        """The sources to write to. A person is asked where what was delivered is not clear enough."""
        async with transaction(self._work.database) as tx:
            swap = await delivery.swap(tx)
            if swap is None:
                return ()
            writers = self._work.asset_writers()
            sources = [name for name in await sources_that_know(tx, swap) if name in writers]
            if not sources:
                return ()
            missing = await self._missing(tx, delivery, swap)
            if missing:
                new = asking(swap, delivery.id, " and ".join(sources), missing)
                await require_task(tx, new, actor=ACTOR, cause=delivery.id, at=self._work.clock.now())
                return ()
            return sources

    async def write(self, delivery: Delivery, source: str) -> None:
        """Tell a source of the swap, unless it has been told. Raises what its adapter does."""
        key = _key(delivery, source)
        async with reading(self._work.database) as tx:
            swap = await delivery.swap(tx)
            is_done = await find_receipt(tx, key) is not None
            names = None if swap is None or is_done else await called(tx, source, swap)
        if swap is None or names is None or (names.failed is None and names.replacement is None):
            return
        connection, writer = self._work.asset_writer(source)
        operation = operation_of(swap, names, effect_key(delivery.id, swap.made_at))
        with naming(connection):
            receipt = await writer.find_swap(operation) or await writer.record_swap(operation)
        own = names.failed if names.replacement is not None else None
        told = Told(receipt.record, receipt.updated_at, own, receipt.failed_state, receipt.failed_updated_at)
        async with transaction(self._work.database) as tx:
            at = self._work.clock.now()
            if not await record_receipt(tx, key, {"external_id": receipt.record.external_id}, at=at):
                return
            source_id = (await source_ids(tx))[source]
            await settle_swap(tx, source_id, swap, told, actor=ACTOR, cause=delivery.id, at=at)
            await self._close(tx, swap, delivery, source)

    async def hand_over(self, delivery: Delivery, source: str, reason: str) -> None:
        """The swap cannot be written: a person is asked to enter it."""
        async with transaction(self._work.database) as tx:
            swap, names = await self._known(tx, delivery, source)
            new = entering(swap, delivery.id, source, names, reason)
            await require_task(tx, new, actor=ACTOR, cause=delivery.id, at=self._work.clock.now())
            await self._close(tx, swap, delivery, source)

    async def tell_stalled(self, delivery: Delivery, source: str, reason: str) -> None:
        """Show a person that a swap does not get to a source; it is tried on all the same."""
        async with transaction(self._work.database) as tx:
            swap, names = await self._known(tx, delivery, source)
            new = stalled(swap, delivery.id, source, names, reason)
            await require_task(tx, new, actor=ACTOR, cause=delivery.id, at=self._work.clock.now())

    async def _missing(self, tx: Transaction, delivery: Delivery, swap: Swap) -> str:
        """Why a swap is not to be written as it is known; "" when it is."""
        if swap.units > 1:
            return f"The ticket needs {swap.units} units, so nobody knows which of them took the place of the device."
        if not await self._is_first(tx, delivery, swap):
            return "Another unit was delivered for this ticket before."
        if swap.replacement is None:
            return "Which unit it was is not known: it is counted, or came without its serial."
        if swap.replacement.serial is None:
            return f"The serial of {swap.replacement.label} is not known."
        return ""

    async def _is_first(self, tx: Transaction, delivery: Delivery, swap: Swap) -> bool:
        """Whether this delivery is the one that replaced the ticket's device: the first one is."""
        key = f"swapped:{swap.ticket_id}"
        if await record_receipt(tx, key, {"by": delivery.id}, at=self._work.clock.now()):
            return True
        return (await find_receipt(tx, key) or {}).get("by") == delivery.id

    async def _known(self, tx: Transaction, delivery: Delivery, source: str) -> tuple[Swap, Called]:
        swap = await delivery.swap(tx)
        if swap is None:
            raise NotKnown(f"{delivery.id} replaced nothing any more")
        return swap, await called(tx, source, swap)

    async def _close(self, tx: Transaction, swap: Swap, delivery: Delivery, source: str) -> None:
        """Close the task about a swap that did not get on."""
        prefixes = [stalled_key(delivery.id, source)]
        for item in await unfinished_tasks(tx, ticket_id=swap.ticket_id, key_prefixes=prefixes):
            await move_task(tx, item.id, TaskState.DONE, actor=ACTOR, at=self._work.clock.now())


def operation_of(swap: Swap, names: Called, key: IdempotencyKey) -> RecordSwap:
    """What a source is told of a swap whose replacement is known."""
    unit = swap.replacement
    if unit is None:
        raise NotKnown(f"nobody knows which unit replaced {swap.failed.label} for ticket {swap.ticket_number}")
    return RecordSwap(
        key=key,
        failed=names.failed,
        replacement=names.replacement,
        failed_serial=swap.failed.serial,
        serial=unit.serial,
        asset_tag=unit.asset_tag,
        product=swap.product,
        product_ref=names.product,
        site=names.site,
        reference=swap.ticket_number,
        revision=unit.revision,
        warranty_ends_on=unit.warranty_ends_on,
    )


def _key(delivery: Delivery, source: str) -> str:
    return f"{delivery.id}:{source}"
