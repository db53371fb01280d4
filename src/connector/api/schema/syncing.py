"""Pulls that are over, plans of syncs, and sources that are to rest for a while."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

import orjson
import strawberry

from connector.api.context import Info
from connector.api.permissions import require_reach
from connector.api.requests import Request
from connector.api.schema.asking import refusing, request_of
from connector.api.schema.fields import column, derived, related
from connector.api.schema.inputs import KEY
from connector.api.schema.lazy import AnySource
from connector.api.schema.nodes import Node, key_of
from connector.api.schema.payloads import Payload, target
from connector.api.schema.scalars import JSON
from connector.api.schema.sources import Source
from connector.ingest.fingerprint import UNTOLD
from connector.model.errors import InvalidInput
from connector.model.kinds import PlanState, RunOutcome, SyncMode
from connector.model.refs import EntityKind
from connector.storage.query import Row, Sight
from connector.storage.query.telling import QUARANTINED
from connector.storage.sources.plans import PAGE, plan_page


@strawberry.type(description="A pull of a stream that is over.")
class SyncRun(Node):
    """A run."""

    source: AnySource = related("source", "Of which source.")
    stream: str = column("Of which stream.")
    mode: SyncMode = column("What was asked for.")
    outcome: RunOutcome = column("How it ended.")
    started_by: str = column("Who wanted it: a person, a program, `schedule`, or `start` of the hub.")
    began_at: datetime = column("When it began.")
    ended_at: datetime = column("When it was over.")
    duration: timedelta = derived(
        lambda root: root.values["ended_at"] - root.values["began_at"],
        "How long it took.",
        columns=("began_at", "ended_at"),
    )
    records_seen: int = column("Records that came.")
    created: int = column("Things that were new.")
    updated: int = column("Things that changed.")
    retired: int = column("Things that were retired.")
    unchanged: int = column("Records that changed nothing.")
    quarantined: int = column("Records that could not be used.")
    error: str | None = column("What failed, or why it was stopped.")


@strawberry.type(description="What a plan counts of a stream.")
class PlannedStream:
    """Counts."""

    name: str = strawberry.field(description="What the adapter calls it.")
    seen: int = strawberry.field(description="Records that came.")
    created: int = strawberry.field(description="Things that would be new.")
    updated: int = strawberry.field(description="Things that would change.")
    retired: int = strawberry.field(description="Things that would be retired.")
    unchanged: int = strawberry.field(description="Records that would change nothing.")
    quarantined: int = strawberry.field(description="Records that could not be used.")


_COUNTED: Mapping[str, str] = {
    "name": "stream",
    "seen": "records",
    "created": "new",
    "updated": "changed",
    "retired": "retired",
    "unchanged": "unchanged",
    "quarantined": "unusable",
}
"""Field -> how a plan calls it."""


def _counts(root: Row) -> list[PlannedStream]:
    return [
        PlannedStream(**{name: counted[word] for name, word in _COUNTED.items()}) for counted in root.values["counts"]
    ]


@strawberry.type(description="What a sync of a source would do, kept until it is done exactly so.")
class SyncPlan(Node):
    """A plan."""

    source: AnySource = related("source", "Of which source.")
    state: PlanState = column("What became of it.")
    only_streams: list[str] | None = derived(
        lambda root: root.values["streams"], "Only these streams; null for all.", columns=("streams",)
    )
    is_full: bool = column("Whether everything is read anew.")
    exceeds_limit: bool = column("Whether it does more than the guard of the source lets a sync do.")
    streams: list[PlannedStream] = derived(_counts, "What it counts of each stream.", columns=("counts",))
    alarms: list[str] = derived(
        lambda root: list(root.values["alarms"]), "Why nothing would be retired of a stream.", columns=("alarms",)
    )
    created_by: str = column("Who made it; `guard` where a sync would have retired or changed too much.")
    created_at: datetime = column("When.")
    decided_by: str | None = column("Who approved or discarded it.")
    decided_at: datetime | None = column("When that was.")
    ended_at: datetime | None = column("When it was applied, drifted or discarded.")
    result: str | None = column("What became of it, for people.")


@strawberry.type(description="A field before and after.")
class PlannedField:
    """A field."""

    name: str = strawberry.field(description="Its name, as the hub keeps it.")
    before: JSON | None = strawberry.field(description="What it is.")
    after: JSON | None = strawberry.field(description="What it would be.")


@strawberry.type(description="A thing that would be new, changed, retired, or no longer in the source.")
class PlannedChange:
    """A change."""

    kind: EntityKind = strawberry.field(description="What kind of thing.")
    operation: str = strawberry.field(
        description="`created`, `updated`, `retired`, or `withdrawn`: the source has it no more, and it stays."
    )
    name: str | None = strawberry.field(description="What people call it.")
    external_refs: list[str] = strawberry.field(description="What the source calls it.")
    fields: list[PlannedField] = strawberry.field(description="Its fields; of a new thing before is null.")


@strawberry.type(description="A record that could not be used.")
class PlannedQuarantine:
    """A record."""

    external_ref: str | None = strawberry.field(description="What the source calls it.")
    reason: str = strawberry.field(description="What is wrong, where, and what to do.")
    path: str | None = strawberry.field(description="JSON pointer to what is wrong.")
    is_ambiguous: bool = strawberry.field(description="Whether a person would have to say which device it is about.")


@strawberry.type(description=f"A part of what a plan says: up to {PAGE} changes and records.")
class SyncPlanPage:
    """A page."""

    number: int = strawberry.field(description="Which one, from 1.")
    page_count: int = strawberry.field(
        description="How many there are; 0 where nothing is to be done, or the plan was discarded."
    )
    changes: list[PlannedChange] = strawberry.field(description="What would change, in order.")
    quarantine: list[PlannedQuarantine] = strawberry.field(description="What could not be used.")


async def resolve_page(
    info: Info,
    sync_plan_id: Annotated[strawberry.ID, strawberry.argument(description="Which plan.")],
    number: Annotated[int, strawberry.argument(description="Which page, from 1.")] = 1,
) -> SyncPlanPage:
    """Resolver of `syncPlanPage`."""
    context = info.context
    require_reach(context.principal, "syncPlanPage")
    key = key_of(sync_plan_id, entity="sync_plan")
    if number < 1:
        raise InvalidInput(f"`number` of syncPlanPage is {number}, pages are counted from 1")
    async with context.reader.exclusively:
        lines, pages = await plan_page(await context.reader.snapshot(), key, number)
    told = [next(iter(orjson.loads(line).items())) for line in lines.splitlines()]
    sight = context.reader.sight
    unusable = [] if QUARANTINED in sight.hidden else [item for kind, item in told if kind == "Unusable"]
    return SyncPlanPage(
        number=number,
        page_count=pages,
        changes=[_change(item, sight) for kind, item in told if kind == "Foreseen"],
        quarantine=[_unusable(item) for item in unusable],
    )


def _change(item: Mapping[str, Any], sight: Sight) -> PlannedChange:
    return PlannedChange(
        kind=EntityKind(item["kind"]),
        operation=item["operation"],
        name=item["name"],
        external_refs=list(item["external_ids"]),
        fields=list(_fields(item, sight)),
    )


def _fields(item: Mapping[str, Any], sight: Sight) -> Iterator[PlannedField]:
    """The fields that whoever asks may read."""
    for name, (before, after) in item["fields"].items():
        if name not in UNTOLD and (item["kind"], name) not in sight.hidden:
            yield PlannedField(name=name, before=before, after=after)


def _unusable(item: Mapping[str, Any]) -> PlannedQuarantine:
    return PlannedQuarantine(
        external_ref=item["ref"], reason=item["reason"], path=item["path"],
        is_ambiguous=item.get("is_ambiguous", False),
    )  # fmt: skip


@strawberry.input(description="Keep a plan of what a sync would do.")
class PlanSyncInput:
    """Input of `planSync`."""

    source_id: strawberry.ID = strawberry.field(description="Which source.")
    streams: list[str] | None = strawberry.field(default=None, description="Only these streams; all when null.")
    full: bool = strawberry.field(default=False, description="From the beginning, not from where the last pull ended.")
    exceeds_limit: bool = strawberry.field(
        default=False, description="Retire and change as much as the source wants, past its guard."
    )
    idempotency_key: str = KEY


@strawberry.input(description="Decide about a plan of a sync, or do what it says.")
class SyncPlanInput:
    """Input of `approveSyncPlan`, `applySyncPlan` and `discardSyncPlan`."""

    sync_plan_id: strawberry.ID = strawberry.field(description="Which plan.")
    idempotency_key: str = KEY


@strawberry.input(description="Have a source not pulled until it is resumed.")
class PauseSourceInput:
    """Input of `pauseSource`."""

    source_id: strawberry.ID = strawberry.field(description="Which source.")
    reason: str = strawberry.field(description="Why; shown until it goes on.")
    idempotency_key: str = KEY


@strawberry.input(description="Let a paused source go on.")
class ResumeSourceInput:
    """Input of `resumeSource`."""

    source_id: strawberry.ID = strawberry.field(description="Which source.")
    idempotency_key: str = KEY


@strawberry.type(description="Answer of `planSync`, `approveSyncPlan`, `applySyncPlan` and `discardSyncPlan`.")
class SyncPlanPayload(Payload):
    """Payload of all four."""

    plan: SyncPlan | None = target("plan")


@strawberry.type(description="Answer of `pauseSource` and `resumeSource`.")
class SourcePayload(Payload):
    """Payload of both."""

    source: Source | None = target("source")
    was_paused: bool = strawberry.field(default=False, description="Of `resumeSource`: whether it was paused.")


async def plan_sync(info: Info, input: PlanSyncInput) -> SyncPlanPayload:
    """`planSync`."""
    async with refusing(info) as refusals:
        key = key_of(input.source_id, entity="source")
        by = request_of(info, input.idempotency_key)
        number = await info.context.commands.syncing.plan(key, input.streams, input.full, input.exceeds_limit, by)
        return SyncPlanPayload(key=number)
    return SyncPlanPayload(errors=refusals)


async def _decided(info: Info, input: SyncPlanInput, do: Callable[[int, Request], Awaitable[None]]) -> SyncPlanPayload:
    async with refusing(info) as refusals:
        number = key_of(input.sync_plan_id, entity="sync_plan")
        await do(number, request_of(info, input.idempotency_key))
        return SyncPlanPayload(key=number)
    return SyncPlanPayload(errors=refusals)


async def approve_sync_plan(info: Info, input: SyncPlanInput) -> SyncPlanPayload:
    """`approveSyncPlan`."""
    return await _decided(info, input, info.context.commands.syncing.approve)


async def apply_sync_plan(info: Info, input: SyncPlanInput) -> SyncPlanPayload:
    """`applySyncPlan`."""
    return await _decided(info, input, info.context.commands.syncing.apply)


async def discard_sync_plan(info: Info, input: SyncPlanInput) -> SyncPlanPayload:
    """`discardSyncPlan`."""
    return await _decided(info, input, info.context.commands.syncing.discard)


async def pause_source(info: Info, input: PauseSourceInput) -> SourcePayload:
    """`pauseSource`."""
    async with refusing(info) as refusals:
        key, reason = key_of(input.source_id, entity="source"), input.reason.strip()
        if not reason:
            raise InvalidInput("reason is empty", hint="Say why; it is shown until the source goes on.")
        await info.context.commands.syncing.pause(key, reason, request_of(info, input.idempotency_key))
        return SourcePayload(key=key)
    return SourcePayload(errors=refusals)


async def resume_source(info: Info, input: ResumeSourceInput) -> SourcePayload:
    """`resumeSource`."""
    async with refusing(info) as refusals:
        key = key_of(input.source_id, entity="source")
        was_paused = await info.context.commands.syncing.resume(key, request_of(info, input.idempotency_key))
        return SourcePayload(key=key, was_paused=was_paused)
    return SourcePayload(errors=refusals)
