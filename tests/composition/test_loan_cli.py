"""`connector loan` as people and scripts use it, with a product that is counted."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from tests.composition.test_cli import here, run, run_json, undisturbed_logging
from tests.factories import NOW, insert_row, make_ticket

from connector.storage import tables
from connector.storage.database.engine import open_engine, reading, transaction

__all__ = ["here", "undisturbed_logging"]
LONG_AGO = datetime(2026, 1, 2, 9, 0, tzinfo=UTC)


async def lend(count: int) -> None:
    """Docks on loan from Berlin, due back long ago."""
    engine = open_engine("sqlite:///hub.db")
    async with transaction(engine) as tx:
        hub = (await tx.execute(select(tables.hub.c.id).where(tables.hub.c.code == "BER"))).scalar_one()
        product = (await tx.execute(select(tables.product.c.id))).scalar_one()
        source = (await tx.execute(select(tables.source.c.id).limit(1))).scalar_one()
        for number in range(count):
            ticket = await make_ticket(tx, source_id=source, number=f"INC-{number}")
            times = {"created_at": NOW, "updated_at": NOW}
            claim = await insert_row(
                tx, tables.reservation,
                {"ticket_id": ticket, "line": 0, "hub_id": hub, "product_id": product, "requested_product_id": product,
                 "lane": "loaner", "quantity": 1, "state": "fulfilled", **times},
            )  # fmt: skip
            await insert_row(
                tx, tables.loan,
                {"ticket_id": ticket, "reservation_id": claim, "product_id": product, "hub_id": hub, "lane": "loaner",
                 "state": "lent", "due_back_at": LONG_AGO + timedelta(days=number), "return_days": 3, **times},
            )  # fmt: skip
    await engine.dispose()


async def pool() -> list[tuple[int, int]]:
    engine = open_engine("sqlite:///hub.db")
    async with reading(engine) as tx:
        shelf = select(tables.stock.c.on_hand, tables.stock.c.reserved).where(tables.stock.c.lane == "loaner")
        found = [(row[0], row[1]) for row in await tx.execute(shelf)]
    await engine.dispose()
    return found


def test_loans_are_listed_received_and_extended(here: Path):
    (here / "sheets" / "stock.csv").write_text("hub,manufacturer,model,lane,quantity\nBER,Acme,Dock 1,loaner,2\n")
    assert run("loan", "list").output == "Nothing is on loan.\n"
    run("sync", "sheets")
    asyncio.run(lend(3))

    listed = run_json("loan", "list", "--overdue")
    extended = run("loan", "extend", "2", "9000-01-01T10:00Z", "--reason", "still needed")
    back = run("loan", "receive", "1", "--hub", "BER")
    aside = run_json("loan", "receive", "3", "--quarantine")
    again = run("loan", "receive", "1")

    assert isinstance(listed, list)
    assert [(row["id"], row["ticket"], row["overdue"]) for row in listed] == [
        (1, "INC-0", True), (2, "INC-1", True), (3, "INC-2", True),
    ]  # fmt: skip
    assert extended.output == "Loan 2 is due back at 9000-01-01 10:00 UTC.\n"
    assert back.output == "Loan 1 is returned: its unit is in the pool again.\n"
    assert aside == {"id": 3, "state": "returned", "went_to": "quarantine"}
    assert "its unit is back already" in " ".join(again.output.split())
    assert again.exit_code == 1
    assert asyncio.run(pool()) == [(3, 0)]
    assert run("loan", "list", "--overdue").output == "Nothing is overdue.\n"
    assert run("loan", "receive", "99").exit_code == 3
