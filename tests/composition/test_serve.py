"""The socket that the hub listens on."""

from __future__ import annotations

import asyncio
import gc
import socket
from pathlib import Path

import pytest
from starlette.applications import Starlette

from connector.connections import KEEP_ALIVE_SECONDS, server_config
from connector.memory import YOUNG, calm_garbage_collection, loading
from connector.serve import listen
from connector.settings.loading import load_settings
from connector.settings.sections import Settings


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_answers_are_sent_at_once(host: str):
    """With Nagle's algorithm each small answer but the first on a connection waits for an acknowledgement."""
    options: asyncio.Queue[int] = asyncio.Queue()

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        options.put_nowait(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    async with await asyncio.start_server(answer, sock=listen(host, 0)) as server:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        assert await asyncio.wait_for(options.get(), 10) == 1
        writer.close()
        await writer.wait_closed()


def test_nothing_is_looked_through_while_it_is_loaded_nor_later():
    try:
        with loading():
            assert not gc.isenabled()

        assert gc.isenabled()
        assert gc.get_freeze_count() > 10_000
    finally:
        gc.unfreeze()


def test_what_is_loaded_is_not_looked_through_again():
    thresholds = gc.get_threshold()
    try:
        calm_garbage_collection()

        assert gc.get_freeze_count() > 10_000
        assert gc.get_threshold()[0] == YOUNG
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)


def test_a_connection_is_kept_as_long_as_is_configured_and_so_by_default(tmp_path: Path):
    default = Settings().server.keep_alive_seconds
    file = tmp_path / "connector.toml"
    file.write_text("[server]\nkeep_alive_seconds = 5\n")

    assert default == KEEP_ALIVE_SECONDS
    assert server_config(Starlette()).timeout_keep_alive == KEEP_ALIVE_SECONDS
    assert load_settings(file).settings.server.keep_alive_seconds == 5
