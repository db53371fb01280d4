"""Who was not let in: counted by address, and written to the audit log once a minute, however many they are."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import Final

from starlette.types import Scope

from connector.api.access import NotAdmitted, ProviderUnreachable
from connector.model.errors import ConnectorError
from connector.sdk.adapter import Clock
from connector.storage.audit.events import AuditEvent, record_event
from connector.storage.database.engine import Database, transaction

EVERY_S: Final = 60.0
MOST_ADDRESSES: Final = 100
ELSEWHERE: Final = "elsewhere"
"""In place of addresses beyond the hundred that are told apart."""
ACTOR: Final = "hub"

log = logging.getLogger(__name__)


class Refusals:
    """What this process has refused since it was last written down."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._counts: dict[str, Counter[str]] = {}

    def note(self, error: ConnectorError, scope: Scope, *, at: str = "") -> None:
        """Somebody was told this. at: what they wanted to reach, where it is not the API."""
        address = (scope.get("client") or (ELSEWHERE,))[0]
        if address not in self._counts and len(self._counts) >= MOST_ADDRESSES:
            address = ELSEWHERE
        self._counts.setdefault(address, Counter())[f"{at}{error.code}"] += 1

    def not_admitted(self, error: NotAdmitted, scope: Scope) -> None:
        """`note`, where it is about who asks, and not about a provider that does not answer."""
        if not isinstance(error, ProviderUnreachable):
            self.note(error, scope)

    async def write(self) -> None:
        """Write down what was refused since the last time; it is tried again where that cannot be done."""
        if not self._counts:
            return
        counts, self._counts = self._counts, {}
        told = {"refusals": {address: dict(each) for address, each in counts.items()}}
        try:
            async with transaction(self._database) as tx:
                await record_event(tx, AuditEvent.REFUSED, told, by=ACTOR, at=self._clock.now())
        except BaseException:
            for address, each in counts.items():
                self._counts.setdefault(address, Counter()).update(each)
            raise

    async def run(self) -> None:
        """Write each minute, and at the end, until cancelled; outlives a database that is away."""
        try:
            while True:
                await asyncio.sleep(EVERY_S)
                await self._try()
        finally:
            await self._try()

    async def _try(self) -> None:
        try:
            await self.write()
        except Exception as error:  # noqa: BLE001 - whatever the database fails with, it may be back
            log.warning("what was refused could not be written to the audit log; it is tried again: %s", error)
