"""What can be queried: the entities, the names of their columns, and how they hang together.

Filters, orderings and the loading of relations are all derived from here, so a column or relation that is added
here can be selected, compared, sorted by and followed without another line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from sqlalchemy import FromClause, Table

from connector.model.refs import EntityKind
from connector.storage import tables
from connector.storage.facts.kits import complete_kits
from connector.storage.facts.protection import usable_units
from connector.storage.facts.provenance import overridden_of, precedence_now, provenance_of, records_of, stated_of
from connector.storage.facts.regions import region_of_hub, region_of_place
from connector.storage.query.computed import MEASURED, free_units, is_active, is_below_reorder_point
from connector.storage.query.entity import Entity, Expression, Relation, ToMany, ToOne


def _entity(
    name: str,
    table: Table,
    relations: Mapping[str, Relation],
    *,
    renamed: Mapping[str, str] | None = None,
    computed: Mapping[str, Callable[[FromClause], Expression]] | None = None,
    nullable: frozenset[str] = frozenset(),
    private: frozenset[str] = frozenset(),
) -> Entity:
    public = {column: name for name, column in (renamed or {}).items()}
    return Entity(
        name=name,
        table=table,
        columns={public.get(column.name, column.name): column for column in table.columns},
        relations=relations,
        computed=computed or {},
        nullable=nullable,
        private=private,
        retires="retired_at" in table.c,
    )


SAID: Final = frozenset({"provenance", "stated", "overridden", "precedence", "source_records"})
"""Columns in which it is told who said what of a thing that several sources know."""

_ABOUT: Final[Mapping[str, Relation]] = {
    kind: ToOne(kind, f"{kind}_id") for kind in ("asset", "site", "hub", "product")
}
"""What rows of the golden record are about: one of these."""


def _said(kind: EntityKind) -> Mapping[str, Callable[[FromClause], Expression]]:
    return {
        "provenance": partial(provenance_of, kind),
        "stated": partial(stated_of, kind),
        "overridden": partial(overridden_of, kind),
        "precedence": precedence_now,
        "source_records": partial(records_of, kind),
    }


ENTITIES: Mapping[str, Entity] = {
    entity.name: entity
    for entity in (
        _entity(
            "service_class",
            tables.service_class,
            {},
            renamed={"maximum_outage": "maximum_outage_minutes"},
            private=frozenset({"maximum_outage", "closed_dates"}),
        ),
        _entity(
            "site",
            tables.site,
            {
                "service_class": ToOne("service_class", "service_class_id"),
                "assets": ToMany("asset", "site_id"),
                "tickets": ToMany("ticket", "site_id"),
                "shipments": ToMany("shipment", "site_id"),
                "field_conflicts": ToMany("field_conflict", "site_id"),
                "field_overrides": ToMany("field_override", "site_id"),
            },
            computed=_said(EntityKind.SITE),
            private=frozenset({"address", "data_defects"}) | SAID,
        ),
        _entity(
            "hub",
            tables.hub,
            {
                "stock": ToMany("stock", "hub_id"),
                "assets": ToMany("asset", "hub_id"),
                "reservations": ToMany("reservation", "hub_id"),
                "shipments": ToMany("shipment", "hub_id"),
                "pickups": ToMany("pickup", "hub_id"),
                "tasks": ToMany("task", "hub_id"),
                "field_conflicts": ToMany("field_conflict", "hub_id"),
                "field_overrides": ToMany("field_override", "hub_id"),
            },
            computed=_said(EntityKind.HUB),
            renamed={
                "handling_time": "handling_minutes",
                "pick_time": "pick_minutes",
                "qa_time": "qa_minutes",
                "pack_time": "pack_minutes",
            },
            private=frozenset({"address", "courier_cut_offs", "handling_time", "pick_time", "qa_time", "pack_time"})
            | SAID,
        ),
        _entity(
            "policy",
            tables.policy,
            {"activations": ToMany("policy_activation", "policy_id")},
            computed={"is_active": is_active},
        ),
        _entity("policy_activation", tables.policy_activation, {"policy": ToOne("policy", "policy_id")}),
        _entity(
            "product",
            tables.product,
            {
                "assets": ToMany("asset", "product_id"),
                "stock": ToMany("stock", "product_id"),
                "substitutes": ToMany("compatibility", "product_id", sorted_by=("preference",)),
                "kits": ToMany("kit", "product_id"),
                "field_conflicts": ToMany("field_conflict", "product_id"),
                "field_overrides": ToMany("field_override", "product_id"),
            },
            computed=_said(EntityKind.PRODUCT),
            private=frozenset({"manufacturer_key", "model_key", "data_defects"}) | SAID,
        ),
        _entity(
            "compatibility",
            tables.compatibility,
            {"product": ToOne("product", "product_id"), "substitute": ToOne("product", "substitute_id")},
        ),
        _entity(
            "kit",
            tables.kit,
            {"product": ToOne("product", "product_id"), "components": ToMany("kit_component", "kit_id")},
        ),
        _entity(
            "kit_component",
            tables.kit_component,
            {"kit": ToOne("kit", "kit_id"), "product": ToOne("product", "product_id")},
        ),
        _entity(
            "asset",
            tables.asset,
            {
                "product": ToOne("product", "product_id"),
                "site": ToOne("site", "site_id"),
                "hub": ToOne("hub", "hub_id"),
                "merged_into": ToOne("asset", "merged_into_id"),
                "tickets": ToMany("ticket", "asset_id"),
                "reservations": ToMany("reservation", "asset_id"),
                "loans": ToMany("loan", "asset_id"),
                "rmas": ToMany("rma", "asset_id"),
                "relations": ToMany("asset_relation", "asset_id"),
                "related_from": ToMany("asset_relation", "other_id"),
                "field_conflicts": ToMany("field_conflict", "asset_id"),
                "field_overrides": ToMany("field_override", "asset_id"),
            },
            computed={**_said(EntityKind.ASSET), "region": region_of_place},
            nullable=frozenset({"region"}),
            private=SAID,
        ),
        _entity(
            "field_conflict",
            tables.field_conflict,
            _ABOUT,
            private=frozenset({"entity_id", "statements"}),
        ),
        _entity(
            "field_override",
            tables.field_override,
            _ABOUT,
            renamed={"ends_at": "until"},
            private=frozenset({"entity_id", "value", "replaced"}),
        ),
        _entity(
            "asset_relation",
            tables.asset_relation,
            {
                "asset": ToOne("asset", "asset_id"),
                "other": ToOne("asset", "other_id"),
                "source": ToOne("source", "source_id"),
            },
            private=frozenset({"said_by"}),
        ),
        _entity(
            "stock",
            tables.stock,
            {
                "hub": ToOne("hub", "hub_id"),
                "product": ToOne("product", "product_id"),
                "replenishment": ToMany("replenishment", "stock_id", newest_only=True),
            },
            computed={
                "free": free_units,
                "usable": usable_units,
                "is_low": is_below_reorder_point,
                "complete_kits": complete_kits,
                "region": region_of_hub,
            },
            nullable=frozenset({"complete_kits", "region"}),
        ),
        _entity(
            "ticket",
            tables.ticket,
            {
                "source": ToOne("source", "source_id"),
                "asset": ToOne("asset", "asset_id"),
                "site": ToOne("site", "site_id"),
                "product": ToOne("product", "product_id"),
                "decision": ToMany("decision", "ticket_id", newest_only=True),
                "decisions": ToMany("decision", "ticket_id"),
                "reservations": ToMany("reservation", "ticket_id"),
                "procurements": ToMany("procurement", "ticket_id"),
                "shipments": ToMany("shipment", "ticket_id"),
                "approvals": ToMany("approval", "ticket_id"),
                "tasks": ToMany("task", "ticket_id"),
                "rollouts": ToMany("rollout", "ticket_id"),
                "recoveries": ToMany("recovery", "ticket_id"),
                "loan": ToMany("loan", "ticket_id", newest_only=True),
                "replenishment": ToMany("replenishment", "ticket_id", newest_only=True),
                "rmas": ToMany("rma", "ticket_id"),
                "groups": ToMany("incident_group_ticket", "ticket_id"),
                "links": ToMany("ticket_link", "ticket_id"),
                "linked_from": ToMany("ticket_link", "other_id"),
            },
            computed=MEASURED,
            nullable=frozenset(MEASURED),
        ),
        _entity(
            "replenishment",
            tables.replenishment,
            {
                "stock": ToOne("stock", "stock_id"),
                "hub": ToOne("hub", "hub_id"),
                "product": ToOne("product", "product_id"),
                "ticket": ToOne("ticket", "ticket_id"),
            },
            private=frozenset({"explanation"}),
        ),
        _entity(
            "incident_group",
            tables.incident_group,
            {"members": ToMany("incident_group_ticket", "group_id")},
            private=frozenset({"statistics"}),
        ),
        _entity(
            "incident_group_ticket",
            tables.incident_group_ticket,
            {"group": ToOne("incident_group", "group_id"), "ticket": ToOne("ticket", "ticket_id")},
        ),
        _entity(
            "recovery",
            tables.recovery,
            {
                "ticket": ToOne("ticket", "ticket_id"),
                "shipment": ToOne("shipment", "shipment_id"),
                "reservation": ToOne("reservation", "reservation_id"),
                "decision": ToOne("decision", "decision_id"),
            },
        ),
        _entity(
            "ticket_link",
            tables.ticket_link,
            {"ticket": ToOne("ticket", "ticket_id"), "other": ToOne("ticket", "other_id")},
            private=frozenset({"source_id"}),
        ),
        _entity(
            "decision",
            tables.decision,
            {
                "ticket": ToOne("ticket", "ticket_id"),
                "red_channel": ToOne("red_channel", "red_channel_id"),
                "reservations": ToMany("reservation", "decision_id"),
            },
            private=frozenset({"explanation", "grounds"}),
        ),
        _entity(
            "reservation",
            tables.reservation,
            {
                "ticket": ToOne("ticket", "ticket_id"),
                "decision": ToOne("decision", "decision_id"),
                "hub": ToOne("hub", "hub_id"),
                "product": ToOne("product", "product_id"),
                "requested_product": ToOne("product", "requested_product_id"),
                "asset": ToOne("asset", "asset_id"),
                "site": ToOne("site", "site_id"),
                "to_hub": ToOne("hub", "to_hub_id"),
                "rollout_line": ToOne("rollout_line", "rollout_line_id"),
                "replaces": ToOne("reservation", "replaces_id"),
                "replaced_by": ToMany("reservation", "replaces_id"),
                "kit": ToOne("kit", "kit_id"),
                "ships_with": ToOne("reservation", "ships_with_id"),
                "kit_lines": ToMany("reservation", "ships_with_id", sorted_by=("line",)),
                "loan": ToMany("loan", "reservation_id", newest_only=True),
                "shipments": ToMany("shipment", "reservation_id"),
                "tasks": ToMany("task", "reservation_id"),
            },
        ),
        _entity(
            "loan",
            tables.loan,
            {
                "ticket": ToOne("ticket", "ticket_id"),
                "reservation": ToOne("reservation", "reservation_id"),
                "asset": ToOne("asset", "asset_id"),
                "product": ToOne("product", "product_id"),
                "hub": ToOne("hub", "hub_id"),
                "site": ToOne("site", "site_id"),
                "returned_hub": ToOne("hub", "returned_hub_id"),
            },
        ),
        _entity(
            "rma",
            tables.rma,
            {
                "ticket": ToOne("ticket", "ticket_id"),
                "asset": ToOne("asset", "asset_id"),
                "product": ToOne("product", "product_id"),
                "reservation": ToOne("reservation", "reservation_id"),
                "procurement": ToOne("procurement", "procurement_id"),
                "hub": ToOne("hub", "hub_id"),
                "site": ToOne("site", "site_id"),
                "received_hub": ToOne("hub", "received_hub_id"),
                "received_asset": ToOne("asset", "received_asset_id"),
            },
        ),
        _entity(
            "procurement",
            tables.procurement,
            {
                "ticket": ToOne("ticket", "ticket_id"),
                "decision": ToOne("decision", "decision_id"),
                "product": ToOne("product", "product_id"),
                "hub": ToOne("hub", "hub_id"),
                "site": ToOne("site", "site_id"),
                "shipment": ToOne("shipment", "shipment_id"),
            },
        ),
        _entity(
            "shipment",
            tables.shipment,
            {
                "ticket": ToOne("ticket", "ticket_id"),
                "reservation": ToOne("reservation", "reservation_id"),
                "hub": ToOne("hub", "hub_id"),
                "site": ToOne("site", "site_id"),
                "to_hub": ToOne("hub", "to_hub_id"),
                "source": ToOne("source", "source_id"),
                "pickup": ToOne("pickup", "pickup_id"),
                "label_document": ToOne("document", "label_document_id"),
                "events": ToMany("shipment_event", "shipment_id", sorted_by=("occurred_at",)),
                "tasks": ToMany("task", "shipment_id"),
            },
            computed={"region": region_of_place},
            nullable=frozenset({"region"}),
        ),
        _entity(
            "pickup",
            tables.pickup,
            {
                "hub": ToOne("hub", "hub_id"),
                "source": ToOne("source", "source_id"),
                "shipments": ToMany("shipment", "pickup_id"),
            },
            private=frozenset({"attempted_at"}),
        ),
        _entity(
            "shipment_event",
            tables.shipment_event,
            {"shipment": ToOne("shipment", "shipment_id")},
            private=frozenset({"fingerprint"}),
        ),
        _entity("document", tables.document, {}, private=frozenset({"content"})),
        _entity(
            "approval",
            tables.approval,
            {
                "ticket": ToOne("ticket", "ticket_id"),
                "votes": ToMany("approval_vote", "approval_id"),
                "tasks": ToMany("task", "approval_id"),
            },
            private=frozenset({"key", "roles", "widenings", "announced", "subject_id", "on_refusal"}),
        ),
        _entity(
            "red_channel",
            tables.red_channel,
            {"decisions": ToMany("decision", "red_channel_id")},
            private=frozenset({"scope", "report"}),
        ),
        _entity(
            "name_alias",
            tables.name_alias,
            {
                "product": ToOne("product", "product_id"),
                "site": ToOne("site", "site_id"),
                "hub": ToOne("hub", "hub_id"),
                "source": ToOne("source", "source_id"),
            },
        ),
        _entity(
            "alias_suggestion",
            tables.alias_suggestion,
            {
                "product": ToOne("product", "product_id"),
                "site": ToOne("site", "site_id"),
                "hub": ToOne("hub", "hub_id"),
                "source": ToOne("source", "source_id"),
                "double_product": ToOne("product", "double_product_id"),
                "double_site": ToOne("site", "double_site_id"),
            },
            private=frozenset({"pair"}),
        ),
        _entity("approval_vote", tables.approval_vote, {"approval": ToOne("approval", "approval_id")}),
        _entity("delegation", tables.delegation, {}, private=frozenset({"roles"})),
        _entity(
            "task",
            tables.task,
            {
                "ticket": ToOne("ticket", "ticket_id"),
                "reservation": ToOne("reservation", "reservation_id"),
                "shipment": ToOne("shipment", "shipment_id"),
                "approval": ToOne("approval", "approval_id"),
                "hub": ToOne("hub", "hub_id"),
                "rollout": ToOne("rollout", "rollout_id"),
            },
            private=frozenset({"key", "packing_list"}),
        ),
        _entity(
            "rollout",
            tables.rollout,
            {
                "ticket": ToOne("ticket", "ticket_id"),
                "product": ToOne("product", "product_id"),
                "lines": ToMany("rollout_line", "rollout_id"),
                "tasks": ToMany("task", "rollout_id"),
            },
            private=frozenset({"plan", "progress", "counted_from"}),
        ),
        _entity(
            "rollout_line",
            tables.rollout_line,
            {
                "rollout": ToOne("rollout", "rollout_id"),
                "site": ToOne("site", "site_id"),
                "ticket": ToOne("ticket", "ticket_id"),
                "hub": ToOne("hub", "hub_id"),
                "reservation": ToMany("reservation", "rollout_line_id", newest_only=True),
                "reservations": ToMany("reservation", "rollout_line_id"),
            },
        ),
        _entity(
            "source",
            tables.source,
            {
                "streams": ToMany("source_stream", "source_id"),
                "quarantine": ToMany("quarantine", "source_id"),
                "runs": ToMany("sync_run", "source_id"),
                "plans": ToMany("sync_plan", "source_id"),
                "tickets": ToMany("ticket", "source_id"),
            },
        ),
        _entity(
            "source_stream",
            tables.source_stream,
            {"source": ToOne("source", "source_id")},
            private=frozenset({"resume", "backfill", "lease", "lease_until"}),
        ),
        _entity("sync_run", tables.sync_run, {"source": ToOne("source", "source_id")}),
        _entity(
            "sync_plan",
            tables.sync_plan,
            {"source": ToOne("source", "source_id")},
            private=frozenset({"streams", "fingerprint", "counts", "alarms"}),
        ),
        _entity(
            "quarantine",
            tables.quarantine,
            {"source": ToOne("source", "source_id")},
            private=frozenset({"fingerprint", "raw", "record"}),
        ),
        _entity(
            "asset_merge",
            tables.asset_merge,
            {"kept": ToOne("asset", "kept_id"), "merged": ToOne("asset", "merged_id")},
            private=frozenset({"moved", "journal", "stayed"}),
        ),
        _entity(
            "identity_review",
            tables.identity_review,
            {
                "source": ToOne("source", "source_id"),
                "record": ToOne("quarantine", "quarantine_id"),
                "asset": ToOne("asset", "asset_id"),
                "candidates": ToMany("identity_candidate", "review_id"),
            },
            private=frozenset({"stated", "attempts", "evidence"}),
        ),
        _entity(
            "identity_candidate",
            tables.identity_candidate,
            {"review": ToOne("identity_review", "review_id"), "asset": ToOne("asset", "asset_id")},
            private=frozenset({"rules", "facts"}),
        ),
    )
}
"""Every entity by its name."""
