"""Plans that are kept: approved by somebody, then done exactly as they say, or not at all.

Applying reads the source once more and goes through everything as the plan did, in one transaction. It is committed
when that does what was approved; when the source says something else by now, or a part is done already, nothing is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson

from connector.ingest.conditions import Condition
from connector.ingest.fingerprint import difference, mark_of
from connector.ingest.guard import GUARD, UNGUARDED, Guard
from connector.ingest.rehearsal import Plan, rehearse
from connector.ingest.reports import Progress, StreamReport
from connector.model.errors import IllegalTransition, StaleWrite
from connector.model.kinds import PlanState, RunOutcome, SourceState, SyncMode
from connector.sdk.adapter import Clock
from connector.sdk.connection import Connection
from connector.storage.database.engine import Database, Transaction, reading, transaction
from connector.storage.database.rows import json_value
from connector.storage.sources.pauses import GUARD as GUARDIAN
from connector.storage.sources.pauses import resume_source
from connector.storage.sources.plans import KeptPlan, NewPlan, keep_plan, kept_plan, move_plan, plan_lines
from connector.storage.sources.runs import NewRun, record_run
from connector.storage.sources.sources import finish_stream, register_source, save_backfill, save_resume, source_ids


def guard_of(guard: Guard = GUARD, *, exceeds_limit: bool) -> Guard:
    """What a plan may retire. exceeds_limit: as much as the source lets go."""
    return UNGUARDED if exceeds_limit else guard


async def keep(
    engine: Database,
    plan: Plan,
    *,
    streams: list[str] | None,
    full: bool,
    exceeds_limit: bool,
    by: str,
    ended: Callable[[Transaction, int], Awaitable[None]] | None = None,
) -> int:
    """Keep a plan, with the arguments that it was made with; its number. ended: told it, in the same transaction."""
    fingerprint, counts = plan.fingerprint, [counts_of(report) for report in plan.streams]
    async with transaction(engine) as tx:
        source_id = (await source_ids(tx)).get(plan.source) or await register_source(
            tx, name=plan.source, adapter=plan.adapter, at=plan.at
        )
        new = NewPlan(source_id, streams, full, exceeds_limit, fingerprint, counts, plan.alarms)
        number = await keep_plan(tx, new, plan.lines, by=by, at=plan.at)
        if ended is not None:
            await ended(tx, number)
        return number


async def carry_out(
    engine: Database,
    connection: Connection,
    number: int,
    *,
    clock: Clock,
    guard: Guard = GUARD,
    progress: Progress | None = None,
    ended: Callable[[Transaction], Awaitable[None]] | None = None,
) -> KeptPlan:
    """Do what an approved plan of a source says; the plan as it is then. A source that the guard paused goes on.

    ended: called in the transaction in which it is done. Raises NotKnown, IllegalTransition for a plan that nobody has
    approved or that was applied before, StaleWrite when the source has drifted; nothing is written then.
    """
    async with reading(engine) as tx:
        kept = await kept_plan(tx, number)
    if kept.state is not PlanState.APPROVED:
        hint = f"Approve it first: connector plans approve {number}." if kept.state is PlanState.PROPOSED else ""
        raise IllegalTransition(f"plan {number} is {kept.state.value}: only an approved one is applied", hint=hint)

    async def settle(tx: Transaction, plan: Plan, source_id: int) -> None:
        if plan.fingerprint != kept.fingerprint:
            raise _DriftedError(await _told(tx, kept, plan))
        now, by = clock.now(), kept.decided_by or GUARDIAN
        await move_plan(tx, number, PlanState.APPLIED, at=now, result="done as planned")
        for report in plan.streams:
            changed = report.created + report.updated + report.deleted
            end = plan.ends.get(report.name)
            if end is not None:
                await save_resume(tx, source_id, report.name, end)
                await save_backfill(tx, source_id, report.name, None)
            await finish_stream(tx, source_id, report.name, seen=report.seen, changed=changed, at=now)
            run = NewRun(
                report.name, SyncMode.PLAN, RunOutcome.PULLED, by, plan.at, report.seen, report.created,
                report.updated, report.deleted, report.unchanged, report.quarantined,
            )  # fmt: skip
            await record_run(tx, source_id, run, at=now)
        await resume_source(tx, source_id, by=by, at=now, paused_by=GUARDIAN)
        state = SourceState.PAUSED if plan.alarms else SourceState.OK
        await Condition(state, " ".join(plan.alarms) or None).record(tx, source_id, at=now)
        if ended is not None:
            await ended(tx)

    try:
        plan = await rehearse(
            engine,
            connection,
            clock=clock,
            streams=kept.streams,
            full=kept.is_full,
            progress=progress,
            guard=guard_of(guard, exceeds_limit=kept.exceeds_limit),
            settle=settle,
        )
    except _DriftedError as error:
        async with transaction(engine) as tx:
            await move_plan(tx, number, PlanState.DRIFTED, at=clock.now(), result=str(error))
        hint = "Nothing was written. Make a new plan: connector sync --plan --save."
        raise StaleWrite(
            f"source {kept.source!r} has drifted since plan {number} was made: {error}", hint=hint
        ) from None
    plan.close()
    async with reading(engine) as tx:
        return await kept_plan(tx, number)


async def read_kept(engine: Database, number: int) -> tuple[KeptPlan, Plan]:
    """A plan that is kept and what it says, which is to be closed. Raises NotKnown."""
    async with reading(engine) as tx:
        kept = await kept_plan(tx, number)
        plan = Plan(kept.source, kept.created_at)
        async for lines in plan_lines(tx, number):
            plan.put(lines)
    plan.alarms += kept.alarms
    plan.streams += [_report(counts) for counts in kept.counts]
    return kept, plan


class _DriftedError(Exception):
    """The source says something else than when the plan was made."""


async def _told(tx: Transaction, kept: KeptPlan, plan: Plan) -> str:
    """How much is different, for people."""
    at = json_value(kept.created_at)
    planned = [
        mark_of(orjson.loads(line), at) async for lines in plan_lines(tx, kept.id) for line in lines.splitlines()
    ]
    new, gone = difference(planned, plan.marks)
    return f"{_count(new)} to be done that the plan does not have, {_count(gone)} of the plan no longer due"


def _count(number: int) -> str:
    return "1 thing is" if number == 1 else f"{number:,} things are"


_NAMES: Final = {
    "stream": "name",
    "records": "seen",
    "new": "created",
    "changed": "updated",
    "retired": "deleted",
    "unchanged": "unchanged",
    "unusable": "quarantined",
}


def counts_of(report: StreamReport) -> dict[str, Any]:
    """What a plan counts of a stream, by the words of people."""
    return {word: getattr(report, name) for word, name in _NAMES.items()}


def _report(counts: dict[str, Any]) -> StreamReport:
    return StreamReport(outcome="pulled", **{name: counts[word] for word, name in _NAMES.items()})
