from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest

from connector.clock import SystemClock
from connector.demo.story import device_changes
from connector_nautobot.sandbox import NautobotSandbox

TOKEN = "0f1e2d3c4b5a69788796a5b4c3d2e1f001234567"


async def test_a_device_that_changes_in_the_cmdb_is_told_of_once(monkeypatch: pytest.MonkeyPatch):
    cmdb = NautobotSandbox(SystemClock(), token=TOKEN)
    site = cmdb.add_location("Hamburg Port", cmdb.add_location_type("Site"))
    model = cmdb.add_device_type(cmdb.add_manufacturer("Acme"), "SW-48")
    device = cmdb.add_device("ham-1", device_type=model, location=site, serial="SN1")
    transport = httpx.ASGITransport(app=cmdb.app)
    real = httpx.AsyncClient
    monkeypatch.setattr(httpx, "AsyncClient", lambda **given: real(**given, transport=transport))
    monkeypatch.setattr("connector.demo.story.LOOK_SECONDS", 0)

    lines = device_changes("http://nautobot.test", TOKEN, since=datetime.now(UTC))
    cmdb.change(device, serial="SN2")
    told = [await anext(lines)]
    cmdb.change(device, status=cmdb.status("Decommissioning"))
    told.append(await anext(lines))

    assert told == [
        "CMDB: device ham-1 with serial SN2 at Hamburg Port is active",
        "CMDB: device ham-1 with serial SN2 at Hamburg Port is decommissioning",
    ]
