"""When a ticket must be restored: the due time of its SLA, or opened plus the outage that its service bears."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from connector.model.calendars import Calendar, add_open_time, check_time_zone, parse_hours
from connector.rules.document import Policy
from connector.rules.facts import ServiceClassFacts, SourcingFacts


@dataclass(frozen=True, slots=True)
class Due:
    """at: None when nothing says until when. basis: where it comes from, for people."""

    at: datetime | None
    basis: str


def service_class_of(facts: SourcingFacts, policy: Policy) -> ServiceClassFacts | None:
    """The site's service class, as the policy defines it, else as the database holds it, else the default one."""
    known = facts.service_class
    name = known.name if known else policy.sourcing.default_service_class
    if name is None:
        return None
    stated = policy.service_classes.get(name)
    return ServiceClassFacts(name, stated.maximum_outage_minutes, stated.calendar) if stated else known


def due(facts: SourcingFacts, policy: Policy) -> Due:
    """Until when the ticket's service must be restored."""
    if facts.ticket.sla_due_at is not None:
        return Due(facts.ticket.sla_due_at, "due time of the ticket")
    service = service_class_of(facts, policy)
    if service is None:
        return Due(None, "no service class is known, so any arrival counts as in time")
    if facts.ticket.opened_at is None:
        return Due(None, "the ticket does not say when it was opened, so any arrival counts as in time")
    zone = (facts.site.time_zone if facts.site else None) or policy.sourcing.default_time_zone
    outage = f"{service.maximum_outage_minutes} min of {service.hours} in {zone}"
    try:
        calendar = Calendar(check_time_zone(zone), parse_hours(service.hours))
    except ValueError as error:
        return Due(None, f"service class {service.name!r} cannot be counted: {error}")
    at = add_open_time(calendar, facts.ticket.opened_at, timedelta(minutes=service.maximum_outage_minutes))
    if at is None:
        return Due(None, f"service class {service.name!r} bears {outage}, which never passes")
    return Due(at, f"opened at {_text(facts.ticket.opened_at)} plus {outage} (service class {service.name!r})")


def _text(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M}Z"
