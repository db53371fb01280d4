"""Programs that come in with a key that the hub keeps in its database."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from connector.api.access import Admitted, Again, ProviderUnreachable, Unauthenticated
from connector.api.tokens import digest_of, is_token
from connector.model.principals import KEPT_KEY, Principal
from connector.sdk.adapter import Clock
from connector.storage.access.keys import USE_NOTED_EVERY, KeptKey, list_keys, note_use
from connector.storage.database.engine import Database, reading, transaction

FRESH: Final = timedelta(seconds=5)
"""How long a key that was revoked elsewhere may still be taken."""
NEWER: Final = timedelta(seconds=1)
"""A key that is not known yet is looked for after so long."""
RETRY: Final = timedelta(seconds=5)
"""When a client may try again after the keys could not be read."""

log = logging.getLogger(__name__)


class KeptKeys:
    """Says who shows the token of a kept key. All keys are read at once, at most so often; close it at the end."""

    def __init__(self, database: Database, clock: Clock, *, fresh: timedelta = FRESH) -> None:
        self._database = database
        self._clock = clock
        self._fresh = fresh
        self._keys: Mapping[str, KeptKey] = {}
        self._read_at: datetime | None = None
        self._reading = asyncio.Lock()
        self._lost_at: datetime | None = None
        self._noted: dict[int, datetime] = {}
        self._writing: set[asyncio.Task[None]] = set()

    async def admit(self, token: str) -> Admitted | None:
        """Who shows a token, None when it is not written as tokens of kept keys are.

        Raises Unauthenticated for one that is unknown, revoked or expired, ProviderUnreachable while the keys cannot be
        read. Open sockets ask again.
        """
        if not is_token(token):
            return None
        digest, now = digest_of(token), self._clock.now()
        key = await self._find(digest, now)
        if key is None or not hmac.compare_digest(key.digest, digest):
            raise Unauthenticated(
                "the bearer token is a key that this hub does not know, or that was revoked",
                hint="connector keys list shows those that there are.",
            )
        if key.expires_at is not None and key.expires_at <= now:
            raise Unauthenticated(
                f"the key {key.name!r} expired at {key.expires_at:%Y-%m-%d %H:%M}Z",
                hint="Have a new one made: connector keys create.",
            )
        self._note(key, now)
        regions = None if key.regions is None else frozenset(key.regions)
        principal = Principal(f"{KEPT_KEY}{key.name}", frozenset(key.roles), regions)
        return Admitted(principal, key.expires_at, Again(partial(self._still, token), self._fresh))

    async def aclose(self) -> None:
        """Wait for what is being written."""
        await asyncio.gather(*self._writing, return_exceptions=True)

    async def _still(self, token: str) -> None:
        await self.admit(token)

    async def _find(self, digest: str, now: datetime) -> KeptKey | None:
        async with self._reading:
            age = None if self._read_at is None else now - self._read_at
            if age is None or age >= (self._fresh if digest in self._keys else min(NEWER, self._fresh)):
                self._keys = {key.digest: key for key in await self._read(now)}
                self._read_at = now
                living = {key.id for key in self._keys.values()}
                self._noted = {key: at for key, at in self._noted.items() if key in living}
            return self._keys.get(digest)

    async def _read(self, now: datetime) -> Sequence[KeptKey]:
        """All keys. A database that is away is said once, and that it is back; it is asked once a second."""
        if self._lost_at is not None and now - self._lost_at < NEWER:
            raise _unread()
        try:
            async with reading(self._database) as tx:
                keys = await list_keys(tx)
        except Exception as error:
            if self._lost_at is None:
                log.error("the keys cannot be read; whoever shows one is told to try again: %s", error)
            self._lost_at = now
            raise _unread() from error
        if self._lost_at is not None:
            log.info("the keys can be read again")
        self._lost_at = None
        return keys

    def _note(self, key: KeptKey, now: datetime) -> None:
        """Have its use written down by somebody else's time."""
        noted = self._noted.get(key.id, key.last_used_at)
        if noted is not None and now - noted < USE_NOTED_EVERY:
            return
        self._noted[key.id] = now
        task = asyncio.create_task(self._write(key, now), name="key-use")
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _write(self, key: KeptKey, now: datetime) -> None:
        try:
            async with transaction(self._database) as tx:
                await note_use(tx, key.id, now)
        except Exception as error:  # noqa: BLE001 - nobody waits for it, and the next use is noted again
            log.warning("the use of key %r could not be noted: %s", key.name, error)


def _unread() -> ProviderUnreachable:
    return ProviderUnreachable(
        "the token cannot be checked: the hub cannot read its keys",
        hint=f"Try again in {RETRY.seconds} seconds.",
        retry_after=RETRY,
    )
