from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.factories import NOW

from connector.rules.policy.reading import default_policy, default_policy_text, read_policy
from connector.storage import tables
from connector.storage.database.changes import publish_changes, read_changes
from connector.storage.database.engine import reading, transaction
from connector.storage.policies.service_classes import keep_service_classes


async def test_the_policys_service_classes_are_kept_and_an_unchanged_policy_writes_nothing(engine: AsyncEngine):
    longer = read_policy(
        default_policy_text().replace("{ maximum_outage_minutes: 120,", "{ maximum_outage_minutes: 90,")
    )
    written = []
    for policy in (default_policy(), default_policy(), longer):
        async with transaction(engine) as tx:
            written.append(await keep_service_classes(tx, policy, at=NOW))
            await publish_changes(tx)

    assert written == [4, 0, 1]
    async with reading(engine) as tx:
        table = tables.service_class
        rows = (await tx.execute(select(table).order_by(table.c.name))).all()
        changes = await read_changes(tx, 0)
    assert [tuple(row)[1:] for row in rows] == [
        ("critical", 240, "always", None, None, [], None),
        ("next-business-day", 1080, "business", "Mon-Fri 08:00-17:00", "site", [], 1),
        ("standard", 540, "business", "Mon-Fri 08:00-17:00", "site", [], None),
        ("trading-floor", 90, "always", None, None, [], None),
    ]
    assert [(c.operation, c.fields) for c in changes[3:]] == [
        (
            "created",
            {
                "name": [None, "trading-floor"],
                "maximum_outage_minutes": [None, 120],
                "calendar": [None, "always"],
                "closed_dates": [None, []],
            },
        ),
        ("updated", {"maximum_outage_minutes": [120, 90]}),
    ]
    assert changes[4].cause == longer.version


@pytest.mark.parametrize(
    ("calendar", "columns"),
    [
        ("24x7", ("always", None, None, [])),
        ("Mon-Sun 00:00-24:00", ("always", None, None, [])),
        ("{hours: 24x7, holidays: site}", ("business", "24x7", "site", [])),
        ("{hours: 24x7, closed: [2026-12-24]}", ("business", "24x7", None, ["2026-12-24"])),
        ("{hours: 'Mon-Fri 08:00-17:00', holidays: none}", ("business", "Mon-Fri 08:00-17:00", None, [])),
        (
            "{hours: 'Mon-Fri 08:00-17:00', holidays: DE-BY, closed: [2026-12-31, '2026-12-24', 2026-12-31]}",
            ("business", "Mon-Fri 08:00-17:00", "DE-BY", ["2026-12-24", "2026-12-31"]),
        ),
    ],
)
async def test_what_a_calendar_implies_is_kept_as_columns(engine: AsyncEngine, calendar: str, columns: tuple[Any, ...]):
    outage = "trading-floor: { maximum_outage_minutes: 120, calendar:"
    policy = read_policy(default_policy_text().replace(f"{outage} 24x7", f"{outage} {calendar}"))
    for written in (4, 0):
        async with transaction(engine) as tx:
            assert await keep_service_classes(tx, policy, at=NOW) == written

    async with reading(engine) as tx:
        table = tables.service_class
        row = (await tx.execute(select(table).where(table.c.name == "trading-floor"))).one()
    assert tuple(row)[3:] == (*columns, None)
