"""A hub serves with a role that may change rows and no tables, as `connector database grants` says."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fulfilment.scene import make_scene
from tests.journeys.following import eventually
from tests.journeys.served import CONNECTOR, Served
from tests.journeys.test_roles import DOES, say

from connector.api.schema.nodes import global_id
from connector.storage import tables
from connector.storage.database.changes import reader_position
from connector.storage.database.engine import reading

pytestmark = pytest.mark.parametrize("database", ["postgresql"], indirect=True)

RESERVE = """mutation ($ticket: ID!) { reserve(input: { ticketId: $ticket, idempotencyKey: "one" }) {
  outcome errors { code message }
} }"""


def with_role(database: str, role: str) -> str:
    return make_url(database).set(username=role).render_as_string(hide_password=False)


async def _position(engine: AsyncEngine) -> int:
    async with reading(engine) as tx:
        return await reader_position(tx, "rules") or 0


@pytest.fixture
def role(database: str, tmp_path: Path) -> Iterator[str]:
    """A role with what the command grants it."""
    name = f"serves_{uuid4().hex[:8]}"
    printed = subprocess.run(
        [CONNECTOR, "database", "grants", "--role", name],
        cwd=tmp_path,
        env={"CONNECTOR_DATABASE": database, "PATH": "/usr/bin"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(f"CREATE ROLE {name} LOGIN")
        for statement in printed.splitlines():
            owner.execute(statement)
    yield name
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(f"DROP OWNED BY {name}")
        owner.execute(f"DROP ROLE {name}")


async def test_a_hub_reserves_and_fulfils_with_a_role_that_can_change_no_table(
    engine: AsyncEngine, database: str, role: str, tmp_path: Path
):
    scene = await make_scene(engine)
    ticket = await scene.open_ticket("T1")
    serving = with_role(database, role)
    hub = Served(
        tmp_path,
        1,
        {"CONNECTOR_DATABASE": serving, "CONNECTOR_AUTH__ANONYMOUS": "true", "CONNECTOR_SERVER__ROLE": "all"},
    )
    try:
        await hub.said("listening on http://")
        await hub.said(DOES)
        answer = await say(hub, RESERVE, ticket=global_id("Ticket", ticket))

        async def is_followed() -> bool:
            return bool(await scene.rows(tables.reservation)) and await _position(engine) > 0

        await eventually(is_followed)
        assert answer["errors"] == []
        assert await asyncio.to_thread(hub.stop) == 0
    finally:
        hub.close()

    assert "permission denied" not in hub.log
    with psycopg.connect(serving) as served:
        for statement in (
            "CREATE TABLE mine (id int)",
            "ALTER TABLE ticket ADD COLUMN mine int",
            "DROP TABLE change",
            "UPDATE alembic_version SET version_num = '0'",
            "CREATE SCHEMA mine",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), served.transaction():
                served.execute(statement)
