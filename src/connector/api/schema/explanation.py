"""Why the rules decided as they did: the same for a recorded decision and for a dry run."""

from datetime import datetime, timedelta

import strawberry

from connector.api.schema.scalars import JSON
from connector.model.kinds import HubTier, Lane, LinkKind, Trouble
from connector.model.lifecycle import GroupState, TicketState


@strawberry.type(description="A step between the decision and the arrival.")
class ArrivalStep:
    """A step of a candidate's way."""

    step: str = strawberry.field(
        description="`handling`, or `pick`, `qa`, `pack`; `cut_off`, `transit`; `set_out`, `reach_hub`, `collect`; "
        "`drive`; `site_window`."
    )
    ends_at: datetime = strawberry.field(description="When it is over.")
    duration: timedelta | None = strawberry.field(description="What it takes by itself; null where it is a moment.")
    text: str = strawberry.field(description="What says so, for people; empty where nothing needs to.")


@strawberry.type(description="A shelf that could serve the ticket, and how.")
class Candidate:
    """A candidate of a decision."""

    hub_id: strawberry.ID = strawberry.field(description="Id of the hub, for `node`.")
    hub: str = strawberry.field(description="What people call the hub: its code, or its name.")
    tier: HubTier = strawberry.field(description="Tier of the hub.")
    product_id: strawberry.ID = strawberry.field(description="Id of the product, for `node`.")
    is_exact: bool = strawberry.field(description="Whether it is the needed product itself, not a substitute.")
    lane: Lane = strawberry.field(description="Lane of the stock.")
    free: int = strawberry.field(description="Free units when it was decided.")
    mode: str = strawberry.field(description="How the unit travels: `drive`, `courier` or `technician`.")
    distance_km: float = strawberry.field(description="Great circle from hub to site.")
    cost_cents: int = strawberry.field(description="Expected cost, in hundredths of the policy's currency.")
    ready_at: datetime = strawberry.field(description="When it is picked and packed.")
    departs_at: datetime = strawberry.field(description="When it leaves.")
    arrives_at: datetime = strawberry.field(description="When it is handed over at the site.")
    is_within_sla: bool = strawberry.field(description="Whether that is in time.")
    margin_minutes: int | None = strawberry.field(
        description="Minutes between its arrival and the due time, negative when late; null where nothing is due."
    )
    probability: float = strawberry.field(description="Chance that it arrives in time, 0 to 1.")
    is_mobile: bool = strawberry.field(description="Whether the hub is an engineer's car.")
    steps: list[ArrivalStep] = strawberry.field(description="Its way step by step; of the best candidates only.")
    hours: str = strawberry.field(description="When the hub works, and whose public holidays close it, for people.")
    why: str = strawberry.field(description="What it lost by; empty for the chosen one.")


@strawberry.type(description="Shelves that lost for the same reason.")
class Losers:
    """A group of refused shelves."""

    code: str = strawberry.field(description="The reason, stable, for programs.")
    text: str = strawberry.field(description="The reason, for people.")
    count: int = strawberry.field(description="How many shelves.")
    hub_ids: list[strawberry.ID] = strawberry.field(description="Their hubs, once per shelf.")


@strawberry.type(description="A component that goes along with the devices.")
class KitPart:
    """A component of the kit of a decision."""

    product: str = strawberry.field(description="Maker and model.")
    quantity: int = strawberry.field(description="Units for all devices together.")


@strawberry.type(description="The kit that goes along with the devices, from the same hubs.")
class KitAlong:
    """The kit of a decision."""

    id: strawberry.ID = strawberry.field(description="Id of the kit.")
    name: str = strawberry.field(description="What it is called.")
    parts: list[KitPart] = strawberry.field(description="Its components.")


@strawberry.type(description="One rung of the sourcing ladder, and what came of it.")
class Rung:
    """A rung of a decision's ladder."""

    number: int = strawberry.field(description="Its place in the ladder, from 1.")
    kind: str = strawberry.field(
        description="Where it looks: `stock`, `vendor_replacement`, `purchase`, `backorder` or `person`."
    )
    outcome: str = strawberry.field(
        description="`taken`, `lost` (another rung is better), `nothing` (it has nothing), `skipped` (it is not for "
        "this ticket) or `not_reached`."
    )
    text: str = strawberry.field(description="Why, for people.")
    offered: str = strawberry.field(description="Where its best offer comes from; empty without one.")
    arrives_at: datetime | None = strawberry.field(description="When that offer would arrive at the site.")
    cost_cents: int | None = strawberry.field(description="What it would cost, in hundredths of the currency.")
    is_within_sla: bool | None = strawberry.field(description="Whether it would be in time.")


@strawberry.type(description="A fact that was missing, and what the policy takes instead.")
class Assumption:
    """An assumption of a decision."""

    fact: str = strawberry.field(description="Which fact, stable, for programs: `service_class`.")
    text: str = strawberry.field(description="What is taken instead, for people.")


@strawberry.type(description="The event that a ticket belongs to, and what that meant for it.")
class GroupStanding:
    """Of a member of an incident group."""

    incident_group_id: strawberry.ID = strawberry.field(description="Id of the group, for `node`.")
    title: str = strawberry.field(description="What was seen, for people.")
    state: GroupState = strawberry.field(description="Where the group stood.")
    standing: str = strawberry.field(
        description="`served`: decided as usual; `held`: a person is waited for; `nothing`: no unit is needed."
    )


@strawberry.type(description="The parcel in trouble that a second unit is for.")
class RecoveryOf:
    """What a second unit is to recover from."""

    shipment_id: strawberry.ID = strawberry.field(description="Id of the parcel, for `node`.")
    trouble: Trouble = strawberry.field(description="What is wrong with it.")
    text: str = strawberry.field(description="Why, for people.")
    predicted_at: datetime | None = strawberry.field(description="When it is expected; null: not at all.")


@strawberry.type(description="The ticket that another one waits with: what it gets serves both.")
class Follows:
    """What a duplicate, or a part of something larger, follows."""

    how: LinkKind = strawberry.field(description="Of which it is a duplicate, or a part.")
    ticket_id: strawberry.ID = strawberry.field(description="Id of that ticket, for `node`.")
    number: str = strawberry.field(description="What people call it.")
    state: TicketState = strawberry.field(description="Where it stood when it was decided.")
    reservation_id: strawberry.ID | None = strawberry.field(description="Id of the claim that it had then.")


@strawberry.type(description="A ticket whose unit is taken over for another one that is more urgent.")
class TakenFrom:
    """Whose unit a decision takes."""

    reservation_id: strawberry.ID = strawberry.field(description="Id of the claim that ends, for `node`.")
    ticket_id: strawberry.ID = strawberry.field(description="Id of the ticket that loses it, for `node`.")
    ticket: str = strawberry.field(description="The number of that ticket, with its priority.")
    hub_id: strawberry.ID = strawberry.field(description="Id of the hub where the unit is, for `node`.")
    instead: str = strawberry.field(description="What is left to that ticket, for people.")


@strawberry.type(description="The unit that is lent until the replacement is there, or why none is.")
class LoanDecision:
    """What a decision says of a loan."""

    outcome: str = strawberry.field(
        description="`lent`, `kept` (the ticket has one), `given_back` (it is not needed any more) or `none`."
    )
    text: str = strawberry.field(description="Why, for people.")
    due_back_at: datetime | None = strawberry.field(description="When it is due back, as things stand.")
    return_days: int = strawberry.field(description="Days within which it is due back once the replacement is there.")
    chosen: Candidate | None = strawberry.field(description="The unit that is lent.")
    candidates: list[Candidate] = strawberry.field(description="The best units to lend, the chosen one first.")
    losers: list[Losers] = strawberry.field(description="All others that were looked at, by why they lost.")


@strawberry.type(description="What the rules decide for a ticket, and why.")
class Explanation:
    """The explanation of a decision."""

    outcome: str = strawberry.field(
        description="`reserve`, `procure` (from outside), `not_needed` or `review` (a person is asked)."
    )
    reason: str = strawberry.field(description="Why, stable, for programs.")
    text: str = strawberry.field(description="Why, for people.")
    rule: str | None = strawberry.field(description="The rule of the policy that matched.")
    policy_version: str = strawberry.field(description="Version of the policy.")
    decided_at: datetime = strawberry.field(description="The moment for which it was decided.")
    product_id: strawberry.ID | None = strawberry.field(description="Id of the product that is needed.")
    quantity: int = strawberry.field(description="Units that it is about; those of `rest` come beside them.")
    had: int = strawberry.field(description="Units that the ticket had already, reserved, sent or delivered.")
    total: int = strawberry.field(description="Units that the ticket needs, all together.")
    rest: "Explanation | None" = strawberry.field(
        description="What becomes of the units that this one is not about, where only a part is there; null otherwise."
    )
    revision: str | None = strawberry.field(
        description="The revision that they must have, that of the device; null when any will do."
    )
    due_at: datetime | None = strawberry.field(description="Until when an arrival is in time.")
    due_basis: str = strawberry.field(description="What that time follows from.")
    stated_due_at: datetime | None = strawberry.field(description="The due time that the ticket's source states.")
    computed_due_at: datetime | None = strawberry.field(
        description="The due time that the service class gives; it counts when the source states none."
    )
    computed_due_basis: str = strawberry.field(
        description="What the computed due time follows from, or why there is none."
    )
    due_difference_minutes: int | None = strawberry.field(
        description="Minutes from the computed to the stated due time; negative when the stated one is sooner."
    )
    due_tolerance_minutes: int = strawberry.field(description="By how much the two may differ, as the policy says.")
    is_due_disputed: bool = strawberry.field(description="Whether the two differ by more than the policy tolerates.")
    margin_minutes: int | None = strawberry.field(
        description="Minutes between arrival and due time; negative when late."
    )
    considered: int = strawberry.field(description="How many shelves were considered.")
    chosen: Candidate | None = strawberry.field(description="The candidate to reserve.")
    candidates: list[Candidate] = strawberry.field(
        description="The best shelves with all detail, the chosen one first."
    )
    site_access: str = strawberry.field(
        description="When the site lets somebody in, and whose public holidays close it, for people."
    )
    site_delivery: str = strawberry.field(description="When couriers hand over at the site, for people.")
    losers: list[Losers] = strawberry.field(description="All other shelves, by why they lost.")
    ladder: list[Rung] = strawberry.field(description="The rungs of the sourcing ladder; empty when none was tried.")
    approval: str | None = strawberry.field(description="The approval that it waits for, by its name in the policy.")
    red_channel_id: strawberry.ID | None = strawberry.field(
        description="Id of the red channel that the ticket goes through."
    )
    red_channel: str = strawberry.field(description="Its name and the reason it was opened for; empty without one.")
    authorisation: str = strawberry.field(
        description="Which approval is needed, or why none is, for people; empty when the rule asks for none."
    )
    approval_deadline_at: datetime | None = strawberry.field(description="Until when it can be approved.")
    assumed: list[Assumption] = strawberry.field(description="Facts that were missing, and what was taken instead.")
    group: GroupStanding | None = strawberry.field(
        description="The event that it belongs to; null when it belongs to none."
    )
    recovery: RecoveryOf | None = strawberry.field(
        description="The parcel in trouble that a second unit is for; null for the first one."
    )
    follows: Follows | None = strawberry.field(
        description="The ticket that it waits with, as the ticket system links them; null when it is decided by itself."
    )
    drawn_safety_stock: int = strawberry.field(description="Units of safety stock that the choice uses.")
    drawn_emergency_buffer: int = strawberry.field(description="Units of the emergency buffer that the choice uses.")
    taken_from: list[TakenFrom] = strawberry.field(description="The tickets whose units the choice takes over.")
    kit: KitAlong | None = strawberry.field(description="What goes along with the device; null when it goes alone.")
    loan: LoanDecision | None = strawberry.field(
        description="What becomes of a loan; null where the rule lends nothing, or nothing is to be bridged."
    )
    inputs: JSON = strawberry.field(description="The facts that it was decided from.")
