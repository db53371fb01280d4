"""`connector rma` as people and scripts use it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from tests.composition.test_cli import here, run, run_json, undisturbed_logging
from tests.factories import NOW, insert_row, make_asset, make_ticket

from connector.storage import tables
from connector.storage.database.engine import open_engine, transaction

__all__ = ["here", "undisturbed_logging"]
LONG_AGO = datetime(2026, 1, 2, 9, 0, tzinfo=UTC)


async def expect(count: int) -> None:
    """Devices that should have been back in Berlin long ago."""
    engine = open_engine("sqlite:///hub.db")
    async with transaction(engine) as tx:
        hub = (await tx.execute(select(tables.hub.c.id).where(tables.hub.c.code == "BER"))).scalar_one()
        product = (await tx.execute(select(tables.product.c.id))).scalar_one()
        source = (await tx.execute(select(tables.source.c.id).limit(1))).scalar_one()
        times = {"created_at": NOW, "updated_at": NOW}
        for number in range(count):
            ticket = await make_ticket(tx, source_id=source, number=f"INC-{number}")
            device = await make_asset(
                tx, serial=f"SN-{number}", asset_tag=None, product_id=product, state="return_pending"
            )
            claim = await insert_row(
                tx, tables.reservation,
                {"ticket_id": ticket, "line": 1, "hub_id": hub, "product_id": product, "lane": "normal",
                 "requested_product_id": product, "quantity": 1, "state": "fulfilled", **times},
            )  # fmt: skip
            await insert_row(
                tx, tables.rma,
                {"ticket_id": ticket, "line": 1, "asset_id": device, "product_id": product, "quantity": 1,
                 "reservation_id": claim, "hub_id": hub, "state": "expected",
                 "due_back_at": LONG_AGO + timedelta(days=number), **times},
            )  # fmt: skip
    await engine.dispose()


def test_returns_are_listed_shown_received_called_off_and_extended(here: Path):
    (here / "sheets" / "stock.csv").write_text("hub,manufacturer,model,lane,quantity\nBER,Acme,Dock 1,normal,2\n")
    assert run("rma", "list").output == "Nothing is to come back.\n"
    run("sync", "sheets")
    asyncio.run(expect(3))

    listed = run_json("rma", "list", "--overdue")
    shown = run("rma", "show", "rma-2")
    extended = run("rma", "extend", "RMA-2", "9000-01-01T10:00Z", "--reason", "still in use")
    wrong = run("rma", "receive", "1", "SN-77")
    back = run("rma", "receive", "RMA-1", "sn-0", "--condition", "burnt")
    other = run_json("rma", "receive", "RMA-2", "SN-77", "--accept-different")
    gone = run("rma", "cancel", "3", "--reason", "scrapped on site")
    again = run("rma", "receive", "1", "SN-0")

    assert isinstance(listed, list)
    assert [(row["number"], row["ticket"], row["unit"], row["overdue"]) for row in listed] == [
        ("RMA-1", "INC-0", "Acme Dock 1 (serial SN-0)", True), ("RMA-2", "INC-1", "Acme Dock 1 (serial SN-1)", True),
        ("RMA-3", "INC-2", "Acme Dock 1 (serial SN-2)", True),
    ]  # fmt: skip
    assert shown.output.splitlines() == [
        "number: RMA-2", "state: expected", "ticket: INC-1", "unit: Acme Dock 1 (serial SN-1)",
        "device is known: yes", "replaced by: reservation 2", "hub: BER", "due: 2026-01-03 09:00 UTC",
    ]  # fmt: skip
    assert extended.output == "RMA-2 is due back at 9000-01-01 10:00 UTC.\n"
    assert wrong.exit_code == 2
    assert "RMA-1 expects Acme Dock 1 (serial SN-0)" in " ".join(wrong.output.split())
    assert back.output == "RMA-1 is received: its unit is in quarantine.\n"
    assert other == {"number": "RMA-2", "state": "received", "is_different": True}
    assert gone.output == "RMA-3 is cancelled: nothing comes back.\n"
    assert (again.exit_code, "its unit is back already" in " ".join(again.output.split())) == (1, True)
    assert run("rma", "list", "--overdue").output == "Nothing is overdue.\n"
    assert run("rma", "show", "RMA-99").exit_code == 3
    assert run("rma", "show", "one").exit_code == 2
