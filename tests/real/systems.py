"""The three real systems of a test run."""

from __future__ import annotations

from dataclasses import dataclass

from tests.real.karrio import Karrio
from tests.real.nautobot import Nautobot
from tests.real.request_tracker import RequestTracker


@dataclass(frozen=True, slots=True)
class Systems:
    """CMDB, service desk and courier."""

    cmdb: Nautobot
    desk: RequestTracker
    parcels: Karrio
