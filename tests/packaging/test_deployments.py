"""The unit for systemd and the sample for Kubernetes, held against the code: commands, ports, probes, variables."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from connector.cli import app
from connector.settings.loading import load_settings
from connector.settings.sections import ENVIRONMENT_PREFIX, Settings

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "packaging/systemd/connector.service"
OBJECTS: list[dict[str, Any]] = [
    item
    for file in sorted((ROOT / "deploy/kubernetes").glob("*.yaml"))
    for item in yaml.safe_load_all(file.read_text())
]
WORKLOADS = [item for item in OBJECTS if item["kind"] in ("Deployment", "Job")]


def of(kind: str) -> list[dict[str, Any]]:
    return [item for item in OBJECTS if item["kind"] == kind]


def pod(workload: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = workload["spec"]["template"]["spec"]
    return spec


def container(workload: dict[str, Any]) -> dict[str, Any]:
    [one] = pod(workload)["containers"]
    return one


def is_setting(variable: str) -> bool:
    model: Any = Settings
    for part in variable.removeprefix(ENVIRONMENT_PREFIX).lower().split("__"):
        if part not in getattr(model, "model_fields", {}):
            return False
        model = model.model_fields[part].annotation
    return True


def test_commands_are_those_that_the_program_has():
    for args in [container(item)["args"] for item in WORKLOADS]:
        told = CliRunner().invoke(app, [args[0], "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"}).output
        assert [word for word in args if word.startswith("--") and word not in told] == []
    roles = [container(item)["args"][-1] for item in of("Deployment")]

    assert sorted(roles) == ["api", "worker"]
    assert "/connector serve --config /etc/connector/connector.toml" in UNIT.read_text()


def test_what_is_configured_is_valid_and_its_port_is_everybody_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    [configured] = of("ConfigMap")
    file = tmp_path / "connector.toml"
    file.write_text(configured["data"]["connector.toml"])
    monkeypatch.setenv("CONNECTOR_API_TOKEN", "x" * 20)
    monkeypatch.setenv("CONNECTOR_DATABASE", "postgresql://connector@db.example.com/connector")

    port = load_settings(file).settings.server.port

    [service] = of("Service")
    assert service["spec"]["ports"][0]["targetPort"] == "http"
    for item in of("Deployment"):
        assert container(item)["ports"] == [{"name": "http", "containerPort": port}]
    [ingress] = [item["spec"]["ingress"] for item in of("NetworkPolicy") if item["metadata"]["name"] == "connector-api"]
    assert [each["port"] for each in ingress[0]["ports"]] == [port]


def test_probes_ask_what_every_role_answers():
    for item in of("Deployment"):
        one = container(item)
        assert one["startupProbe"]["httpGet"]["path"] == one["livenessProbe"]["httpGet"]["path"] == "/healthz"
        assert one["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_variables_are_settings_and_secrets_are_referred_to():
    variables = [each for item in WORKLOADS for each in container(item).get("env", [])]

    assert [each["name"] for each in variables] == ["CONNECTOR_POSTGRESQL__OWNER"]
    assert [each["name"] for each in variables if not is_setting(each["name"])] == []
    assert all("value" not in each for each in variables)
    assert of("Secret") == []


def test_nothing_runs_as_root_or_writes_beside_its_folders():
    for item in WORKLOADS:
        assert pod(item)["securityContext"]["runAsNonRoot"] is True
        assert container(item)["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_selectors_find_the_pods_that_they_are_for():
    labels = [item["spec"]["template"]["metadata"]["labels"] for item in of("Deployment")]
    selectors = [
        *(item["spec"]["selector"]["matchLabels"] for item in (*of("Deployment"), *of("PodDisruptionBudget"))),
        *(item["spec"]["podSelector"]["matchLabels"] for item in of("NetworkPolicy")),
        *(item["spec"]["selector"] for item in of("Service")),
    ]

    assert len(selectors) == 7
    assert [one for one in selectors if one not in labels] == []


def test_a_unit_gives_the_hub_time_to_end_and_is_one_that_systemd_takes():
    text = UNIT.read_text()
    assert int(re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)[0]) > 30
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("systemd-analyze is not on this machine")

    told = subprocess.run([verify, "verify", "--man=no", UNIT], capture_output=True, text=True, check=False)

    problems = [
        line for line in told.stderr.splitlines() if "connector.service" in line and "not executable" not in line
    ]
    assert problems == []
