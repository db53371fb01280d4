"""What a person says about tickets that may be about one cause, and what time says when nobody does.

Each command is one transaction and may be repeated under its key. The tickets that waited for the answer are decided by
the reader of the change log, so that these commands need nothing but the database.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from connector.fulfilment.once import once_in
from connector.model.errors import InvalidInput
from connector.model.lifecycle import GroupState, TaskState
from connector.rules.policy.document import Policy
from connector.sdk import Clock
from connector.storage.database.engine import Database, Transaction, in_transaction, reading
from connector.storage.policies.active import PolicySource, policy_now
from connector.storage.tickets.incident_groups import TIMED_OUT, GroupRow, group_row, groups_to_settle, settle_group
from connector.storage.tickets.incident_signals import forget_signals, newest_signals
from connector.storage.tickets.tasks import move_task, unfinished_tasks


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of a group."""

    group_id: int
    state: GroupState
    serves: bool
    limit_units: int | None


class Groups:
    """Confirms, dismisses and closes incident groups."""

    def __init__(self, database: Database, clock: Clock, policy: PolicySource) -> None:
        self._database = database
        self._clock = clock
        self._policy = policy

    async def confirm(
        self, group_id: int, *, cause: str, key: str, actor: str, serves: bool | None = None, limit: int | None = None
    ) -> Answered:
        """It is one event, with that cause.

        serves: whether its tickets get units, as the policy has it when left out. limit: how many of them at most;
        those beyond wait. Raises NotKnown, InvalidInput, and IllegalTransition when it was settled before.
        """
        if not cause.strip():
            raise InvalidInput(
                "a cause is needed: it is told to everybody whose ticket waits", hint="Write what it is."
            )
        if limit is not None and (limit < 0 or serves is False):
            raise InvalidInput(
                f"limit {limit} makes no sense: it is how many tickets may get a unit, 0 or more",
                hint="Leave it out, or let the tickets be served.",
            )

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            group = await group_row(tx, group_id)
            given = group.serves if serves is None else serves
            values = {"cause": cause.strip(), "serves": given or limit is not None, "limit_units": limit}
            return await _settle(tx, group, GroupState.CONFIRMED, actor=actor, at=at, **values)

        return _answered(await once_in(self._database, self._clock.now(), "confirm-group", key, group_id, do))

    async def dismiss(self, group_id: int, *, reason: str, key: str, actor: str) -> Answered:
        """It is no event: its tickets are decided each by itself.

        Raises NotKnown, InvalidInput, and IllegalTransition when it is over.
        """
        if not reason.strip():
            raise InvalidInput("a reason is needed: it is kept with the group", hint="Write why.")

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            group = await group_row(tx, group_id)
            return await _settle(tx, group, GroupState.DISMISSED, actor=actor, at=at, cause=reason.strip())

        return _answered(await once_in(self._database, self._clock.now(), "dismiss-group", key, group_id, do))

    async def close(self, group_id: int, *, reason: str, key: str, actor: str) -> Answered:
        """A confirmed event is over: whatever of it still has nothing is decided by itself.

        Raises NotKnown, InvalidInput, and IllegalTransition when it is not confirmed.
        """
        if not reason.strip():
            raise InvalidInput("a reason is needed: it is kept with the group", hint="Write why.")

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            group = await group_row(tx, group_id)
            values = {"closed_by": actor, "closed_at": at, "close_reason": reason.strip()}
            await settle_group(tx, group, GroupState.CLOSED, actor=actor, at=at, **values)
            return {
                "state": GroupState.CLOSED.value,
                "serves": group.serves,
                "limit_units": group.limit_units,
                "group_id": group.id,
            }

        return _answered(await once_in(self._database, self._clock.now(), "close-group", key, group_id, do))

    async def tend(self) -> int:
        """What time brings: proposals that nobody answered, events that are over; how many groups that concerned."""
        now = self._clock.now()
        async with reading(self._database) as tx:
            policy = await policy_now(tx, self._policy)
            waiting = await groups_to_settle(tx, now)
            newest = await newest_signals(tx, [(group.kind, group.scope) for group in waiting]) if waiting else {}
        settled = 0
        for group in waiting:
            last = newest.get((group.kind, group.scope), group.created_at)
            target = _in_time(group, policy, last, now)
            if target is not None:
                settled += await self._by_time(group.id, target, now)
        await in_transaction(self._database, lambda tx: forget_signals(tx, now))
        return settled

    async def _by_time(self, group_id: int, target: GroupState, now: datetime) -> bool:
        async def work(tx: Transaction) -> bool:
            group = await group_row(tx, group_id)
            if target is GroupState.CLOSED:
                if group.state is not GroupState.CONFIRMED:
                    return False
                over = {"closed_by": TIMED_OUT, "closed_at": now}
                return await settle_group(tx, group, target, actor=TIMED_OUT, at=now, **over)
            if group.state is not GroupState.PROPOSED or group.expires_at > now:
                return False
            cause = f"nobody had answered by {group.expires_at:%Y-%m-%d %H:%M}Z"
            await _settle(tx, group, target, actor=TIMED_OUT, at=now, cause=cause)
            return True

        return await in_transaction(self._database, work)


async def _settle(
    tx: Transaction, group: GroupRow, target: GroupState, *, actor: str, at: datetime, **values: Any
) -> dict[str, Any]:
    await settle_group(tx, group, target, actor=actor, at=at, decided_by=actor, decided_at=at, **values)
    for item in await unfinished_tasks(tx, key_prefixes=[f"group:{group.id}"]):
        if item.key.partition("~")[0] == f"group:{group.id}":
            await move_task(tx, item.id, TaskState.DONE, actor=actor, cause=f"it was {target.value}", at=at)
    serves = values.get("serves", group.serves)
    return {"state": target.value, "serves": serves, "limit_units": values.get("limit_units"), "group_id": group.id}


def _in_time(group: GroupRow, policy: Policy, last: datetime, now: datetime) -> GroupState | None:
    """What time makes of a group; None: nothing. An event is over when nothing came for the length of its window."""
    watch = policy.grouping.watches.get(group.kind)
    if group.state is GroupState.CONFIRMED:
        window = timedelta(minutes=watch.window_minutes) if watch else timedelta(0)
        newest = max(last, group.decided_at or last)
        return GroupState.CLOSED if newest + window <= now else None
    confirms = watch is not None and watch.on_timeout == "confirm"
    return GroupState.CONFIRMED if confirms else GroupState.DISMISSED


def _answered(result: dict[str, Any]) -> Answered:
    return Answered(result["group_id"], GroupState(result["state"]), result["serves"], result["limit_units"])
