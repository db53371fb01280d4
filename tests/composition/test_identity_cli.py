"""`connector identity` as people and scripts use it."""

from __future__ import annotations

import asyncio
import getpass
from pathlib import Path

import pytest
from tests.composition.test_cli import here, run, run_json, undisturbed_logging
from tests.conftest import MovableClock
from tests.factories import NOW
from tests.ingest.conftest import Intake
from tests.ingest.records import asset, site

from connector.model.errors import InvalidConfiguration
from connector.settings.loading import load_settings
from connector.storage.database.engine import open_engine

__all__ = ["here", "undisturbed_logging"]


async def take_in() -> None:
    """Two devices and two records of another source that may be about either, in the database here."""
    engine = open_engine("sqlite:///hub.db")
    intake = Intake(engine, MovableClock(NOW))
    await intake(site(), asset("a1", serial="S1", asset_tag=None), asset("a2", serial=None, asset_tag="T2"))
    unclear = {"serial": "S1", "asset_tag": "T2", "place": None}
    await intake(asset("77", **unclear), source="itsm")
    await intake(asset("88", **unclear), source="crm")
    await engine.dispose()


def test_reviews_are_listed_shown_explained_and_answered_under_the_name_of_the_account(here: Path):
    assert run("identity", "list").output == "Every record is told apart.\n"
    asyncio.run(take_in())

    listed = run("identity", "list").output
    shown = " ".join(run("identity", "show", "1").output.split())
    explained = " ".join(run("identity", "explain", "itsm", "77").output.split())
    separated = run_json("identity", "separate", "2")
    linked = run("identity", "link", "1", "2", "--reason", "looked")
    twice = run("identity", "link", "1", "2")
    history = run_json("identity", "list", "--all")

    assert max(map(len, listed.splitlines())) <= 80
    assert "Asset 1, found by serial+manufacturer" in shown
    assert "serial S1 S1 agrees" in shown.replace("│ ", "").replace("┃ ", "")
    assert explained.startswith("itsm 77 is left to a person: the rules contradict each other: serial+manufacturer")
    assert linked.output == "Review 1 is linked: the record is asset 2.\n"
    assert twice.exit_code != 0
    assert separated == {"review_id": 2, "state": "separate", "asset_id": 3, "is_applied": True}
    assert [(row["state"], row["decided_by"]) for row in history] == [
        ("linked", f"cli:{getpass.getuser()}"), ("separate", f"cli:{getpass.getuser()}"),
    ]  # fmt: skip


def test_match_rules_are_configured_and_every_mistake_in_them_is_told(tmp_path: Path):
    file = tmp_path / "connector.toml"
    file.write_text('[identity]\nmatch = ["asset_tag", "serial+manufacturer"]\n')
    assert load_settings(file).settings.identity.match == ("asset_tag", "serial+manufacturer")

    file.write_text('[identity]\nmatch = ["ip", "mac", "mac"]\n')
    with pytest.raises(InvalidConfiguration) as told:
        load_settings(file)

    [problem] = told.value.problems
    assert "'ip' is no match rule; there are serial+manufacturer, asset_tag, mac, hostname+site" in problem
    assert "'mac' stands more than once" in problem


def test_the_configured_rules_are_those_that_explanations_tell(here: Path):
    with Path("connector.toml").open("a") as file:
        file.write('\n[identity]\nmatch = ["asset_tag"]\n')
    run("identity", "list")
    asyncio.run(take_in())

    found = run_json("identity", "explain", "itsm", "77")

    assert [attempt["rule"] for attempt in found["attempts"]] == ["source_reference", "asset_tag"]


def test_devices_are_merged_taken_apart_and_split_under_the_name_of_the_account(here: Path):
    assert run("identity", "merges").output == "No devices were made one.\n"
    asyncio.run(take_in())

    merged = run("identity", "merge", "1", "2", "--reason", "one device")
    listed = run_json("identity", "merges")
    undone = run("identity", "undo-merge", "1", "--reason", "two devices").output
    again = run("identity", "undo-merge", "1", "--reason", "two devices")
    told = run_json("identity", "merge", "1", "2", "--reason", "one device")
    split = run("identity", "split", "1", "cmdb:a2", "--reason", "another one")
    history = run("identity", "merges", "--all").output

    me = f"cli:{getpass.getuser()}"
    assert merged.output == "Asset 2 is asset 1 now (merge 1).\n"
    assert [(row["kept_id"], row["merged_id"], row["merged_by"]) for row in listed] == [(1, 2, me)]
    told_apart, _, stays = undone.partition("\n")
    assert told_apart == "Assets 1 and 2 are two devices again."
    assert "What stays with asset 1" in stays  # the name, by the records that had waited for the merge
    assert "it was changed since" in stays
    assert again.exit_code != 0
    assert told == {"kept_id": 1, "merge_ids": [2]}
    assert split.output == "1 record is of asset 3 now.\n"
    assert max(map(len, history.splitlines())) <= 80
