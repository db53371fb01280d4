"""What an adapter author imports. Everything public is here; submodules are for readers.

Adapters depend on this package and on nothing else of the hub.
"""

from connector.model.errors import InvalidRecord
from connector.model.geo import Point, great_circle_km
from connector.model.kinds import (
    Criticality,
    HubTier,
    LabelFormat,
    Lane,
    Priority,
    ProductStatus,
    RelationKind,
    TicketType,
    Tracking,
)
from connector.model.lifecycle import AssetState, ProcurementState, ShipmentStatus, TicketState
from connector.model.records import (
    Address,
    AssetRecord,
    AssetRelation,
    CompatibilityRecord,
    HubRecord,
    KitComponent,
    KitRecord,
    OrderRecord,
    ProductKey,
    ProductRecord,
    Record,
    ShipmentRecord,
    SiteRecord,
    StockRecord,
    TicketRecord,
    Tombstone,
    TrackingEvent,
)
from connector.model.refs import EntityKind, IdempotencyKey, SourceRef
from connector.sdk.adapter import (
    API_VERSION,
    Adapter,
    Backfills,
    Batch,
    CancelsPickups,
    Clock,
    Cursor,
    Deferred,
    Fetches,
    Health,
    OrdersPickups,
    Previews,
    Procures,
    Pulls,
    ReadsHeaders,
    ReceivesWebhooks,
    Rejected,
    Ships,
    Shown,
    ShowsPages,
    Stream,
    TakesSome,
    TracksShipments,
    Watches,
    WritesAssets,
    WritesTickets,
    capabilities,
)
from connector.sdk.ahead import read_ahead
from connector.sdk.client import SourceClient, secrets_of
from connector.sdk.config import AdapterConfig, HttpConfig, TimeZone
from connector.sdk.connection import Connection, connect
from connector.sdk.errors import (
    AdapterError,
    AuthError,
    ConfigError,
    Conflict,
    Invalid,
    NotFound,
    NotOffered,
    OutcomeUnknown,
    RateLimited,
    Transient,
    UnexpectedResponse,
)
from connector.sdk.operations import (
    AddNote,
    BuyLabel,
    CancelPickup,
    LabelReceipt,
    OrderPickup,
    Parcel,
    Party,
    PickupReceipt,
    Quote,
    Receipt,
    SetTicketFields,
    SetTicketState,
    TrackShipment,
    VoidLabel,
    WaitingParcel,
)
from connector.sdk.ordering import CancelOrder, OrderParts, OrderReceipt, RequestReplacement, Warranty
from connector.sdk.swapping import RecordSwap, SwapReceipt
from connector.sdk.tokens import ClientCredentials
from connector.sdk.webhook import (
    WebhookRequest,
    WebhookResult,
    hmac_base64,
    hmac_hex,
    require_hmac,
    require_json,
    require_recent,
    require_secret,
)

__all__ = [
    "API_VERSION", "Adapter", "AdapterConfig", "AdapterError", "AddNote", "Address", "AssetRecord", "AssetRelation",
    "AssetState", "AuthError", "Backfills", "Batch", "BuyLabel", "CancelOrder", "CancelPickup", "CancelsPickups",
    "ClientCredentials", "Clock", "CompatibilityRecord", "ConfigError", "Conflict", "Connection", "Criticality",
    "Cursor", "Deferred", "EntityKind", "Fetches", "Health", "HttpConfig", "HubRecord", "HubTier", "IdempotencyKey",
    "Invalid", "InvalidRecord", "KitComponent", "KitRecord", "LabelFormat", "LabelReceipt", "Lane", "NotFound",
    "NotOffered", "OrderParts", "OrderPickup", "OrderReceipt", "OrderRecord", "OrdersPickups", "OutcomeUnknown",
    "Parcel", "Party", "PickupReceipt", "Point", "Previews", "Priority", "ProcurementState", "Procures", "ProductKey",
    "ProductRecord", "ProductStatus", "Pulls", "Quote", "RateLimited", "ReadsHeaders", "Receipt", "ReceivesWebhooks",
    "Record", "RecordSwap", "Rejected", "RelationKind", "RequestReplacement", "SetTicketFields", "SetTicketState",
    "ShipmentRecord", "ShipmentStatus", "Ships", "Shown", "ShowsPages", "SiteRecord", "SourceClient", "SourceRef",
    "StockRecord", "Stream", "SwapReceipt", "TakesSome", "TicketRecord", "TicketState", "TicketType", "TimeZone",
    "Tombstone", "TrackShipment", "Tracking", "TrackingEvent", "TracksShipments", "Transient", "UnexpectedResponse",
    "VoidLabel", "WaitingParcel", "Warranty", "Watches", "WebhookRequest", "WebhookResult", "WritesAssets",
    "WritesTickets", "capabilities", "connect", "great_circle_km", "hmac_base64", "hmac_hex", "read_ahead",
    "require_hmac", "require_json", "require_recent", "require_secret", "secrets_of",
]  # fmt: skip
