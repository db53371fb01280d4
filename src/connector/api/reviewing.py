"""What a person says of records that the match rules left unclear, once per key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from connector.fulfilment.once import once_in
from connector.ingest.deciding import Decided, dismiss_review, link_identity, separate_identity
from connector.model.errors import InvalidInput
from connector.model.lifecycle import ReviewState
from connector.sdk.adapter import Clock
from connector.storage.database.engine import Database, Transaction


class IdentityReviews:
    """Links, separates and dismisses; each is one transaction that takes the record in again."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def link(self, review: int, asset: int, *, reason: str | None, key: str, actor: str) -> Decided:
        """The record is about this device. Raises NotKnown, IllegalTransition, InvalidInput."""

        async def do(tx: Transaction, _at: datetime) -> dict[str, Any]:
            return asdict(await link_identity(tx, review, asset, actor=actor, reason=reason, clock=self._clock))

        # another device under the same key is another command, which finds the review decided
        return await self._once(f"link-identity-{asset}", key, review, do)

    async def separate(self, review: int, *, reason: str | None, key: str, actor: str) -> Decided:
        """The record is about a device of its own. Raises NotKnown, IllegalTransition."""

        async def do(tx: Transaction, _at: datetime) -> dict[str, Any]:
            return asdict(await separate_identity(tx, review, actor=actor, reason=reason, clock=self._clock))

        return await self._once("separate-identity", key, review, do)

    async def dismiss(self, review: int, *, reason: str, key: str, actor: str) -> Decided:
        """The record is left out for now. Raises NotKnown, IllegalTransition, InvalidInput without a reason."""
        if not reason.strip():
            raise InvalidInput("a reason is needed: it is kept with the review", hint="Write why.")

        async def do(tx: Transaction, _at: datetime) -> dict[str, Any]:
            return asdict(await dismiss_review(tx, review, actor=actor, reason=reason.strip(), clock=self._clock))

        return await self._once("dismiss-review", key, review, do)

    async def _once(
        self, name: str, key: str, review: int, do: Callable[[Transaction, datetime], Awaitable[dict[str, Any]]]
    ) -> Decided:
        told = await once_in(self._database, self._clock.now(), name, key, review, do)
        return Decided(**{**told, "state": ReviewState(told["state"])})
