"""What mutations answer.

A refusal is an answer, not a fault: it comes back in `errors` of the payload, typed, and the rest of the payload is
null. Faults (not authorised, the hub itself is in trouble) are errors of the response.
"""

from typing import Any

import strawberry

from connector.api.context import Info
from connector.api.plan import Plan
from connector.api.schema.policies import Policy
from connector.api.schema.procurement import Procurement
from connector.api.schema.refusals import Refusal
from connector.api.schema.shipping import Shipment
from connector.api.schema.sources import Source
from connector.api.schema.work import Reservation, Task, Ticket
from connector.model.kinds import SourceState

_IS_FINISHED = "False while what was done is still being undone; the subscriptions tell when it is."


@strawberry.interface(description="What every mutation answers.")
class Payload:
    """A refusal or an effect. key: of the thing that the mutation dealt with, None when it was refused."""

    errors: list[Refusal] = strawberry.field(
        default_factory=list, description="Why it was refused; empty when it was done."
    )
    key: strawberry.Private[int | None] = None


async def _anew(root: Payload, info: Info) -> Any:
    if root.key is None:
        return None
    return await info.context.reader.row(Plan.of(info._raw_info).selection(), root.key)


def target(what: str) -> Any:
    """The thing that a mutation dealt with, read anew."""
    return strawberry.field(resolver=_anew, description=f"The {what} afterwards; null when it was refused.")


@strawberry.type(description="Answer of `reserve`.")
class ReservePayload(Payload):
    """Payload of `reserve`."""

    reservation: Reservation | None = strawberry.field(
        resolver=_anew, description="The claim; null when it was refused, or when the rules would not reserve."
    )
    outcome: str | None = strawberry.field(
        default=None,
        description="`reserve`, `procure`, `not_needed` or `review`, as the rules decided; null when it was refused.",
    )
    reason: str | None = strawberry.field(default=None, description="Why they decided so, for people.")
    is_new: bool = strawberry.field(default=False, description="False when the ticket had its claim already.")


@strawberry.type(description="Answer of `release`.")
class ReleasePayload(Payload):
    """Payload of `release`."""

    reservation: Reservation | None = target("claim")
    is_finished: bool = strawberry.field(default=False, description=_IS_FINISHED)


@strawberry.type(description="Answer of `cancel`.")
class CancelPayload(Payload):
    """Payload of `cancel`."""

    ticket: Ticket | None = target("ticket")
    is_finished: bool = strawberry.field(default=False, description=_IS_FINISHED)


@strawberry.type(description="Answer of `confirmPickup`.")
class ConfirmPickupPayload(Payload):
    """Payload of `confirmPickup`."""

    task: Task | None = target("task")


@strawberry.type(description="Answer of `receive`.")
class ReceivePayload(Payload):
    """Payload of `receive`."""

    shipment: Shipment | None = target("parcel")


@strawberry.type(description="What the pull of one stream came to.")
class PulledStream:
    """A stream that was pulled."""

    name: str = strawberry.field(description="What the adapter calls it.")
    outcome: str = strawberry.field(
        description="`pulled`, `failed`, `stopped` by the guard, or `busy` when another process is pulling it."
    )
    seen: int = strawberry.field(description="Records that came.")
    created: int = strawberry.field(description="Things that were new.")
    updated: int = strawberry.field(description="Things that changed.")
    deleted: int = strawberry.field(description="Things that were retired.")
    unchanged: int = strawberry.field(description="Records that changed nothing.")
    quarantined: int = strawberry.field(description="Records that could not be used.")


@strawberry.type(description="Answer of `recordProcurement` and `receiveProcurement`.")
class ProcurementPayload(Payload):
    """Payload of both."""

    procurement: Procurement | None = target("procurement")


@strawberry.type(description="Answer of `syncSource`.")
class SyncSourcePayload(Payload):
    """Payload of `syncSource`."""

    source: Source | None = target("source")
    outcome: str | None = strawberry.field(
        default=None,
        description="`pulled`, `failed`, `skipped` while it is paused, `stopped` by the guard, or `busy` when another "
        "process is pulling it.",
    )
    state: SourceState | None = strawberry.field(default=None, description="How the connection fares now.")
    error: str | None = strawberry.field(
        default=None, description="What failed, and what to do; null when all went well."
    )
    streams: list[PulledStream] = strawberry.field(default_factory=list, description="What was pulled.")
    replayed: int = strawberry.field(default=0, description="Quarantined records that could be used because of it.")


@strawberry.type(description="Answer of `replayQuarantine` and `discardQuarantine`.")
class QuarantinePayload(Payload):
    """Payload of both."""

    settled: int = strawberry.field(default=0, description="Records that are settled now; the others wait on.")


@strawberry.type(description="Answer of `activatePolicy` and `rollbackPolicy`.")
class PolicyPayload(Payload):
    """Payload of both."""

    policy: Policy | None = target("policy that is active")
    previous: str | None = strawberry.field(
        default=None, description="Version that was active before; null when none was, or when it was refused."
    )
    is_new: bool = strawberry.field(default=False, description="False when it was active already.")
