"""What was done where the hub could not be reached, recorded later."""

from datetime import datetime

import strawberry

from connector.api.context import Info
from connector.api.schema.asking import refusing, request_of
from connector.api.schema.inputs import KEY
from connector.api.schema.nodes import global_id
from connector.api.schema.payloads import Payload
from connector.fulfilment.offline import MOST, Offline, OfflineNote
from connector.model.kinds import OfflineAct, OfflineOutcome


@strawberry.input(description="Something that somebody did offline and wrote down.")
class OfflineActInput:
    """Part of the input of `recordOffline`."""

    act: OfflineAct = strawberry.field(description="What was done.")
    code: str = strawberry.field(description="The code that stands on the paper, as it was scanned or typed.")
    at: datetime = strawberry.field(description="When it was done.")
    by: str = strawberry.field(description="Who did it; of an approval, the name of the key of whoever answered.")
    serial: str | None = strawberry.field(default=None, description="Serial or asset tag of the unit.")
    reason: str | None = strawberry.field(
        default=None, description="Of a no, why; of a unit that came back, in what condition it is."
    )
    idempotency_key: str = KEY


@strawberry.input(description="Record what was done offline.")
class RecordOfflineInput:
    """Input of `recordOffline`."""

    acts: list[OfflineActInput] = strawberry.field(description=f"In any order; {MOST} at most.")


@strawberry.type(description="What became of something that was done offline.")
class OfflineResult:
    """Part of the answer of `recordOffline`."""

    idempotency_key: str = strawberry.field(description="Its key.")
    outcome: OfflineOutcome = strawberry.field(description="Whether it counts.")
    text: str = strawberry.field(description="What was recorded, or why it does not fit, for people.")
    task_id: strawberry.ID | None = strawberry.field(
        description="Id of the task that a person has where it does not fit, for `node`."
    )


@strawberry.type(description="Answer of `recordOffline`.")
class RecordOfflinePayload(Payload):
    """Payload of `recordOffline`."""

    results: list[OfflineResult] = strawberry.field(
        default_factory=list, description="What became of each act, in the order in which they were given."
    )


async def record_offline(info: Info, input: RecordOfflineInput) -> RecordOfflinePayload:
    """Resolver of `recordOffline`."""
    async with refusing(info) as refusals:
        notes = [
            OfflineNote(
                item.act, item.code, item.at, item.by, item.serial, item.reason,
                request_of(info, item.idempotency_key).key,
            )
            for item in input.acts
        ]  # fmt: skip
        context = info.context
        desk = Offline(context.engine, context.clock, context.policy, context.approvals)
        found = await desk.record(notes, recorded_by=context.actor)
        return RecordOfflinePayload(
            results=[
                OfflineResult(
                    idempotency_key=item.key,
                    outcome=item.outcome,
                    text=item.text,
                    task_id=None if item.task_id is None else strawberry.ID(global_id("Task", item.task_id)),
                )
                for item in found
            ]
        )
    return RecordOfflinePayload(errors=refusals)
