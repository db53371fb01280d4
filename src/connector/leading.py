"""What one process does for all: whichever holds the lock for it, and another within seconds when that one is gone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final

from connector.storage.database.outages import DatabaseAway
from connector.storage.database.presence import Presence

log = logging.getLogger("connector")

LOOK_S: Final = 1.0


async def lead(presence: Presence, what: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Until cancelled: do the work while this process is the one that does it. Raises what the work ends with.

    It is broken off when the database is away, since another process may have it by then; two never do it for longer
    than one look.
    """
    doing: asyncio.Task[None] | None = None
    try:
        while True:
            leads = await _leads(presence, what)
            if leads and doing is None:
                log.info("this process does the %s", what)
                doing = asyncio.create_task(work(), name=what)
            elif not leads and doing is not None:
                log.warning("this process does the %s no more", what)
                await _break_off(doing)
                doing = None
            if doing is not None and doing.done():
                doing.result()
            await asyncio.sleep(LOOK_S)
    finally:
        if doing is not None:
            await _break_off(doing)


async def _leads(presence: Presence, what: str) -> bool:
    try:
        return await presence.lead(what)
    except DatabaseAway:
        return False


async def _break_off(doing: asyncio.Task[None]) -> None:
    doing.cancel()
    await asyncio.gather(doing, return_exceptions=True)
