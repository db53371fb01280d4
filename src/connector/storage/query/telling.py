"""What tells the value of a column beside the column itself: what is worked out of it, and what holds a copy.

Whoever is not to know a column must not read these either. Sentences for people are not looked into: what somebody
writes into a title, or the hub into the instructions of a task, stands there for whoever reads that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from connector.rules.golden.fields import FIELDS
from connector.storage.query.entities import ENTITIES, SAID
from connector.storage.query.entity import ToOne

Column: TypeAlias = tuple[str, str]
"""Entity, and the name of one of its columns, stored or worked out."""

_KEPT: Final = frozenset({("stock", "safety_stock"), ("stock", "emergency_buffer")})
_SHELF: Final = frozenset({("stock", "on_hand"), ("stock", "reserved")})

_REGIONS: Final = frozenset({("site", "region"), ("hub", "region")})

WORKED_OUT_OF: Final[Mapping[Column, frozenset[Column]]] = {
    ("policy", "is_active"): frozenset(),
    **{(kind.value, name): frozenset() for kind in FIELDS for name in SAID},  # of what is kept they tell nothing
    ("asset", "region"): _REGIONS,
    ("shipment", "region"): _REGIONS,
    ("stock", "region"): frozenset({("hub", "region")}),
    ("stock", "free"): _SHELF,
    ("stock", "usable"): _SHELF | _KEPT,
    ("stock", "is_low"): _SHELF | {("stock", "reorder_point")},
    ("stock", "complete_kits"): _SHELF | _KEPT,
    ("ticket", "region"): frozenset({("site", "region")}),
    ("ticket", "asset_class"): frozenset({("product", "asset_class")}),
    ("ticket", "is_within_sla"): frozenset({("ticket", "resolved_at"), ("ticket", "sla_due_at")}),
    ("ticket", "minutes_to_resolve"): frozenset({("ticket", "opened_at"), ("ticket", "resolved_at")}),
}
"""Every column that is worked out -> the columns that it follows from."""

PACKING_LIST: Final[Column] = ("task", "packing_list")
LABEL: Final[Column] = ("document", "content")
EXPLANATION: Final[Column] = ("decision", "explanation")
GROUNDS: Final[Column] = ("decision", "grounds")
CANDIDATES: Final[Column] = ("replenishment", "explanation")
QUARANTINED: Final[Column] = ("quarantine", "raw")
"""A record as its source sent it."""

_PACKED: Final = frozenset({("asset", "serial"), ("asset", "asset_tag"), ("product", "part_number")})
_ADDRESSES: Final = frozenset({("site", "address"), ("hub", "address")})

_TRACKING: Final = frozenset({("shipment", "tracking_number")})
_REVISION: Final = frozenset({("asset", "revision")})
_ORDERED: Final = frozenset({("procurement", "cost_cents"), ("replenishment", "cost_cents")})

_PRICE: Final = frozenset({("product", "unit_cost_cents")})

_GOLDEN: Final = frozenset(
    (kind.value, name)
    for kind, fields in FIELDS.items()
    for name, column in ENTITIES[kind.value].columns.items()
    if any(column.name in field.columns for field in fields.values())
)
"""What sources state of things that several of them know."""

_COPIES: Final[Mapping[Column, frozenset[Column]]] = {
    PACKING_LIST: _PACKED,
    LABEL: _ADDRESSES | {("shipment", name) for name in ("tracking_number", "carrier", "service")},
    EXPLANATION: _ORDERED
    | {("decision", "rule"), ("recovery", "predicted_at"), ("reservation", "estimated_arrival_at")}
    | {(entity, name) for entity in ("reservation", "procurement") for name in ("revision", "approval_name")}
    | {("procurement", name) for name in ("contact", "via", "expected_at")},
    CANDIDATES: _ORDERED | {("replenishment", "expected_at"), ("replenishment", "target")},
    QUARANTINED: frozenset({("quarantine", "record")}),
    ("procurement", "cost_cents"): _ORDERED | _PRICE,
    ("replenishment", "cost_cents"): _ORDERED | _PRICE,
    ("approval", "cost_cents"): _ORDERED | _PRICE,
    ("shipment", "tracking_url"): _TRACKING,
    ("procurement", "tracking_number"): _TRACKING,
    ("rma", "tracking_number"): _TRACKING,
    ("pickup", "external_id"): _TRACKING | {("shipment", "external_id")},
    ("pickup", "carrier"): frozenset({("shipment", "carrier")}),
    ("reservation", "revision"): _REVISION,
    ("procurement", "revision"): _REVISION,
    ("field_conflict", "statements"): _GOLDEN,
    ("field_override", "value"): _GOLDEN,
    ("field_override", "replaced"): _GOLDEN,
}
"""Columns -> others of which they hold copies, or out of which they were worked out when they were written."""

PAPER: Final = (
    _PACKED
    | _ADDRESSES
    | {PACKING_LIST, ("task", "instructions"), ("task", "due_at")}
    | {("site", "access_hours"), ("site", "time_zone"), ("hub", "time_zone")}
)
"""What the work of a hub on paper shows."""

_DOCUMENTS: Final = frozenset({EXPLANATION, GROUNDS, CANDIDATES, ("rollout", "plan")})
"""What the rules made of the facts, with the facts."""

_NO_FACTS: Final[Mapping[str, frozenset[str]]] = {
    "ticket": frozenset({"resolved_at", "url"}),
    "asset": frozenset({"url"}),
    "site": frozenset({"address"}),
    "hub": frozenset({"address"}),
    "product": frozenset({"currency", "length_mm", "width_mm", "height_mm"}),
    "stock": frozenset({"counted_at"}),
    "service_class": frozenset(),
    "compatibility": frozenset(),
}
"""Entities that the rules decide by -> columns of theirs of which they know nothing."""

_RECORDED: Final = frozenset(
    {
        "site",
        "hub",
        "product",
        "asset",
        "stock",
        "compatibility",
        "kit",
        "ticket",
        "shipment",
        "shipment_event",
        "procurement",
    }
)
"""Entities of which sources send records, which wait in quarantine as they were sent."""

CALLED_BY: Final = frozenset({("site", "code"), ("hub", "code")})
"""What sentences and labels call things by; they tell it wherever something is said of the thing."""


def is_fact(column: Column) -> bool:
    """Whether the rules may decide by it. What is worked out follows from columns that are told of by themselves."""
    entity, name = column
    return entity in _NO_FACTS and name not in _NO_FACTS[entity] | ENTITIES[entity].computed.keys()


def with_what_tells(columns: frozenset[Column]) -> frozenset[Column]:
    """The columns, and every other one that tells the value of one of them."""
    found = columns
    while True:
        more = {
            teller
            for tellers in (WORKED_OUT_OF, _COPIES)
            for teller, told in tellers.items()
            if not told.isdisjoint(found)
        }
        if any(map(is_fact, found)):
            more |= _DOCUMENTS
        if any(entity in _RECORDED and name in ENTITIES[entity].columns for entity, name in found):
            more.add(QUARANTINED)
        if more <= found:
            return found
        found |= more


def can_be_kept(column: Column) -> bool:
    """Whether a statement can do without it: keys lead to other things, and lists leave out what is retired."""
    entity, name = ENTITIES[column[0]], column[1]
    keys = {relation.key for relation in entity.relations.values() if isinstance(relation, ToOne)}
    return name not in {"id", "retired_at"} | keys
