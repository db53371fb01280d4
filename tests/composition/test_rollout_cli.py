"""`connector rollout` as people and scripts use it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.composition.test_cli import here, run, run_json, undisturbed_logging

__all__ = ["here", "undisturbed_logging"]


@pytest.fixture
def shops(here: Path) -> Path:
    """Three shops that are known to the hub, a courier that collects in Berlin, and a sheet for a rollout."""
    (here / "sheets" / "hubs.csv").write_text(
        "code,name,tier,latitude,longitude,time_zone,country,cut_offs\n"
        "BER,Berlin hub,local,52.52,13.405,Europe/Berlin,DE,17:00\n"
    )
    (here / "sheets" / "sites.csv").write_text(
        "code,name,latitude,longitude,time_zone,country\n"
        "S1,Shop 1,52.4,13.1,Europe/Berlin,DE\nS2,Shop 2,53.6,10.0,Europe/Berlin,DE\n"
        "S3,Shop 3,48.1,11.6,Europe/Berlin,DE\n"
    )
    run("sync")
    path = here / "shops.csv"
    path.write_text("site;quantity\nS1;2\nShop 2;2\nS3;4\n")
    return path


def create(*more: str) -> tuple[str, ...]:
    return ("rollout", "create", "Docks", "--product", "acme dock 1", "--file", "shops.csv", *more)


def test_a_rollout_is_made_of_a_sheet_planned_begun_and_stopped(shops: Path):
    assert "Next: connector rollout plan 'Docks'" in run(*create("--keep-free-percent", "50")).output
    looked = run("rollout", "plan", "Docks", "--dry-run").output
    planned = run_json("rollout", "plan", "Docks")

    assert "Nothing was changed." in looked
    assert isinstance(planned, dict)
    assert planned["state"] == "planned"
    assert [(line["site"], line["hub"], line["wave"]) for line in planned["lines"]] == [
        ("S1", "BER", 1), ("S2", "BER", 1), ("S3", None, None),
    ]  # fmt: skip
    assert planned["lines"][2]["short because"].startswith("no hub can give 4 units at once: of 12 free 0 are safety")
    assert planned["lines"][2]["short because"].endswith("; nothing is on order for the rollout")
    assert [(line["by"], line["unit expected"]) for line in planned["lines"]] == [
        ("courier", None), ("courier", None), (None, None),
    ]  # fmt: skip
    assert [line["arrives"] is None for line in planned["lines"]] == [False, False, True]
    assert planned["hubs"][0]["kept"] == 6

    assert run("rollout", "start", "Docks").output == "Rollout Docks is running.\n"
    assert run("rollout", "pause", "Docks", "--reason", "freeze").output == "Rollout Docks is paused.\n"
    assert run("rollout", "resume", "Docks", "--reason", "over").output == "Rollout Docks is running.\n"
    assert run("rollout", "cancel", "Docks", "--reason", "enough").output == "Rollout Docks is cancelled.\n"

    shown = run_json("rollout", "show", "Docks")
    assert isinstance(shown, dict)
    assert {line["state"] for line in shown["lines"]} == {"cancelled"}
    assert "Docks: cancelled (enough)" in run("rollout", "show", "Docks").output
    [listed] = json.loads(run("rollout", "list", "--json").stdout)
    assert (listed["name"], listed["lines"]) == ("Docks", "3 cancelled")
    again = run("rollout", "start", "Docks")
    assert (again.exit_code, again.stderr.splitlines()[0]) == (
        1, "ILLEGAL_TRANSITION rollout 'Docks' is cancelled: only a planned one can begin",
    )  # fmt: skip


def test_a_ticket_that_nobody_knows_is_told_by_its_line_and_a_site_may_be_without_one(shops: Path):
    shops.write_text("site;ticket\nS1;TASK-1\n")
    wrong = run(*create())
    shops.write_text("site\nS1\n")
    run(*create())

    assert (wrong.exit_code, "shops.csv:2: " in wrong.stderr, "TASK-1" in wrong.stderr) == (2, True, True)
    assert run("rollout", "ticket", "Docks", "S1").output == "S1 has no ticket.\n"
    assert run("rollout", "ticket", "Docks", "S2").exit_code == 2


def test_every_mistake_in_the_sheet_is_told_by_its_line_and_nothing_is_made(shops: Path):
    shops.write_text("site;quantity;wave\nS1;none;1\nS2;1;0\nS3;1;1\n")
    wrong = run(*create())
    shops.write_text("site\nS1\nS9\n")
    unknown = run(*create())

    assert wrong.exit_code == unknown.exit_code == 2
    assert "shops.csv:2: quantity 'none' is no whole number of 1 or more" in wrong.stderr
    assert "shops.csv:3: wave '0' is no whole number of 1 or more" in wrong.stderr
    assert "shops.csv:3: no site is called 'S9'" in unknown.stderr
    assert run("rollout", "show", "Docks").exit_code == 3
