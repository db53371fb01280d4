"""Activating and rolling back policies on behalf of clients."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from zlib import crc32

from connector.api.what_if import draft_policy
from connector.fulfilment.once import once_in
from connector.model.errors import InvalidInput
from connector.model.refs import IdempotencyKey
from connector.storage.database.engine import Database, Transaction, reading
from connector.storage.policies.policies import Activation, activate_policy, policy_version, rollback_policy


@dataclass(frozen=True, slots=True)
class Chooser:
    """Who makes a policy the active one, why, and when."""

    author: str
    comment: str | None
    at: datetime


async def activate(
    database: Database,
    text: str | None,
    version: str | None,
    by: Chooser,
    *,
    check: Callable[[str], None],
    forced_because: str | None,
    key: IdempotencyKey,
) -> Activation:
    """Make a document, or a version that the hub has, the active policy, once per key.

    check: refuses what does not fit the sources of this hub.
    Raises InvalidInput unless exactly one of them is given, NotKnown, InvalidPolicy, PolicyTestsFailed.
    """
    if (text is None) == (version is None):
        raise InvalidInput("activatePolicy needs either `text` or `version`, and only one of them")
    if text is not None:
        await asyncio.to_thread(draft_policy, text)  # refuses what is too large before anything is locked
    else:
        async with reading(database) as tx:
            text = (await policy_version(tx, version)).text
    await asyncio.to_thread(check, text)
    document = text

    async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
        return asdict(
            await activate_policy(
                tx, document, author=by.author, comment=by.comment, at=at, forced_because=forced_because
            )
        )

    return Activation(**await once_in(database, by.at, "activate-policy", key, crc32(document.encode()), do))


async def roll_back(database: Database, from_version: str, by: Chooser, *, key: IdempotencyKey) -> Activation:
    """Go back to the policy before, once per key.

    Raises StaleWrite unless `from_version` is active, IllegalTransition when there is none to go back to.
    """

    async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
        return asdict(await rollback_policy(tx, author=by.author, comment=by.comment, at=at, expected=from_version))

    return Activation(**await once_in(database, by.at, "rollback-policy", key, crc32(from_version.encode()), do))
