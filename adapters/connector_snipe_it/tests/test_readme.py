"""The README names every setting, and its example can be used."""

from __future__ import annotations

import tomllib
from pathlib import Path

from connector_snipe_it import SnipeItConfig

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_every_setting_is_named():
    assert [
        name for name in SnipeItConfig.model_fields if f"`{name}`" not in README and f"{name} =" not in README
    ] == []


def test_the_examples_can_be_used():
    examples = [tomllib.loads(part.split("```")[0]) for part in README.split("```toml")[1:]]
    settings = examples[0]["sources"]["assets"]
    assert (settings.pop("adapter"), settings.pop("schedule")) == ("snipe_it", "*/5 * * * *")
    for example in examples[1:]:
        settings |= example

    SnipeItConfig.model_validate(settings | {"token": "value"})
