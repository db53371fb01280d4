"""The README names every setting, and its example can be used."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from connector_glpi import GlpiConfig

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_every_setting_is_named():
    assert [name for name in GlpiConfig.model_fields if f"`{name}`" not in README] == []


@pytest.mark.parametrize("number", [1, 2])
def test_the_examples_can_be_used(number: int):
    settings = tomllib.loads(README.split("```toml")[number].split("```")[0])["sources"]["glpi"]
    assert settings.pop("adapter") == "glpi"
    settings = {name: "value" if isinstance(value, dict) and "env" in value else value
                for name, value in settings.items()}  # fmt: skip

    GlpiConfig.model_validate(settings)
