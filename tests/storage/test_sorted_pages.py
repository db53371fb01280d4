from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.model.kinds import Priority
from connector.model.lifecycle import TicketState
from connector.storage.database.engine import transaction
from connector.storage.query.selection import AllOf, Compare, Order, Page, Selection
from connector.storage.query.sight import EVERYTHING
from connector.storage.query.statement import PageRead, statement_of

NEWEST = (Order("opened_at", descending=True),)
URGENT = (Order("sla_due_at", descending=False),)
NEW_P1 = AllOf((Compare("state", "eq", TicketState.NEW), Compare("priority", "eq", Priority.P1)))


@pytest.mark.parametrize(
    ("page", "index"),
    [
        (Page(size=20, order=NEWEST), "ix_ticket_newest"),
        (Page(size=20, order=NEWEST, backward=True), "ix_ticket_newest"),
        (Page(size=20, order=NEWEST, where=NEW_P1), "ix_ticket_state"),
        (Page(size=20, order=URGENT), "ix_ticket_due"),
    ],
)
async def test_a_page_that_is_sorted_as_portals_sort_is_read_along_an_index(
    engine: AsyncEngine, page: Page, index: str
):
    read = PageRead(Selection("ticket", frozenset({"number"})), page)
    statement = statement_of([read], engine.dialect.name, EVERYTHING)
    compiled = str(statement.compile(dialect=engine.dialect, compile_kwargs={"literal_binds": True}))
    is_sqlite = engine.dialect.name == "sqlite"
    async with transaction(engine) as tx:
        if not is_sqlite:  # of an empty table it would read everything
            await tx.execute(text("SELECT set_config('enable_seqscan', 'off', true)"))
        explained = await tx.exec_driver_sql(f"EXPLAIN {'QUERY PLAN' if is_sqlite else ''} {compiled}")
        plan = "\n".join(str(row[3 if is_sqlite else 0]) for row in explained)

    assert index in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan
