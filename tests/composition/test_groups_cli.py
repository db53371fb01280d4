"""`connector groups` as people and scripts use it."""

from __future__ import annotations

import asyncio
import getpass
from pathlib import Path

from tests.composition.test_cli import here, run, run_json, undisturbed_logging
from tests.factories import NOW, insert_row

from connector.storage import tables
from connector.storage.database.engine import open_engine, transaction

__all__ = ["here", "undisturbed_logging"]
ME = f"cli:{getpass.getuser()}"


async def propose(count: int) -> None:
    """Proposals in the database of the working directory, far from their end."""
    engine = open_engine("sqlite:///hub.db")
    async with transaction(engine) as tx:
        for number in range(1, count + 1):
            values = {
                "kind": "site_event", "scope": f"site:{number}", "title": f"3 devices at S{number} within 30 min",
                "state": "proposed", "statistics": {}, "policy_version": "default@1", "serves": False,
                "expires_at": NOW.replace(year=9000), "created_at": NOW, "updated_at": NOW,
            }  # fmt: skip
            await insert_row(tx, tables.incident_group, values)
    await engine.dispose()


def test_groups_are_listed_confirmed_and_dismissed_under_the_name_of_the_account(here: Path):
    assert run("groups", "list").output == "Nothing looks like one event.\n"
    asyncio.run(propose(3))

    listed = run("groups", "list").output
    confirmed = run("groups", "confirm", "1", "--cause", "no power")
    limited = run_json("groups", "confirm", "2", "--cause", "bad firmware", "--limit", "4")
    dismissed = run("groups", "dismiss", "3", "--reason", "a test")
    twice = run("groups", "dismiss", "3", "--reason", "a test")
    closed = run("groups", "close", "1", "--reason", "power is back")
    history = run_json("groups", "list", "--all")

    assert "3 devices at S1 within 30 min" in " ".join(listed.split())
    assert max(map(len, listed.splitlines())) <= 80
    assert confirmed.output == "Group 1 is confirmed: its tickets need nothing.\n"
    assert limited == {"id": 2, "state": "confirmed", "serves": True, "limit_units": 4}
    assert closed.output == "Group 1 is closed: each of its tickets that has nothing is decided by itself.\n"
    assert dismissed.output == "Group 3 is dismissed: each ticket is decided by itself.\n"
    assert (twice.exit_code, "incident group 3 is dismissed" in twice.output) == (0, False)
    assert [(row["id"], row["decided_by"]) for row in history] == [(3, ME), (2, ME), (1, ME)]
    assert run("groups", "confirm", "99", "--cause", "x").exit_code == 3
