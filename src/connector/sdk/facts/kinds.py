"""Which records a document can make, and which of their fields it may fill."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from connector.model.kinds import Criticality, HubTier, Lane, Priority, ProductStatus, TicketType, Tracking
from connector.model.lifecycle import AssetState, ProcurementState, ShipmentStatus, TicketState
from connector.model.records import (
    AssetRecord,
    CompatibilityRecord,
    HubRecord,
    OrderRecord,
    ProductRecord,
    Record,
    ShipmentRecord,
    SiteRecord,
    StockRecord,
    TicketRecord,
)
from connector.model.refs import EntityKind


class Form(StrEnum):
    """What a value is read as."""

    TEXT = "text"
    TEXTS = "list of texts"
    WHOLE = "whole number"
    DECIMAL = "number"
    TRUTH = "true or false"
    TIME = "time"
    DAY = "date"
    WORD = "word of a vocabulary"
    REF = "identifier over there"
    REFS = "list of identifiers over there"


@dataclass(frozen=True, slots=True)
class Target:
    """A field of a record. path: where it goes. words: the vocabulary. kind: of what an identifier is."""

    path: tuple[str, ...]
    form: Form
    words: tuple[str, ...] = ()
    kind: EntityKind | None = None


@dataclass(frozen=True, slots=True)
class RecordKind:
    """A record. targets: its fields by the name that a document uses. needs: for each, one of these must be mapped."""

    record: type[Record]
    entity: EntityKind
    targets: dict[str, Target]
    needs: tuple[tuple[str, ...], ...] = field(default=())


def _plain(form: Form, *names: str) -> dict[str, Target]:
    return {name: Target(tuple(name.split(".")), form) for name in names}


def _word(name: str, words: type[StrEnum]) -> dict[str, Target]:
    return {name: Target((name,), Form.WORD, words=tuple(word.value for word in words))}


def _ref(name: str, kind: EntityKind, path: str | None = None) -> dict[str, Target]:
    return {name: Target((path or name,), Form.REF, kind=kind)}


def _product(name: str, *, by_ref: bool = True) -> dict[str, Target]:
    """A product by its identifier over there, or by its maker's names."""
    named = _plain(Form.TEXT, f"{name}.manufacturer", f"{name}.model", f"{name}.part_number")
    return (_ref(name, EntityKind.PRODUCT) if by_ref else {}) | named


_PLACE = (
    _plain(Form.TEXT, "name", "code", "time_zone", "region")
    | _plain(Form.DECIMAL, "point.latitude", "point.longitude")
    | _plain(
        Form.TEXT,
        *(
            f"address.{part}"
            for part in ("line1", "line2", "city", "postal_code", "state", "country", "contact", "phone", "email")
        ),
    )
)
_KEY = {name: Target(("key", name), Form.TEXT) for name in ("manufacturer", "model", "part_number")}

KINDS: dict[str, RecordKind] = {
    "site": RecordKind(
        SiteRecord, EntityKind.SITE, _PLACE | _plain(Form.TEXT, "service_class", "access_hours"), (("name",),)
    ),
    "hub": RecordKind(
        HubRecord,
        EntityKind.HUB,
        _PLACE
        | _word("tier", HubTier)
        | _plain(Form.TEXT, "opening_hours")
        | _plain(Form.TEXTS, "courier_cut_offs")
        | _plain(Form.WHOLE, "handling_minutes", "pick_minutes", "qa_minutes", "pack_minutes")
        | _plain(Form.TRUTH, "is_mobile"),
        (("name",),),
    ),
    "product": RecordKind(
        ProductRecord,
        EntityKind.PRODUCT,
        _KEY
        | _plain(Form.TEXT, "sku", "asset_class", "currency")
        | _plain(Form.WHOLE, "unit_cost_cents", "weight_g", "length_mm", "width_mm", "height_mm")
        | _plain(Form.TRUTH, "is_data_bearing")
        | _word("criticality", Criticality)
        | _word("tracking", Tracking)
        | _word("status", ProductStatus),
        (("manufacturer",), ("model",)),
    ),
    "compatibility": RecordKind(
        CompatibilityRecord,
        EntityKind.COMPATIBILITY,
        _product("product")
        | _product("substitute")
        | _plain(Form.WHOLE, "preference")
        | _plain(Form.TEXT, "condition"),
        (("product", "product.model"), ("substitute", "substitute.model")),
    ),
    "asset": RecordKind(
        AssetRecord,
        EntityKind.ASSET,
        _plain(Form.TEXT, "name", "serial", "asset_tag", "revision", "holder", "url")
        | _product("product")
        | _ref("hub", EntityKind.HUB, "place")
        | _ref("site", EntityKind.SITE, "place")
        | _plain(Form.DAY, "warranty_ends_on")
        | _word("state", AssetState)
        | _word("lane", Lane),
    ),
    "stock": RecordKind(
        StockRecord,
        EntityKind.STOCK,
        _ref("hub", EntityKind.HUB)
        | {"hub_code": Target(("hub",), Form.TEXT)}
        | _product("product")
        | _word("lane", Lane)
        | _plain(Form.WHOLE, "quantity", "reorder_point", "target", "safety_stock", "emergency_buffer")
        | _plain(Form.TIME, "counted_at"),
        (("hub", "hub_code"), ("product", "product.model"), ("quantity",)),
    ),
    "ticket": RecordKind(
        TicketRecord,
        EntityKind.TICKET,
        _plain(
            Form.TEXT, "number", "title", "description", "category", "asset_tag", "serial", "hostname", "site_name",
            "requester", "assignee", "url",
        )
        | _product("product", by_ref=False)
        | _ref("asset", EntityKind.ASSET)
        | _ref("site", EntityKind.SITE)
        | _ref("parent", EntityKind.TICKET)
        | _ref("duplicate_of", EntityKind.TICKET)
        | {"related": Target(("related",), Form.REFS, kind=EntityKind.TICKET)}
        | _plain(Form.WHOLE, "quantity")
        | _plain(Form.TIME, "opened_at", "resolved_at", "sla_due_at")
        | _word("type", TicketType)
        | _word("priority", Priority)
        | _word("state", TicketState),
        (("number",), ("state",)),
    ),
    "shipment": RecordKind(
        ShipmentRecord,
        EntityKind.SHIPMENT,
        _plain(Form.TEXT, "tracking_number", "carrier")
        | _plain(Form.TIME, "estimated_delivery_at")
        | _word("status", ShipmentStatus),
        (("tracking_number",), ("status",)),
    ),
    "order": RecordKind(
        OrderRecord,
        EntityKind.PROCUREMENT,
        _plain(Form.TEXT, "key", "order_number", "carrier", "tracking_number", "reason")
        | _plain(Form.TEXTS, "serials")
        | _plain(Form.TIME, "expected_at")
        | _word("state", ProcurementState),
        (("order_number",), ("state",)),
    ),
}  # fmt: skip
"""By the name that a document uses."""

STREAM_OF: dict[str, str] = {
    "sites": "site", "hubs": "hub", "products": "product", "compatibilities": "compatibility", "assets": "asset",
    "stock": "stock", "tickets": "ticket", "shipments": "shipment", "orders": "order",
}  # fmt: skip
"""Record of a stream by the stream's usual name, in the order in which streams are pulled."""
