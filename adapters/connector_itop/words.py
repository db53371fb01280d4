"""Classes, attributes and codes of iTop's data model, and what they mean by default."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from connector.sdk import AssetState, Priority, TicketState

SYSTEM: Final = "iTop"

Role: TypeAlias = Literal["cmdb", "itsm"]
TicketClass: TypeAlias = Literal["UserRequest", "Incident"]

DEVICE_ROOT: Final = "PhysicalDevice"
"""The class that has serial number, place, status, brand and model; all devices are of classes below it."""
CI_ROOT: Final = "FunctionalCI"
"""The class whose ids all devices share, and by which deletions and links are recorded."""
TICKET_ROOT: Final = "Ticket"

DEVICE_CLASSES: Final = (
    "PC", "Server", "NetworkDevice", "Printer", "MobilePhone", "Phone", "IPPhone", "Tablet", "Peripheral",
    "StorageSystem", "SANSwitch", "TapeLibrary", "NAS", "PDU", "PowerSource", "Enclosure", "Rack",
)  # fmt: skip
"""Hardware of the modules that iTop is delivered with."""
DATACENTER: Final = frozenset({"Server", "NetworkDevice", "StorageSystem", "SANSwitch", "TapeLibrary", "NAS"})
"""Of these, the classes below DatacenterDevice: they are in racks and enclosures, and have power."""
CONNECTABLE: Final = frozenset({"PC", "Printer"})
"""Of these, the classes below ConnectableCI that are not below DatacenterDevice: they hang on network devices."""

STATES: Final[dict[str, AssetState]] = {
    "production": AssetState.DEPLOYED,
    "implementation": AssetState.RESERVED,
    "stock": AssetState.IN_STOCK,
    "obsolete": AssetState.RETIRED,
}
"""The four codes of a device's status."""

PRIORITIES: Final[dict[str, Priority]] = {"1": Priority.P1, "2": Priority.P2, "3": Priority.P3, "4": Priority.P4}
"""Critical, high, medium, low."""

TICKET_STATES: Final[dict[str, TicketState]] = {
    "new": TicketState.NEW,
    "waiting_for_approval": TicketState.ON_HOLD,
    "approved": TicketState.NEW,
    "rejected": TicketState.CANCELLED,
    "assigned": TicketState.IN_PROGRESS,
    "escalated_tto": TicketState.NEW,
    "escalated_ttr": TicketState.IN_PROGRESS,
    "pending": TicketState.ON_HOLD,
    "resolved": TicketState.RESOLVED,
    "closed": TicketState.CLOSED,
}
"""Escalated tickets are where they were, late: in no hands yet (time to own), or in somebody's (time to resolve)."""

WRITTEN_STATES: Final[dict[TicketState, str]] = {
    TicketState.NEW: "new",
    TicketState.IN_PROGRESS: "assigned",
    TicketState.ON_HOLD: "pending",
    TicketState.RESOLVED: "resolved",
    TicketState.CLOSED: "closed",
    TicketState.CANCELLED: "closed",
}

TRANSITIONS: Final[dict[str, dict[str, str]]] = {
    "new": {"ev_assign": "assigned"},
    "escalated_tto": {"ev_assign": "assigned"},
    "approved": {"ev_assign": "assigned"},
    "assigned": {"ev_pending": "pending", "ev_resolve": "resolved"},
    "escalated_ttr": {"ev_pending": "pending", "ev_resolve": "resolved"},
    "pending": {"ev_assign": "assigned"},
    "resolved": {"ev_close": "closed", "ev_reopen": "assigned"},
    "rejected": {"ev_reopen": "new"},
}
"""Stimuli that people apply, by status, with the status that they lead to. Approval is left to approvers."""

PRESETS: Final = {"resolution_code": "assistance"}
"""What iTop fills in by itself: nobody has chosen it."""

StimulusField: TypeAlias = str | int | dict[str, str]
STIMULUS_FIELDS: Final[dict[str, dict[str, StimulusField]]] = {
    "ev_pending": {"pending_reason": "Replacement hardware is under way."},
    "ev_resolve": {"resolution_code": "hardware repair", "solution": "The hardware was replaced."},
}
"""What a transition wants to be filled in, where the ticket has nothing there yet."""
