"""The alert that break-glass stock has become the usual path: one task per region and product, closed by itself."""

from __future__ import annotations

from typing import Final

from connector.fulfilment.work import Work
from connector.model.kinds import TaskKind
from connector.model.lifecycle import TaskState
from connector.rules.policy.break_glass import BreakGlass
from connector.storage.database.engine import Transaction, in_transaction
from connector.storage.policies.active import PolicySource, policy_now
from connector.storage.stock.break_glass import DrawShare, draw_shares
from connector.storage.tickets.tasks import NewTask, move_task, require_task, unfinished_tasks

ACTOR: Final = "break-glass"
PREFIX: Final = "break-glass:"


async def watch_break_glass(work: Work, policy: PolicySource) -> int:
    """Ask a person where the share is too large, and close what was asked where it no longer is; how many alerts are.

    Without a section `break_glass` in the policy nothing is an alert.
    """
    at = work.clock.now()

    async def do(tx: Transaction) -> int:
        stated = (await policy_now(tx, policy)).break_glass
        shares = await draw_shares(tx, stated, at) if stated is not None else []
        alerts = {_key(share): share for share in shares if share.is_alert}
        for item in await unfinished_tasks(tx, key_prefixes=[PREFIX]):
            if item.key.partition("~")[0] not in alerts:
                await move_task(
                    tx, item.id, TaskState.DONE, actor=ACTOR, cause="the share is no longer too large", at=at
                )
        for key, share in alerts.items():
            if stated is not None:
                await require_task(tx, _alert(key, share, stated), actor=ACTOR, cause=alert_text(share, stated), at=at)
        return len(alerts)

    return await in_transaction(work.database, do)


def alert_text(share: DrawShare, stated: BreakGlass) -> str:
    """What is so, in figures."""
    where = share.region or "no region"
    return (
        f"{share.break_glass} of {share.draws} units of {share.product} drawn in {where} within {stated.window_days} "
        f"days were break-glass stock: {share.share:.0%}, where {stated.alert_share:.0%} is the limit"
    )


def _key(share: DrawShare) -> str:
    return f"{PREFIX}{share.region}:{share.product_id}"


def _alert(key: str, share: DrawShare, stated: BreakGlass) -> NewTask:
    return NewTask(
        key=key,
        kind=TaskKind.REVIEW,
        title=f"Break-glass stock is the usual path: {share.product} in {share.region or 'no region'}",
        instructions=f"{alert_text(share, stated)}. Normal replenishment is too small or too slow: raise the target of "
        "its shelves, or find what uses it up. This closes by itself when the share falls.",
    )
