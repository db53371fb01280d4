"""An adapter as `connector adapters new` writes it, its sandbox on a real socket, and its records in a hub."""

from __future__ import annotations

import tomllib
from datetime import timedelta
from pathlib import Path

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock
from tests.loopback import Raw, listening
from tests.sdk.plugins import declare, importable

from connector.ingest.pull import pull_source
from connector.sdk import connect
from connector.sdk.template import create_adapter
from connector.sdk.testing import find_contract


async def test_the_records_of_a_new_adapter_are_in_the_hub_after_a_pull(
    engine: AsyncEngine, clock: MovableClock, tmp_path: Path
):
    create_adapter("new_desk", tmp_path)
    package = tmp_path / "connector-new-desk"
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    declare(package, project["name"], project["entry-points"]["connector.adapters"])

    async def respond(_: httpx.Request) -> Raw | None:
        return None

    with importable(package):
        sandbox = find_contract("new_desk").sandbox(clock)
        start = (clock.now() - timedelta(days=1)).replace(microsecond=0)
        sandbox.seed("tickets", 12, at=start, step=timedelta(minutes=30))
        async with listening(respond, app=sandbox.app()) as system:
            settings = {**sandbox.settings(), "base_url": system.url}
            connection = connect("desk", "new_desk", settings, clock=clock, attempts=1)
            first = await pull_source(engine, connection, clock=clock)
            again = await pull_source(engine, connection, clock=clock)
            await connection.aclose()

    assert [(stream.name, stream.seen, stream.created) for stream in first.streams] == [("tickets", 12, 12)]
    assert [(stream.name, stream.seen, stream.created, stream.updated) for stream in again.streams] == [
        ("tickets", 1, 0, 0)
    ]
