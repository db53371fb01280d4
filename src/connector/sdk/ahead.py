"""Reading ahead: a system prepares its next answer while the last one is dealt with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

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
