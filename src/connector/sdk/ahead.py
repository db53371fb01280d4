"""Reading ahead, and no further than a pull goes on: a system prepares its next answer meanwhile."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Final, TypeVar

from connector.model.errors import InvalidRecord
from connector.sdk.errors import UnexpectedResponse

if TYPE_CHECKING:
    from connector.sdk.adapter import Batch

T = TypeVar("T")


async def read_ahead(items: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """The same items in the same order, each read while the one before it is in use; never more than one waits.

    One task reads all of them, so that whatever the generator opens it also closes in that task. What the generator
    raises comes after the items that it gave before; it is closed when this one is.
    """
    ready: asyncio.Queue[T | None] = asyncio.Queue()

    async def read() -> None:
        try:
            async with aclosing(items):
                async for item in items:
                    ready.put_nowait(item)
                    await ready.join()
        finally:
            ready.put_nowait(None)

    reading = asyncio.create_task(read())
    try:
        while (item := await ready.get()) is not None:
            ready.task_done()
            yield item
        await reading
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


MOST_REPEATS: Final = 5
"""Batches in a row that show nothing but what the pull has shown already; more do not go on."""
REMEMBERED: Final = 1_000
"""Batches that are remembered: a system may go round in a circle of pages."""


async def going_on(batches: AsyncIterator[Batch], what: str) -> AsyncGenerator[Batch, None]:
    """The same batches as long as they go on. what: is pulled, for people.

    A system that gives the same pages again and again would otherwise be read for ever.
    Raises UnexpectedResponse when one batch after the other is the same as an earlier one, or when what others depend
    on cannot be read.
    """
    known: OrderedDict[int, None] = OrderedDict()
    repeats = 0
    try:
        async for batch in batches:
            if batch.records or batch.rejected or batch.resume is not None:
                shown = _shown(batch)
                repeats = repeats + 1 if shown in known else 0
                known[shown] = None
                known.move_to_end(shown)
                if len(known) > REMEMBERED:
                    known.popitem(last=False)
            if repeats > MOST_REPEATS:
                raise UnexpectedResponse(
                    f"pull {what}: the system gives the same records again and again", operation=f"pull {what}",
                    hint="Its list does not go on: report it to whoever runs the system. Nothing that came is lost.",
                )  # fmt: skip
            yield batch
    except InvalidRecord as error:
        raise UnexpectedResponse(str(error), operation=f"pull {what}") from error
    finally:
        if isinstance(batches, AsyncGenerator):
            await batches.aclose()


def _shown(batch: Batch) -> int:
    """Stands for what a batch shows; for where one leads that shows nothing."""
    if not batch.records and not batch.rejected:
        return hash(batch.resume)
    return hash((tuple((item.ref, item.updated_at) for item in batch.records), tuple(r.raw for r in batch.rejected)))
