from __future__ import annotations

import re

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.model.kinds import Priority
from connector.model.lifecycle import TicketState
from connector.storage.database.engine import transaction
from connector.storage.query.aggregate import AggregateRead, GroupKey
from connector.storage.query.selection import AllOf, Child, Compare, Order, Page, Selection
from connector.storage.query.sight import EVERYTHING
from connector.storage.query.statement import PageRead, statement_of

NEWEST = (Order("opened_at", descending=True),)
URGENT = (Order("sla_due_at", descending=False),)
NEW = Compare("state", "eq", TicketState.NEW)
NEW_P1 = AllOf((NEW, Compare("priority", "eq", Priority.P1)))


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
    plan = await _plan_of(engine, PageRead(Selection("ticket", frozenset({"number"})), page))

    assert index in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan


@pytest.mark.parametrize(
    ("entity", "relation", "target", "index"),
    [
        ("site", "assets", "asset", "ix_asset_site"),
        ("site", "tickets", "ticket", "ix_ticket_site"),
        ("site", "shipments", "shipment", "ix_shipment_site_id"),
        ("hub", "shipments", "shipment", "ix_shipment_hub_id"),
        ("hub", "reservations", "reservation", "ix_reservation_hub_id"),
        ("asset", "tickets", "ticket", "ix_ticket_asset"),
        ("ticket", "decisions", "decision", "ix_decision_ticket_id"),
        ("ticket", "reservations", "reservation", "ix_reservation_ticket_id"),
        ("ticket", "shipments", "shipment", "ix_shipment_ticket_id"),
        ("ticket", "tasks", "task", "ix_task_ticket_id"),
    ],
)
async def test_the_first_of_what_belongs_to_a_thing_are_read_along_an_index(
    engine: AsyncEngine, entity: str, relation: str, target: str, index: str
):
    child = Child("below", relation, Selection(target), Page(size=5))

    plan = await _plan_of(engine, PageRead(Selection(entity, children=(child,)), Page(size=5)))

    assert index in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan


@pytest.mark.parametrize(
    ("read", "index"),
    [
        (AggregateRead("ticket", (GroupKey("priority"),), (), size=100, where=NEW), "ix_ticket_state"),
        (AggregateRead("ticket", (GroupKey("state"), GroupKey("priority")), (), size=100), "ix_ticket_state"),
        (AggregateRead("asset", (GroupKey("product_id"), GroupKey("state")), (), size=100), "ix_asset_product"),
    ],
)
async def test_tickets_and_units_are_counted_along_an_index_alone(engine: AsyncEngine, read: AggregateRead, index: str):
    plan = await _plan_of(engine, read)

    assert re.search(rf"(COVERING INDEX|Index Only Scan using) {index}", plan)


async def _plan_of(engine: AsyncEngine, read: PageRead | AggregateRead) -> str:
    """How the database would read it; PostgreSQL as if it were large."""
    statement = statement_of([read], engine.dialect.name, EVERYTHING)
    compiled = str(statement.compile(dialect=engine.dialect, compile_kwargs={"literal_binds": True}))
    is_sqlite = engine.dialect.name == "sqlite"
    async with transaction(engine) as tx:
        if not is_sqlite:
            # Whether it has looked at the tables and found them empty depends on when it did.
            await tx.exec_driver_sql(
                "UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE relnamespace = 'public'::regnamespace"
            )
            # Of an empty table it would read everything, and sort it.
            for name in ("enable_seqscan", "enable_bitmapscan", "enable_sort"):
                await tx.execute(text(f"SELECT set_config('{name}', 'off', true)"))
        explained = await tx.exec_driver_sql(f"EXPLAIN {'QUERY PLAN' if is_sqlite else ''} {compiled}")
        return "\n".join(str(row[3 if is_sqlite else 0]) for row in explained)
