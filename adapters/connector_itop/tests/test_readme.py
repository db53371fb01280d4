"""The README names every setting, and its example can be used."""

from __future__ import annotations

import tomllib
from pathlib import Path

from connector_itop import ItopConfig

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_every_setting_is_named():
    assert [name for name in ItopConfig.model_fields if f"`{name}`" not in README] == []


def test_the_example_can_be_used():
    settings = tomllib.loads(README.split("```toml")[1].split("```")[0])["sources"]["itop"]
    assert settings.pop("adapter") == "itop"

    ItopConfig.model_validate(settings | {"password": "value", "webhook_secret": "another"})
