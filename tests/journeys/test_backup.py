"""A hub at work is backed up and lost; one on what was restored elsewhere goes on, with the same desk and courier."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from tests.backups import PROGRAMS, elsewhere, placed
from tests.chaos import truths
from tests.chaos.world import World, world
from tests.commits import eventually
from tests.journeys.served import Served

from connector.storage import tables
from connector.storage.backup.keeping import back_up, restore
from connector.storage.database.engine import open_engine

CALM, UNDER_WAY = 6, 8
STANDING = (
    truths.tickets_have_one_outcome, truths.people_are_told_once, truths.stock_adds_up,
    truths.labels_are_known_or_void, truths.the_log_has_no_gap, truths.webhooks_are_dealt_with,
)  # fmt: skip
WITHIN_S = 60


async def lose(found: World) -> None:
    """The hub, with its machine."""
    found.hub.parent.kill()
    await asyncio.to_thread(found.hub.parent.wait)


async def begin_on(found: World, database: str, home: Path) -> None:
    """A hub of another address works for the same world from here on."""
    environment = {name: value for name, value in found.hub.environment.items() if name.startswith("CONNECTOR_")}
    found.database = open_engine(database)
    found.scene = replace(found.scene, database=found.database)
    found.hub = Served(home, 1, {**environment, "CONNECTOR_DATABASE": database})
    await found.hub.listening()


async def test_a_hub_on_the_backup_of_one_at_work_goes_on_and_buys_no_label_twice(database: str, tmp_path: Path):
    """The courier answers nobody while the backup is taken: labels are being ordered in it, and are bought after it."""
    file = tmp_path / "backup"
    with elsewhere(database, tmp_path / "elsewhere") as other:
        async with world(tmp_path, database, database, 7, 1, devices=CALM + UNDER_WAY, followers=0) as found:
            labels, courier = found.office.office.shipments, found.wires["parcels"]
            devices = iter(found.devices)
            await asyncio.gather(*(found.report_one(next(devices)) for _ in range(CALM)))
            await eventually(lambda: are(len(labels) >= CALM // 2), within=WITHIN_S)
            courier.going.clear()
            await asyncio.gather(*(found.report_one(next(devices)) for _ in range(UNDER_WAY)))
            await eventually(lambda: all_are_reserved(found), within=WITHIN_S)
            before = len(labels)

            made = await asyncio.to_thread(back_up, placed(database), file, programs=PROGRAMS, at=found.clock.now())
            courier.going.set()
            await eventually(lambda: are(len(labels) > before + 1), within=WITHIN_S)
            await lose(found)
            restored, _ = await asyncio.to_thread(restore, placed(other), file, programs=PROGRAMS)
            assert restored == made
            await begin_on(found, other, tmp_path / "elsewhere")

            try:
                await eventually(lambda: holds(found), within=WITHIN_S)
            except TimeoutError:
                raise AssertionError([await truth(found) for truth in STANDING]) from None
            finally:
                await found.database.dispose()


async def are(truth: bool) -> bool:
    return truth


async def all_are_reserved(found: World) -> bool:
    """What is reserved only after the backup may be reserved otherwise by the hub that goes on: another parcel."""
    return len(await found.scene.rows(tables.reservation)) == CALM + UNDER_WAY


async def holds(found: World) -> bool:
    return not any([await truth(found) for truth in STANDING])
