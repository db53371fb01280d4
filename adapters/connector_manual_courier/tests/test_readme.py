"""The README names every setting, and its example can be used."""

from __future__ import annotations

import tomllib
from pathlib import Path

from connector_manual_courier import ManualCourierConfig, Service

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_every_setting_is_named() -> None:
    named = [*ManualCourierConfig.model_fields, *Service.model_fields]
    assert [name for name in named if f"`{name}`" not in README] == []


def test_the_example_can_be_used() -> None:
    example = tomllib.loads(README.split("```toml")[1].split("```")[0])
    ((_, settings),) = example["sources"].items()

    assert settings.pop("adapter") == "manual_courier"
    settings["report_secret"] = "x" * 32
    assert [service.name for service in ManualCourierConfig.model_validate(settings).services] == ["same day", "round"]
