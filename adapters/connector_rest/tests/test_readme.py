"""The README's example can be used, and names every setting and key."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from connector_rest import RestConfig
from connector_rest.definition import Definition, StreamFacts
from connector_rest.reading import DOCUMENTS

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_example_can_be_used():
    settings = tomllib.loads(README.split("```toml")[1].split("```")[0])["sources"]["acme"]
    definition = DOCUMENTS.read_text(README.split("```yaml")[1].split("```")[0], "README")

    assert (settings.pop("adapter"), settings.pop("schedule")) == ("rest", "*/5 * * * *")
    assert RestConfig.model_validate({**settings, "definition": definition, "secret": "x"}).definition == definition


def test_every_setting_and_key_is_named():
    named = set(re.findall(r"`([a-z_]+)", README))

    for model in (RestConfig, Definition, StreamFacts):
        assert [name for name in model.model_fields if name not in named | {"record"}] == []
