"""A small hub's data: one incident on its way from decision to parcel, and what surrounds it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.schema.nodes import global_id
from connector.model.kinds import HubTier, Lane
from connector.model.refs import EntityKind
from connector.rules.policy.document import Mode
from connector.rules.sourcing.candidate import Candidate, Losers, recorded_of
from connector.storage import tables
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.engine import transaction
from tests.factories import (
    HAMBURG,
    NOW,
    insert_row,
    make_asset,
    make_counted_stock,
    make_hub,
    make_product,
    make_service_class,
    make_site,
    make_source,
    make_spares,
    make_ticket,
)

LABEL = b"%PDF-1.4 label"
CHOSEN = Candidate(
    hub_id=1, hub="Berlin", tier=HubTier.REGIONAL, product_id=1, preference=0, lane=Lane.NORMAL, free=2,
    mode=Mode.COURIER, distance_km=255.1, cost_cents=1250, ready_at=NOW + timedelta(minutes=30),
    departs_at=NOW + timedelta(hours=8), arrives_at=NOW + timedelta(days=1), is_within_sla=False,
)  # fmt: skip
EXPLANATION = {
    "outcome": "reserve", "reason": "sourced", "text": "from Berlin by courier", "rule": "hardware", "quantity": 1,
    "policy_version": "default@1", "decided_at": "2026-11-25T09:00:00Z", "inputs": {"ticket": {"number": "INC-1"}},
    "product_id": 1, "sla": {"due_at": "2026-11-25T13:00:00Z", "basis": "ticket", "margin_minutes": -1200},
    "ladder": [], "candidates": recorded_of([CHOSEN]),
    "losers": [Losers("too_far", "too far to drive", (2, 3)).recorded()],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seeded:
    """Keys of what was made."""

    source: int
    hub: int
    site: int
    product: int
    asset: int
    spare: int
    ticket: int
    decision: int
    reservation: int
    shipment: int
    task: int
    quarantine: int
    document: int
    sync_plan: int

    def id(self, type_name: str) -> str:
        """Global id of the thing of that type."""
        name = {"QuarantinedRecord": "quarantine", "ShipmentLabel": "document", "SyncPlan": "sync_plan"}.get(
            type_name, type_name.lower()
        )
        return global_id(type_name, getattr(self, name))


async def seed(engine: AsyncEngine) -> Seeded:
    """Make everything in one transaction."""
    async with transaction(engine) as tx:
        source = await make_source(
            tx, state="backing_off", last_success_at=NOW - timedelta(minutes=90), last_error="timed out",
            last_error_at=NOW, failures=2,
        )  # fmt: skip
        stream = {"source_id": source, "name": "tickets", "last_success_at": NOW - timedelta(hours=2)}
        await insert_row(tx, tables.source_stream, {**stream, "records_seen": 10, "records_changed": 4})
        run = {
            "source_id": source,
            "stream": "tickets",
            "mode": "changes",
            "outcome": "pulled",
            "started_by": "schedule",
        }
        counts = {"created": 1, "updated": 3, "retired": 0, "unchanged": 6, "quarantined": 0}
        await insert_row(
            tx, tables.sync_run,
            {**run, **counts, "records_seen": 10, "began_at": NOW - timedelta(seconds=90), "ended_at": NOW},
        )  # fmt: skip
        counted = {"stream": "tickets", "records": 10, "new": 1, "changed": 3, "retired": 0, "unchanged": 6}
        sync_plan = await insert_row(
            tx, tables.sync_plan,
            {"source_id": source, "is_full": False, "exceeds_limit": True, "state": "proposed", "fingerprint": "0" * 64,
             "counts": [{**counted, "unusable": 0}], "alarms": [], "created_by": "guard", "created_at": NOW},
        )  # fmt: skip
        hub = await make_hub(tx, name="Berlin", code="BER", courier_cut_offs=["12:00", "17:00"])
        critical = await make_service_class(tx)
        address = {"line1": "Kai 1", "city": "Hamburg", "postal_code": "20457", "country": "DE", "note": "unknown key"}
        site = await make_site(tx, name="Hamburg", code="HAM", **HAMBURG, address=address, service_class_id=critical)
        product = await make_product(tx, manufacturer="Acme", model="Switch 48", part_number="SW-48")
        bracket = await make_product(tx, manufacturer="Acme", model="Bracket", tracking="counted", sku="BR-1")
        other = await make_product(tx, manufacturer="Acme", model="Switch 24")
        pair = {"product_id": product, "substitute_id": other, "preference": 2, "condition": "ticket.priority == 'P1'"}
        await insert_row(tx, tables.compatibility, pair)
        kit = await insert_row(tx, tables.kit, {"name": "Swap kit", "product_id": product})
        await insert_row(tx, tables.kit_component, {"kit_id": kit, "product_id": bracket, "quantity": 2})
        asset = await make_asset(tx, name="ham-sw1", serial="FOC1", site_id=site, product_id=product)
        spare, _ = await make_spares(tx, hub_id=hub, product_id=product, count=2)
        await make_counted_stock(tx, hub_id=hub, product_id=bracket, on_hand=3, reserved=1, reorder_point=5)
        ticket = await make_ticket(
            tx, source_id=source, number="INC-1", asset_id=asset, site_id=site, product_id=product,
            sla_due_at=NOW + timedelta(hours=4),
        )  # fmt: skip
        decided = {"ticket_id": ticket, "outcome": "reserve", "reason": "sourced", "rule": "hardware"}
        decision = await insert_row(
            tx, tables.decision,
            {**decided, "policy_version": "default@1", "explanation": EXPLANATION, "decided_at": NOW, "looked_at": NOW},
        )  # fmt: skip
        times = {"created_at": NOW, "updated_at": NOW}
        reservation = await insert_row(
            tx, tables.reservation,
            {"ticket_id": ticket, "decision_id": decision, "hub_id": hub, "product_id": product, "asset_id": spare,
             "requested_product_id": product, "state": "committed", **times},
        )  # fmt: skip
        label = {"name": "label.pdf", "media_type": "application/pdf", "sha256": "5e" * 32, "content": LABEL}
        document = await insert_row(tx, tables.document, {**label, "created_at": NOW})
        pickup = await insert_row(
            tx, tables.pickup,
            {"hub_id": hub, "source_id": source, "carrier": "ups", "state": "ordered", "earliest_at": NOW,
             "latest_at": NOW + timedelta(hours=3), "confirmation": "PRG1", "ordered_by": "ada", **times},
        )  # fmt: skip
        shipment = await insert_row(
            tx, tables.shipment,
            {"ticket_id": ticket, "reservation_id": reservation, "hub_id": hub, "site_id": site, "source_id": source,
             "status": "in_transit", "carrier": "ups", "tracking_number": "1Z1", "label_format": "pdf",
             "label_document_id": document, "pickup_id": pickup, "cost_cents": 1250, "currency": "EUR", **times},
        )  # fmt: skip
        for hours, status in ((2, "in_transit"), (1, "picked_up")):
            scan = {"shipment_id": shipment, "status": status, "description": status, "fingerprint": status}
            at = NOW + timedelta(hours=hours)
            await insert_row(tx, tables.shipment_event, {**scan, "occurred_at": at, "received_at": at})
        line: dict[str, Any] = {"product": "Acme Switch 48", "part_number": "SW-48", "quantity": 1, "serial": "SN1"}
        task = await insert_row(
            tx, tables.task,
            {"key": "pickup", "kind": "pickup", "state": "open", "title": "Pick up", "ticket_id": ticket, **times,
             "reservation_id": reservation, "shipment_id": shipment, "hub_id": hub, "due_at": NOW,
             "packing_list": [{**line, "asset_tag": None, "is_device": True}]},
        )  # fmt: skip
        asked = {"key": "reservation:1:spare", "name": "spare", "policy_version": "default@1", "state": "pending",
                 "subject_kind": "reservation", "subject_id": reservation, "roles": ["approver"], "widenings": [],
                 "on_timeout": "reject", "on_refusal": "next", "requested_by": "rules"}  # fmt: skip
        approval = await insert_row(
            tx, tables.approval,
            {**asked, "ticket_id": ticket, "title": "Approve it", "deadline_at": NOW + timedelta(hours=1), **times},
        )  # fmt: skip
        rollout = await insert_row(
            tx, tables.rollout,
            {"name": "Routers 7.2", "ticket_id": ticket, "product_id": product, "state": "planned", "author": "ada",
             "first_wave_size": 5, "wave_size": 25, "keep_free_percent": 20, "success": "delivered",
             "success_percent": 90, "soak_minutes": 60, "halt_percent": 10, "halt_sample": 5, "delivery_days": 7,
             "policy_version": "default@1",
             "plan": {"hubs": [{"hub_id": hub, "hub": "Berlin", "free": 2, "protected": 0, "kept": 1, "promised": 1}]},
             "progress": {"states": {"planned": 1}, "waves": [{"wave": 1, "states": {"planned": 1}}]}, **times},
        )  # fmt: skip
        await insert_row(
            tx, tables.rollout_line,
            {"rollout_id": rollout, "line": 1001, "site_id": site, "risk": 90, "risk_rule": "rollouts.default_risk",
             "wave": 1, "state": "planned", "hub_id": hub, "distance_km": 3, **times},
        )  # fmt: skip
        quarantine = await insert_row(
            tx, tables.quarantine,
            {"source_id": source, "stream": "tickets", "fingerprint": "f", "external_ref": "9", "raw": b'{"id": 9\xff}',
             "reason": "priority 'urgent' is not known", "path": "/priority", "first_seen_at": NOW,
             "last_seen_at": NOW},
        )  # fmt: skip
        changes = [
            NewChange(EntityKind.TICKET, ticket, "created", {"state": (None, "new")}),
            NewChange(EntityKind.RESERVATION, reservation, "created", {"state": (None, "held")}),
            NewChange(EntityKind.RESERVATION, reservation, "updated", {"state": ("held", "committed")}),
            NewChange(EntityKind.SHIPMENT, shipment, "created", {"status": (None, "pending")}),
            NewChange(EntityKind.SHIPMENT, shipment, "updated", {"carrier": (None, "ups")}),
            NewChange(EntityKind.SHIPMENT, shipment, "updated", {"status": ("pending", "in_transit")}),
            NewChange(EntityKind.SHIPMENT, shipment, "updated", {"events": (1, 2)}),
            NewChange(EntityKind.TASK, task, "created", {"state": (None, "open")}),
            NewChange(EntityKind.APPROVAL, approval, "created", {"state": (None, "pending")}),
            NewChange(EntityKind.ROLLOUT, rollout, "created", {"state": (None, "draft")}),
            NewChange(EntityKind.ROLLOUT, rollout, "updated", {"state": ("draft", "planned")}),
        ]
        await log_changes(tx, changes, actor="fulfilment", at=NOW)
    return Seeded(
        source, hub, site, product, asset, spare, ticket, decision, reservation, shipment, task, quarantine, document,
        sync_plan,
    )  # fmt: skip
