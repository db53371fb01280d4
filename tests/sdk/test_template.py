"""A new adapter, as `connector adapters new` writes it, keeps its contract at once."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from connector.sdk import ConfigError
from connector.sdk.template import create_adapter
from connector.sdk.testing import Outcome, find_contract, run_contract
from tests.sdk.plugins import declare, importable

FILES = [
    "README.md",
    "connector_acme_desk_7/README.md",
    "connector_acme_desk_7/__init__.py",
    "connector_acme_desk_7/adapter.py",
    "connector_acme_desk_7/client.py",
    "connector_acme_desk_7/config.py",
    "connector_acme_desk_7/contract.py",
    "connector_acme_desk_7/mapping.py",
    "connector_acme_desk_7/payloads/SOURCES.md",
    "connector_acme_desk_7/payloads/tickets.expected.json",
    "connector_acme_desk_7/payloads/tickets.json",
    "connector_acme_desk_7/py.typed",
    "connector_acme_desk_7/sandbox.py",
    "pyproject.toml",
    "tests/test_contract.py",
]


def installed(package: Path) -> None:
    """What `pip install -e` would leave behind: metadata of the entry points that the project declares."""
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    declare(package, project["name"], project["entry-points"]["connector.adapters"])


async def test_a_new_adapter_keeps_its_contract_and_is_typed(tmp_path: Path):
    written = create_adapter("acme_desk_7", tmp_path)

    package = tmp_path / "connector-acme-desk-7"
    assert [str(path.relative_to(package)) for path in written] == FILES
    assert [path for path in written if "__" in path.read_text().replace("__future__", "").replace("__init__", "")
            .replace("__all__", "").replace("__file__", "")] == []  # fmt: skip
    installed(package)
    with importable(package):
        results = await run_contract(find_contract("acme_desk_7"))
    assert [f"{r.number}: {r.reason}" for r in results if r.outcome is Outcome.FAILED] == []
    absent = {r.number: r.reason for r in results if r.outcome is Outcome.NOT_APPLICABLE}
    assert absent.keys() == {32, 33, 34, 35, 36, 40, 41, 42, 43, 44, 45}
    assert absent[35] == "the adapter does not implement Ships"


def test_the_test_that_comes_with_a_new_adapter_is_green(tmp_path: Path):
    create_adapter("acme_desk_8", tmp_path)
    package = tmp_path / "connector-acme-desk-8"
    installed(package)

    alone = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:xdist"]

    ended = subprocess.run(
        [*alone, "-k", "not 05 and not 04", "tests"],
        cwd=package, env={**os.environ, "PYTHONPATH": str(package)}, capture_output=True, text=True,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "44 passed, 11 skipped, 2 deselected" in ended.stdout


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Acme", "an adapter cannot be named 'Acme': names are of the form [a-z][a-z0-9_]*."),
        ("../evil", "an adapter cannot be named '../evil': names are of the form [a-z][a-z0-9_]*."),
        ("", "an adapter cannot be named '': names are of the form [a-z][a-z0-9_]*."),
        ("acme", "an adapter named 'acme' is installed already."),
    ],
)
def test_a_name_that_cannot_be_used_is_refused_and_nothing_is_written(tmp_path: Path, name: str, message: str):
    with pytest.raises(ConfigError) as raised:
        create_adapter(name, tmp_path)

    assert raised.value.message == message
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_left_as_it_is(tmp_path: Path):
    (tmp_path / "connector-desk").mkdir()
    (tmp_path / "connector-desk" / "work.py").write_text("mine\n")

    with pytest.raises(ConfigError, match="exists already and is left as it is"):
        create_adapter("desk", tmp_path)

    assert [path.name for path in (tmp_path / "connector-desk").iterdir()] == ["work.py"]
