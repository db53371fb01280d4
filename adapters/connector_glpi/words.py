"""What GLPI calls things, and what its numbers mean by default."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

from connector.sdk import AssetState, Priority, TicketState, TicketType

DeviceType: TypeAlias = Literal["Computer", "NetworkEquipment", "Peripheral", "Monitor", "Phone", "Printer"]
Role: TypeAlias = Literal["cmdb", "itsm"]

DEVICE_TYPES: Final[tuple[DeviceType, ...]] = get_args(DeviceType)
MODEL_COLUMNS: Final[dict[DeviceType, str]] = {kind: f"{kind.lower()}models_id" for kind in DEVICE_TYPES}
"""Column of a device that names its model, which is of a list of its own for each type."""

PRIORITIES: Final[dict[str, Priority]] = {
    "1": Priority.P5, "2": Priority.P4, "3": Priority.P3, "4": Priority.P2, "5": Priority.P1, "6": Priority.P1,
}  # fmt: skip
"""Very low, low, medium, high, very high, major."""

TICKET_STATES: Final[dict[str, TicketState]] = {
    "1": TicketState.NEW,
    "2": TicketState.IN_PROGRESS,
    "3": TicketState.IN_PROGRESS,
    "4": TicketState.ON_HOLD,
    "5": TicketState.RESOLVED,
    "6": TicketState.CLOSED,
}
"""New, processing (assigned), processing (planned), pending, solved, closed."""

WRITTEN_STATES: Final[dict[TicketState, int]] = {
    TicketState.NEW: 1,
    TicketState.IN_PROGRESS: 2,
    TicketState.ON_HOLD: 4,
    TicketState.RESOLVED: 5,
    TicketState.CLOSED: 6,
    TicketState.CANCELLED: 6,
}

TYPES: Final[dict[int, TicketType]] = {1: TicketType.INCIDENT, 2: TicketType.REQUEST}

STATES: Final[dict[str, AssetState]] = {
    "in use": AssetState.DEPLOYED,
    "production": AssetState.DEPLOYED,
    "in production": AssetState.DEPLOYED,
    "deployed": AssetState.DEPLOYED,
    "in stock": AssetState.IN_STOCK,
    "stock": AssetState.IN_STOCK,
    "available": AssetState.IN_STOCK,
    "spare": AssetState.IN_STOCK,
    "reserved": AssetState.RESERVED,
    "ordered": AssetState.ORDERED,
    "in transit": AssetState.IN_TRANSIT,
    "to be returned": AssetState.RETURN_PENDING,
    "defective": AssetState.QUARANTINED,
    "broken": AssetState.QUARANTINED,
    "out of order": AssetState.QUARANTINED,
    "under inspection": AssetState.INSPECTION,
    "in repair": AssetState.REPAIR,
    "under repair": AssetState.REPAIR,
    "maintenance": AssetState.REPAIR,
    "retired": AssetState.RETIRED,
    "out of service": AssetState.RETIRED,
    "disposed": AssetState.DISPOSED,
    "scrapped": AssetState.DISPOSED,
    "lost": AssetState.LOST,
    "stolen": AssetState.LOST,
}
"""GLPI comes without any state: these are words that people use, in lower case."""

REQUESTER, ASSIGNED = 1, 2
"""What a person is to a ticket."""
DUPLICATE_OF, CHILD_OF, PARENT_OF = 2, 3, 4
"""What a link says of its first ticket; 1 says nothing more."""
