"""Requests for approval, the answers to them, and delegations."""

from datetime import datetime

import strawberry

from connector.api.context import Info
from connector.api.schema.asking import refusing, request_of
from connector.api.schema.fields import column, derived, related
from connector.api.schema.inputs import KEY
from connector.api.schema.lazy import AnyApproval, AnyTask, AnyTicket
from connector.api.schema.nodes import ENTITY_TYPES, Node, global_id, key_of
from connector.api.schema.payloads import Payload, target
from connector.model.kinds import Verdict
from connector.model.lifecycle import ApprovalState
from connector.model.refs import EntityKind
from connector.storage.query import Row


@strawberry.type(description="An answer to a request for approval.")
class ApprovalVote(Node):
    """A vote."""

    approval: AnyApproval = related("approval", "The request.")
    voter: str = column("Who answered.")
    on_behalf_of: str = column("Whose right to answer was used; the same, unless it was delegated.")
    verdict: Verdict = column("Yes or no.")
    reason: str | None = column("Why.")
    cast_at: datetime = column("When.")


@strawberry.type(description="From a moment on further roles may answer.")
class ApprovalWidening:
    """An escalation."""

    at: datetime = strawberry.field(description="From when on.")
    roles: list[str] = strawberry.field(description="Which roles.")


def _roles(root: Row) -> list[str]:
    return list(root.values["roles"])


def _widenings(root: Row) -> list[ApprovalWidening]:
    return [
        ApprovalWidening(at=datetime.fromisoformat(item["at"]), roles=item["roles"])
        for item in root.values["widenings"]
    ]


def _subject(root: Row) -> strawberry.ID | None:
    name = ENTITY_TYPES.get(root.values["subject_kind"].value)
    return None if name is None else strawberry.ID(global_id(name, root.values["subject_id"]))


@strawberry.type(description="Something that waits for a yes. The terms are those of the policy when it was asked for.")
class Approval(Node):
    """A request for approval."""

    name: str = column("Which approval of the policy.")
    policy_version: str = column("Version of that policy.")
    state: ApprovalState = column("Where it stands.")
    subject_kind: EntityKind = column("What it is about.")
    subject_id: strawberry.ID | None = derived(
        _subject, "Id of what it is about, for `node`.", columns=("subject_kind", "subject_id")
    )
    ticket: AnyTicket | None = related("ticket", "The ticket behind it.")
    title: str = column("What is to be approved.")
    details: str | None = column("More about it.")
    cost_cents: int | None = column("What it costs, in hundredths of the policy's currency.")
    requested_by: str = column("Who asked; `rules` when nobody in particular did.")
    roles: list[str] = derived(_roles, "Who may answer from the beginning.", columns=("roles",))
    escalations: list[ApprovalWidening] = derived(
        _widenings, "Who may answer as well, and from when on.", columns=("widenings",)
    )
    needed: int = column("How many different people must approve.")
    on_timeout: Verdict = column("What it means when nobody answers in time.")
    requester_may_approve: bool = column("Whether the answer of whoever asked counts.")
    deadline_at: datetime = column("Until when it can be answered.")
    decided_at: datetime | None = column("When it was settled.")
    decided_by: str | None = column("By whom: people, or `time-out`.")
    reason: str | None = column("Why.")
    votes: list[ApprovalVote] = related("votes", "The answers so far, the oldest first.")
    tasks: list[AnyTask] = related("tasks", "Who was asked: a task for each role.")
    created_at: datetime = column("When it was asked for.")
    updated_at: datetime = column("When it last changed.")


@strawberry.type(description="A person lets another answer requests for approval in their place, for a time.")
class Delegation(Node):
    """A delegation."""

    delegator: str = column("Whose right it is.")
    delegate: str = column("Who answers.")
    roles: list[str] = derived(_roles, "Which roles are passed on.", columns=("roles",))
    reason: str = column("Why.")
    starts_at: datetime = column("From when on.")
    ends_at: datetime = column("Until when.")
    ended_by: str | None = column("Who took it back; null when it ended, or ends, by itself.")
    created_by: str = column("Who made it.")
    created_at: datetime = column("When.")


@strawberry.input(description="Say yes to a request.")
class ApproveInput:
    """Input of `approve`."""

    approval_id: strawberry.ID = strawberry.field(description="Which request.")
    reason: str | None = strawberry.field(default=None, description="Why; kept with it.")
    idempotency_key: str = KEY


@strawberry.input(description="Say no to a request.")
class RejectInput:
    """Input of `reject`."""

    approval_id: strawberry.ID = strawberry.field(description="Which request.")
    reason: str = strawberry.field(description="Why; kept with it, and told to the ticket.")
    idempotency_key: str = KEY


@strawberry.input(description="Let somebody answer requests for approval in one's place.")
class DelegateInput:
    """Input of `delegateApprovals`."""

    delegate: str = strawberry.field(description="Name of the key of whoever is to answer.")
    ends_at: datetime = strawberry.field(description="Until when.")
    starts_at: datetime | None = strawberry.field(default=None, description="From when on; now when null.")
    roles: list[str] | None = strawberry.field(default=None, description="Which roles; all of one's own when null.")
    delegator: str | None = strawberry.field(
        default=None, description="In whose place, when an administrator does it for them; one's own when null."
    )
    reason: str = strawberry.field(description="Why; kept with it.")
    idempotency_key: str = KEY


@strawberry.input(description="Take a delegation back.")
class EndDelegationInput:
    """Input of `endDelegation`."""

    delegation_id: strawberry.ID = strawberry.field(description="Which delegation.")
    idempotency_key: str = KEY


@strawberry.type(description="Answer of `approve` and `reject`.")
class AnswerPayload(Payload):
    """Payload of both."""

    approval: Approval | None = target("request")
    given: int = strawberry.field(default=0, description="Different people who have approved so far.")


@strawberry.type(description="Answer of `delegateApprovals` and `endDelegation`.")
class DelegationPayload(Payload):
    """Payload of both."""

    delegation: Delegation | None = target("delegation")


async def _answer(info: Info, verdict: Verdict, approval: str, reason: str | None, key: str) -> AnswerPayload:
    async with refusing(info) as refusals:
        number = key_of(approval, entity="approval")
        by = request_of(info, key)
        context = info.context
        done = await context.approvals.answer(number, verdict, by=context.principal, reason=reason, key=by.key)
        return AnswerPayload(key=number, given=done.given)
    return AnswerPayload(errors=refusals)


async def approve(info: Info, input: ApproveInput) -> AnswerPayload:
    """Resolver of `approve`."""
    return await _answer(info, Verdict.APPROVE, input.approval_id, input.reason, input.idempotency_key)


async def reject(info: Info, input: RejectInput) -> AnswerPayload:
    """Resolver of `reject`."""
    return await _answer(info, Verdict.REJECT, input.approval_id, input.reason, input.idempotency_key)


async def delegate(info: Info, input: DelegateInput) -> DelegationPayload:
    """Resolver of `delegateApprovals`."""
    async with refusing(info) as refusals:
        number = await info.context.approvals.delegate(
            by=info.context.principal,
            to=input.delegate,
            roles=None if input.roles is None else tuple(input.roles),
            since=input.starts_at,
            until=input.ends_at,
            reason=input.reason,
            of=input.delegator,
            key=request_of(info, input.idempotency_key).key,
        )
        return DelegationPayload(key=number)
    return DelegationPayload(errors=refusals)


async def end_delegation(info: Info, input: EndDelegationInput) -> DelegationPayload:
    """Resolver of `endDelegation`."""
    async with refusing(info) as refusals:
        number = key_of(input.delegation_id, entity="delegation")
        by = request_of(info, input.idempotency_key)
        await info.context.approvals.end_delegation(number, by=info.context.principal, key=by.key)
        return DelegationPayload(key=number)
    return DelegationPayload(errors=refusals)
