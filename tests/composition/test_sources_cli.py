"""`connector sync`, `sources` and `quarantine` where sources fail: what is told, and what only looking leaves alone."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from tests.composition.test_cli import run, run_json, run_narrow

from connector.hub import open_hub
from connector.model.kinds import SourceState
from connector.settings.loading import load_settings
from connector.storage.database.engine import transaction
from connector.storage.sources.overview import source_overviews
from connector.storage.sources.sources import set_condition, source_ids

NETBOX = """
[sources.cmdb]
adapter = "netbox"
base_url = "http://127.0.0.1:9"
token = "nbt_4F9DAouzURLb.zjebxBPzICiPbWz0Wtx0fTL7bCKXKGTYhNzkgC2S"
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sheets with a hub that is wrong, and a NetBox that nobody answers for."""
    sheets = tmp_path / "sheets"
    sheets.mkdir()
    (sheets / "hubs.csv").write_text("code,name,tier,latitude,longitude\nBER,Berlin,local,95,13.4\n")
    (tmp_path / "connector.toml").write_text(
        f'database = "sqlite:///hub.db"\n{NETBOX}[sources.sheets]\nadapter = "file"\ndirectory = "sheets"\n'
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def stop_cmdb() -> None:
    async with open_hub(load_settings(None)) as hub, transaction(hub.database) as tx:
        source_id = (await source_ids(tx))["cmdb"]
        await set_condition(tx, source_id, state=SourceState.PAUSED, at=hub.clock.now(), error="401", failures=1)


async def state_after_a_start() -> SourceState:
    async with open_hub(load_settings(None), takes_policy=True) as hub, transaction(hub.database) as tx:
        return next(item.state for item in await source_overviews(tx) if item.name == "cmdb")


def test_a_source_that_fails_is_told_and_the_others_are_planned(here: Path):
    shown, listed = run("sync", "--plan"), run("sync", "--plan", "--json")
    alone = run("sync", "cmdb", "--plan")

    assert (shown.exit_code, listed.exit_code, alone.exit_code) == (1, 1, 1)
    assert "Source cmdb cannot be planned: " in shown.output
    assert "What a sync of sheets would do" in shown.output
    cmdb, sheets = json.loads(listed.stdout)
    assert (cmdb["source"], cmdb["error"]["code"]) == ("cmdb", "SOURCE_UNAVAILABLE")
    assert (sheets["source"], len(sheets["unusable"])) == ("sheets", 1)
    assert "SOURCE_UNAVAILABLE" in alone.stderr


def test_a_source_that_stopped_stays_so_while_people_look_and_goes_on_at_the_next_start(here: Path):
    asyncio.run(stop_cmdb())

    looked = [source["state"] for _ in range(2) for source in run_json("sources")]  # type: ignore[attr-defined]
    shown = run_narrow("sources").output

    assert looked == ["paused", "new"] * 2
    assert "cmdb: 401" in shown
    assert asyncio.run(state_after_a_start()) is SourceState.NEW


def test_what_is_in_quarantine_can_be_read_on_a_narrow_terminal(here: Path):
    assert run("sync", "sheets").exit_code == 0

    first, *lines = run_narrow("quarantine", "list").output.splitlines()

    assert first == "1  sheets hubs  hub:ber"
    assert max(map(len, lines)) <= 80
    told = " ".join(" ".join(lines).split())
    assert told.startswith("hubs.csv, line 2: column 'latitude' is '95', expected a number from -90 to 90.")
    assert " Seen once 20" in told
