"""What mutations are given."""

from datetime import datetime
from decimal import Decimal

import strawberry

from connector.model.kinds import Lane
from connector.model.lifecycle import ProcurementState

KEY_LENGTH = 80
MOST_RECORDS = 500

KEY = strawberry.field(
    description="Made up by the client, new for each intention: the same key again is the same effect, once. "
    f"At most {KEY_LENGTH} letters, digits and `-_.:`."
)


@strawberry.input(description="Claim a unit for a ticket.")
class ReserveInput:
    """Input of `reserve`."""

    ticket_id: strawberry.ID = strawberry.field(description="For which ticket.")
    hub_id: strawberry.ID | None = strawberry.field(default=None, description="From where; the rules choose when null.")
    product_id: strawberry.ID | None = strawberry.field(
        default=None, description="What; what the ticket needs when null."
    )
    lane: Lane = strawberry.field(
        default=Lane.NORMAL,
        description="From which lane, where a hub is given; break-glass stock waits for an approval, "
        "and loan units are not given out.",
    )
    quantity: int | None = strawberry.field(
        default=None,
        description="How many of the units that the ticket lacks, where a hub is given; all of them when null.",
    )
    idempotency_key: str = KEY


@strawberry.input(description="Give a claim up.")
class ReleaseInput:
    """Input of `release`."""

    reservation_id: strawberry.ID = strawberry.field(description="Which claim.")
    reason: str = strawberry.field(description="Why; kept with it.")
    idempotency_key: str = KEY


@strawberry.input(description="Undo everything that was done for a ticket.")
class CancelInput:
    """Input of `cancel`."""

    ticket_id: strawberry.ID = strawberry.field(description="For which ticket.")
    reason: str = strawberry.field(description="Why; kept with it.")
    idempotency_key: str = KEY


@strawberry.input(description="Say that the unit has been handed over.")
class ConfirmPickupInput:
    """Input of `confirmPickup`."""

    task_id: strawberry.ID = strawberry.field(description="The pickup task.")
    idempotency_key: str = KEY


@strawberry.input(description="Say that a parcel has arrived.")
class ReceiveInput:
    """Input of `receive`."""

    shipment_id: strawberry.ID = strawberry.field(description="Which parcel.")
    idempotency_key: str = KEY


@strawberry.input(description="Record what became of an order outside.")
class RecordProcurementInput:
    """Input of `recordProcurement`."""

    procurement_id: strawberry.ID = strawberry.field(description="Which procurement.")
    state: ProcurementState = strawberry.field(
        description="`ORDERED` with its number; `CONFIRMED`, `SHIPPED`; `REFUSED`, `CANCELLED` with the reason."
    )
    order_number: str | None = strawberry.field(default=None, description="The supplier's number of the order.")
    expected_at: datetime | None = strawberry.field(default=None, description="When the goods are expected there.")
    cost_cents: int | None = strawberry.field(default=None, description="What it costs, in hundredths.")
    reason: str | None = strawberry.field(default=None, description="Why; told to the ticket.")
    cost: Decimal | None = strawberry.field(
        default=None, description="What it costs, in units of the currency; or else `costCents`."
    )
    idempotency_key: str = KEY


@strawberry.input(description="Take goods in that were got from outside.")
class ReceiveProcurementInput:
    """Input of `receiveProcurement`."""

    procurement_id: strawberry.ID = strawberry.field(description="Which procurement.")
    hub_id: strawberry.ID | None = strawberry.field(
        default=None, description="The hub that took them in, when that is not where they were to go."
    )
    serials: list[str] = strawberry.field(
        default_factory=list, description="Of each unit; needed at a hub for products that are kept by serial."
    )
    idempotency_key: str = KEY


@strawberry.input(description="Pull from a source now, without waiting for its schedule.")
class SyncSourceInput:
    """Input of `syncSource`."""

    source_id: strawberry.ID = strawberry.field(description="Which source.")
    streams: list[str] | None = strawberry.field(default=None, description="Only these streams; all when null.")
    full: bool = strawberry.field(default=False, description="From the beginning, not from where the last pull ended.")
    since: datetime | None = strawberry.field(
        default=None,
        description="Read again what has changed since then, as well as what is new; not with `full`.",
    )
    idempotency_key: str = KEY


@strawberry.input(description="Deal with quarantined records.")
class QuarantineInput:
    """Input of `replayQuarantine` and `discardQuarantine`."""

    ids: list[strawberry.ID] = strawberry.field(description=f"Which records; {MOST_RECORDS} at most.")
    idempotency_key: str = KEY


@strawberry.input(description="Make a policy the active one: a new document, or a version that the hub has.")
class ActivatePolicyInput:
    """Input of `activatePolicy`."""

    text: str | None = strawberry.field(default=None, description="A document, YAML; or else `version`.")
    version: str | None = strawberry.field(default=None, description="A version that the hub has.")
    author: str = strawberry.field(description="Who does it; kept with it.")
    comment: str | None = strawberry.field(default=None, description="Why; kept with it.")
    force_because: str | None = strawberry.field(
        default=None, description="Why it is to be activated although tests in the document fail; kept with it."
    )
    idempotency_key: str = KEY


@strawberry.input(description="Make the policy active again that was active before.")
class RollbackPolicyInput:
    """Input of `rollbackPolicy`."""

    from_version: str = strawberry.field(
        description="The version that is active now. When it is not, nothing is done, so that two requests go back "
        "only once."
    )
    author: str = strawberry.field(description="Who does it; kept with it.")
    comment: str | None = strawberry.field(default=None, description="Why; kept with it.")
    idempotency_key: str = KEY
