"""`connector channel` as people and scripts use it."""

from __future__ import annotations

import getpass
from pathlib import Path

from tests.composition.test_cli import here, run, run_json, undisturbed_logging

from connector.rules.policy.reading import default_policy

__all__ = ["here", "undisturbed_logging"]
KIND = next(iter(default_policy().red_channels))


def test_a_channel_is_opened_extended_listed_closed_and_reported(here: Path):
    assert run("channel", "list").output == "No red channel was ever opened.\n"
    nowhere = run("channel", "open", KIND, "--reason", "x", "--hours", "1", "--site", "ATLANTIS")
    opened = run_json("channel", "open", KIND, "--reason", "advisory 7", "--hours", "1", "--region", "EU")
    extended = run("channel", "extend", str(opened["id"]), "--reason", "more", "--hours", "2")
    listed = run("channel", "list").output
    closed = run("channel", "close", str(opened["id"]), "--reason", "fixed")
    reported = run("channel", "report", str(opened["id"])).output

    assert (nowhere.exit_code, "there is no site 'ATLANTIS'" in nowhere.stderr) == (3, True)
    assert extended.output.startswith(f"Red channel {opened['id']} is open until ")
    assert f"cli:{getpass.getuser()}" in listed
    assert max(map(len, listed.splitlines())) <= 80
    summary = "Tickets: 0. Units: none. Transport: 0.00. Approvals skipped: 0."
    assert closed.output == f"Red channel {opened['id']} is closed. {summary}\n"
    assert f"closed, opened by cli:{getpass.getuser()}: advisory 7" in reported
    assert run("channel", "close", str(opened["id"]), "--reason", "again").exit_code == 1


def test_where_no_break_glass_stock_was_drawn_there_is_nothing_to_worry_about(here: Path):
    assert run("break-glass").output == "No break-glass stock was drawn.\n"
    assert run_json("break-glass") == []
