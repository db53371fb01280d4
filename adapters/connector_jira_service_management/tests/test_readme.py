"""The README names every setting, and its example can be used."""

from __future__ import annotations

import tomllib
from pathlib import Path

from connector_jira_service_management import JiraServiceManagementConfig

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_every_setting_is_named() -> None:
    missing = [
        name
        for name in JiraServiceManagementConfig.model_fields
        if f"`{name}`" not in README and f"\n{name} = " not in README
    ]

    assert missing == []


def test_the_example_can_be_used() -> None:
    example = tomllib.loads(README.split("```toml")[1].split("```")[0])
    ((_, settings),) = example["sources"].items()

    assert settings.pop("adapter") == "jira_service_management"
    secrets = {name: f"value of {given['env']}" for name, given in settings.items() if isinstance(given, dict)}
    JiraServiceManagementConfig.model_validate(settings | secrets)
