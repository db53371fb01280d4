"""Taking tasks, and handing them back."""

import strawberry

from connector.api.context import Info
from connector.api.schema.asking import refusing, request_of
from connector.api.schema.inputs import KEY
from connector.api.schema.nodes import key_of
from connector.api.schema.payloads import Payload, target
from connector.api.schema.work import Task
from connector.fulfilment.taking import Taking


@strawberry.input(description="Take a task.")
class AcceptTaskInput:
    """Input of `acceptTask`."""

    task_id: strawberry.ID = strawberry.field(description="Which task.")
    idempotency_key: str = KEY


@strawberry.input(description="Give a task back that was taken.")
class HandBackTaskInput:
    """Input of `handBackTask`."""

    task_id: strawberry.ID = strawberry.field(description="Which task.")
    reason: str = strawberry.field(description="Why; kept with the change.")
    idempotency_key: str = KEY


@strawberry.type(description="Answer of `acceptTask` and `handBackTask`.")
class TaskPayload(Payload):
    """Payload of both."""

    task: Task | None = target("task")


async def accept_task(info: Info, input: AcceptTaskInput) -> TaskPayload:
    """Resolver of `acceptTask`."""
    async with refusing(info) as refusals:
        number, by = key_of(input.task_id, entity="task"), request_of(info, input.idempotency_key)
        await _taking(info).accept(number, key=by.key, actor=by.actor)
        return TaskPayload(key=number)
    return TaskPayload(errors=refusals)


async def hand_back_task(info: Info, input: HandBackTaskInput) -> TaskPayload:
    """Resolver of `handBackTask`."""
    async with refusing(info) as refusals:
        number, by = key_of(input.task_id, entity="task"), request_of(info, input.idempotency_key)
        others = info.context.principal.has_any({"dispatcher"})
        await _taking(info).hand_back(number, reason=input.reason, key=by.key, actor=by.actor, may_take_away=others)
        return TaskPayload(key=number)
    return TaskPayload(errors=refusals)


def _taking(info: Info) -> Taking:
    return Taking(info.context.engine, info.context.clock)
