"""Why the rules decided as they did: the same for a recorded decision and for a dry run."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import strawberry

from connector.api.schema.nodes import global_id
from connector.api.schema.scalars import JSON, as_json
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
    kind: str = strawberry.field(description="Where it looks: `stock` or `person`.")
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

    group_id: strawberry.ID = strawberry.field(description="Id of the group, for `node`.")
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

    outcome: str = strawberry.field(description="`reserve`, `not_needed` or `review` (a person is asked).")
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


def explanation_of(content: Mapping[str, Any]) -> Explanation:
    """The explanation from what `connector.rules` writes down."""
    sla, site, channel = content["sla"], content.get("site", {}), content.get("channel")
    return Explanation(
        outcome=content["outcome"],
        reason=content["reason"],
        text=content["text"],
        rule=content["rule"],
        policy_version=content["policy_version"],
        decided_at=datetime.fromisoformat(content["decided_at"]),
        product_id=_id("Product", content["product_id"]),
        quantity=content["quantity"],
        had=content.get("had", 0),
        total=content.get("total", content["quantity"]),
        rest=explanation_of(content["rest"]) if content.get("rest") else None,
        revision=content.get("revision"),
        due_at=_instant(sla["due_at"]),
        due_basis=sla["basis"],
        stated_due_at=_instant(sla.get("stated_at")),
        computed_due_at=_instant(sla.get("computed_at")),
        computed_due_basis=sla.get("computed_basis", ""),
        due_difference_minutes=sla.get("difference_minutes"),
        due_tolerance_minutes=sla.get("tolerance_minutes", 0),
        is_due_disputed=sla.get("is_disputed", False),
        margin_minutes=sla["margin_minutes"],
        site_access=site.get("access", ""),
        site_delivery=site.get("delivery", ""),
        considered=content["considered"],
        chosen=_candidate(content["chosen"]) if content["chosen"] else None,
        candidates=[_candidate(item) for item in content["candidates"]],
        losers=_losers(content["losers"]),
        ladder=[_rung(item) for item in content.get("ladder", ())],
        approval=content.get("approval"),
        red_channel_id=_id("RedChannel", channel["id"] if channel else None),
        red_channel=f"{channel['name']}: {channel['reason']}" if channel else "",
        authorisation=content.get("authorisation", {}).get("text", ""),
        approval_deadline_at=_instant(content.get("authorisation", {}).get("deadline_at")),
        assumed=[Assumption(fact=item["fact"], text=item["text"]) for item in content.get("assumed", ())],
        group=_group(content.get("group")),
        recovery=_recovery(content.get("recovery")),
        follows=_follows(content.get("follows")),
        drawn_safety_stock=content.get("drawn", {}).get("safety_stock", 0),
        drawn_emergency_buffer=content.get("drawn", {}).get("emergency_buffer", 0),
        taken_from=[_taken_from(item) for item in content.get("taken_from", ())],
        kit=_kit(content.get("kit")),
        loan=_loan(content.get("loan")),
        inputs=as_json(content["inputs"]),
    )


def _kit(item: Mapping[str, Any] | None) -> KitAlong | None:
    if item is None:
        return None
    parts = [KitPart(product=part["product"], quantity=part["quantity"]) for part in item["parts"]]
    return KitAlong(id=strawberry.ID(global_id("Kit", item["id"])), name=item["name"], parts=parts)


def _losers(items: Sequence[Mapping[str, Any]]) -> list[Losers]:
    return [
        Losers(
            code=item["code"],
            text=item["text"],
            count=item["count"],
            hub_ids=[strawberry.ID(global_id("Hub", hub)) for hub in item["hubs"]],
        )
        for item in items
    ]


def _loan(content: Mapping[str, Any] | None) -> LoanDecision | None:
    if content is None:
        return None
    return LoanDecision(
        outcome=content["outcome"],
        text=content["text"],
        due_back_at=_instant(content["due_back_at"]),
        return_days=content["return_days"],
        chosen=_candidate(content["chosen"]) if content["chosen"] else None,
        candidates=[_candidate(item) for item in content["candidates"]],
        losers=_losers(content["losers"]),
    )


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _id(type_name: str, key: int | None) -> strawberry.ID | None:
    return None if key is None else strawberry.ID(global_id(type_name, key))


def _rung(item: Mapping[str, Any]) -> Rung:
    return Rung(
        number=item["number"],
        kind=item["kind"],
        outcome=item["outcome"],
        text=item["text"],
        offered=item["offered"],
        arrives_at=_instant(item["arrives_at"]),
        cost_cents=item["cost_cents"],
        is_within_sla=item["is_within_sla"],
    )


def _group(content: Mapping[str, Any] | None) -> GroupStanding | None:
    if content is None:
        return None
    return GroupStanding(
        group_id=strawberry.ID(global_id("IncidentGroup", content["id"])),
        title=content["title"],
        state=GroupState(content["state"]),
        standing=content["standing"],
    )


def _recovery(content: Mapping[str, Any] | None) -> RecoveryOf | None:
    if content is None:
        return None
    return RecoveryOf(
        shipment_id=strawberry.ID(global_id("Shipment", content["shipment_id"])),
        trouble=Trouble(content["trouble"]),
        text=content["text"],
        predicted_at=_instant(content["predicted_at"]),
    )


def _follows(content: Mapping[str, Any] | None) -> Follows | None:
    if content is None:
        return None
    return Follows(
        how=LinkKind(content["how"]),
        ticket_id=strawberry.ID(global_id("Ticket", content["ticket_id"])),
        number=content["number"],
        state=TicketState(content["state"]),
        reservation_id=_id("Reservation", content["reservation_id"]),
    )


def _taken_from(item: Mapping[str, Any]) -> TakenFrom:
    return TakenFrom(
        reservation_id=strawberry.ID(global_id("Reservation", item["reservation_id"])),
        ticket_id=strawberry.ID(global_id("Ticket", item["ticket_id"])),
        ticket=item["ticket"],
        hub_id=strawberry.ID(global_id("Hub", item["hub_id"])),
        instead=item["instead"],
    )


def _step(item: Mapping[str, Any]) -> ArrivalStep:
    minutes = item.get("minutes")
    return ArrivalStep(
        step=item["step"],
        ends_at=datetime.fromisoformat(item["at"]),
        duration=None if minutes is None else timedelta(minutes=minutes),
        text=item.get("text", ""),
    )


def _candidate(item: Mapping[str, Any]) -> Candidate:
    return Candidate(
        hub_id=strawberry.ID(global_id("Hub", item["hub_id"])),
        hub=item["hub"],
        tier=HubTier(item["tier"]),
        product_id=strawberry.ID(global_id("Product", item["product_id"])),
        is_exact=item["is_exact"],
        lane=Lane(item["lane"]),
        free=item["free"],
        mode=item["mode"],
        distance_km=item["distance_km"],
        cost_cents=item["cost_cents"],
        ready_at=datetime.fromisoformat(item["ready_at"]),
        departs_at=datetime.fromisoformat(item["departs_at"]),
        arrives_at=datetime.fromisoformat(item["arrives_at"]),
        is_within_sla=item["is_within_sla"],
        probability=item.get("probability", 1.0 if item["is_within_sla"] else 0.0),
        is_mobile=item.get("is_mobile", False),
        steps=[_step(step) for step in item.get("steps", ())],
        hours=item.get("hours", ""),
        why=item["why"],
    )
