"""Service classes as the policy defines them, kept where sites refer to them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.calendars import ALWAYS, parse_hours
from connector.model.kinds import CalendarKind
from connector.model.refs import EntityKind
from connector.rules.facts.ticket import ServiceClassFacts
from connector.rules.policy.days import NONE, SITE
from connector.rules.policy.document import ServiceCalendar
from connector.rules.policy.reading import Policy
from connector.storage.database.changes import NewChange, Operation, log_changes
from connector.storage.tables import service_class


async def keep_service_classes(tx: AsyncConnection, policy: Policy, *, at: datetime, actor: str = "policy") -> int:
    """Make the table say what the policy says; returns how many rows were written.

    Classes that the policy no longer names stay, since sites may refer to them. Nothing changed writes nothing.
    """
    rows = (await tx.execute(select(service_class).with_for_update())).mappings()
    known = {row["name"]: dict(row) for row in rows}
    changes = []
    for name, wanted in sorted(policy.service_classes.items()):
        outage = {"maximum_outage_minutes": wanted.maximum_outage_minutes, "business_days": wanted.business_days}
        values = {"name": name, **outage, **_calendar(wanted.calendar)}
        before = known.get(name, {})
        fields = {key: (before.get(key), value) for key, value in values.items() if before.get(key) != value}
        if not fields:
            continue
        if before:
            row_id = int(before["id"])
            await tx.execute(update(service_class).where(service_class.c.id == row_id).values(**values))
        else:
            made = await tx.execute(insert(service_class).values(**values).returning(service_class.c.id))
            row_id = int(made.scalar_one())
        operation: Operation = "updated" if before else "created"
        changes.append(NewChange(EntityKind.SERVICE_CLASS, row_id, operation, fields))
    await log_changes(tx, changes, actor=actor, cause=policy.version, at=at)
    return len(changes)


def stated_class(row: Mapping[str, Any]) -> ServiceClassFacts:
    """A row of the table as decisions read it."""
    always = row["calendar"] is CalendarKind.ALWAYS
    return ServiceClassFacts(
        row["name"],
        row["maximum_outage_minutes"],
        "24x7" if always else row["business_hours"] or "24x7",
        None if always else row["holidays"] or NONE,
        frozenset(date.fromisoformat(day) for day in row["closed_dates"]),
        row["business_days"],
    )


def _calendar(stated: ServiceCalendar) -> dict[str, Any]:
    """The columns of a calendar, what its hours imply made explicit; holidays: None when they count like any day."""
    every_hour = parse_hours(stated.hours) == ALWAYS
    holidays = stated.holidays or (NONE if every_hour else SITE)
    always = every_hour and holidays == NONE and not stated.closed
    return {
        "calendar": CalendarKind.ALWAYS if always else CalendarKind.BUSINESS,
        "business_hours": None if always else stated.hours,
        "holidays": None if holidays == NONE else holidays,
        "closed_dates": sorted(day.isoformat() for day in set(stated.closed)),
    }
