"""Mutations about sources, quarantine and policies: what an operator and a planner do."""

from collections.abc import Sequence

import strawberry

from connector.api.access import ANYBODY
from connector.api.context import NOBODY, Info
from connector.api.policies import Chooser, activate, roll_back
from connector.api.schema.asking import refusing, request_of
from connector.api.schema.inputs import (
    MOST_RECORDS,
    ActivatePolicyInput,
    QuarantineInput,
    RollbackPolicyInput,
    SyncSourceInput,
)
from connector.api.schema.nodes import key_of
from connector.api.schema.payloads import PolicyPayload, PulledStream, QuarantinePayload, SyncSourcePayload
from connector.model.errors import InvalidInput
from connector.model.principals import Principal


async def sync_source(info: Info, input: SyncSourceInput) -> SyncSourcePayload:
    """`syncSource`."""
    async with refusing(info) as refusals:
        key = key_of(input.source_id, entity="source")
        if input.since is not None and (input.full or input.since >= info.context.clock.now()):
            raise InvalidInput(
                "since is an instant in the past, without full", hint="Leave one of them out, or give an earlier one."
            )
        report = await info.context.commands.sync_source(
            key, input.streams, input.full, input.since, request_of(info, input.idempotency_key)
        )
        return SyncSourcePayload(
            key=key,
            outcome=report.outcome,
            state=report.state,
            error=report.error,
            replayed=report.replayed,
            streams=[
                PulledStream(
                    name=stream.name,
                    outcome=stream.outcome,
                    seen=stream.seen,
                    created=stream.created,
                    updated=stream.updated,
                    deleted=stream.deleted,
                    unchanged=stream.unchanged,
                    quarantined=stream.quarantined,
                )
                for stream in report.streams
            ],
        )
    return SyncSourcePayload(errors=refusals)


async def replay_quarantine(info: Info, input: QuarantineInput) -> QuarantinePayload:
    """`replayQuarantine`."""
    async with refusing(info) as refusals:
        by = request_of(info, input.idempotency_key)
        return QuarantinePayload(settled=await info.context.commands.replay_quarantine(_record_keys(input.ids), by))
    return QuarantinePayload(errors=refusals)


async def discard_quarantine(info: Info, input: QuarantineInput) -> QuarantinePayload:
    """`discardQuarantine`."""
    async with refusing(info) as refusals:
        by = request_of(info, input.idempotency_key)
        return QuarantinePayload(settled=await info.context.commands.discard_quarantine(_record_keys(input.ids), by))
    return QuarantinePayload(errors=refusals)


async def activate_policy(info: Info, input: ActivatePolicyInput) -> PolicyPayload:
    """`activatePolicy`."""
    async with refusing(info) as refusals:
        by = _by_whom(info, input.author, input.comment)
        done = await activate(
            info.context.engine,
            input.text,
            input.version,
            by,
            check=info.context.commands.check_suppliers,
            forced_because=input.force_because,
            key=request_of(info, input.idempotency_key).key,
        )
        return PolicyPayload(key=done.policy_id, previous=done.previous, is_new=done.is_new)
    return PolicyPayload(errors=refusals)


async def rollback_policy(info: Info, input: RollbackPolicyInput) -> PolicyPayload:
    """`rollbackPolicy`."""
    async with refusing(info) as refusals:
        done = await roll_back(
            info.context.engine,
            input.from_version,
            _by_whom(info, input.author, input.comment),
            key=request_of(info, input.idempotency_key).key,
        )
        return PolicyPayload(key=done.policy_id, previous=done.previous, is_new=done.is_new)
    return PolicyPayload(errors=refusals)


def _by_whom(info: Info, author: str, comment: str | None) -> Chooser:
    if not author.strip():
        raise InvalidInput("author is empty", hint="Say who does it; it is kept with the activation.")
    return Chooser(author=_signed(info.context.principal, author.strip()), comment=comment, at=info.context.clock.now())


def _signed(principal: Principal, author: str) -> str:
    """The author as they call themselves, with the key that was used where it is a person's own."""
    return author if principal in (ANYBODY, NOBODY) or author == principal.name else f"{author} ({principal.name})"


def _record_keys(ids: Sequence[strawberry.ID]) -> list[int]:
    if len(ids) > MOST_RECORDS:
        raise InvalidInput(f"{len(ids)} ids are given, {MOST_RECORDS} are allowed", hint="Ask in several requests.")
    return sorted({key_of(text, entity="quarantine") for text in ids})
