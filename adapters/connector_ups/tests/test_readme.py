"""The README names every setting, and its example can be used."""

from __future__ import annotations

import tomllib
from pathlib import Path

from connector_ups import UpsConfig

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_every_setting_is_named() -> None:
    assert [name for name in UpsConfig.model_fields if f"`{name}`" not in README] == []


def test_the_example_can_be_used() -> None:
    example = tomllib.loads(README.split("```toml")[1].split("```")[0])
    ((_, settings),) = example["sources"].items()

    assert (settings.pop("adapter"), settings.pop("schedule")) == ("ups", "*/30 * * * *")
    secrets = {name: f"value of {given['env']}" for name, given in settings.items() if "env" in given}
    config = UpsConfig.model_validate(settings | secrets)
    assert (config.is_test, config.tokens_from) == (False, "https://onlinetools.ups.com/security/v1/oauth/token")
