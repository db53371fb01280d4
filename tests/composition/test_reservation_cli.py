"""`connector reservation` as people and scripts use it."""

from __future__ import annotations

import asyncio
import getpass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from tests.composition.test_cli import here, run, run_json, undisturbed_logging
from tests.factories import make_counted_stock, make_hub, make_product, make_source, make_ticket

from connector.model.principals import at_the_command_line
from connector.storage import tables
from connector.storage.database.engine import open_engine, reading, transaction
from connector.storage.stock.reserve import Claim, reserve

__all__ = ["here", "undisturbed_logging"]


async def claimed(quantity: int) -> int:
    """Cables on two hubs, some of those in Berlin held for a ticket; the id of the claim."""
    engine, now = open_engine("sqlite:///hub.db"), datetime.now(UTC)
    async with transaction(engine) as tx:
        product = await make_product(tx, model="Cable", part_number="C-1", tracking="counted")
        hubs = [await make_hub(tx, code=code) for code in ("BER", "HAM")]
        for hub in hubs:
            await make_counted_stock(tx, hub_id=hub, product_id=product, on_hand=9)
        ticket = await make_ticket(tx, source_id=await make_source(tx), number="INC-7")
        claim = Claim(
            ticket_id=ticket, hub_id=hubs[0], product_id=product, requested_product_id=product, quantity=quantity,
            expires_at=now + timedelta(hours=1),
        )  # fmt: skip
        made = (await reserve(tx, claim, actor="test", at=now)).reservation.id
    await engine.dispose()
    return made


async def held() -> list[tuple[int, str, int, str | None]]:
    """Claims by id: state, units, and why they ended or are to end."""
    engine = open_engine("sqlite:///hub.db")
    c = tables.reservation.c
    async with reading(engine) as tx:
        rows = (await tx.execute(select(c.id, c.state, c.quantity, c.reason).order_by(c.id))).all()
    await engine.dispose()
    return [(row.id, row.state.value, row.quantity, row.reason) for row in rows]


async def books() -> list[int]:
    """Reserved units of Berlin and Hamburg."""
    engine = open_engine("sqlite:///hub.db")
    async with reading(engine) as tx:
        found = list((await tx.execute(select(tables.stock.c.reserved).order_by(tables.stock.c.id))).scalars())
    await engine.dispose()
    return found


def test_a_claim_is_held_longer_split_moved_and_given_back(here: Path):
    assert run("reservation", "extend", "99", "--reason", "x", "--hours", "2").exit_code == 3
    number = asyncio.run(claimed(5))

    longer = run_json("reservation", "extend", str(number), "--reason", "customer calls back", "--hours", "30")
    too_long = run("reservation", "extend", str(number), "--reason", "x", "--hours", "73")
    parts = run_json("reservation", "split", str(number), "--quantity", "2", "--key", "s")
    again = run_json("reservation", "split", str(number), "--quantity", "2", "--key", "s")
    first, second = (part["reservation"] for part in parts)
    moved = run_json("reservation", "move", str(second), "--reason", "nearer", "--hub", "HAM")
    nowhere = run("reservation", "move", str(first), "--reason", "x", "--hub", "PAR")
    gone = run("reservation", "release", str(first), "--reason", "not needed")
    late = run("reservation", "move", str(first), "--reason", "x", "--hub", "HAM")

    assert longer[0]["reservation"] == number
    assert (too_long.exit_code, "72" in too_long.stderr) == (2, True)
    assert [part["reservation"] for part in again] == [first, second]
    assert (nowhere.exit_code, "PAR" in nowhere.stderr) == (3, True)
    assert gone.exit_code == 0
    assert gone.output.startswith(f"Reservation {first}: ")
    me = at_the_command_line(getpass.getuser()).name
    assert asyncio.run(held()) == [
        (number, "released", 5, "split into 3 and 2"), (first, "held", 3, "not needed"),
        (second, "released", 2, f"moved by {me}: nearer"), (moved[0]["reservation"], "held", 2, None),
    ]  # fmt: skip
    assert asyncio.run(books()) == [3, 2], "what was ordered to stop is given back by the running hub"
    assert (late.exit_code, "is being withdrawn (not needed)" in late.stderr) == (1, True)
