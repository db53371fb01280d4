"""What mutations do with plans of syncs, and with sources that are to rest for a while."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from connector.api.requests import Request
from connector.fulfilment.once import Keep, answered_once, once_in
from connector.ingest.guard import GUARD, Guard
from connector.ingest.planned import carry_out, guard_of, keep
from connector.ingest.rehearsal import rehearse
from connector.model.errors import NotKnown
from connector.model.kinds import PlanState
from connector.sdk.adapter import Clock
from connector.sdk.connection import Connection
from connector.storage.database.engine import Database, Transaction, reading
from connector.storage.sources.pauses import pause_source, resume_source
from connector.storage.sources.plans import kept_plan, move_plan
from connector.storage.sources.sources import source_ids

PlanSync: TypeAlias = Callable[[int, Sequence[str] | None, bool, bool, Request], Awaitable[int]]
"""(source, streams or None for all, whether from the beginning, whether past the guard): number of the plan."""
OnPlan: TypeAlias = Callable[[int, Request], Awaitable[None]]
"""(plan)."""
PauseSource: TypeAlias = Callable[[int, str, Request], Awaitable[None]]
"""(source, reason)."""
ResumeSource: TypeAlias = Callable[[int, Request], Awaitable[bool]]
"""(source): whether it was paused."""


@dataclass(frozen=True, slots=True)
class SyncCommands:
    """Each raises a ConnectorError that says why it refuses; what it did is committed when it returns."""

    plan: PlanSync
    approve: OnPlan
    discard: OnPlan
    apply: OnPlan
    pause: PauseSource
    resume: ResumeSource


def sync_commands(
    database: Database, connections: Mapping[str, Connection], clock: Clock, guards: Mapping[str, Guard]
) -> SyncCommands:
    """Those of a hub. guards: of sources; the usual one where none is named."""

    async def plan(source_id: int, streams: Sequence[str] | None, full: bool, exceeds: bool, by: Request) -> int:
        connection = await connection_of(database, connections, source_id)
        names = None if streams is None else list(streams)
        guard = guard_of(guards.get(connection.name, GUARD), exceeds_limit=exceeds)

        async def make(kept: Keep) -> dict[str, Any]:
            async def ended(tx: Transaction, number: int) -> None:
                await kept(tx, {"plan": number})

            found = await rehearse(database, connection, clock=clock, streams=names, full=full, guard=guard)
            with found:
                number = await keep(
                    database, found, streams=names, full=full, exceeds_limit=exceeds, by=by.actor, ended=ended
                )
            return {"plan": number}

        told = await answered_once(database, clock, "plan-sync", by.key, source_id, make)
        return int(told["plan"])

    async def moved(number: int, state: PlanState, name: str, by: Request) -> None:
        async def move(tx: Transaction, at: datetime) -> dict[str, Any]:
            await move_plan(tx, number, state, at=at, by=by.actor)
            return {}

        await once_in(database, clock.now(), name, by.key, number, move)

    async def approve(number: int, by: Request) -> None:
        await moved(number, PlanState.APPROVED, "approve-sync-plan", by)

    async def discard(number: int, by: Request) -> None:
        await moved(number, PlanState.DISCARDED, "discard-sync-plan", by)

    async def apply(number: int, by: Request) -> None:
        async with reading(database) as tx:
            source_id = (await kept_plan(tx, number)).source_id
        connection = await connection_of(database, connections, source_id)

        async def carry(kept: Keep) -> dict[str, Any]:
            async def ended(tx: Transaction) -> None:
                await kept(tx, {})

            guard = guards.get(connection.name, GUARD)
            await carry_out(database, connection, number, clock=clock, guard=guard, ended=ended)
            return {}

        await answered_once(database, clock, "apply-sync-plan", by.key, number, carry)

    async def pause(source_id: int, reason: str, by: Request) -> None:
        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            await pause_source(tx, source_id, by=by.actor, reason=reason, at=at)
            return {}

        await once_in(database, clock.now(), "pause-source", by.key, source_id, do)

    async def resume(source_id: int, by: Request) -> bool:
        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            return {"was_paused": await resume_source(tx, source_id, by=by.actor, at=at)}

        told = await once_in(database, clock.now(), "resume-source", by.key, source_id, do)
        return bool(told["was_paused"])

    return SyncCommands(plan=plan, approve=approve, discard=discard, apply=apply, pause=pause, resume=resume)


async def connection_of(database: Database, connections: Mapping[str, Connection], source_id: int) -> Connection:
    """The connection of a source. Raises NotKnown for one that is not connected."""
    async with reading(database) as tx:
        names = {key: name for name, key in (await source_ids(tx)).items()}
    name = names.get(source_id)
    if name is None or name not in connections:
        raise NotKnown(
            f"source {name or source_id!r} is not connected",
            hint=f"Connected are: {', '.join(sorted(connections)) or 'none'}.",
        )
    return connections[name]
