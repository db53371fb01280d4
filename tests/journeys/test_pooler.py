"""A hub whose transactions go through PgBouncer in transaction mode, and what needs a session past it."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fulfilment.scene import make_scene
from tests.journeys.following import eventually
from tests.journeys.served import Served
from tests.journeys.test_database_role import RESERVE
from tests.journeys.test_roles import DOES, say

from connector.api.schema.nodes import global_id
from connector.storage import tables
from connector.storage.database.engine import reading
from connector.storage.database.presence import is_present

POOLER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = [
    pytest.mark.parametrize("database", ["postgresql"], indirect=True),
    pytest.mark.skipif(POOLER is None, reason="pgbouncer is not on this machine"),
]


@pytest.fixture
def pooled(database: str) -> Iterator[str]:
    """The database's address through a pooler with so few connections that transactions share them."""
    url = make_url(database)
    sockets = url.query["host"]
    assert isinstance(sockets, str)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as name:
        folder, user = Path(name), pwd.getpwuid(Path(sockets).stat().st_uid).pw_name
        folder.chmod(0o755)
        (folder / "users.txt").write_text(f'"{url.username}" ""\n')
        (folder / "pgbouncer.ini").write_text(
            f"[databases]\n{url.database} = host={sockets} port={url.query.get('port', url.port or 5432)}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = trust\n"
            f"auth_file = {folder}/users.txt\npool_mode = transaction\ndefault_pool_size = 3\n"
            + (f"user = {user}\n" if os.getuid() == 0 else "")
        )
        assert POOLER is not None
        process = subprocess.Popen([POOLER, "-q", folder / "pgbouncer.ini"])
        yield f"postgresql://{url.username}@127.0.0.1:{port}/{url.database}"
        process.terminate()
        process.wait()


async def test_a_hub_behind_a_pooler_reserves_and_is_seen_to_be_there(
    engine: AsyncEngine, database: str, pooled: str, tmp_path: Path
):
    scene = await make_scene(engine)
    ticket = await scene.open_ticket("T1")
    hub = Served(
        tmp_path,
        2,
        {"CONNECTOR_DATABASE": pooled, "CONNECTOR_POSTGRESQL__DIRECT": database, "CONNECTOR_AUTH__ANONYMOUS": "true"},
    )
    try:
        await hub.listening()
        await hub.said(DOES)
        answer = await say(hub, RESERVE, ticket=global_id("Ticket", ticket))
        assert answer["errors"] == []
        name = f"{socket.gethostname()}:{hub.port}"

        async def are_there() -> bool:
            async with reading(engine) as tx:
                return all([await is_present(tx, f"{name}/{number}") for number in (1, 2)])

        async def is_reserved() -> bool:
            return bool(await scene.rows(tables.reservation))

        await eventually(are_there)
        await eventually(is_reserved)
        assert hub.log.count(DOES) == 1
        assert hub.stop() == 0
    finally:
        hub.close()

    assert "prepared statement" not in hub.log
