"""The fixtures of the API's tests."""

from __future__ import annotations

from tests.api.conftest import hub, open_hub

__all__ = ["hub", "open_hub"]
