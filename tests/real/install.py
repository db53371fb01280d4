"""Installs what the real systems need, by name: packages of PyPI and of Debian."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.real.server import Server, SetUpFailed

UV = Path(sys.prefix) / "bin" / "uv"


def python_environment(server: Server, *requirements: str) -> Path:
    """A virtual environment of the system's own with the given packages; its `bin` directory."""
    bin_ = server.directory / "venv" / "bin"

    def install() -> None:
        server.run("venv", UV, "venv", "--quiet", "--clear", "--python", sys.executable, bin_.parent)
        server.run("packages", UV, "pip", "install", "--quiet", "--python", bin_ / "python", *requirements)

    server.once("python-packages", install, for_=" ".join(requirements))
    return bin_


def debian_packages(server: Server, *names: str, answers: tuple[str, ...] = ()) -> None:
    """Install Debian packages that are missing.

    answers: lines for debconf, so that nothing is asked. Raises SetUpFailed where that takes another user or system.
    """
    if shutil.which("dpkg-query") is None:
        raise SetUpFailed(f"{server.name} comes as Debian packages ({', '.join(names)}), and this is no Debian")
    known = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Abbrev}\n", *names],
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    installed = {line.split()[0] for line in known.splitlines() if line.split()[1:] == ["ii"]}
    missing = [name for name in names if name not in installed]
    if not missing:
        return
    if os.geteuid() != 0:
        raise SetUpFailed(f"{server.name} needs Debian packages; as root: apt-get install {' '.join(missing)}")

    def install() -> None:
        if answers:
            server.run("debconf", "debconf-set-selections", given="".join(f"{line}\n" for line in answers))
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        server.run("apt-update", "apt-get", "update", "-q", env=quiet)
        server.run("apt-install", "apt-get", "install", "-y", "-q", "--no-install-recommends", *missing, env=quiet)

    server.timed("debian-packages", install)
