"""Global object identification: one id for everything, and the interface of everything that has one."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

import strawberry
from graphql import GraphQLAbstractType, GraphQLResolveInfo

from connector.model.errors import InvalidInput
from connector.storage.query import Row

TYPE_NAMES: Mapping[str, str] = {
    "ServiceClass": "service_class",
    "Site": "site",
    "Hub": "hub",
    "Product": "product",
    "Compatibility": "compatibility",
    "Kit": "kit",
    "KitComponent": "kit_component",
    "Asset": "asset",
    "AssetRelation": "asset_relation",
    "FieldConflict": "field_conflict",
    "FieldOverride": "field_override",
    "Stock": "stock",
    "Ticket": "ticket",
    "TicketLink": "ticket_link",
    "Recovery": "recovery",
    "IncidentGroup": "incident_group",
    "IncidentGroupTicket": "incident_group_ticket",
    "Policy": "policy",
    "PolicyActivation": "policy_activation",
    "Decision": "decision",
    "Reservation": "reservation",
    "Procurement": "procurement",
    "Shipment": "shipment",
    "Pickup": "pickup",
    "ShipmentEvent": "shipment_event",
    "ShipmentLabel": "document",
    "Task": "task",
    "Rollout": "rollout",
    "RolloutLine": "rollout_line",
    "Loan": "loan",
    "Replenishment": "replenishment",
    "Rma": "rma",
    "Approval": "approval",
    "ApprovalVote": "approval_vote",
    "Delegation": "delegation",
    "RedChannel": "red_channel",
    "NameAlias": "name_alias",
    "AliasSuggestion": "alias_suggestion",
    "Source": "source",
    "SourceStream": "source_stream",
    "SyncRun": "sync_run",
    "SyncPlan": "sync_plan",
    "QuarantinedRecord": "quarantine",
    "AssetMerge": "asset_merge",
    "IdentityReview": "identity_review",
    "IdentityCandidate": "identity_candidate",
}
"""GraphQL type -> entity that it shows."""

ENTITY_TYPES: Mapping[str, str] = {entity: name for name, entity in TYPE_NAMES.items()}
"""Entity -> GraphQL type that shows it."""

_KEY = re.compile(r"([A-Za-z]+):([1-9][0-9]{0,18})", re.ASCII)


def global_id(type_name: str, key: int) -> str:
    """The opaque id of a thing."""
    return base64.b64encode(f"{type_name}:{key}".encode()).decode()


def parse_global_id(text: str) -> tuple[str, int]:
    """Type name and key that an id holds. Raises InvalidInput when it is not one of ours."""
    try:
        match = _KEY.fullmatch(base64.b64decode(text, validate=True).decode("ascii"))
    except (binascii.Error, ValueError):
        match = None
    if match is None or match[1] not in TYPE_NAMES or int(match[2]) >= 2**63:
        raise InvalidInput(
            f"id {text!r} is not one of ours", hint="Use an `id` as a query returned it, not a number or a name."
        )
    return match[1], int(match[2])


def key_of(text: str, *, entity: str) -> int:
    """The key in an id of this entity. Raises InvalidInput when the id is of something else."""
    name, key = parse_global_id(text)
    if TYPE_NAMES[name] != entity:
        raise InvalidInput(f"id {text!r} is the id of a {name}, not of a {ENTITY_TYPES[entity]}")
    return key


def _own_id(root: Row) -> strawberry.ID:
    return strawberry.ID(global_id(ENTITY_TYPES[root.entity], root.id))


@strawberry.interface(description="Everything that has an id and can be fetched again by it.")
class Node:
    """Relay's global object identification."""

    id: strawberry.ID = strawberry.field(
        resolver=_own_id,
        description="Identifies it among everything in the hub. Opaque: keep it as it is.",
        metadata={"columns": ("id",)},
    )

    @classmethod
    def is_type_of(cls, value: Any, _info: GraphQLResolveInfo[Any]) -> bool:
        """Whether a row is shown by this type."""
        return isinstance(value, Row) and ENTITY_TYPES[value.entity] == cls.__name__

    @classmethod
    def resolve_type(cls, value: Row, _info: GraphQLResolveInfo[Any], _type: GraphQLAbstractType) -> str:
        """The type that shows a row."""
        return ENTITY_TYPES[value.entity]
