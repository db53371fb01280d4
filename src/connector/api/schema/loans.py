"""Units on loan, and the mutations on them: received, extended."""

from datetime import datetime

import strawberry

from connector.api.context import Info
from connector.api.schema.asking import refusing, request_of
from connector.api.schema.fields import column, related
from connector.api.schema.inputs import KEY
from connector.api.schema.lazy import AnyAsset, AnyHub, AnyProduct, AnyReservation, AnySite, AnyTicket
from connector.api.schema.nodes import Node, key_of
from connector.api.schema.payloads import Payload, target
from connector.fulfilment.loans import Loans
from connector.model.kinds import Lane, LoanReturn
from connector.model.lifecycle import LoanState


@strawberry.type(description="A unit that is lent to a ticket until its replacement is there: one per ticket, ever.")
class Loan(Node):
    """A loan."""

    ticket: AnyTicket | None = related(
        "ticket", "The ticket that it is lent to; null where it lies outside of one's regions."
    )
    reservation: AnyReservation | None = related(
        "reservation",
        "The claim of the unit; parcel and pickup task hang on it; null where it lies outside of one's regions.",
    )
    state: LoanState = column("Where it stands.")
    product: AnyProduct = related("product", "What is lent.")
    asset: AnyAsset | None = related("asset", "The unit itself, for serialised products.")
    hub: AnyHub | None = related(
        "hub", "The hub that it belongs to, and is due back at; null where it lies outside of one's regions."
    )
    site: AnySite | None = related("site", "Where it is used.")
    lane: Lane = column("The lane that it belongs to.")
    holder: str | None = column("Whose it is meanwhile.")
    due_back_at: datetime = column("When it is due back: at the latest, until the replacement is there.")
    return_days: int = column("Days within which it is due back once the replacement is there.")
    reason: str | None = column("Why it is due back, may stay longer, or never left.")
    lent_at: datetime | None = column("When it left its hub.")
    overdue_since: datetime | None = column(
        "When it was due back, once that has passed and people were told: filter `{isNull: false}` together with the "
        "states `LENT` and `DUE_BACK` for what is overdue now."
    )
    returned_at: datetime | None = column("When it was received.")
    returned_hub: AnyHub | None = related("returned_hub", "The hub that received it.")
    wipe: str | None = column("How its data were removed, as whoever received it says.")
    created_at: datetime = column("When it was decided.")
    updated_at: datetime = column("When it last changed.")


@strawberry.input(description="Take a unit back that was on loan.")
class ReceiveLoanInput:
    """Input of `receiveLoan`."""

    loan_id: strawberry.ID = strawberry.field(description="Which loan.")
    hub_id: strawberry.ID | None = strawberry.field(
        default=None, description="The hub that took it in; the one that it belongs to when null."
    )
    went_to: LoanReturn | None = strawberry.field(
        default=None,
        description="Where it was put; when null the pool, and quarantine for a unit with data that was not wiped.",
    )
    wipe: str | None = strawberry.field(
        default=None, description="How its data were removed; without it a unit with data is not lent again as it is."
    )
    idempotency_key: str = KEY


@strawberry.input(description="Let a unit stay on loan longer.")
class ExtendLoanInput:
    """Input of `extendLoan`."""

    loan_id: strawberry.ID = strawberry.field(description="Which loan.")
    until: datetime = strawberry.field(description="When it is due back now.")
    reason: str = strawberry.field(description="Why; told to the ticket.")
    idempotency_key: str = KEY


@strawberry.type(description="Answer of `receiveLoan` and `extendLoan`.")
class LoanPayload(Payload):
    """Payload of both."""

    loan: Loan | None = target("loan")
    went_to: LoanReturn | None = strawberry.field(
        default=None, description="Where a unit that was received was put; null otherwise."
    )


async def receive_loan(info: Info, input: ReceiveLoanInput) -> LoanPayload:
    """Resolver of `receiveLoan`."""
    async with refusing(info) as refusals:
        number, by = key_of(input.loan_id, entity="loan"), request_of(info, input.idempotency_key)
        hub_id = None if input.hub_id is None else key_of(input.hub_id, entity="hub")
        done = await _loans(info).receive(
            number, key=by.key, actor=by.actor, hub_id=hub_id, went_to=input.went_to, wipe=input.wipe
        )
        return LoanPayload(key=number, went_to=done.went_to)
    return LoanPayload(errors=refusals)


async def extend_loan(info: Info, input: ExtendLoanInput) -> LoanPayload:
    """Resolver of `extendLoan`."""
    async with refusing(info) as refusals:
        number, by = key_of(input.loan_id, entity="loan"), request_of(info, input.idempotency_key)
        await _loans(info).extend(number, until=input.until, reason=input.reason, key=by.key, actor=by.actor)
        return LoanPayload(key=number)
    return LoanPayload(errors=refusals)


def _loans(info: Info) -> Loans:
    return Loans(info.context.engine, info.context.clock)
