from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.backups import POSTGRESQL_BIN, elsewhere
from typer.testing import CliRunner

from connector.cli import app


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(words))
    return done.exit_code, " ".join((done.stdout + done.stderr).split())


@pytest.fixture(autouse=True)
def programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CONNECTOR_POSTGRESQL_BIN", str(POSTGRESQL_BIN))
    monkeypatch.chdir(tmp_path)


def test_a_hub_is_backed_up_checked_and_restored(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CONNECTOR_DATABASE", database)
    kind = database.partition(":")[0]

    status, said = run("backup", "hub.backup")
    assert (status, f"hub.backup is written: a hub of version 0.1.0 on {kind}" in said) == (0, True)
    status, said = run("backup", "--verify", "hub.backup")
    assert (status, "hub.backup is whole" in said, "have the digests that the manifest says" in said) == (0, True, True)

    status, said = run("restore", "hub.backup")
    assert status == 1
    assert said.startswith("BACKUP_FAILED")

    with elsewhere(database, tmp_path / "elsewhere") as other:
        monkeypatch.setenv("CONNECTOR_DATABASE", other)
        status, said = run("restore", "hub.backup", "--json")
        told = json.loads(said)
        assert (status, told["schema"], told["position"], len(told["verified"]) >= 3) == (0, "0001", 0, True)


def test_what_is_no_backup_is_told(tmp_path: Path):
    (tmp_path / "hub.backup").write_text("no backup")

    status, said = run("backup", "--verify", "hub.backup", "--json")

    assert status == 1
    assert json.loads(said)["error"]["code"] == "BROKEN_BACKUP"
