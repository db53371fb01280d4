"""What ServiceNow's own values mean by default: states of hardware and tickets, priorities, columns of tickets."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from connector.sdk import AssetState, Priority, TicketState, TicketType

DeviceTable: TypeAlias = Literal["alm_hardware", "cmdb_ci_hardware"]
TicketTable: TypeAlias = Literal["incident", "sc_req_item", "sc_request"]
TicketFact: TypeAlias = Literal[
    "asset_tag", "serial", "hostname", "site_name", "category", "manufacturer", "model", "part_number", "quantity",
    "due_at",
]  # fmt: skip
"""What a column of the customer's may say of a ticket."""

RelationWord: TypeAlias = Literal["contains", "part_of", "needed_by", "depends_on", "connected_to"]
"""What the parent of a relation is to its child."""
FROM_CHILD: Final[frozenset[RelationWord]] = frozenset({"contains", "needed_by"})
"""Words that say something of the child: that it is part of the parent, that it depends on it."""

RELATIONS: Final[dict[str, RelationWord]] = {
    "Contains::Contained by": "contains",
    "Located in::Houses": "part_of",
    "Depends on::Used by": "depends_on",
    "Runs on::Runs": "depends_on",
    "Powers::Powered by": "needed_by",
    "Connects to::Connected by": "connected_to",
}
"""Types of relations that come with the platform and tell of hardware."""

ASSET_STATES: Final[dict[str, AssetState]] = {
    "1": AssetState.DEPLOYED,
    "2": AssetState.ORDERED,
    "3": AssetState.REPAIR,
    "6": AssetState.IN_STOCK,
    "6/reserved": AssetState.RESERVED,
    "6/pending_install": AssetState.RESERVED,
    "6/defective": AssetState.QUARANTINED,
    "6/quarantine": AssetState.QUARANTINED,
    "6/pending_evaluation": AssetState.INSPECTION,
    "6/test": AssetState.INSPECTION,
    "6/pending_repair": AssetState.REPAIR,
    "6/pending_return": AssetState.VENDOR_RETURN,
    "6/pending_disposal": AssetState.RETIRED,
    "6/pending_retirement": AssetState.RETIRED,
    "6/pending_resale": AssetState.RETIRED,
    "7": AssetState.RETIRED,
    "7/disposed": AssetState.DISPOSED,
    "7/donated": AssetState.DISPOSED,
    "7/sold": AssetState.DISPOSED,
    "8": AssetState.LOST,
    "9": AssetState.IN_TRANSIT,
    "9/defective": AssetState.RETURN_PENDING,
    "9/pending_disposal": AssetState.RETIRED,
    "10": AssetState.DISPOSED,
}
"""`install_status`, or `install_status/substatus`, of an asset; the substatus counts where it is named here."""

CI_STATES: Final[dict[str, AssetState]] = {
    "1": AssetState.DEPLOYED,
    "2": AssetState.ORDERED,
    "3": AssetState.REPAIR,
    "4": AssetState.ORDERED,
    "5": AssetState.REPAIR,
    "6": AssetState.IN_STOCK,
    "7": AssetState.RETIRED,
    "8": AssetState.LOST,
    "100": AssetState.LOST,
}
"""`install_status` of a configuration item, whose values are others than an asset's."""

PRIORITIES: Final[dict[str, Priority]] = {str(number): Priority(f"P{number}") for number in range(1, 6)}

REQUEST_STATES: Final[dict[str, TicketState]] = {
    "-5": TicketState.ON_HOLD,
    "1": TicketState.NEW,
    "2": TicketState.IN_PROGRESS,
    "3": TicketState.CLOSED,
    "4": TicketState.CANCELLED,
    "7": TicketState.CANCELLED,
}
"""Pending, Open, Work in Progress, Closed Complete, Closed Incomplete, Closed Skipped."""

TICKET_STATES: Final[dict[TicketTable, dict[str, TicketState]]] = {
    "incident": {
        "1": TicketState.NEW,
        "2": TicketState.IN_PROGRESS,
        "3": TicketState.ON_HOLD,
        "6": TicketState.RESOLVED,
        "7": TicketState.CLOSED,
        "8": TicketState.CANCELLED,
    },
    "sc_req_item": REQUEST_STATES,
    "sc_request": REQUEST_STATES,
}

_WRITTEN_OF_REQUESTS: Final[dict[TicketState, str]] = {
    TicketState.NEW: "1",
    TicketState.IN_PROGRESS: "2",
    TicketState.ON_HOLD: "-5",
    TicketState.RESOLVED: "3",
    TicketState.CLOSED: "3",
    TicketState.CANCELLED: "4",
}
WRITTEN_STATES: Final[dict[TicketTable, dict[TicketState, str]]] = {
    "incident": {state: value for value, state in TICKET_STATES["incident"].items()},
    "sc_req_item": _WRITTEN_OF_REQUESTS,
    "sc_request": _WRITTEN_OF_REQUESTS,
}

STATE_FIELDS: Final[dict[TicketState, dict[str, str]]] = {
    TicketState.ON_HOLD: {"hold_reason": "5"},
    TicketState.RESOLVED: {"close_code": "Solution provided", "close_notes": "The hardware was replaced."},
    TicketState.CLOSED: {"close_code": "Solution provided", "close_notes": "The hardware was replaced."},
    TicketState.CANCELLED: {"close_notes": "The replacement was called off."},
}
"""What an incident has to say with a state: on hold it awaits the vendor."""

TYPES: Final[dict[TicketTable, TicketType]] = {
    "incident": TicketType.INCIDENT,
    "sc_req_item": TicketType.REQUEST,
    "sc_request": TicketType.REQUEST,
}
