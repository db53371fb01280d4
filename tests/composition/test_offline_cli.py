"""`connector offline` as people use it: a page to print, a sheet of what was done."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.composition.test_cli import here, run, undisturbed_logging
from tests.composition.test_reservation_cli import claimed, held

from connector.model.codes import code_of
from connector.model.refs import EntityKind
from connector.storage.database.engine import open_engine, transaction
from connector.storage.database.receipts import record_receipt
from connector.storage.stock.reserve import commit_reservation

__all__ = ["here", "undisturbed_logging"]


async def prepare(claim: int) -> None:
    """As the running hub does: committed, with its task made."""
    engine, now = open_engine("sqlite:///hub.db"), datetime.now(UTC)
    async with transaction(engine) as tx:
        await commit_reservation(tx, claim, actor="test", at=now)
        await record_receipt(tx, f"fulfil-{claim}:task", {}, at=now)
    await engine.dispose()


def test_work_is_printed_and_what_was_done_is_recorded_once(here: Path):
    run("migrate")
    claim = asyncio.run(claimed(2))
    asyncio.run(prepare(claim))
    code = code_of(EntityKind.RESERVATION, claim)
    at = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    file = here / "acts.csv"
    file.write_text(
        f"act,code,at,by\nPicked up,{code.lower()},{at},lee\nreturned,{code_of(EntityKind.RMA, 9)},{at},lee\n"
    )

    printed = run("offline", "sheet", "--hub", "ber", "--out", "work.html")
    first, again = [json.loads(run("offline", "record", "acts.csv", "--json").stdout) for _ in range(2)]
    shown = run("offline", "record", "acts.csv")

    assert printed.output == "0 things to do are in work.html.\n"
    assert "Nothing is open here." in (here / "work.html").read_text()
    assert [(row["act"], row["outcome"]) for row in first] == [("picked up", "done"), ("returned", "conflict")]
    assert [(row["act"], row["outcome"]) for row in again] == [("picked up", "before"), ("returned", "conflict")]
    assert shown.exit_code == 4  # a person is asked about the second line
    assert "its unit has left the hub" in " ".join(shown.stdout.split())
    assert [(number, state) for number, state, *_ in asyncio.run(held())] == [(claim, "fulfilled")]


def test_what_cannot_be_read_is_told_by_its_line(here: Path):
    run("migrate")
    (here / "acts.csv").write_text(
        "act,code,at,by,when\nstolen,R-1-1,2026-12-01T10:00Z,lee,\npicked up,R-1-05,noon,lee,\npicked up,,x,lee,\n"
    )

    refused = run("offline", "record", "acts.csv")
    unknown = run("offline", "sheet", "--hub", "nowhere", "--out", "x.html")

    assert (refused.exit_code, unknown.exit_code) == (2, 3)
    assert "acts.csv:2: act 'stolen' is none of approved, handed over, picked up" in refused.stderr
    assert "acts.csv:3: at 'noon' is no instant with a zone" in refused.stderr
    assert "acts.csv:4: code is empty" in refused.stderr
    assert "column 'when' is not known" in refused.stderr
