"""Devices that are told apart, or not, by what several sources say of them."""

from __future__ import annotations

from itertools import permutations
from typing import Any

from sqlalchemy import event, select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.ingest.conftest import Intake
from tests.ingest.records import asset, hub, ref, site

from connector.rules.identity.match_rules import match_rules
from connector.storage import tables
from connector.storage.database.engine import reading
from connector.storage.sources.identities import use_match_rules

MAC, OTHER_MAC = "00:1B:54:00:00:01", "00:1B:54:00:00:02"
BARE: dict[str, Any] = {"serial": None, "asset_tag": None, "product": None, "place": None, "name": None}


async def macs(intake: Intake) -> list[tuple[int, int, str]]:
    """(device, source, address) of all addresses."""
    c = tables.asset_mac.c
    async with reading(intake.engine) as tx:
        rows = await tx.execute(select(c.asset_id, c.source_id, c.mac).order_by(c.asset_id, c.source_id, c.mac))
        return [(row[0], row[1], row[2]) for row in rows]


async def test_a_device_is_found_by_an_address_that_another_source_states(intake: Intake):
    await intake(site(), asset("a1", macs=["001b.5400.0001", "FF:FF:FF:FF:FF:FF"]))

    await intake(asset("77", **BARE | {"macs": [MAC, OTHER_MAC], "holder": "Ms Lee"}), source="itsm")

    row = await intake.row("asset")
    assert row["holder"] == "Ms Lee"
    assert await macs(intake) == [(row["id"], 1, MAC), (row["id"], 2, MAC), (row["id"], 2, OTHER_MAC)]
    noted = [change["fields"].get("macs") for change in await intake.changes("asset")]
    assert noted == [[[], [MAC]], [[MAC], [MAC, OTHER_MAC]]]


async def test_addresses_that_a_source_no_longer_states_identify_nothing_and_silence_changes_none(intake: Intake):
    await intake(site(), asset("a1", macs=[MAC]))
    await intake(asset("a1", v=2, holder="Ms Lee"))
    assert [mac for *_, mac in await macs(intake)] == [MAC]

    await intake(asset("a1", v=3, macs=[OTHER_MAC]))
    await intake(asset("77", **BARE | {"macs": [MAC]}), source="itsm")

    assert [mac for *_, mac in await macs(intake)] == [OTHER_MAC, MAC]
    assert len(await intake.rows("asset")) == 2


async def test_a_device_is_found_by_its_host_name_at_the_same_site_whatever_its_domain(intake: Intake):
    await intake(
        site(), site("s2"), asset("a1", name="SW-1.example.com"), asset("a2", name="sw-1", place=ref("site", "s2"))
    )
    here = site("x1", name="Site s1")

    await intake(here, asset("77", **BARE | {"name": "sw-1.lan", "place": ref("site", "x1"), "holder": "Ms Lee"}),
                 source="itsm")  # fmt: skip

    assert [row["holder"] for row in await intake.rows("asset")] == ["Ms Lee", None]


async def test_a_host_name_in_a_hub_or_nowhere_finds_nothing(intake: Intake):
    await intake(hub("h1"), asset("a1", name="sw-1", place=ref("hub", "h1")))

    await intake(hub("h9", code="H1"), asset("77", **BARE | {"name": "sw-1", "place": ref("hub", "h9")}),
                 asset("78", **BARE | {"name": "sw-1"}), source="itsm")  # fmt: skip

    assert len(await intake.rows("asset")) == 3


async def test_the_rules_that_are_configured_are_those_that_are_tried(intake: Intake, engine: AsyncEngine):
    use_match_rules(engine, match_rules(["asset_tag"]))
    await intake(site(), asset("a1", serial="S1", asset_tag="T1"))

    await intake(asset("77", serial="S1", asset_tag=None, place=None), source="itsm")
    await intake(asset("78", serial=None, asset_tag="T1", place=None, holder="Ms Lee"), source="monitoring")

    assert [(row["serial"], row["holder"]) for row in await intake.rows("asset")] == [("S1", "Ms Lee"), ("S1", None)]


async def test_a_page_of_new_records_is_looked_for_in_one_statement(intake: Intake, engine: AsyncEngine):
    await intake(site(), *(asset(f"a{n}", macs=[f"00:1B:54:00:00:{n + 1:02X}"]) for n in range(20)))
    asked: list[str] = []

    def note(*args: Any) -> None:
        asked.append(args[2])

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    page = [asset(f"b{n}", serial=f"SN-A{n}", place=None, macs=[f"00:1B:54:00:00:{n + 1:02X}"]) for n in range(20)]
    applied = await intake(*page, source="itsm")
    event.remove(engine.sync_engine, "before_cursor_execute", note)

    assert applied.created == 0
    by_serial, by_tag = (
        [text for text in asked if f"asset.{column} IN" in text or f"asset.{column} = ANY" in text]
        for column in ("serial", "asset_tag")
    )
    assert (len(by_serial), by_tag) == (1, by_serial)


async def test_three_sources_come_to_the_same_devices_in_whatever_order_they_come(intake: Intake):
    for number, order in enumerate(permutations(["cmdb", "itsm", "monitoring"])):
        serial, tag, mac = f"SN-{number}", f"TAG-{number}", f"00:1B:54:00:01:{number:02X}"
        said = {
            "cmdb": asset(f"c{number}", serial=serial, asset_tag=tag, place=None, macs=[mac]),
            "itsm": asset(f"i{number}", **BARE | {"asset_tag": tag, "serial": serial}),
            "monitoring": asset(f"m{number}", **BARE | {"serial": serial, "macs": [mac]}),
        }
        for source in order:
            await intake(said[source], source=source)

    assert [row["serial"] for row in await intake.rows("asset")] == [f"SN-{number}" for number in range(6)]
    assert await intake.quarantine() == []
