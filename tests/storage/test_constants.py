"""Constants in the text of a statement."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import bindparam, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.factories import make_hub

from connector.model.lifecycle import RESERVATION_LIVE
from connector.storage.database.constants import with_constants
from connector.storage.database.engine import reading, transaction
from connector.storage.facts.ticket_row import TICKETS_STATEMENT
from connector.storage.tables import hub, reservation


def test_only_what_has_a_name_of_its_own_stays_a_parameter():
    names = set(TICKETS_STATEMENT.compile(dialect=sqlite.dialect()).params)

    assert {name for name in names if not name.startswith("address")} == {"line", "ticket_ids"}


def test_a_list_and_a_number_become_text():
    statement = select(reservation.c.id).where(reservation.c.state.in_(RESERVATION_LIVE), reservation.c.line != 0)

    text = str(with_constants(statement).compile()).replace("\n", "")

    assert text.endswith("WHERE reservation.state IN ('committed', 'held') AND reservation.line != 0")


@pytest.mark.parametrize("name", ["O'Hare; --", "100%", "%(x)s :y ?", "back\\slash", "Zürich"])
async def test_a_text_with_signs_means_itself(engine: AsyncEngine, name: str):
    async with transaction(engine) as tx:
        found = await make_hub(tx, name=name)
        await make_hub(tx, name="another")
    statement = select(hub.c.id).where(
        hub.c.name == name, hub.c.created_at < bindparam("now", type_=hub.c.created_at.type)
    )

    async with reading(engine) as tx:
        rows = await tx.execute(with_constants(statement), {"now": datetime(2100, 1, 1, tzinfo=UTC)})
        assert rows.scalars().all() == [found]
