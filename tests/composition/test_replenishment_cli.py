"""`connector replenishment` as people and scripts use it, with sheets of counted docks."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sqlalchemy import select
from tests.composition.test_cli import here, run, run_json, undisturbed_logging
from tests.conftest import MovableClock
from tests.factories import NOW

from connector.fulfilment.low_shelves import LowShelves
from connector.rules.policy.reading import default_policy
from connector.storage import tables
from connector.storage.database.engine import open_engine, reading

__all__ = ["here", "undisturbed_logging"]


async def sweep() -> None:
    """What a hub that serves does by itself."""
    engine = open_engine("sqlite:///hub.db")
    await LowShelves(engine, MovableClock(NOW), default_policy()).sweep()
    await engine.dispose()


async def shelves() -> list[tuple[int, int]]:
    engine = open_engine("sqlite:///hub.db")
    async with reading(engine) as tx:
        shelf = select(tables.stock.c.on_hand, tables.stock.c.reserved).order_by(tables.stock.c.id)
        found = [(row[0], row[1]) for row in await tx.execute(shelf)]
    await engine.dispose()
    return found


def test_low_shelves_are_listed_approved_and_rejected(here: Path):
    (here / "sheets" / "hubs.csv").write_text(
        "code,name,tier,latitude,longitude\nBER,Berlin,local,52.52,13.4\nLEJ,Leipzig,central,51.42,12.24\n"
    )
    (here / "sheets" / "stock.csv").write_text(
        "hub,manufacturer,model,quantity,reorder_point,target\nLEJ,Acme,Dock 1,9,2,9\nBER,Acme,Dock 1,1,2,4\n"
        "BER,Acme,Dock 2,0,1,1\n"
    )
    assert run("replenishment", "list").output == "No shelf is low that nobody has decided about.\n"
    run("sync", "sheets")
    asyncio.run(sweep())

    listed = run_json("replenishment", "list", "--proposed")
    assert isinstance(listed, list)
    known = {row["goods"]: row for row in listed}
    number, other = str(known["3 × Acme Dock 1"]["id"]), str(known["1 × Acme Dock 2"]["id"])
    alone = run("replenishment", "approve", other)
    both = run("replenishment", "approve", number, other, "--key", "k")
    again = run("replenishment", "approve", number, "--key", "k")
    rejected = run("replenishment", "reject", other, "--reason", "not here")
    early = run("replenishment", "receive", number)
    cancelled = run_json("replenishment", "cancel", number, "--reason", "not now")

    assert (known["3 × Acme Dock 1"]["moved"], known["1 × Acme Dock 2"]["moved"]) == (3, 0)
    assert (alone.exit_code, "from nowhere" in " ".join(alone.output.split())) == (1, True)
    assert (both.exit_code, both.output.splitlines()[0]) == (1, f"Replenishment {number} is approved.")
    assert again.output == f"Replenishment {number} is approved.\n"
    assert rejected.output == f"Replenishment {other} is rejected.\n"
    assert "no parcel of it is on its way" in " ".join(early.output.split())
    assert cancelled == {"id": int(number), "state": "approved", "parcels": 0}
    assert sorted(asyncio.run(shelves())) == [(0, 0), (1, 0), (9, 3)]
    assert run("replenishment", "approve", "99").exit_code == 3
