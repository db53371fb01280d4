"""Waiting for what is committed: looked for after each commit of this process, and now and then without one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncEngine

UNANNOUNCED_S = 0.1
"""Seconds until a condition is looked at all the same: servers, workflows and other processes announce nothing."""
WRITTEN = "tests_written"

_waiting: set[asyncio.Event] = set()


def announce_commits(engine: AsyncEngine) -> None:
    """Have every writing transaction on the engine end the pause of those who wait."""
    event.listen(engine.sync_engine, "commit", _is_committing)
    event.listen(engine.sync_engine, "checkin", _is_committed)


def _is_committing(connection: Connection) -> None:
    if connection.get_execution_options().get("writes"):
        connection.info[WRITTEN] = True


def _is_committed(_dbapi_connection: Any, record: Any) -> None:
    if record.info.pop(WRITTEN, False):
        for woken in _waiting:
            woken.set()


async def eventually(condition: Callable[[], Awaitable[object]], *, within: float = 20) -> None:
    """Wait until a condition holds, at most `within` seconds."""
    woken = asyncio.Event()
    _waiting.add(woken)
    try:
        async with asyncio.timeout(within):
            while True:
                woken.clear()
                if await condition():
                    return
                with suppress(TimeoutError):
                    async with asyncio.timeout(UNANNOUNCED_S):
                        await woken.wait()
    finally:
        _waiting.discard(woken)
