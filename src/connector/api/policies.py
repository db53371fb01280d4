"""Activating and rolling back policies on behalf of clients."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from connector.api.what_if import draft_policy
from connector.model.errors import InvalidInput
from connector.storage.database.engine import Database, reading, transaction
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
) -> Activation:
    """Make a document, or a version that the hub has, the active policy.

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
    async with transaction(database) as tx:
        return await activate_policy(
            tx, text, author=by.author, comment=by.comment, at=by.at, forced_because=forced_because
        )


async def roll_back(database: Database, from_version: str, by: Chooser) -> Activation:
    """Go back to the policy before. Raises StaleWrite unless `from_version` is active, IllegalTransition."""
    async with transaction(database) as tx:
        return await rollback_policy(tx, author=by.author, comment=by.comment, at=by.at, expected=from_version)
