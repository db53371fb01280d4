"""Whether a parcel under way is in trouble, and when it will arrive then. Pure.

The later it is asked, the worse a parcel without news looks, never better; a scan never makes it silent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from connector.model.calendars import (
    MINUTES_PER_DAY,
    Calendar,
    WeeklyHours,
    add_open_time,
    check_time_zone,
    parse_hours,
)
from connector.model.kinds import Trouble
from connector.model.lifecycle import ShipmentStatus
from connector.rules.arrival.schedules import place_of
from connector.rules.facts.ticket import SiteFacts
from connector.rules.policy.days import days_off
from connector.rules.policy.document import Policy
from connector.rules.policy.watching import Watching

LEAST_SLACK: Final = timedelta(hours=1)
"""What a parcel that is overdue is expected to take longer at least."""
SEVERITY: Final = {trouble: number for number, trouble in enumerate(Trouble)}
"""How bad each trouble is, from 0."""
_ENDS: Final = {ShipmentStatus.LOST: Trouble.LOST, ShipmentStatus.RETURNED: Trouble.RETURNED}


@dataclass(frozen=True, slots=True)
class ParcelFacts:
    """What is known of a parcel that has left its hub.

    left_at: when it did. seen_at: the newest scan, or when it left. is_reported: a courier reports on it. estimated_at:
    what the courier says now; planned_at: what was planned for it. usual, slow: what its lane takes, and what its
    slowest parcels take (see `Watching.slow_share`). basis: where those two come from, for people. silent_at: when it
    counts as silent unless it is scanned; None: never. due_at: until when it is in time.
    """

    status: ShipmentStatus
    left_at: datetime
    seen_at: datetime
    is_reported: bool
    usual: timedelta
    slow: timedelta
    basis: str
    estimated_at: datetime | None = None
    planned_at: datetime | None = None
    silent_at: datetime | None = None
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a parcel fares. predicted_at: when it will arrive; None when it will not. text: why, for people."""

    trouble: Trouble
    predicted_at: datetime | None
    text: str

    @property
    def is_fine(self) -> bool:
        """Whether there is nothing to do."""
        return self.trouble is Trouble.NONE


def verdict(parcel: ParcelFacts, now: datetime) -> Verdict:
    """How a parcel fares at a moment."""
    if parcel.status in _ENDS:
        trouble = _ENDS[parcel.status]
        return Verdict(trouble, None, f"The courier reports it {trouble.value}: it will not arrive.")
    predicted = _predicted(parcel, now)
    when = f"expected {_text(predicted)}"
    if parcel.status is ShipmentStatus.READY_FOR_PICKUP:
        return Verdict(Trouble.NONE, predicted, "It waits for somebody to collect it.")
    if parcel.status is ShipmentStatus.EXCEPTION:
        return Verdict(Trouble.EXCEPTION, predicted, f"The courier reports an exception; {when}.")
    if _is_silent(parcel, now):
        return Verdict(Trouble.SILENT, predicted, f"It was last seen {_text(parcel.seen_at)}; {when}.")
    if now > parcel.left_at + parcel.slow:
        return Verdict(
            Trouble.LATE,
            predicted,
            f"It left {_text(parcel.left_at)} and has taken longer than {_hours(parcel.slow)}, {parcel.basis}; {when}.",
        )
    was_in_time = parcel.due_at is not None and (parcel.planned_at is None or parcel.planned_at <= parcel.due_at)
    if parcel.due_at is not None and was_in_time and predicted > parcel.due_at:
        planned = f", planned for {_text(parcel.planned_at)}" if parcel.planned_at else ""
        return Verdict(Trouble.LATE, predicted, f"It is {when}, after it is due ({_text(parcel.due_at)}){planned}.")
    return Verdict(Trouble.NONE, predicted, f"It is {when}.")


def silent_at(seen_at: datetime, watching: Watching, site: SiteFacts | None, policy: Policy) -> datetime | None:
    """When a parcel that was seen then counts as silent; None when couriers never deliver.

    Only days on which couriers deliver at the site count, all of their hours. Raises ValueError for a time zone or
    hours that cannot be used.
    """
    courier, sourcing = policy.sourcing.courier, policy.sourcing
    zone = check_time_zone((site.time_zone if site else None) or sourcing.default_time_zone)
    hours = courier.delivery_hours
    off = days_off(courier.holidays, frozenset(courier.closed), hours, place_of(site), sourcing.default_country)
    days = WeeklyHours(tuple(((0, MINUTES_PER_DAY),) if day else () for day in parse_hours(hours).days))
    calendar = Calendar(zone, days, off.closed, off.regions)
    return add_open_time(calendar, seen_at, timedelta(hours=watching.silent_hours))


def _predicted(parcel: ParcelFacts, now: datetime) -> datetime:
    """As the courier says, else as its lane usually takes; once that has passed, ever later.

    One that is silent is expected to stay so for as long again.
    """
    usual = predicted = parcel.estimated_at or parcel.left_at + parcel.usual
    if parcel.status is ShipmentStatus.EXCEPTION or now > usual:
        predicted = max(predicted, now + max(parcel.slow - parcel.usual, LEAST_SLACK))
    if _is_silent(parcel, now):
        predicted = max(predicted, max(usual, now) + (now - parcel.seen_at))
    return predicted


def _is_silent(parcel: ParcelFacts, now: datetime) -> bool:
    if parcel.silent_at is None or not parcel.is_reported or parcel.status is ShipmentStatus.READY_FOR_PICKUP:
        return False
    return now > parcel.silent_at


def _hours(duration: timedelta) -> str:
    minutes = round(duration.total_seconds() / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def _text(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M}Z"
