"""The README names every setting, its example can be used, and its script sends what the adapter reads."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from connector_servicenow import ServiceNowConfig
from connector_servicenow.webhook import SIGNATURE

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_every_setting_is_named() -> None:
    missing = [
        name for name in ServiceNowConfig.model_fields if f"`{name}`" not in README and f"\n{name} = " not in README
    ]

    assert missing == []


def test_the_example_can_be_used() -> None:
    example = tomllib.loads(README.split("```toml")[1].split("```")[0])
    ((name, settings),) = example["sources"].items()

    assert settings.pop("adapter") == "servicenow"
    assert f"/webhooks/{name}`" in README
    secrets = {name: f"value of {given['env']}" for name, given in settings.items() if "env" in given}
    ServiceNowConfig.model_validate(settings | secrets)


def test_the_business_rule_sends_what_is_read() -> None:
    script = README.split("```javascript")[1].split("```")[0]

    assert f"'{SIGNATURE}'" in script
    assert re.findall(r"^    (\w+):", script, re.MULTILINE) == ["table", "sys_id", "operation", "timestamp"]
