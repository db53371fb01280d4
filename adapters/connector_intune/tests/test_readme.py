"""The README names every setting, and its examples can be used."""

from __future__ import annotations

import tomllib
from pathlib import Path

from connector_intune import IntuneConfig

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_every_setting_is_named():
    missing = [name for name in IntuneConfig.model_fields if f"`{name}`" not in README and f"{name} =" not in README]
    assert missing == []


def test_the_examples_can_be_used():
    examples = [tomllib.loads(part.split("```")[0]) for part in README.split("```toml")[1:]]
    settings = examples[0]["sources"]["intune"]
    assert (settings.pop("adapter"), settings.pop("schedule")) == ("intune", "*/15 * * * *")
    for example in examples[1:]:
        settings |= example

    IntuneConfig.model_validate(settings | {"client_secret": "value"})
