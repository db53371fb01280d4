"""Facts and policies with valid defaults; a test states only what matters to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from connector.model.kinds import HubTier, Lane, Priority, TicketType
from connector.model.lifecycle import AssetState, TicketState
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.fleet import Fleet, HubFacts, hub_facts
from connector.rules.facts.shelves import Holding, SubstituteFacts
from connector.rules.facts.ticket import AssetFacts, ProductFacts, SiteFacts, TicketFacts
from connector.rules.policy.reading import Policy, read_policy

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
"""A Wednesday morning in winter: 10:00 in Berlin."""

BERLIN = (52.52, 13.405)
POTSDAM = (52.4, 13.06)
HAMBURG = (53.55, 9.993)
MUNICH = (48.137, 11.575)

SWITCH = ProductFacts(id=1, manufacturer="Acme", model="X1")
STAND_IN = SubstituteFacts(product_id=2, label="Acme X2", preference=1)

POLICY = """
name: test
rules:
  - {name: any, when: "true", hardware: replace, RULE}
sourcing:
  drive: {detour_factor: 1.3, speed_kmh: 60, max_drive_km: 120, cost_cents_per_km: 60}
  courier:
    delivery_hours: Mon-Fri 08:00-18:00
    transit:
      - {within_km: 300, hours: 14, cost_cents: 3500}
      - {hours: 24, cost_cents: 6000}
  ranking: [exact, within_sla, preference, arrival, cost, distance]
service_classes:
  critical: {maximum_outage_minutes: 240, calendar: 24x7}
  office: {maximum_outage_minutes: 240, calendar: "Mon-Fri 08:00-17:00"}
"""


def policy(rule: str = "hold_minutes: 60") -> Policy:
    """A policy of one rule that always holds, with these further fields."""
    return read_policy(POLICY.replace("RULE", rule))


def hub(number: int, place: tuple[float, float] | None = BERLIN, **values: Any) -> HubFacts:
    defaults: dict[str, Any] = {
        "label": f"HUB-{number}", "tier": HubTier.REGIONAL, "time_zone": "Europe/Berlin", "opening_hours": "24x7",
        "cut_offs": ("17:00",), "handling_minutes": 30,
    }  # fmt: skip
    latitude, longitude = place or (None, None)
    return hub_facts(**{**defaults, "id": number, "latitude": latitude, "longitude": longitude, **values})


def holding(*hub_ids: int, product_id: int = 1, lane: Lane = Lane.NORMAL, free: int = 1) -> Holding:
    return Holding(product_id, lane, dict.fromkeys(hub_ids, free))


def facts(hubs: Iterable[HubFacts] = (), holdings: Iterable[Holding] = (), **values: Any) -> SourcingFacts:
    """A P1 incident with a known switch at a site in Berlin."""
    defaults: dict[str, Any] = {
        "ticket": TicketFacts(
            id=1, number="INC-1", type=TicketType.INCIDENT, state=TicketState.NEW, priority=Priority.P1,
            title="Switch is dead", category="hardware", opened_at=NOW, source="itsm",
        ),
        "asset": AssetFacts(id=9, state=AssetState.DEPLOYED, name="sw-1"),
        "product": SWITCH,
        "site": SiteFacts(
            id=5, name="Plant", code="S1", latitude=BERLIN[0], longitude=BERLIN[1], time_zone="Europe/Berlin"
        ),
    }  # fmt: skip
    return SourcingFacts(**{**defaults, "fleet": Fleet(hubs), "holdings": tuple(holdings), **values})


def ticket_of(case: SourcingFacts, **values: Any) -> TicketFacts:
    """The case's ticket with other values."""
    return replace(case.ticket, **values)
