"""Explanations from what `connector.rules` writes down with a decision."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import strawberry

from connector.api.schema.explanation import (
    ArrivalStep,
    Assumption,
    Candidate,
    Explanation,
    Follows,
    GroupStanding,
    KitAlong,
    KitPart,
    LoanDecision,
    Losers,
    RecoveryOf,
    Rung,
    TakenFrom,
)
from connector.api.schema.nodes import global_id
from connector.api.schema.scalars import as_json
from connector.model.kinds import HubTier, Lane, LinkKind, Trouble
from connector.model.lifecycle import GroupState, TicketState


def explanation_of(content: Mapping[str, Any]) -> Explanation:
    """The explanation of a decision, or of a part of one."""
    sla, site, channel = content["sla"], content.get("site", {}), content.get("channel")
    due_at = _instant(sla["due_at"])
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
        due_at=due_at,
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
        chosen=_candidate(content["chosen"], due_at) if content["chosen"] else None,
        candidates=[_candidate(item, due_at) for item in content["candidates"]],
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
        loan=_loan(content.get("loan"), due_at),
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


def _loan(content: Mapping[str, Any] | None, due_at: datetime | None) -> LoanDecision | None:
    if content is None:
        return None
    return LoanDecision(
        outcome=content["outcome"],
        text=content["text"],
        due_back_at=_instant(content["due_back_at"]),
        return_days=content["return_days"],
        chosen=_candidate(content["chosen"], due_at) if content["chosen"] else None,
        candidates=[_candidate(item, due_at) for item in content["candidates"]],
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
        incident_group_id=strawberry.ID(global_id("IncidentGroup", content["id"])),
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


def _candidate(item: Mapping[str, Any], due_at: datetime | None) -> Candidate:
    arrives_at = datetime.fromisoformat(item["arrives_at"])
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
        arrives_at=arrives_at,
        is_within_sla=item["is_within_sla"],
        margin_minutes=None if due_at is None else int((due_at - arrives_at).total_seconds() // 60),
        probability=item.get("probability", 1.0 if item["is_within_sla"] else 0.0),
        is_mobile=item.get("is_mobile", False),
        steps=[_step(step) for step in item.get("steps", ())],
        hours=item.get("hours", ""),
        why=item["why"],
    )
