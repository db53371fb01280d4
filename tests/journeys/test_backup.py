"""A hub at work is backed up and lost; one on what was restored elsewhere goes on, with the same desk and courier."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path

from tests.backups import PROGRAMS, elsewhere, placed
from tests.chaos import truths
from tests.chaos.world import World, world
from tests.commits import eventually
from tests.journeys.served import Served

from connector.fulfilment.keys import Step, effect_key, step_key
from connector.model.lifecycle import ReservationState
from connector.storage import tables
from connector.storage.backup.keeping import back_up, restore
from connector.storage.database.engine import open_engine
from connector_karrio.requests import KEY

CALM, UNDER_WAY = 6, 8
STANDING = (
    truths.tickets_have_one_outcome, truths.people_are_told_once, truths.stock_adds_up, truths.the_log_has_no_gap,
    truths.webhooks_are_dealt_with,
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
            courier, devices = found.wires["parcels"], iter(found.devices)
            await asyncio.gather(*(found.report_one(next(devices)) for _ in range(CALM)))
            await eventually(lambda: are(len(sold(found)) >= CALM // 2), within=WITHIN_S)
            courier.going.clear()
            await asyncio.gather(*(found.report_one(next(devices)) for _ in range(UNDER_WAY)))
            await eventually(lambda: has_one_without(found, sold(found)), within=WITHIN_S)
            ordered = await orders(found) - sold(found)

            made = await asyncio.to_thread(back_up, placed(database), file, programs=PROGRAMS, at=found.clock.now())
            courier.going.set()
            await eventually(lambda: are(ordered & sold(found)), within=WITHIN_S)
            await lose(found)
            restored, _ = await asyncio.to_thread(restore, placed(other), file, programs=PROGRAMS)
            assert restored == made
            await begin_on(found, other, tmp_path / "elsewhere")
            kept = await orders(found)

            try:
                await eventually(lambda: holds(found, kept), within=WITHIN_S)
            except TimeoutError:
                raise AssertionError(await lies(found, kept)) from None
            finally:
                await found.database.dispose()


def sold(found: World) -> set[str]:
    """Keys of the orders that the courier has sold a label for."""
    return {item["metadata"][KEY] for item in found.office.office.shipments.values() if item["tracking_number"]}


async def orders(found: World, *states: ReservationState) -> set[str]:
    """Keys by which the hub orders the labels of its reservations; of those in these states, where any are named."""
    rows = [row for row in await found.scene.rows(tables.reservation) if not states or row["state"] in states]
    return {effect_key(step_key(row["id"], Step.LABEL), row["created_at"]) for row in rows}


async def has_one_without(found: World, labelled: set[str]) -> bool:
    return bool(await orders(found) - labelled)


async def are(truth: object) -> bool:
    return bool(truth)


async def holds(found: World, kept: set[str]) -> bool:
    return not any(await lies(found, kept))


async def lies(found: World, kept: set[str]) -> list[list[str]]:
    return [await strays(found, kept), *[await truth(found) for truth in STANDING]]


async def strays(found: World, kept: set[str]) -> list[str]:
    """What was bought twice; and what was bought for a reservation that the backup has, and is no parcel of the hub's.

    What was reserved and bought since is decided anew, and what is cancelled before its label is ordered again is not
    asked for, as docs/backup.md says.
    """
    bought = Counter(
        item["metadata"][KEY] for item in found.office.office.shipments.values()
        if item["tracking_number"] and item["status"] != "cancelled"
    )  # fmt: skip
    known = {row["tracking_number"] for row in await found.scene.rows(tables.shipment)}
    wanted = kept - await orders(found, ReservationState.RELEASED)
    unknown = [
        item["metadata"][KEY] for item in found.office.office.shipments.values()
        if item["tracking_number"] not in known and item["status"] != "cancelled" and item["metadata"][KEY] in wanted
    ]  # fmt: skip
    return [f"{key} was bought {count} times" for key, count in bought.items() if count > 1] + [
        f"what was bought by {key} is not known" for key in unknown
    ]
