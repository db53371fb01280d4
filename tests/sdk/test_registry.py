"""Installed adapters: real package metadata in temporary folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.sdk import ConfigError
from connector.sdk.registry import Installed, installed_adapters, load_adapter
from tests.sdk.plugins import declare, importable

BROKEN = "raise RuntimeError('no licence file')\n"
OLD = "from connector_acme import Acme\n\n\nclass Old(Acme):\n    api_version = 0\n"


@pytest.fixture
def installed(tmp_path: Path):
    (tmp_path / "plugin_broken.py").write_text(BROKEN)
    (tmp_path / "plugin_old.py").write_text(OLD)
    (tmp_path / "plugin_other.py").write_text("NUMBER = 7\n")
    declare(tmp_path, "vendor-broken", {"broken": "plugin_broken:Broken", "absent": "plugin_absent:Absent"})
    declare(tmp_path, "vendor-old", {"old": "plugin_old:Old", "twin": "connector_acme:Acme"})
    declare(tmp_path, "vendor-other", {"number": "plugin_other:NUMBER", "twin": "connector_acme:Acme"})
    declare(tmp_path, "vendor-loud", {"Bad-Name": "connector_acme:Acme"})
    with importable(tmp_path):
        yield


def problem_of(name: str) -> Installed:
    return next(adapter for adapter in installed_adapters() if adapter.name == name)


@pytest.mark.parametrize(
    ("name", "package", "problem"),
    [
        ("broken", "vendor-broken", "it fails to load with RuntimeError: no licence file"),
        ("absent", "vendor-broken", "it fails to load with ModuleNotFoundError: No module named 'plugin_absent'"),
        ("old", "vendor-old", "it was written for adapter API 0, this hub speaks 1"),
        ("number", "vendor-other", "its entry point names 7, which is no Adapter class"),
        ("twin", "vendor-old", "more than one installed package declares this name"),
        ("Bad-Name", "vendor-loud", "its name 'Bad-Name' is not of the form [a-z][a-z0-9_]*"),
    ],
)
def test_an_adapter_that_cannot_be_used_says_why(installed: None, name: str, package: str, problem: str):
    found = problem_of(name)

    assert found.problem == problem
    assert found.adapter is None
    with pytest.raises(ConfigError) as raised:
        load_adapter(name)
    assert problem in raised.value.message
    assert raised.value.message.startswith(f"adapter {name!r} of package ")
    if name != "twin":
        assert found.package == package


def test_a_broken_plugin_disables_only_itself(installed: None):
    found = problem_of("acme")

    assert (found.name, found.package, found.problem) == ("acme", "connector-acme", None)
    assert load_adapter("acme") is found.adapter


def test_nothing_is_loaded_before_a_source_names_it(installed: None, tmp_path: Path):
    (tmp_path / "plugin_broken.py").write_text("import sys\nsys.modules['plugin_broken_was_loaded'] = sys\n")

    load_adapter("acme")

    import sys

    assert "plugin_broken_was_loaded" not in sys.modules


def test_a_name_that_nobody_declares_is_refused_with_those_that_exist(installed: None):
    with pytest.raises(ConfigError) as raised:
        load_adapter("acmee")

    assert raised.value.message == "adapter 'acmee' is not installed"
    assert "acme" in raised.value.hint.split(": ")[1].split(", ")
