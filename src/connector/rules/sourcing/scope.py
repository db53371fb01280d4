"""The facts of a ticket as the names and values that conditions read and explanations keep."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.ticket import AssetFacts, ProductFacts, ServiceClassFacts, SiteFacts, TicketFacts
from connector.rules.policy.conditions import Scope, Value

LONGEST_INPUT = 200
"""Characters of a text that an explanation keeps; the ticket itself has the rest."""


def scope_of(
    facts: SourcingFacts, service_class: ServiceClassFacts | None, channel: str = "", *, now: datetime
) -> Scope:
    """What conditions read at a moment; the names are those of `connector.rules.policy.conditions.KNOWN`.

    channel: kind of the red channel that the ticket goes through, "" for none.
    """
    return _TicketScope(facts, service_class, channel, now)


class _TicketScope(Mapping[str, Mapping[str, Value]]):
    """The facts of a ticket by the variables that stand for them; a group is put together when somebody asks for it."""

    __slots__ = ("_groups", "channel", "facts", "now", "service_class")

    def __init__(
        self, facts: SourcingFacts, service_class: ServiceClassFacts | None, channel: str, now: datetime
    ) -> None:
        self.facts, self.service_class, self.channel, self.now = facts, service_class, channel, now
        self._groups: dict[str, Mapping[str, Value]] = {}

    def __getitem__(self, variable: str) -> Mapping[str, Value]:
        group = self._groups.get(variable)
        if group is None:
            group = self._groups[variable] = _GROUPS[variable](self)
        return group

    def __iter__(self) -> Iterator[str]:
        return iter(_GROUPS)

    def __len__(self) -> int:
        return len(_GROUPS)


_GROUPS: Final[Mapping[str, Callable[[_TicketScope], Mapping[str, Value]]]] = {
    "ticket": lambda scope: _ticket(scope.facts.ticket, scope.facts.had + scope.facts.quantity),
    "asset": lambda scope: _asset(scope.facts.asset, scope.facts.site, scope.now),
    "site": lambda scope: _site(scope.facts.site, scope.service_class),
    "product": lambda scope: product_scope(scope.facts.product),
    "service_class": lambda scope: _service_class(scope.service_class),
    "channel": lambda scope: {"known": bool(scope.channel), "name": scope.channel},
}


def inputs_of(facts: SourcingFacts, scope: Scope) -> dict[str, dict[str, Value]]:
    """What an explanation keeps of the facts: the scope with our ids, long texts cut."""
    inputs: dict[str, dict[str, Value]] = {}
    for name in scope:
        inputs[name] = {
            field: value[:LONGEST_INPUT] if isinstance(value, str) else value
            for field, value in scope[name].items()
            if value
        }
    for name, thing in (
        ("ticket", facts.ticket), ("asset", facts.asset), ("site", facts.site), ("product", facts.product),
    ):  # fmt: skip
        if thing is not None:
            inputs[name]["id"] = thing.id
    return inputs


def _ticket(ticket: TicketFacts, quantity: int) -> dict[str, Value]:
    return {
        "number": ticket.number,
        "type": ticket.type.value,
        "priority": ticket.priority.value if ticket.priority else "",
        "state": ticket.state.value,
        "title": ticket.title,
        "description": ticket.description or "",
        "category": ticket.category or "",
        "requester": ticket.requester or "",
        "assignee": ticket.assignee or "",
        "asset_hint": ticket.asset_hint or "",
        "site_hint": ticket.site_hint or "",
        "product_hint": ticket.product_hint or "",
        "source": ticket.source,
        "quantity": quantity,
    }


def _asset(asset: AssetFacts | None, site: SiteFacts | None, now: datetime) -> dict[str, Value]:
    ends_on = asset.warranty_ends_on if asset else None
    days_left = -1 if ends_on is None else (ends_on - local_date(site, now)).days
    return {
        "known": asset is not None,
        "name": asset.name or "" if asset else "",
        "serial": asset.serial or "" if asset else "",
        "asset_tag": asset.asset_tag or "" if asset else "",
        "state": asset.state.value if asset else "",
        "holder": asset.holder or "" if asset else "",
        "revision": asset.revision or "" if asset else "",
        "warranty_known": ends_on is not None,
        "in_warranty": days_left >= 0,
        "warranty_days_left": max(days_left, 0),
    }


def local_date(site: SiteFacts | None, now: datetime) -> date:
    """The day at a site; in UTC where its time zone is not known or cannot be read."""
    zone: tzinfo = UTC
    with suppress(ValueError, OSError):  # what nobody knows as a zone is told where the site is planned for
        zone = ZoneInfo(site.time_zone) if site is not None and site.time_zone else UTC
    return now.astimezone(zone).date()


def _site(site: SiteFacts | None, service_class: ServiceClassFacts | None) -> dict[str, Value]:
    return {
        "known": site is not None,
        "name": site.name if site else "",
        "code": site.code or "" if site else "",
        "region": site.region or "" if site else "",
        "country": site.country or "" if site else "",
        "time_zone": site.time_zone or "" if site else "",
        "service_class": service_class.name if service_class else "",
        "data_quality": site.data_quality or 0 if site else 0,
    }


def _service_class(service_class: ServiceClassFacts | None) -> dict[str, Value]:
    return {
        "known": service_class is not None,
        "name": service_class.name if service_class else "",
        "maximum_outage_minutes": service_class.maximum_outage_minutes if service_class else 0,
        "always": service_class is not None and service_class.counts_always,
    }


def product_scope(product: ProductFacts | None) -> dict[str, Value]:
    """What conditions read of a product."""
    return {
        "known": product is not None,
        "manufacturer": product.manufacturer if product else "",
        "model": product.model if product else "",
        "part_number": product.part_number or "" if product else "",
        "sku": product.sku or "" if product else "",
        "asset_class": product.asset_class or "" if product else "",
        "criticality": product.criticality.value if product and product.criticality else "",
        "unit_cost_cents": product.unit_cost_cents or 0 if product else 0,
        "weight_g": product.weight_g or 0 if product else 0,
        "is_data_bearing": bool(product and product.is_data_bearing),
        "status": product.status.value if product else "",
        "data_quality": product.data_quality or 0 if product else 0,
    }
