"""What measures the product keeps up with it: every module of `bench` that runs on its packages can be loaded."""

from __future__ import annotations

import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import bench
import pytest

ROOT = Path(__file__).parents[1]
APPS = ("direct", "hub_app")
"""Loaded by the servers that they are for, with settings of their own."""
PEERS = ("ariadne_app", "strawberry_app", "models", "serve", "serve_granian")
"""Run on packages that the product does not have."""
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(bench.__path__, "bench.")
    if not module.name.endswith(
        ("__main__", *APPS, "ariadne_app", "strawberry_app", "models", "serve", "serve_granian")
    )
)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_can_be_loaded(name: str):
    assert importlib.import_module(name).__doc__


@pytest.mark.parametrize("name", APPS)
def test_an_application_that_is_measured_can_be_loaded(name: str, tmp_path: Path):
    body = tmp_path / "body.json"
    body.write_bytes(b"{}")
    environment = os.environ | {"DATABASE": f"sqlite:///{tmp_path}/hub.db", "BODY": str(body), "PYTHONPATH": str(ROOT)}

    done = subprocess.run(
        [sys.executable, "-c", f"from bench.peers.{name} import app; print(callable(app))"],
        env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip

    assert (done.returncode, done.stdout.strip()) == (0, "True"), done.stderr
