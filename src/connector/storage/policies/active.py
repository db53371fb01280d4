"""The policy that is active, for those who decide: asked for each decision, read only when another was activated.

The id of the newest activation is read in the transaction that decides, with the facts; as long as it is the one that
the policy in memory was read for, that policy is the active one. So every process takes an activation up with the
first decision after it was committed, without being told.
"""

from __future__ import annotations

from typing import TypeAlias

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import NotKnown
from connector.rules.policy.reading import Policy, read_policy
from connector.storage.tables import policy, policy_activation

active_activation = select(func.max(policy_activation.c.id)).correlate(None).scalar_subquery()
"""Id of the activation that counts, NULL when no policy was ever activated."""

_TEXT = (
    select(policy.c.version, policy.c.text)
    .join(policy_activation, policy_activation.c.policy_id == policy.c.id)
)  # fmt: skip


class ActivePolicy:
    """The active policy, remembered with the activation that it was read for."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: tuple[int, Policy] | None = None

    async def at(self, tx: AsyncConnection, activation_id: int | None) -> Policy:
        """The policy of an activation.

        Raises NotKnown when there is none, InvalidPolicy when this version of the hub cannot use its text.
        """
        if activation_id is None:
            raise NotKnown("no policy is active", hint="Activate one: connector policy activate FILE.")
        known = self._known
        if known is not None and known[0] == activation_id:
            return known[1]
        row = (await tx.execute(_TEXT.where(policy_activation.c.id == activation_id))).one()
        current = read_policy(row.text, source=row.version)
        self._known = (activation_id, current)
        return current

    async def now(self, tx: AsyncConnection) -> Policy:
        """The policy that is active as the transaction sees it. Raises NotKnown, InvalidPolicy."""
        return await self.at(tx, (await tx.execute(select(active_activation))).scalar_one())


PolicySource: TypeAlias = Policy | ActivePolicy
"""Where deciders get their policy from: the active one, or one that is given and stays."""


async def policy_at(tx: AsyncConnection, source: PolicySource, activation_id: int | None) -> Policy:
    """The policy to decide by, when `activation_id` is the activation that counts."""
    return await source.at(tx, activation_id) if isinstance(source, ActivePolicy) else source


async def policy_now(tx: AsyncConnection, source: PolicySource) -> Policy:
    """The policy to decide by, as the transaction sees it."""
    return await source.now(tx) if isinstance(source, ActivePolicy) else source
