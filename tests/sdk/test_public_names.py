"""What adapter authors may import is listed, whole and in order."""

from __future__ import annotations

from types import ModuleType

import pytest

import connector.sdk
import connector.sdk.facts
import connector.sdk.rest
import connector.sdk.testing
from connector.sdk.adapter import CAPABILITIES


@pytest.mark.parametrize("module", [connector.sdk, connector.sdk.facts, connector.sdk.rest, connector.sdk.testing])
def test_public_names_are_sorted_and_are_all_that_is_imported(module: ModuleType):
    imported = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not isinstance(value, ModuleType) and name != "annotations"
    }

    assert set(module.__all__) == imported
    assert module.__all__ == sorted(module.__all__)


def test_every_capability_is_public():
    assert {protocol.__name__ for protocol in CAPABILITIES} <= set(connector.sdk.__all__)
