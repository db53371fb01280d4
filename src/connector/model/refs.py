"""How things are named: our kinds, their identifiers, and keys that make an effect happen once."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

from pydantic import BaseModel, ConfigDict, Field

IdempotencyKey: TypeAlias = str
"""Names one intended effect: the same key asked twice means the same effect once. At most 100 characters,
made of letters, digits and `-_.:`, so that it fits a header, a reference field and a search."""


class EntityKind(StrEnum):
    """The kinds of thing that the model holds; also the type names of change rows and GraphQL ids."""

    SITE = "site"
    HUB = "hub"
    PRODUCT = "product"
    COMPATIBILITY = "compatibility"
    KIT = "kit"
    ASSET = "asset"
    STOCK = "stock"
    TICKET = "ticket"
    POLICY = "policy"
    DECISION = "decision"
    RESERVATION = "reservation"
    SHIPMENT = "shipment"
    PICKUP = "pickup"
    PROCUREMENT = "procurement"
    LOAN = "loan"
    REPLENISHMENT = "replenishment"
    RMA = "rma"
    TASK = "task"
    APPROVAL = "approval"
    DELEGATION = "delegation"
    RED_CHANNEL = "red_channel"
    ROLLOUT = "rollout"
    ROLLOUT_LINE = "rollout_line"
    RECOVERY = "recovery"
    INCIDENT_GROUP = "incident_group"
    NAME_ALIAS = "name_alias"
    ALIAS_SUGGESTION = "alias_suggestion"
    SERVICE_CLASS = "service_class"
    SOURCE = "source"
    QUARANTINE = "quarantine"
    ASSET_MERGE = "asset_merge"
    IDENTITY_REVIEW = "identity_review"
    API_KEY = "api_key"
    AUDIT = "audit"


class SourceRef(BaseModel):
    """Identity of a thing in one external system; the hub knows which system it came from.

    kind: what it is for us. external_id: their stable identifier, never a display name.
    """

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    kind: EntityKind
    external_id: str = Field(min_length=1, max_length=255)

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.external_id}"
