from __future__ import annotations

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.ingest.conftest import Intake
from tests.ingest.records import asset, count, gone, hub, product, ref, site, version

from connector.model.kinds import Tracking
from connector.model.lifecycle import AssetState
from connector.storage.database.engine import transaction
from connector.storage.tables import stock


async def test_a_team_that_only_counts_needs_no_serials(intake: Intake):
    await intake(hub(), count(quantity=7, reorder_point=2, target=9))

    row = await intake.row("stock")
    assert (row["on_hand"], row["reserved"], row["tracking"]) == (7, 0, Tracking.COUNTED)
    assert (row["reorder_point"], row["target"], row["counted_at"]) == (2, 9, version(1))
    assert (await intake.row("product"))["tracking"] is Tracking.COUNTED


async def test_a_count_says_how_much_is_kept_and_a_source_that_says_nothing_of_it_changes_nothing(intake: Intake):
    await intake(hub(), count("c1", quantity=7, safety_stock=2, emergency_buffer=1))
    await intake(count("c2", v=2, quantity=7), source="erp")
    row = await intake.row("stock")
    assert (row["safety_stock"], row["emergency_buffer"]) == (2, 1)

    await intake(count("c1", v=2, quantity=7, safety_stock=3))

    assert ((await intake.row("stock"))["safety_stock"]) == 3
    assert (await intake.changes("stock"))[-1]["fields"] == {"safety_stock": [2, 3]}


async def test_devices_in_use_do_not_keep_their_spares_from_being_counted(intake: Intake):
    await intake(hub(), site(), asset("a1"), asset("a2"), count(quantity=3))

    assert (await intake.row("stock"))["on_hand"] == 3


async def test_a_new_count_replaces_the_book(intake: Intake):
    await intake(hub(), count(quantity=7))
    await intake(count(v=2, quantity=4))

    assert (await intake.row("stock"))["on_hand"] == 4
    assert (await intake.changes("stock"))[-1]["fields"]["on_hand"] == [7, 4]


async def test_a_count_that_is_only_repeated_does_not_undo_what_was_taken_since(intake: Intake, engine: AsyncEngine):
    await intake(hub(), count(quantity=7))
    async with transaction(engine) as tx:
        await tx.execute(update(stock).values(on_hand=6))

    await intake(count(v=2, quantity=7, target=9))

    row = await intake.row("stock")
    assert (row["on_hand"], row["target"]) == (6, 9)


async def test_a_count_below_what_is_promised_is_refused(intake: Intake, engine: AsyncEngine):
    await intake(hub(), count(quantity=7))
    async with transaction(engine) as tx:
        await tx.execute(update(stock).values(reserved=3))

    await intake(count(v=2, quantity=2))

    assert (await intake.row("stock"))["on_hand"] == 7
    (entry,) = await intake.quarantine()
    assert entry["reason"] == (
        "Cisco C9300-48P: 3 units of this shelf are promised to tickets, the count says 2. "
        "Release reservations or count again, then replay this record."
    )
    assert entry["path"] == "/quantity"


async def test_where_units_are_known_by_serial_a_count_that_differs_is_refused(intake: Intake):
    await intake(hub(), *(asset(f"a{n}", place=ref("hub", "h1"), state=AssetState.IN_STOCK) for n in range(2)))

    await intake(count("c1", quantity=3))
    await intake(count("c2", quantity=2, reorder_point=1))

    row = await intake.row("stock")
    assert (row["on_hand"], row["tracking"], row["reorder_point"]) == (2, Tracking.SERIALISED, 1)
    assert [entry["reason"] for entry in await intake.quarantine()] == [
        "Cisco C9300-48P is kept by serial: 2 units are on this shelf, the count says 3. "
        "Enter the missing serials in their source, or correct the count."
    ]


async def test_a_count_of_an_unknown_hub_waits_for_it(intake: Intake):
    await intake(count("c1", hub="NIL"), count("c2", hub=ref("hub", "h7")))

    assert [entry["waits_for"] for entry in await intake.quarantine()] == ["hub:NIL", "hub:h7"]


async def test_a_counted_shelf_that_its_source_drops_keeps_what_is_promised(intake: Intake, engine: AsyncEngine):
    await intake(hub(), count(quantity=7))
    async with transaction(engine) as tx:
        await tx.execute(update(stock).values(reserved=2))

    await intake(gone("stock", "c1"))

    assert (await intake.row("stock"))["on_hand"] == 2


async def test_a_product_that_is_counted_stays_so_whatever_the_catalogue_says(intake: Intake):
    await intake(hub(), count(quantity=7))

    await intake(product(tracking=Tracking.SERIALISED, weight_g=9))

    row = await intake.row("product")
    assert (row["tracking"], row["weight_g"]) == (Tracking.COUNTED, 9)
