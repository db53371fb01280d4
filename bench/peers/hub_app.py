"""The hub's application for whichever server. DATABASE: where its rows are. BODY: the file that is sent at /bytes."""

from __future__ import annotations

import os
from dataclasses import fields
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from connector.api.app import create_app
from connector.api.commands import Commands
from connector.api.feed import Feed
from connector.api.sync_commands import SyncCommands
from connector.fulfilment.suppliers import require_suppliers
from connector.model.errors import Unavailable
from connector.rules.policy.reading import default_policy
from connector.storage.database.engine import open_engine

BODY = Path(os.environ["BODY"]).read_bytes()
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]


class _Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)


async def _out_of_order(*_arguments: Any) -> Any:
    raise Unavailable("this hub has no workflows", hint="Only queries are measured here.")


def _none(commands: type[Any], **others: Any) -> Any:
    """Commands of which each is out of order, but for others."""
    return commands(**{field.name: _out_of_order for field in fields(commands)} | others)


def _application() -> Any:
    engine = open_engine(os.environ["DATABASE"])
    return create_app(
        engine=engine,
        clock=_Clock(),
        commands=_none(
            Commands, check_suppliers=partial(require_suppliers, connections={}), syncing=_none(SyncCommands)
        ),
        policy=default_policy(),
        feed=Feed(engine),
        connections={},
        anonymous=True,
    )


hub = _application()


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """As ASGI has it."""
    if scope["type"] == "http" and scope["path"] == "/bytes":
        while (await receive()).get("more_body", False):
            continue
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": BODY})
        return
    await hub(scope, receive, send)
