"""Questions about parcels that are put at the same time go out in one request: FedEx counts requests by the day."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any


class _Group:
    def __init__(self) -> None:
        self.numbers: dict[str, None] = {}
        self.answer: asyncio.Task[dict[str, Any]]


class Together:
    """ask: puts the question about several numbers. most: in one request."""

    def __init__(self, ask: Callable[[Sequence[str]], Awaitable[dict[str, Any]]], most: int) -> None:
        self._ask = ask
        self._most = most
        self._open: _Group | None = None

    async def about(self, number: str) -> dict[str, Any]:
        """The answer to a question about this number and whatever others were asked about in the same moment."""
        group = self._open
        if group is None or len(group.numbers) >= self._most:
            group = self._open = _Group()
            group.answer = asyncio.create_task(self._send(group))
        group.numbers[number] = None
        return await asyncio.shield(group.answer)

    async def _send(self, group: _Group) -> dict[str, Any]:
        """Runs when all that were ready to ask have asked."""
        if self._open is group:
            self._open = None
        return await self._ask(list(group.numbers))
