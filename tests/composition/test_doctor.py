from __future__ import annotations

import pytest

from connector.cli.doctor import unused_write_back
from connector.clock import SystemClock
from connector.sdk import SourceClient
from connector_nautobot import Nautobot
from connector_nautobot.config import NautobotConfig


@pytest.mark.parametrize(
    ("write_back", "said"),
    [
        (True, ""),
        (
            False,
            "; could be told which device replaced which, and its settings do not allow it (see the adapter's README)",
        ),
    ],
)
async def test_a_source_that_could_be_told_of_swaps_and_may_not_be_is_pointed_out(write_back: bool, said: str):
    given = {"base_url": "http://nautobot.test", "token": "none", "write_back": write_back}
    async with SourceClient("http://nautobot.test") as http:
        adapter = Nautobot(NautobotConfig.model_validate(given), http, SystemClock())

        assert unused_write_back(adapter) == said


def test_other_sources_have_nothing_to_be_pointed_out():
    assert unused_write_back(object()) == ""
