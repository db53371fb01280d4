"""The README names every setting, and its example can be used."""

from __future__ import annotations

import tomllib
from pathlib import Path

from connector_pagerduty import PagerDutyConfig

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_every_setting_is_named() -> None:
    missing = [name for name in PagerDutyConfig.model_fields if f"`{name}`" not in README]

    assert missing == []


def test_the_example_can_be_used() -> None:
    example = tomllib.loads(README.split("```toml")[1].split("```")[0])
    ((_, settings),) = example["sources"].items()

    assert settings.pop("adapter") == "pagerduty"
    secrets = {
        name: f"value of {given['env']}"
        for name, given in settings.items()
        if isinstance(given, dict) and list(given) == ["env"]
    }
    assert set(secrets) == {"api_key", "webhook_secret"}
    PagerDutyConfig.model_validate(settings | secrets)
