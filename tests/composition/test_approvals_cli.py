"""`connector approvals` as people and scripts use it."""

from __future__ import annotations

import asyncio
import getpass
from pathlib import Path

from tests.composition.test_cli import here, run, run_json, undisturbed_logging
from tests.factories import NOW
from tests.fulfilment.test_approvals import policy

from connector.model.refs import EntityKind
from connector.storage.approvals.approvals import Ask, request_approval
from connector.storage.database.engine import open_engine, transaction

__all__ = ["here", "undisturbed_logging"]
ME = f"cli:{getpass.getuser()}"


async def ask(number: int) -> int:
    """A request in the database of the working directory, far from its end."""
    engine = open_engine("sqlite:///hub.db")
    new = Ask("spare", EntityKind.TASK, number, f"Buy switch {number}?", "rules", details="It is a good one.")
    async with transaction(engine) as tx:
        row = await request_approval(
            tx, new, policy("within_minutes: 43200\n    count: 2"), actor="rules", at=NOW.replace(year=9000)
        )
    await engine.dispose()
    return row.id


def test_requests_are_listed_shown_and_answered_under_the_name_of_the_account(here: Path):
    assert run("approvals", "list").output == "Nothing waits for an approval.\n"
    first, second = asyncio.run(ask(1)), asyncio.run(ask(2))

    listed = run("approvals", "list").output
    approved = run("approvals", "approve", str(first), "--reason", "fine")
    twice = run("approvals", "approve", str(first))
    rejected = run_json("approvals", "reject", str(second), "--reason", "too dear")
    shown = run("approvals", "show", str(second)).output
    history = run("approvals", "list", "--all").output

    assert "Buy switch 1?" in listed
    assert max(map(len, listed.splitlines())) <= 80
    assert approved.output == f"Approval {first} is pending: 1 of 2 have approved.\n"
    assert (twice.exit_code, f"{ME!r} has answered approval {first} before: approve" in twice.stderr) == (2, True)
    assert rejected == {"id": second, "state": "rejected", "given": 0, "needed": 2}
    assert f"reject by {ME}: too dear" in shown
    assert "rejected" in history
    assert run("approvals", "show", "99").exit_code == 3


def test_somebody_who_is_away_is_represented(here: Path):
    until = ("--until", "9000-01-01T00:00Z", "--reason", "on leave")

    done = run_json("approvals", "delegate", "--to", "bo", "--role", "approver", *until)
    nobody = run("approvals", "delegate", "--to", "bo", "--of", "ada", *until)
    no_zone = run("approvals", "delegate", "--to", "bo", "--until", "9000-01-01", "--reason", "x")

    assert done == {"id": 1}
    assert (nobody.exit_code, "no role is to be passed on" in nobody.stderr) == (2, True)
    assert (no_zone.exit_code, "'9000-01-01' is no instant with a zone" in no_zone.stderr) == (2, True)
    listed = run("approvals", "delegations").output
    [row] = run_json("approvals", "delegations")

    assert all(text in listed for text in ("bo", ME, "approver", "on leave"))
    assert max(map(len, listed.splitlines())) <= 80
    assert (row["id"], row["delegate"], row["delegator"], row["roles"]) == (1, "bo", ME, ["approver"])
    assert run("approvals", "end-delegation", "1").output == "Delegation 1 has ended.\n"
    assert run("approvals", "delegations").output == "Nobody answers for anybody else.\n"
    assert [row["ended_by"] for row in run_json("approvals", "delegations", "--all")] == [ME]
