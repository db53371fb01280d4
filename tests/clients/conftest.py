"""Clients that others wrote, run beside a hub in this process."""

from __future__ import annotations

import asyncio
import json
import os
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import hub, open_hub
from tests.clients.install import HERE, NODE, NotInstalled, node_packages, python_environment

__all__ = ["hub", "open_hub"]

PATIENCE_S = 120


@pytest.fixture(scope="session")
def packages() -> Path:
    """`node_modules` with the clients in it."""
    return node_packages()


@pytest.fixture(scope="session")
def client_python() -> Path:
    """A Python that has the Python clients."""
    return python_environment()


@pytest.fixture(scope="session")
def prism() -> Path:
    """Prism's program."""
    try:
        return node_packages(HERE / "descriptions") / "@stoplight" / "prism-cli" / "dist" / "index.js"
    except NotInstalled as absent:
        pytest.skip(str(absent).partition("\n")[0])


Node = Callable[..., Awaitable[Process]]


@pytest.fixture
def node(packages: Path) -> Node:
    """Starts one of the scripts here."""

    async def node(script: str | Path, *arguments: str, cwd: Path = HERE) -> Process:
        command = (str(NODE), str(script), *arguments)
        return await asyncio.create_subprocess_exec(*command, cwd=cwd, stdin=PIPE, stdout=PIPE, stderr=PIPE)

    return node


async def ended(process: Process, patience: float = PATIENCE_S) -> str:
    """What a program printed until it ended well; one that does not end in time is ended."""
    try:
        async with asyncio.timeout(patience):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    assert process.returncode == 0, f"ended with {process.returncode}:\n{out.decode()}\n{err.decode()}"
    return out.decode()


async def printed(process: Process) -> Any:
    """The JSON that a script prints at its end."""
    return json.loads((await ended(process)).splitlines()[-1])


async def python(interpreter: Path, *arguments: str, cwd: Path, patience: float = PATIENCE_S) -> str:
    """What a program of the clients' environment prints."""
    environment = {**os.environ, "PATH": f"{interpreter.parent}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("PYTHONPATH", None)
    return await ended(
        await asyncio.create_subprocess_exec(
            str(interpreter), *arguments, cwd=cwd, env=environment, stdout=PIPE, stderr=PIPE
        ),
        patience,
    )
