"""When a ticket must be restored: the due time of its SLA, or opened plus the outage that its service bears.

A due time that the ticket's source states is taken over, and compared with the computed one: a difference beyond the
policy's tolerance says that the two systems do not mean the same by the service class or its calendar.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache

from connector.model.calendars import Calendar, add_open_time, check_time_zone, close_of_business_day
from connector.model.frozen import frozen
from connector.rules.arrival.schedules import place_of
from connector.rules.arrival.timetable import moment_text
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.ticket import ServiceClassFacts, SiteFacts
from connector.rules.policy.days import Place, days_off
from connector.rules.policy.document import Policy

STATED = "due time of the ticket"


@frozen
class Due:
    """Until when, and how that was found.

    at: None when nothing says until when. basis: where it comes from, for people. stated_at: the ticket's own due
    time; computed_at: what the service class gives, computed_basis: how, or why it gives nothing. tolerance_minutes:
    of the policy.
    """

    at: datetime | None = None
    basis: str = ""
    stated_at: datetime | None = None
    computed_at: datetime | None = None
    computed_basis: str = ""
    tolerance_minutes: int = 0

    @property
    def difference_minutes(self) -> int | None:
        """Minutes from the computed to the stated due time, negative when that is sooner; None without both."""
        if self.stated_at is None or self.computed_at is None:
            return None
        return round((self.stated_at - self.computed_at).total_seconds() / 60)

    @property
    def is_disputed(self) -> bool:
        """Whether the ticket and the policy say different times, beyond the tolerance."""
        difference = self.difference_minutes
        return difference is not None and abs(difference) > self.tolerance_minutes


NO_DUE = Due()
"""Where nothing asked until when."""


def service_class_of(facts: SourcingFacts, policy: Policy) -> ServiceClassFacts | None:
    """The site's service class, as the policy defines it, else as the database holds it, else the default one."""
    return defined_class(facts.service_class, policy)


@frozen
class Outage:
    """calendar: when an outage counts. minutes: of it that are borne; business_days: see `ServiceClassFacts`."""

    calendar: Calendar
    minutes: int
    business_days: int | None = None


def outage_of(known: ServiceClassFacts | None, site: SiteFacts, policy: Policy) -> Outage | None:
    """What outage is borne at a site; None where nothing says so.

    known: the site's service class, as the database holds it. Raises ValueError for hours that cannot be read and a
    time zone that does not exist.
    """
    service = defined_class(known, policy)
    if service is None:
        return None
    zone = site.time_zone or policy.sourcing.default_time_zone
    calendar, _ = _calendar(service, zone, place_of(site), policy.sourcing.default_country)
    return Outage(calendar, service.maximum_outage_minutes, service.business_days)


def defined_class(known: ServiceClassFacts | None, policy: Policy) -> ServiceClassFacts | None:
    """A service class as the policy defines it, else as it is known, else the default one."""
    name = known.name if known else policy.sourcing.default_service_class
    if name is None:
        return None
    stated = policy.service_classes.get(name)
    if stated is None:
        return known
    calendar = stated.calendar
    minutes, days = stated.maximum_outage_minutes, stated.business_days
    return _of_policy(name, minutes, calendar.hours, calendar.holidays, calendar.closed, days)


@lru_cache(maxsize=256)
def _of_policy(
    name: str,
    maximum_outage_minutes: int,
    hours: str,
    holidays: str | None,
    closed: tuple[date, ...],
    business_days: int | None,
) -> ServiceClassFacts:
    return ServiceClassFacts(name, maximum_outage_minutes, hours, holidays, frozenset(closed), business_days)


def due(facts: SourcingFacts, policy: Policy) -> Due:
    """Until when the ticket's service must be restored."""
    return due_under(service_class_of(facts, policy), facts, policy)


def due_under(service: ServiceClassFacts | None, facts: SourcingFacts, policy: Policy) -> Due:
    """The same where it is known what `service_class_of` says."""
    computed_at, computed_basis = _computed(facts, policy, service)
    stated_at = facts.ticket.sla_due_at
    return Due(
        at=computed_at if stated_at is None else stated_at,
        basis=computed_basis if stated_at is None else STATED,
        stated_at=stated_at,
        computed_at=computed_at,
        computed_basis=computed_basis,
        tolerance_minutes=policy.sourcing.due_tolerance_minutes,
    )


def _computed(facts: SourcingFacts, policy: Policy, service: ServiceClassFacts | None) -> tuple[datetime | None, str]:
    """What the service class gives, and how; None and why when it gives nothing."""
    if service is None:
        return None, "no service class is known, so any arrival counts as in time"
    opened_at = facts.ticket.opened_at
    if opened_at is None:
        return None, "the ticket does not say when it was opened, so any arrival counts as in time"
    zone = (facts.site.time_zone if facts.site else None) or policy.sourcing.default_time_zone
    return _counted(service, opened_at, zone, place_of(facts.site), policy.sourcing.default_country)


@lru_cache(maxsize=4096)
def _counted(
    service: ServiceClassFacts, opened_at: datetime, zone: str, place: Place, default_country: str | None
) -> tuple[datetime | None, str]:
    """The same for a service at a place; remembered, since a ticket is decided about more than once."""
    try:
        calendar, off = _calendar(service, zone, place, default_country)
        outage_time = timedelta(minutes=service.maximum_outage_minutes)
        at = opened_at + outage_time if calendar.is_always_open else add_open_time(calendar, opened_at, outage_time)
        days = service.business_days
        closes = close_of_business_day(calendar, opened_at, days) if days is not None else None
    except (ValueError, OverflowError) as error:
        return None, f"service class {service.name!r} cannot be counted: {error}"
    outage = f"{service.maximum_outage_minutes} min of {service.hours} in {zone}{off}"
    if at is None:
        return None, f"service class {service.name!r} bears {outage}, which never passes"
    if closes is not None and closes <= at:
        when = "the next business day" if days == 1 else f"business day {days} after it"
        until = f"until the close of {when}, {service.hours} in {zone}{off}"
        return closes, f"opened at {moment_text(opened_at)}, {until} (service class {service.name!r})"
    return at, f"opened at {moment_text(opened_at)} plus {outage} (service class {service.name!r})"


@lru_cache(maxsize=4096)
def _calendar(service: ServiceClassFacts, zone: str, place: Place, default_country: str | None) -> tuple[Calendar, str]:
    """When the outage of a service counts at a place, and the days off as a text.

    Raises ValueError for hours that cannot be read and a time zone that does not exist.
    """
    off = days_off(service.holidays, service.closed, service.hours, place, default_country)
    return off.calendar(check_time_zone(zone), service.hours), off.text
