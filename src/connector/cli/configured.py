"""Opening the configured hub for a command, with all problems told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from connector.cli.output import told
from connector.hub import Hub, open_hub
from connector.logging import configure_logging
from connector.settings.loading import LoadedSettings, load_settings

Config = Annotated[
    Path | None, typer.Option("--config", "-c", help="Configuration file; connector.toml here by default.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

ResultT = TypeVar("ResultT")


def loaded_settings(config: Path | None, *, log_level: str | None = None) -> LoadedSettings:
    """Settings, with logging set up so that it shows none of their secrets."""
    loaded = load_settings(config)
    configure_logging(log_level or loaded.settings.log_level, secrets=loaded.secrets)
    return loaded


def with_hub(config: Path | None, do: Callable[[Hub], Awaitable[ResultT]], *, as_json: bool = False) -> ResultT:
    """Run something on the configured hub; errors become messages and exit codes."""

    async def run() -> ResultT:
        async with open_hub(loaded_settings(config, log_level="WARNING")) as hub:
            return await do(hub)

    with told(as_json=as_json):
        return asyncio.run(run())
