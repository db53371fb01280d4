"""The real systems as fixtures; nothing here runs without `--run-real`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.real import karrio, nautobot, request_tracker, roundup
from tests.real.karrio import Karrio
from tests.real.nautobot import Nautobot
from tests.real.request_tracker import RequestTracker
from tests.real.roundup import Roundup
from tests.real.systems import Systems

KEEP_VARIABLE = "CONNECTOR_REAL_KEEP"
"""Set to anything, the systems go on running after the tests."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    skip = pytest.mark.skip(reason="run make test-real")
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.real)
            if not config.getoption("--run-real"):
                item.add_marker(skip)


@pytest.fixture(scope="session")
def cmdb() -> Iterator[Nautobot]:
    """Nautobot alone, stopped afterwards; the very one of `systems` where that is up."""
    try:
        yield nautobot.up()
    finally:
        if not os.environ.get(KEEP_VARIABLE):
            nautobot.down()


@pytest.fixture(scope="session")
def desk() -> Iterator[RequestTracker]:
    """Request Tracker alone, stopped afterwards; the very one of `systems` where that is up."""
    try:
        yield request_tracker.up()
    finally:
        if not os.environ.get(KEEP_VARIABLE):
            request_tracker.down()


@pytest.fixture(scope="session")
def parcels() -> Iterator[Karrio]:
    """Karrio alone, stopped afterwards; the very one of `systems` where that is up."""
    try:
        yield karrio.up()
    finally:
        if not os.environ.get(KEEP_VARIABLE):
            karrio.down()


@pytest.fixture(scope="session")
def tracker() -> Iterator[Roundup]:
    """Roundup, stopped afterwards."""
    try:
        yield roundup.up()
    finally:
        if not os.environ.get(KEEP_VARIABLE):
            roundup.down()


@pytest.fixture(scope="session")
def systems() -> Iterator[Systems]:
    """The three of a hub, started side by side, stopped afterwards."""
    starts = (nautobot.up, request_tracker.up, karrio.up)
    try:
        with ThreadPoolExecutor(len(starts)) as pool:
            cmdb, desk, parcels = (future.result() for future in [pool.submit(start) for start in starts])
        assert isinstance(cmdb, Nautobot)
        assert isinstance(desk, RequestTracker)
        assert isinstance(parcels, Karrio)
        yield Systems(cmdb=cmdb, desk=desk, parcels=parcels)
    finally:
        if not os.environ.get(KEEP_VARIABLE):
            for stop in (nautobot.down, request_tracker.down, karrio.down):
                stop()
